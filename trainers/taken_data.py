"""The data of a run as it was taken, for the facts beside its weights: counts, kinds, digests."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from glob import glob
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stkit_datasets.built import RowFile
from trainers.mixture import Mixture
from trainers.model_licence import published_name
from trainers.samples import ROW_FORMATS
from trainers.sources import Source, SourceConfig

_COLUMNS = ("source", "clip_id", "camera", "task", "fps", "domain", "target")
_HUB_COMMIT = re.compile(r"@([0-9a-f]{40})/")
_HASHED_BYTES = 4 << 30
"""Lists of records beyond this are not read through for a digest: OpenSpatialDataset's is 32 GB."""

Facts = dict[str, Any]


def plain_source(config: SourceConfig) -> Facts:
    """Return the fields of a source that are set, without folders of the machine."""
    found: Facts = {"name": config.name, "path": unplaced(config.path)}
    for f in fields(SourceConfig):
        value = getattr(config, f.name)
        if f.name not in found and value != f.default and value != {}:
            found[f.name] = unplaced(value) if f.name in ("media", "wording") else value
    return found


def unplaced(path: str) -> str:
    """Return a path without the folders of a machine."""
    return Path(path).name if Path(path).is_absolute() else path


def taken(mixture: Mixture, *, streaming: bool) -> list[Facts]:
    """Return for every source how many samples were taken, of what, and which revision it has.

    Args:
        mixture: the samples of a run; prepared unless they are streamed.
        streaming: whether they are.
    """
    counts = mixture.counts
    found = []
    for number, source in enumerate(mixture.sources):
        rows = None
        if not streaming:
            owner, row = mixture.places
            rows = row[owner == number]
        found.append(_source(source, rows, counts[number]))
    return found


def _source(source: Source, rows: Any, asked: int | None) -> Facts:
    config = source.config
    samples = asked if rows is None else len(rows)
    composition = None
    if config.format in ROW_FORMATS:
        table = _light_rows(source, rows, asked)
        samples, composition = table.num_rows, _composition(table)
    local = source.path.exists() or config.path.endswith((".json", ".jsonl"))
    return {
        **{key: value for key, value in plain_source(config).items() if key != "count"},
        "format": config.format,
        "place": "folder" if local else "hub",
        "data_set": published_name(config.path),
        "samples": samples,
        # Of records that are streamed nobody knows how many there are until the end.
        "at_most": rows is None and composition is None,
        "revision": None if local else _hub_commit(source, rows),
        "digest": _source_digest(source) if local else None,
        "rows": composition,
    }


def _light_rows(source: Source, rows: Any, asked: int | None) -> pa.Table:
    """Return the taken rows' columns that facts are made from, without any video."""
    if rows is not None:
        light = source.records.select_columns(list(_COLUMNS)).select(rows)  # type: ignore[attr-defined]
        found: pa.Table = light.with_format("arrow")[:]
        return found
    if source.config.held_out:
        return _light_rows(source, source.kept[:asked], asked)
    where = source.config.where
    light = source._load(streaming=True).select_columns(list(dict.fromkeys([*_COLUMNS, *where])))
    taken, n = [], 0
    for batch in light.with_format("arrow").iter(batch_size=1000):
        for column, values in where.items():
            batch = batch.filter(pc.is_in(batch.column(column), pa.array(values)))
        taken.append(batch.select(list(_COLUMNS)))
        n += batch.num_rows
        if asked is not None and n >= asked:
            break
    return pa.concat_tables(taken).slice(0, asked)


def _composition(table: pa.Table) -> dict[str, Facts]:
    """Return for every source of STKit among the rows what they are about."""
    found = {}
    for name in sorted(pc.unique(table.column("source")).to_pylist()):
        part = table.filter(pc.equal(table.column("source"), name))
        tasks = part.column("task").value_counts().to_pylist()
        value = pc.struct_field(part.column("target"), "value_si")
        found[name] = {
            "samples": part.num_rows,
            "clips": pc.count_distinct(part.column("clip_id")).as_py(),
            "tasks": {entry["values"]: entry["counts"] for entry in tasks},
            "cameras": sorted(pc.unique(part.column("camera").drop_null()).to_pylist()),
            "fps": sorted(pc.unique(part.column("fps").drop_null()).to_pylist()),
            "domains": sorted(pc.unique(part.column("domain").drop_null()).to_pylist()),
            "distance_m": _range(value, part, "traveled_distance"),
            "speed_mps": _range(value, part, "traveling_speed"),
        }
    return found


def _range(value: Any, part: pa.Table, task: str) -> list[float] | None:
    picked = value.filter(pc.equal(part.column("task"), task)).drop_null()
    if not len(picked):
        return None
    numbers = np.asarray(picked)
    return [round(float(edge), 2) for edge in (numbers.min(), np.median(numbers), numbers.max())]


def _hub_commit(source: Source, rows: Any) -> str | None:
    """Return the commit of a data set on the Hub, where the loader tells it."""
    if rows is None or not hasattr(source.records, "info"):
        return None
    for name in source.records.info.download_checksums or ():
        match = _HUB_COMMIT.search(name)
        if match:
            return match[1]
    return None


def _source_digest(source: Source) -> str | None:
    """Return what changes with a source's records: SHA-256 of its lists, or of Parquet footers."""
    config, path = source.config, source.path
    if config.path.endswith((".json", ".jsonl")) or config.format == "vlm4d":
        pattern = str(path / "data" / "*.json") if config.format == "vlm4d" else str(path)
        files = [Path(name) for name in sorted(glob(pattern, recursive=True))]
        return digest_of(files) if sum(f.stat().st_size for f in files) <= _HASHED_BYTES else None
    folder = path / config.config if config.config and (path / config.config).is_dir() else path
    files = sorted(folder.rglob(f"{config.split}-*.parquet")) or sorted(folder.rglob("*.parquet"))
    if not files:
        return None
    digests = [[f.name, RowFile(f.parent.name, config.split, f).digest] for f in files]
    return f"sha256:{hashlib.sha256(json.dumps(digests).encode()).hexdigest()}"


def digest_of(files: Sequence[Path]) -> str:
    """Return the SHA-256 of some files, names, sizes and contents."""
    whole = hashlib.sha256()
    for file in files:
        whole.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        with file.open("rb") as opened:
            whole.update(hashlib.file_digest(opened, "sha256").digest())
    return f"sha256:{whole.hexdigest()}"
