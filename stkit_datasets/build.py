"""Build a source into Parquet shards, unit by unit, so that a killed build goes on where it was."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from stkit_datasets import atomic, build_report, schema, shards
from stkit_datasets.build_report import BuiltSplit, added
from stkit_datasets.built import RowFile, rows_note
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.progress import Progress
from stkit_datasets.rows import RowConfig
from stkit_datasets.shards import SHARD_BYTES
from stkit_datasets.sources import open_source
from stkit_datasets.sources.base import SPLITS, Source
from stkit_datasets.units_of_work import Report, build_fingerprint, joined, unit_rows
from stkit_datasets.wording import Wording

logger = logging.getLogger(__name__)

_REPORT_KEY = b"stkit_report"


@dataclass(frozen=True)
class BuildConfig:
    """What to build and how.

    Attributes:
        source: a key of ``stkit_datasets.sources.SOURCES``.
        data_dir: the folder with the official files.
        out: the folder to write to; several sources can share one.
        splits: the splits to build.
        rows: what decides the rows.
        source_options: the source's own settings.
        engine: how many units are built at once, and where. Machines of a cluster must see the
            data folder and ``out`` under the same paths.
        on_error: ``raise``, or ``skip`` to count a broken unit in the report and go on.
        shard_bytes: about how large a shard gets.
        selected: unit -> ids of the only rows to make, for a benchmark; other units are not read.
        shard_names: split -> what its shards are called, where it is not the split's own name.
    """

    source: str
    data_dir: Path | None
    out: Path
    splits: tuple[str, ...] = SPLITS
    rows: RowConfig = field(default_factory=RowConfig)
    source_options: dict[str, Any] = field(default_factory=dict)
    engine: Engine = field(default_factory=Engine)
    on_error: str = "raise"
    shard_bytes: int = SHARD_BYTES
    selected: Mapping[str, frozenset[str]] | None = None
    shard_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.splits) - set(SPLITS)
        if unknown or not self.splits:
            raise ConfigError(
                f"splits must be among {', '.join(SPLITS)}, got {list(self.splits)!r}"
            )
        if self.on_error not in ("raise", "skip"):
            raise ConfigError(f"on_error must be one of raise, skip, got {self.on_error!r}")
        if self.shard_bytes < 1:
            raise ConfigError(f"shard_bytes must be at least 1, got {self.shard_bytes}")


def build(config: BuildConfig, *, progress: bool = True) -> Report:
    """Build all splits of a source into ``out/SOURCE/SPLIT-NNNNN-of-NNNNN.parquet``.

    The same build, finished earlier, is not done again: its report is returned. Every finished
    unit is kept in ``out/.unfinished`` until its split is whole; a build that was
    killed reads them and ends in the same bytes. Nothing half-written ever stands where a
    finished shard would be.

    Args:
        config: what to build.
        progress: show a bar with units done, questions, rate and time left.

    Returns:
        What was made, dropped and skipped.

    Raises:
        ConfigError: a setting is wrong.
        SourceError: a file of the source is missing or broken, and ``on_error`` is ``raise``; or
            the data folder holds no unit of the splits.
    """
    source = open_source(config.source, config.data_dir, config.source_options)
    fingerprint = build_fingerprint(
        source,
        config.rows,
        config.splits,
        on_error=config.on_error,
        options=json.dumps(config.source_options, sort_keys=True, default=str),
        selected=None
        if config.selected is None
        else {unit: sorted(ids) for unit, ids in config.selected.items()},
    )
    units = {
        split: [
            unit
            for unit in source.units(split)
            if config.selected is None or unit in config.selected
        ]
        for split in config.splits
    }
    if not any(units.values()):
        raise SourceError(
            str(config.data_dir), f"no {' or '.join(config.splits)} units of {config.source!r}"
        )
    finished = _finished_report(config, fingerprint, units)
    if finished is not None:
        return finished
    unfinished = config.out / ".unfinished" / f"{config.source}-{fingerprint}"
    with _alone(config):
        return _build(config, source, fingerprint, units, unfinished, progress)


@contextmanager
def _alone(config: BuildConfig) -> Iterator[None]:
    """Hold the source's place in ``out``: two builds at once would take each other's units away."""
    config.out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(config.out / f".{config.source}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise ConfigError(
            f"{config.out}: another build of source {config.source!r} is writing here"
        ) from error
    try:
        yield
    finally:
        Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()


def _build(
    config: BuildConfig,
    source: Source,
    fingerprint: str,
    units: Mapping[str, Sequence[str]],
    unfinished: Path,
    progress: bool,
) -> Report:
    made: dict[str, Report] = {}
    folder = config.out / config.source
    _remove_leftovers(config, folder)
    for split, names in units.items():
        if not names:
            continue
        report = Report()
        paths = [unfinished / split / f"{name}.parquet" for name in names]
        with Progress(f"{config.source} {split}", len(names), progress) as bar:
            for unit_report in _built_units(source, split, names, paths, config, bar):
                report.add(unit_report)
        _write_shards(paths, folder, config.shard_names.get(split, split), config)
        made[split] = report
    build_report.write(
        _report_path(config),
        config.source,
        {
            split: BuiltSplit(fingerprint, asdict(config.rows), _shards(config, split), report)
            for split, report in made.items()
        },
        folder,
    )
    write_card(config.out)
    # What older versions or settings left unfinished is superseded too.
    for rest in unfinished.parent.glob(f"{config.source}-*"):
        shutil.rmtree(rest)
    _remove_if_empty(unfinished.parent)
    return added(made.values())


def _remove_leftovers(config: BuildConfig, folder: Path) -> None:
    """Remove temporary files of runs that were killed."""
    for place in (config.out, config.out / "reports"):
        atomic.remove_leftovers(place)  # shared with builds of other sources, which may run now
    for place in (folder, *config.out.glob(f".unfinished/{config.source}-*/*")):
        for stale in place.glob(".*.tmp"):
            stale.unlink(missing_ok=True)


def _finished_report(
    config: BuildConfig, fingerprint: str, units: Mapping[str, Sequence[str]]
) -> Report | None:
    """The report of this very build when an earlier run has finished it, else None."""
    known = build_report.read(_report_path(config))
    reports = []
    for split in (split for split, names in units.items() if names):
        built = known.get(split)
        if built is None or built.fingerprint != fingerprint:
            return None
        if built.shards != _shards(config, split):
            return None
        reports.append(built.report)
    return added(reports)


def _report_path(config: BuildConfig) -> Path:
    return config.out / "reports" / f"{config.source}.json"


def _shards(config: BuildConfig, split: str) -> dict[str, int]:
    """Name and size of every shard of a split: a lost or cut one is no finished build."""
    paths = _shard_paths(config.out / config.source, config.shard_names.get(split, split))
    return {path.name: path.stat().st_size for path in paths}


def _shard_paths(folder: Path, name: str) -> list[Path]:
    return sorted(folder.glob(f"{name}-*-of-*.parquet"))


def _built_units(
    source: Source,
    split: str,
    names: Sequence[str],
    paths: Sequence[Path],
    config: BuildConfig,
    bar: Progress,
) -> Iterator[Report]:
    """Yield the report of every unit, building those that no earlier run has finished."""
    jobs = []
    for name, path in zip(names, paths, strict=True):
        kept = _kept_report(path)
        if kept is not None:
            bar.count(kept, built=False)
            yield kept
            continue
        ids = None if config.selected is None else config.selected[name]
        jobs.append(_Job(source, split, name, path, config.rows, config.on_error, ids))
    for report in config.engine.run(_build_unit, jobs):
        bar.count(report)
        yield report


@dataclass(frozen=True)
class _Job:
    source: Source
    split: str
    unit: str
    path: Path
    rows: RowConfig
    on_error: str
    ids: frozenset[str] | None


def _build_unit(job: _Job) -> Report:
    built = unit_rows(
        _opened(job),
        job.split,
        job.unit,
        job.rows,
        wording=_wording(job.rows),
        on_error=job.on_error,
        ids=job.ids,
    )
    table = joined(built.tables).replace_schema_metadata(
        {_REPORT_KEY: json.dumps(built.report.to_dict()).encode()}
    )
    with shards.writing(job.path, table.schema) as writer:
        writer.write_table(table, row_group_size=shards.group_rows(video=job.rows.video != "none"))
    return built.report


_sources: dict[Path, Source] = {}


def _opened(job: _Job) -> Source:
    """The build's source as this process first met it: what that keeps of its tables stays."""
    build = job.path.parents[1]  # named by the fingerprint of all that decides the rows
    if build not in _sources:
        _sources.clear()
        _sources[build] = job.source
    return _sources[build]


_parsed: dict[str, Wording] = {}


def _wording(config: RowConfig) -> Wording:
    key = str(config.wording_path)
    if key not in _parsed:
        _parsed[key] = config.wording
    return _parsed[key]


def _kept_report(path: Path) -> Report | None:
    """The report of a unit that an earlier run finished, or None."""
    if not path.exists():
        return None
    metadata = pq.read_metadata(path).metadata or {}
    return Report.from_dict(json.loads(metadata[_REPORT_KEY]))


def _write_shards(paths: Sequence[Path], folder: Path, split: str, config: BuildConfig) -> None:
    """Join unit files, in order, into shards; old shards of the split give way at the end."""
    groups: list[list[Path]] = [[]]
    size = 0
    for path in paths:
        unit_bytes = path.stat().st_size
        if groups[-1] and size + unit_bytes > config.shard_bytes:
            groups.append([])
            size = 0
        groups[-1].append(path)
        size += unit_bytes
    old = set(_shard_paths(folder, split))
    full_schema = schema.features().arrow_schema
    group_rows = shards.group_rows(video=config.rows.video != "none")
    written = set()
    for number, group in enumerate(groups):
        target = folder / f"{split}-{number:05d}-of-{len(groups):05d}.parquet"
        tables = chain.from_iterable(map(shards.tables_of, group))
        with shards.writing(target, full_schema) as writer:
            for table in shards.row_groups(tables, group_rows):
                writer.write_table(table.replace_schema_metadata(None).cast(full_schema))
        written.add(target)
    for path in old - written:
        path.unlink()


def write_card(out: Path) -> None:
    """Write the README whose YAML makes ``load_dataset(out, SOURCE)`` work without STKit."""
    lines = ["---", "configs:"]
    for folder in sorted(path for path in out.iterdir() if path.is_dir()):
        splits = [split for split in SPLITS if _shard_paths(folder, split)]
        if splits:
            shown = [p for split in splits for p in _shard_paths(folder, split)]
            note = rows_note(RowFile(folder.name, "", path) for path in shown)
            lines += [f"- config_name: {folder.name}", f"  description: {note}", "  data_files:"]
            for split in splits:
                lines += [f"  - split: {split}", f"    path: {folder.name}/{split}-*.parquet"]
    lines += [
        "---",
        "",
        "# STKit rows",
        "",
        "Kinematic questions about video clips, built by STKit. `load_dataset` on this folder,",
        "with the name of a source, gives the rows; `reports/` says what each build made and",
        "dropped. The rows come under the licence of the data they were made from.",
        "",
    ]
    atomic.write_text(out / "README.md", "\n".join(lines))


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
