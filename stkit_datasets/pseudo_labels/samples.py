"""Built rows as samples: what filters 2 and 3 decide over, counted by source and task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stkit_datasets import atomic, schema, shards
from stkit_datasets.build import write_card
from stkit_datasets.built import RowFile, built_files
from stkit_datasets.errors import ConfigError

_COLUMNS = ("id", "source", "clip_id", "camera", "task", "start_s", "end_s", "objects")

View = tuple[str, str, str, tuple[str, ...]]
"""Source, clip, camera and objects: what one video shows, whatever is asked about it."""


@dataclass(frozen=True)
class Sample:
    """One row, as filters see it.

    Attributes:
        id: of the row.
        source: where it is from.
        task: what it asks.
        view: its video; rows about the same objects share it.
        start_s: of the run that its target was computed over, in the clip.
        end_s: of the same.
    """

    id: str
    source: str
    task: str
    view: View
    start_s: float
    end_s: float


def read_samples(folder: Path) -> tuple[list[Sample], dict[str, list[RowFile]]]:
    """Read the rows of a finished build, without their video.

    Raises:
        SourceError: it is no finished build.
        ConfigError: an id appears twice.
    """
    files = built_files(folder)
    samples = [
        _sample(row)
        for own in files.values()
        for file in own
        for row in pq.read_table(file.path, columns=list(_COLUMNS)).to_pylist()
    ]
    twice = [name for name, n in Counter(sample.id for sample in samples).items() if n > 1]
    if twice:
        raise ConfigError(f"{folder}: row {twice[0]!r} appears twice")
    return samples, files


def _sample(row: dict[str, Any]) -> Sample:
    objects = tuple(sorted(entry["track_id"] for entry in row["objects"]))
    view = (row["source"], row["clip_id"], row["camera"], objects)
    return Sample(row["id"], row["source"], row["task"], view, row["start_s"], row["end_s"])


def counted(samples: Sequence[Sample]) -> dict[str, dict[str, int]]:
    """Count samples: source -> task -> how many."""
    out: dict[str, dict[str, int]] = {}
    for sample in samples:
        tasks = out.setdefault(sample.source, {})
        tasks[sample.task] = tasks.get(sample.task, 0) + 1
    return out


def write_kept(
    files: dict[str, list[RowFile]], folder: Path, kept: Collection[str], notes: dict[str, Any]
) -> None:
    """Write a build with some of the rows of another one; ``notes`` go into its reports.

    Every source keeps its shards, each with fewer rows; the bytes of what is kept are the same.
    """
    for source, own in files.items():
        target = folder / source
        sizes: dict[str, int] = {}
        for file in own:
            path = target / file.path.name
            with shards.writing(path, schema.features().arrow_schema) as writer:
                wanted = shards.group_rows(video=file.has_video)
                for table in shards.row_groups(_kept_tables(file.path, kept), wanted):
                    writer.write_table(table)
            sizes[path.name] = path.stat().st_size
        for stale in set(target.glob("*-of-*.parquet")) - {target / name for name in sizes}:
            stale.unlink()
        _write_report(own[0].path.parents[1], folder, source, sizes, notes)
    write_card(folder)


def _kept_tables(path: Path, kept: Collection[str]) -> Iterator[pa.Table]:
    for table in shards.tables_of(path):
        mask = pa.array([name in kept for name in table["id"].to_pylist()], pa.bool_())
        yield table.filter(mask)


def _write_report(
    built: Path, folder: Path, source: str, sizes: dict[str, int], notes: dict[str, Any]
) -> None:
    report = json.loads((built / "reports" / f"{source}.json").read_text(encoding="utf-8"))
    tasks = Counter[str]()
    for name in sizes:
        table = pq.read_table(folder / source / name, columns=["task"])
        tasks.update(table["task"].to_pylist())
    report["shards"] = sizes
    report["questions"] = {task: tasks[task] for task in report.get("questions", tasks)}
    report["filters"] = notes
    report.pop("by_split", None)  # counts from before the filters
    # Another build of this source must not take these rows for its own.
    report["fingerprint"] = f"filtered-{report.get('fingerprint', '')}"
    path = folder / "reports" / f"{source}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, json.dumps(report, indent=2, sort_keys=True) + "\n")
