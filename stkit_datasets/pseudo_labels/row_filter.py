"""Filters 2 and 3 over a build of pseudo-labelled rows, one after the other."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_datasets import atomic
from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.judgements import Responses, filter_by_judgement
from stkit_datasets.pseudo_labels.likelihoods import filter_by_likelihood
from stkit_datasets.pseudo_labels.samples import Sample, counted

RECORD = "filters.json"
"""What filters did, beside the rows that they left."""
DROPPED = "dropped.jsonl"
"""Which rows they dropped: a line each with ``id``, ``filter`` and ``reasons``."""
_VERSION_KEY, _VERSION = "stkit_filters", 1
VLM, LIKELIHOOD = "filter 2, VLM", "filter 3, likelihood"


@dataclass(frozen=True)
class StageReport:
    """What one filter did.

    Attributes:
        name: which.
        before: source -> task -> rows that it was given.
        after: the same of those that it left.
        dropped: reason -> rows; a row may have several.
        waiting: rows that nothing is known of: neither dropped nor passed.
    """

    name: str
    before: dict[str, dict[str, int]]
    after: dict[str, dict[str, int]]
    dropped: dict[str, int]
    waiting: int

    def to_text(self) -> str:
        """Say it in lines."""
        given, left = total(self.before), total(self.after)
        lines = [
            f"{self.name}: {given:,} samples, {given - left:,} dropped, {left:,} left"
            + (f", {self.waiting:,} of them not decided" if self.waiting else "")
        ]
        lines += [f"  {count:>8,}  {reason}" for reason, count in self.dropped.items() if count]
        return "\n".join(lines)


def total(counts: Mapping[str, Mapping[str, int]]) -> int:
    """Sum over sources and tasks."""
    return sum(sum(tasks.values()) for tasks in counts.values())


@dataclass(frozen=True)
class Filtered:
    """What the filters made of the rows.

    Attributes:
        kept: the rows that stay.
        dropped: id of another -> the filter that dropped it, and why.
        reports: what each filter did.
    """

    kept: Sequence[Sample]
    dropped: Mapping[str, tuple[str, tuple[str, ...]]]
    reports: Sequence[StageReport]


def apply_filters(
    samples: Sequence[Sample],
    responses: Responses | None,
    likelihoods: Mapping[str, float] | None,
) -> Filtered:
    """Run filter 2, then filter 3 on what it left; None leaves a filter out.

    Rows without a whole judgement or without a likelihood are counted as ``waiting`` and stay.
    """
    left, reports = list(samples), []
    dropped: dict[str, tuple[str, tuple[str, ...]]] = {}
    for name, evidence in ((VLM, responses), (LIKELIHOOD, likelihoods)):
        if evidence is None:
            continue
        if name == VLM:
            gone, waiting = _by_judgement(left, responses or {})
        else:
            gone, waiting = _by_likelihood(left, likelihoods or {})
        after = [sample for sample in left if sample.id not in gone]
        reasons = Counter(reason for why in gone.values() for reason in why)
        counts = counted(left), counted(after)
        reports.append(StageReport(name, *counts, dict(sorted(reasons.items())), waiting))
        dropped |= {row_id: (name, why) for row_id, why in gone.items()}
        left = after
    return Filtered(left, dropped, reports)


_Gone = dict[str, tuple[str, ...]]


def _by_judgement(samples: Sequence[Sample], responses: Responses) -> tuple[_Gone, int]:
    found = filter_by_judgement(samples, responses)
    return dict(found.dropped), len(found.waiting)


def _by_likelihood(
    samples: Sequence[Sample], likelihoods: Mapping[str, float]
) -> tuple[_Gone, int]:
    known = [sample for sample in samples if sample.id in likelihoods]
    found = filter_by_likelihood(
        [sample.id for sample in known],
        [sample.task for sample in known],
        [likelihoods[sample.id] for sample in known],
    )
    kept = set(found.kept)
    gone: _Gone = {s.id: (f"likelihood: {s.task}",) for s in known if s.id not in kept}
    return gone, len(samples) - len(known)


def write_record(folder: Path, found: Filtered, settings: dict[str, Any]) -> None:
    """Write what the filters did beside the rows that they left."""
    content = {
        _VERSION_KEY: _VERSION,
        "settings": settings,
        "stages": [vars(report) for report in found.reports],
    }
    lines = [
        json.dumps({"id": row_id, "filter": name, "reasons": why}, sort_keys=True) + "\n"
        for row_id, (name, why) in found.dropped.items()
    ]
    atomic.write_text(folder / DROPPED, "".join(lines))
    atomic.write_text(folder / RECORD, json.dumps(content, indent=2, sort_keys=True) + "\n")


def read_record(folder: Path) -> list[StageReport]:
    """Read what ``write_record`` wrote.

    Raises:
        SourceError: it is not there, or no such file.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content[_VERSION_KEY] != _VERSION:
            raise ValueError(f"version {content[_VERSION_KEY]!r}")
        return [StageReport(**stage) for stage in content["stages"]]
    except OSError as error:
        raise SourceError(path, "expected what `stkit pseudo-label-filter` wrote") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(path, f"not a record of filters: {error}") from error
