"""A built folder made ready to be passed on: Parquet shards with their video inside, and a card.

The export needs nothing of ours to be read: ``load_dataset(folder, source)`` works, and streams,
with ``datasets`` alone. Video of sources whose licence does not let it be passed on to anybody is
left out unless the user names the source.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from tqdm import tqdm

from stkit_datasets import atomic, schema, shards
from stkit_datasets._version import __version__
from stkit_datasets.built import SHARD_NAME, RowFile, built_files, row_files
from stkit_datasets.card import dataset_card
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.licences import licence
from stkit_datasets.manifest import CARD, FORMAT, MANIFEST, Exported, Manifest, SplitSize

_UNFINISHED = ".unfinished"
_WRITTEN = "all-written"
_BYTES_KEY = b"stkit_arrow_bytes"


@dataclass(frozen=True)
class ExportConfig:
    """What to export and where to.

    Attributes:
        built: a folder that ``stkit build`` has written.
        out: the folder to write to, empty or with an earlier export.
        include_video: sources whose video goes in although their licence does not let everybody
            have it; the user vouches for it by naming them.
        shard_bytes: about how large a shard gets.
    """

    built: Path
    out: Path
    include_video: tuple[str, ...] = ()
    shard_bytes: int = shards.SHARD_BYTES

    def __post_init__(self) -> None:
        for name in self.include_video:
            licence(name)
        if self.shard_bytes < 1:
            raise ConfigError(f"shard_bytes must be at least 1, got {self.shard_bytes}")
        built, out = self.built.resolve(), self.out.resolve()
        if out == built or built in out.parents or out in built.parents:
            raise ConfigError(
                f"out must be a folder apart from the built one, got {self.out} and {self.built}"
            )

    def takes_video(self, source: str) -> bool:
        """Whether this source's video goes in."""
        return licence(source).video or source in self.include_video


@dataclass(frozen=True)
class _Shard:
    """One file to write: its name in the export, and row groups as (built file, index)."""

    name: str
    groups: tuple[tuple[Path, int], ...]
    video: bool


def export(config: ExportConfig, *, progress: bool = True) -> Manifest:
    """Export a built folder; one that was killed goes on where it was and ends in the same bytes.

    Shards are written aside first. Only when all are whole do they replace those of an earlier
    export; the manifest comes last and says that the export is finished.

    Args:
        config: what to export.
        progress: show a bar of shards.

    Raises:
        ConfigError: a setting is wrong, or the licence of a source is not known.
        SourceError: the built folder is unfinished or broken, or ``out`` holds something else.
    """
    files = built_files(config.built)
    unknown = sorted(set(config.include_video) - set(files))
    if unknown:
        raise ConfigError(
            f"include_video names {', '.join(unknown)}, but {config.built} holds {', '.join(files)}"
        )
    _check_out(config.out)
    fingerprint = _fingerprint(config, files)
    staged = config.out / _UNFINISHED / fingerprint
    manifest = Manifest.read(config.out) if (config.out / MANIFEST).exists() else None
    if manifest is None or manifest.fingerprint != fingerprint or not manifest.is_whole(config.out):
        plan = _plan(files, config)
        _write_shards(plan, staged, progress)
        _move_into_place(plan, staged, config.out)
        manifest = _manifest(config, files, fingerprint)
        atomic.write_text(config.out / CARD, dataset_card(manifest))
        manifest.write(config.out)
    shutil.rmtree(config.out / _UNFINISHED, ignore_errors=True)
    atomic.remove_leftovers(config.out)
    return manifest


def _check_out(out: Path) -> None:
    """Refuse a folder with other things in it: an export replaces nothing but an export."""
    if not out.exists() or (out / MANIFEST).exists() or (out / _UNFINISHED).is_dir():
        return
    found = sorted(path.name for path in out.iterdir()) if out.is_dir() else ["a file"]
    if found:
        raise SourceError(
            out, f"expected an empty folder or an earlier export, found {', '.join(found[:5])}"
        )


def _fingerprint(config: ExportConfig, files: dict[str, list[RowFile]]) -> str:
    """16 hex digits of all that decides the bytes: settings, version and what the files hold."""
    state = {
        "format": FORMAT,
        "version": __version__,
        "pyarrow": pa.__version__,
        "video": [source for source in files if config.takes_video(source)],
        "shard_bytes": config.shard_bytes,
        "files": {
            source: [[file.path.name, file.digest] for file in its] for source, its in files.items()
        },
    }
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()[:16]


def _plan(files: dict[str, list[RowFile]], config: ExportConfig) -> list[_Shard]:
    """Cut every split into shards by the sizes that the built files' footers tell."""
    plan = []
    for source, its in files.items():
        video = config.takes_video(source)
        for split in dict.fromkeys(file.split for file in its):
            cut = _cut([file for file in its if file.split == split], video, config.shard_bytes)
            for number, groups in enumerate(cut):
                name = f"{source}/{split}-{number:05d}-of-{len(cut):05d}.parquet"
                plan.append(_Shard(name, tuple(groups), video))
    return plan


def _cut(files: Sequence[RowFile], video: bool, shard_bytes: int) -> list[list[tuple[Path, int]]]:
    cut: list[list[tuple[Path, int]]] = [[]]
    size = 0
    for file in files:
        for index, group_bytes in enumerate(file.group_bytes(video)):
            if cut[-1] and size + group_bytes > shard_bytes:
                cut.append([])
                size = 0
            cut[-1].append((file.path, index))
            size += group_bytes
    return cut


def _write_shards(plan: Sequence[_Shard], staged: Path, progress: bool) -> None:
    if (staged / _WRITTEN).exists():
        return  # what is not here any more stands in its place
    for leftover in staged.rglob(".*.tmp"):
        leftover.unlink(missing_ok=True)
    total = sum(len(shard.groups) for shard in plan)
    with tqdm(total=total, desc="export", unit="group", disable=not progress) as bar:
        for shard in plan:
            if not (staged / shard.name).exists():
                _write_shard(shard, staged / shard.name)
            bar.update(len(shard.groups))
    atomic.write_text(staged / _WRITTEN, "\n".join(shard.name for shard in plan) + "\n")


def _write_shard(shard: _Shard, path: Path) -> None:
    arrow_schema = schema.features().arrow_schema
    rows = shards.group_rows(video=shard.video)
    arrow_bytes = 0
    with shards.writing(path, arrow_schema) as writer:
        for table in shards.row_groups(_tables(shard, arrow_schema), rows):
            arrow_bytes += table.nbytes
            writer.write_table(table, row_group_size=rows)
        writer.add_key_value_metadata({_BYTES_KEY.decode(): str(arrow_bytes)})


def _tables(shard: _Shard, arrow_schema: pa.Schema) -> Iterator[pa.Table]:
    names = [name for name in arrow_schema.names if shard.video or name != "video"]
    place = arrow_schema.get_field_index("video")
    for path in dict.fromkeys(path for path, _ in shard.groups):
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                for index in (index for other, index in shard.groups if other == path):
                    table = file.read_row_group(index, columns=names)
                    if not shard.video:
                        nothing = pa.nulls(table.num_rows, arrow_schema.field("video").type)
                        table = table.add_column(place, "video", nothing)
                    yield (
                        table.select(arrow_schema.names)
                        .replace_schema_metadata(None)
                        .cast(arrow_schema)
                    )
        except (pa.ArrowException, OSError) as error:
            raise SourceError(path, f"not a readable Parquet file: {error}") from error


def _move_into_place(plan: Sequence[_Shard], staged: Path, out: Path) -> None:
    """Put the shards where they belong, and take away those of an earlier export."""
    (out / MANIFEST).unlink(missing_ok=True)  # until the end, this is no finished export
    wanted = {out / shard.name for shard in plan}
    for old in sorted(set(out.glob("*/*.parquet")) - wanted):
        if SHARD_NAME.fullmatch(old.name):
            old.unlink()
            if not any(old.parent.iterdir()):
                old.parent.rmdir()
    for shard in plan:
        if (staged / shard.name).exists():
            (out / shard.name).parent.mkdir(parents=True, exist_ok=True)
            (staged / shard.name).replace(out / shard.name)


def _manifest(config: ExportConfig, built: dict[str, list[RowFile]], fingerprint: str) -> Manifest:
    """Count what was exported in the exported files themselves."""
    sources = {}
    files = {}
    for source, its in row_files(config.out).items():
        splits: dict[str, SplitSize] = {}
        tasks: Counter[str] = Counter()
        for file in its:
            name = f"{source}/{file.path.name}"
            files[name] = file.path.stat().st_size
            arrow_bytes = int(file.metadata.metadata[_BYTES_KEY])
            one = SplitSize(file.rows, 1, files[name], arrow_bytes)
            splits[file.split] = splits.get(file.split, SplitSize()) + one
            tasks.update(pq.read_table(file.path, columns=["task"])["task"].to_pylist())
        had_video = any(file.has_video for file in built[source])
        video = ("embedded" if config.takes_video(source) else "withheld") if had_video else "none"
        named = video == "embedded" and not licence(source).video
        sources[source] = Exported(video, named, splits, dict(sorted(tasks.items())))
    return Manifest(__version__, fingerprint, sources, files)
