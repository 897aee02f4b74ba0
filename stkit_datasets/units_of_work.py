"""One unit of a source (a scene, log or take) turned into rows, and what a report says of it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from itertools import chain
from typing import Any

import pyarrow as pa

from stkit_datasets import schema
from stkit_datasets.errors import StkitError
from stkit_datasets.pseudo_labels.factors import current_table
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.sources.base import SPLITS, Source
from stkit_datasets.tasks.names import TASKS
from stkit_datasets.wording import Wording

_OWN = ("stkit_datasets",)


@dataclass
class Report:
    """What a build made, what it dropped and why.

    Attributes:
        units: scenes, logs or takes read.
        clips: clips read.
        tracks: tracks in them, counted once a clip.
        dropped: tracks that no question is about, by the first rule they missed.
        skipped: clips that a source could not give, by reason.
        questions: questions per task.
        failed: units that were given up with their error, only when that was asked for.
    """

    units: int = 0
    clips: int = 0
    tracks: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    questions: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)

    def add(self, other: Report) -> None:
        """Count another report in."""
        self.units += other.units
        self.clips += other.clips
        self.tracks += other.tracks
        self.dropped += other.dropped
        self.skipped += other.skipped
        self.questions += other.questions
        self.failed.update(other.failed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, keys sorted so that equal reports are equal bytes."""
        values: dict[str, Any] = dict(vars(self))
        for name in ("dropped", "skipped", "failed"):
            values[name] = dict(sorted(values[name].items()))
        values["questions"] = {str(task): self.questions.get(str(task), 0) for task in TASKS}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Report:
        """Read what ``to_dict`` wrote."""
        counters = {k: Counter(values[k]) for k in ("dropped", "skipped", "questions")}
        return cls(**{**values, **counters, "failed": dict(values["failed"])})

    def to_text(self) -> str:
        """Return the report as lines for a terminal."""
        total = sum(self.questions.values())
        lines = [f"{self.units} units, {self.clips} clips, {self.tracks} tracks, {total} questions"]
        for title, counts in (
            ("questions", {str(task): self.questions.get(str(task), 0) for task in TASKS}),
            ("tracks without questions", self.dropped),
            ("no clip", self.skipped),
        ):
            if counts:
                lines.append(f"{title}:")
                lines += [f"  {count:>8,}  {name}" for name, count in sorted(counts.items())]
        if self.failed:
            lines.append(f"units given up (on_error='skip'): {len(self.failed)}")
            lines += [f"  {unit}: {error}" for unit, error in sorted(self.failed.items())]
        return "\n".join(lines)


@dataclass(frozen=True)
class UnitRows:
    """The rows of one unit, clip by clip, and its report."""

    tables: tuple[pa.Table, ...]
    report: Report


def unit_rows(
    source: Source,
    split: str,
    unit: str,
    config: RowConfig,
    *,
    wording: Wording | None = None,
    on_error: str = "raise",
    ids: Collection[str] | None = None,
) -> UnitRows:
    """Read one unit and build its rows: the one function that every engine runs.

    Args:
        source: the opened source.
        split: ``train`` or ``validation``.
        unit: one of ``source.units(split)``.
        config: what decides the rows.
        wording: the sentences, where the caller has parsed them already.
        on_error: ``raise``, or ``skip`` to count a broken unit in the report and go on.
        ids: make only these rows.

    Raises:
        StkitError: the unit's files or images are broken.
    """
    report = Report(units=1)
    tables = []
    try:
        result = source.read(split, unit)
        report.skipped.update(entry.reason for entry in result.skipped)
        for clip in result.clips:
            rows = clip_rows(clip, config, wording, ids, unit)
            report.clips += 1
            report.tracks += rows.n_tracks
            report.dropped.update(rows.dropped)
            report.questions.update(rows.questions)
            if rows.table.num_rows:
                tables.append(rows.table)
    except StkitError as error:
        if on_error != "skip":
            raise
        return UnitRows((), Report(units=1, failed={unit: str(error)}))
    return UnitRows(tuple(tables), report)


def joined(tables: tuple[pa.Table, ...]) -> pa.Table:
    """One table of all rows of a unit, with the row schema even when there are none."""
    return pa.concat_tables([schema.arrow_schema().empty_table(), *tables])


@cache
def code_digest(*packages: str) -> str:
    """16 hex digits that change with any file of the packages: other code, other rows.

    Args:
        packages: their names; this package when none is given.
    """
    digest = hashlib.sha256()
    for name, content in chain.from_iterable(map(_package_files, packages or _OWN)):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def _package_files(package: str) -> Iterator[tuple[str, bytes]]:
    stack = [("", resources.files(package))]
    found = []
    while stack:
        prefix, folder = stack.pop()
        for entry in folder.iterdir():
            name = f"{prefix}{entry.name}"
            if entry.is_dir() and entry.name != "__pycache__":
                stack.append((f"{name}/", entry))
            elif name.endswith((".py", ".json")):
                found.append((name, entry.read_bytes()))
    yield from sorted(found)


def build_fingerprint(
    source: Source, config: RowConfig, splits: tuple[str, ...] = SPLITS, **more: Any
) -> str:
    """16 hex digits of all that decides a build's rows.

    Covers this package's code, the splits, the settings, the sentences, the factors of stated
    uncertainties, and name, size and modification time of every annotation file; a changed file is
    never a stale cache hit.
    """
    settings = {
        "code": code_digest(),
        "source": source.name,
        "splits": list(splits),  # a source without files, such as the simulation, has no other sign
        "config": asdict(config),
        "wording": config.wording.fingerprint,
        "uncertainty": asdict(current_table()),
        "files": [
            [split, str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns]
            for split in splits
            for path in source.index_files(split)
        ],
        **more,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
