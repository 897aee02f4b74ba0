"""A bench and a training set must share no scene: checked, not claimed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from stkit_bench.files import FileError

__all__ = ["BENCH_ONLY", "OverlapError", "Scene", "assert_disjoint", "scenes"]

BENCH_ONLY = ("nuplan",)
"""Sources that are never trained on [P1 4]."""

Scene: TypeAlias = tuple[str, str]
"""Source, and the name of its scene, log or take."""

_COLUMNS = ("source", "scene_id")
_NAMED = 20


class OverlapError(ValueError):
    """A training set holds scenes of the bench; the message names them."""


def assert_disjoint(bench: Any, train: Any) -> None:
    """Check that no scene of a bench is in a training set, and no scene that never may be.

    Args:
        bench: see :func:`scenes`.
        train: see :func:`scenes`; every row counts, of whichever split it is.

    Raises:
        OverlapError: a scene is in both, or the training set has scenes of a source that is for
            benches only.
        FileError: there are no rows, or rows without source or scene.
    """
    trained = scenes(train)
    where = f"{train}: " if isinstance(train, str | Path) else ""
    barred = {scene for scene in trained if scene[0] in BENCH_ONLY}
    if barred:
        raise OverlapError(
            f"{where}{', '.join(BENCH_ONLY)} must never be trained on; the training set holds "
            f"{_told(barred)}"
        )
    both = scenes(bench) & trained
    if both:
        raise OverlapError(f"{where}the training set and the bench share {_told(both)}")


def scenes(rows: Any) -> frozenset[Scene]:
    """Return the scenes of rows, reading two columns and no more.

    Args:
        rows: a Parquet file, or a folder of them at any depth; a pyarrow ``Table``; a
            ``datasets.Dataset``; or scenes that are known already.

    Raises:
        FileError: there is no Parquet, or a file has no source and scene in every row.
    """
    if isinstance(rows, frozenset):
        return rows
    if isinstance(rows, str | Path):
        return frozenset(scene for path in _shards(Path(rows)) for scene in _scenes_of_file(path))
    if hasattr(rows, "select_columns"):
        rows = rows.select_columns(list(_COLUMNS)).with_format("arrow")[:]
    return frozenset(_distinct(rows.select(_COLUMNS)))


def _shards(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = [
        shard
        for shard in sorted(path.rglob("*.parquet"))
        # What a build has not finished yet stands in hidden folders.
        if not any(part.startswith(".") for part in shard.relative_to(path).parts)
    ]
    if not found:
        raise FileError(path, "holds no *.parquet file")
    return found


def _scenes_of_file(path: Path) -> Iterator[Scene]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        missing = [name for name in _COLUMNS if name not in file.schema_arrow.names]
        if missing:
            raise FileError(path, f"expected the columns {', '.join(_COLUMNS)}; {missing[0]} lacks")
        found = _distinct(file.read(columns=list(_COLUMNS)))
    except (OSError, pa.ArrowException) as error:
        raise FileError(path, f"cannot be read as Parquet: {error}") from error
    if any(None in scene for scene in found):
        raise FileError(path, "every row needs a source and a scene_id, got null")
    yield from found


def _distinct(table: Any) -> list[Scene]:
    distinct = table.group_by(list(_COLUMNS)).aggregate([])
    return list(zip(*(distinct[name].to_pylist() for name in _COLUMNS), strict=True))


def _told(found: Collection[Scene]) -> str:
    names = ["/".join(scene) for scene in sorted(found)]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return f"{len(names):,} scene{'s' * (len(names) != 1)}: {', '.join(names[:_NAMED])}{more}"
