"""The papers' Table 10 for one's own data: samples, low quality and error after each filter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.judge import CRITERIA
from stkit_datasets.pseudo_labels.judgements import Responses, low_quality
from stkit_datasets.pseudo_labels.question_errors import key_of
from stkit_datasets.pseudo_labels.row_filter import (
    DROPPED,
    LIKELIHOOD,
    VLM,
    read_record,
)
from stkit_datasets.pseudo_labels.samples import Sample, counted
from stkit_datasets.tasks.names import TASKS, Task

UNFILTERED, RULES = "no filter", "filter 1, rules"
_TITLES = {UNFILTERED: "none", RULES: "1", VLM: "1-2", LIKELIHOOD: "1-3"}

PAPER: Mapping[str, tuple[str, ...]] = {
    "occlusion": ("12,035", "2,123", "348", "174"),
    "camera_motion": ("28", "4", "4", "3"),
    "detection": ("9,278", "1,463", "419", "206"),
    "tracking": ("118,856", "18,274", "9,905", "5,962"),
    "error": ("207%", "", "", "29%"),
}
"""[P2 Table 10 and B.2]: samples of low quality without filters and after each, and the error."""


@dataclass(frozen=True)
class Stage:
    """What is left after a filter.

    Attributes:
        name: the last filter that ran.
        samples: the rows.
        errors: key of a question (``question_errors.key_of``) -> |pred - gt| / gt of its traveled
            distance, where the truth is known.
    """

    name: str
    samples: Sequence[Sample]
    errors: Mapping[str, float] = field(default_factory=dict)

    @property
    def own_errors(self) -> np.ndarray:
        """Errors of the samples on traveled distance whose truth is known."""
        keys = (
            key_of(s.view[1], s.task, s.view[3], s.start_s, s.end_s)
            for s in self.samples
            if s.task == Task.TRAVELED_DISTANCE
        )
        return np.array([self.errors[key] for key in keys if key in self.errors])


def filtered_stages(
    samples: Sequence[Sample], folder: Path, errors: Mapping[str, float]
) -> list[Stage]:
    """Return what filters 2 and 3 left of rows, by what they wrote.

    Args:
        samples: the rows that the filters were given.
        folder: where ``stkit pseudo-label-filter`` wrote.
        errors: as in ``Stage``.

    Raises:
        SourceError: the filters were given other rows.
    """
    reports = read_record(folder)
    gone = _dropped(folder)
    left, stages = list(samples), []
    for report in reports:
        if counted(left) != report.before:
            raise SourceError(folder, f"{report.name} was given other rows than --rows")
        left = [sample for sample in left if gone.get(sample.id) != report.name]
        stages.append(Stage(report.name, left, errors))
    return stages


def _dropped(folder: Path) -> dict[str, str]:
    path = folder / DROPPED
    try:
        lines: list[Any] = [json.loads(s) for s in path.read_text(encoding="utf-8").splitlines()]
        return {str(line["id"]): str(line["filter"]) for line in lines}
    except OSError as error:
        raise SourceError(path, "expected what `stkit pseudo-label-filter` wrote") from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(path, f"not a list of dropped rows: {error}") from error


def table_text(stages: Sequence[Stage], audit: Responses | None = None) -> str:
    """Lay the stages out side by side, the papers' figures below.

    Args:
        stages: from no filter on, each after the one before.
        audit: what a model said of each video, usually a stronger one than filter 2's.
    """
    names = [stage.name for stage in stages]
    columns = [counted(stage.samples) for stage in stages]
    lines = ["samples after filters", _line("", [_TITLES.get(name, name) for name in names])]
    for source in sorted({name for column in columns for name in column}):
        for task in TASKS:
            counts = [column.get(source, {}).get(str(task), 0) for column in columns]
            if any(counts):
                lines.append(_line(f"{source} {task}", [f"{n:,}" for n in counts]))
    sizes = [len(stage.samples) for stage in stages]
    lines.append(_line("all", [f"{n:,}" for n in sizes]))
    drops = ["", *(f"{before - after:,}" for before, after in pairwise(sizes))]
    lines.append(_line("dropped by the last", drops))
    if audit is not None:
        lines += _audit_lines(stages, audit)
    errors = [stage.own_errors for stage in stages]
    if any(len(part) for part in errors):
        lines.append("|pred - gt| / gt of traveled distance")
        told = [f"{part.mean():.1%}" if len(part) else "-" for part in errors]
        lines.append(_line("  mean", told))
        told = [f"{float(np.median(part)):.1%}" if len(part) else "-" for part in errors]
        lines.append(_line("  median", told))
        lines.append(_line("  samples of known truth", [f"{len(part):,}" for part in errors]))
        lines.append(_line("  the paper, nuScenes", _papers("error", names)))
    return "\n".join(lines)


def _audit_lines(stages: Sequence[Stage], audit: Responses) -> list[str]:
    found = [low_quality(stage.samples, audit) for stage in stages]
    names = [stage.name for stage in stages]
    lines = ["samples of low quality"]
    for name in CRITERIA:
        lines.append(_line(f"  {name}", [f"{counts[name]:,}" for counts in found]))
        lines.append(_line("    the paper", _papers(name, names)))
    lines.append(_line("  samples judged", [f"{counts['judged']:,}" for counts in found]))
    return lines


def _papers(row: str, names: Sequence[str]) -> list[str]:
    told = dict(zip(_TITLES, PAPER[row], strict=True))
    return [told.get(name, "") for name in names]


def _line(name: str, values: Sequence[str]) -> str:
    return f"{name:<48}" + "".join(f"{value:>12}" for value in values)
