"""The report in a folder of rows: what each split of a source was built with, and what came of it.

Splits may be built one after the other, so each has a part of its own, and the totals are of all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_datasets import atomic
from stkit_datasets.sources.base import SPLITS
from stkit_datasets.units_of_work import Report


@dataclass(frozen=True)
class BuiltSplit:
    """One split of a source.

    Attributes:
        fingerprint: of all that decided the rows of the build that made it.
        rows: the settings of the rows, as plain values.
        shards: name -> bytes.
        report: what was made, dropped and skipped.
    """

    fingerprint: str
    rows: Mapping[str, Any]
    shards: Mapping[str, int]
    report: Report

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        parts = {"fingerprint": self.fingerprint, "rows": self.rows, "shards": dict(self.shards)}
        return {**parts, **self.report.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> BuiltSplit:
        """Read what ``to_dict`` wrote."""
        report = Report.from_dict({key: values[key] for key in Report().to_dict()})
        return cls(values["fingerprint"], values["rows"], values["shards"], report)


def added(reports: Iterable[Report]) -> Report:
    """Return the sum of reports."""
    total = Report()
    for report in reports:
        total.add(report)
    return total


def read(path: Path) -> dict[str, BuiltSplit]:
    """Return the splits that a report tells of, none where it is not one of ``write``.

    A report that was made of another one, such as that of filtered rows, is none either.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = {name: BuiltSplit.from_dict(part) for name, part in content["by_split"].items()}
        return found if content["fingerprint"] == _fingerprint(found) else {}
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write(path: Path, source: str, made: Mapping[str, BuiltSplit], folder: Path) -> None:
    """Write the report of splits beside what it told of others that still stand.

    Args:
        path: the report.
        source: its name.
        made: the splits that were built now.
        folder: where the shards lie.
    """
    kept = {
        split: built
        for split, built in read(path).items()
        if split not in made and _stands(built, folder)
    }
    splits = {split: part for split in SPLITS if (part := made.get(split) or kept.get(split))}
    content = {
        "source": source,
        "splits": list(splits),
        "fingerprint": _fingerprint(splits),
        "shards": {name: size for part in splits.values() for name, size in part.shards.items()},
        "by_split": {split: part.to_dict() for split, part in splits.items()},
        **added(part.report for part in splits.values()).to_dict(),
    }
    atomic.write_text(path, json.dumps(content, indent=2, sort_keys=True) + "\n")


def _stands(built: BuiltSplit, folder: Path) -> bool:
    paths = {folder / name: size for name, size in built.shards.items()}
    return all(path.is_file() and path.stat().st_size == size for path, size in paths.items())


def _fingerprint(splits: Mapping[str, BuiltSplit]) -> str:
    told = [[name, splits[name].fingerprint] for name in sorted(splits)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]
