"""Keep the joined nuScenes tables in one memory-mapped file, so that they are read once.

The file lies in ``$STKIT_CACHE`` or ``~/.cache/stkit``. Its name holds a hash of the tables' path,
sizes and times, so that a changed table is read anew; its head holds a checksum, so that a damaged
file is made anew. Worker processes map the same file and share its pages.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import mmap
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.nuscenes_index import TABLES, build_tables, table_path

INDEX_VERSION = 1
"""Raise it whenever the columns of the index, or what they mean, change."""

_MAGIC = b"stkit nuscenes index\n"
_HEAD_BYTES = 64
_NAMES = ("scenes", "samples", "instances", "boxes", "calibrations", "images")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Index:
    """The tables of all scenes; samples, boxes and images sorted by scene and time.

    Numbers are views into the file; token and name columns stay Arrow arrays.

    Attributes:
        scene_rows: scene name to its (first, stop) rows of the samples.
        sample_tokens: (S,) strings.
        timestamps_us: (S,) of the keyframes.
        next_rows: (S,) the row of the sample's ``next``, -1 at the end, -2 if it is in no row.
        box_samples: (B,) row of the sample, ascending.
        box_instances: (B,) row of the instance.
        box_values: (B, 10) centre x, y, z; size w, l, h; rotation w, x, y, z, world from object.
        box_tokens: (B,) strings.
        instance_tokens: (I,) strings.
        instance_categories: (I,) strings.
        calibration_poses: (C, 7) translation and rotation (w, x, y, z), ego from sensor.
        calibration_intrinsics: (C, 9) row by row; NaN where there is a problem.
        calibration_problems: (C,) strings, null where there is none.
        calibration_tokens: (C,) strings.
        image_samples: (M,) row of the sample, ascending.
        image_cameras: (M,) position in ``CAMERAS``.
        image_calibrations: (M,) row of the calibration.
        image_sizes_px: (M, 2) width and height.
        image_egos: (M, 7) translation and rotation, global from ego; NaN where it is missing.
        image_egos_known: (M,) booleans.
        image_names: (M,) file names relative to the data folder.
        image_tokens: (M,) strings.
        image_ego_tokens: (M,) strings.
        pages: the mapped file that all of these are views into, if there is one.
    """

    scene_rows: dict[str, tuple[int, int]]
    sample_tokens: Any
    timestamps_us: NDArray[np.int64]
    next_rows: NDArray[np.int32]
    box_samples: NDArray[np.int32]
    box_instances: NDArray[np.int32]
    box_values: NDArray[np.float64]
    box_tokens: Any
    instance_tokens: Any
    instance_categories: Any
    calibration_poses: NDArray[np.float64]
    calibration_intrinsics: NDArray[np.float64]
    calibration_problems: Any
    calibration_tokens: Any
    image_samples: NDArray[np.int32]
    image_cameras: NDArray[np.int8]
    image_calibrations: NDArray[np.int32]
    image_sizes_px: NDArray[np.int64]
    image_egos: NDArray[np.float64]
    image_egos_known: Any
    image_names: Any
    image_tokens: Any
    image_ego_tokens: Any
    pages: mmap.mmap | None = None

    def release(self) -> None:
        """Let go of the pages read so far; those that are needed again are mapped again."""
        if self.pages is not None and hasattr(mmap, "MADV_DONTNEED"):
            self.pages.madvise(mmap.MADV_DONTNEED)


def open_index(version_dir: Path) -> Index:
    """Map the index of a version folder, after making it if there is no sound one.

    Raises:
        SourceError: a table is missing or broken.
    """
    folder, path = _cache_path(version_dir)
    built: dict[str, Any] | None = None
    mapped: _Mapped | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / f"{path.stem}.lock"):
            mapped = _map(path)
            if mapped is None:
                built = build_tables(version_dir)
                _write(path, built)
                mapped = _map(path)
                _remove_outdated(path)
        if mapped is not None:
            return _index(*mapped)
    except OSError as error:
        _log.warning(
            "cannot keep the nuScenes index in %s (%s); it is held in memory and is made again "
            "by every process; set STKIT_CACHE to a writable folder",
            folder,
            error,
        )
    return _index(built or build_tables(version_dir), None)


def _cache_path(version_dir: Path) -> tuple[Path, Path]:
    cache = os.environ.get("STKIT_CACHE")
    folder = Path(cache) if cache else Path.home() / ".cache" / "stkit"
    resolved = str(version_dir.resolve())
    state = hashlib.sha256(f"{INDEX_VERSION}\n{resolved}\n".encode())
    for table in TABLES:
        path = table_path(version_dir, table)
        try:
            stat = path.stat()
        except OSError as error:
            raise SourceError(path, "table is missing; a version folder holds it") from error
        state.update(f"{table} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    place = hashlib.sha256(resolved.encode()).hexdigest()[:12]
    return folder, folder / f"nuscenes-{place}-{state.hexdigest()[:20]}.index"


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Let one process build while the others wait; without file locks, all of them build."""
    try:
        import fcntl
    except ImportError:  # no such module on Windows
        yield
        return
    with path.open("ab") as file:
        # Some network file systems have no locks: then several may build, and the last one stays.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(path: Path, tables: dict[str, Any]) -> None:
    """Write all tables to ``path``, which has either all of them or is not there."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w+b") as file:
            file.write(bytes(_HEAD_BYTES))
            for table in _NAMES:
                with pa.ipc.new_stream(file, tables[table].schema) as writer:
                    writer.write_table(tables[table], max_chunksize=2**31 - 1)
            file.flush()
            file.seek(_HEAD_BYTES)
            checksum, size = _checksum(file), file.tell()
            file.seek(0)
            file.write(_head(size, checksum))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _checksum(file: BinaryIO) -> int:
    checksum = 0
    while data := file.read(1 << 22):
        checksum = zlib.crc32(data, checksum)
    return checksum


def _head(size: int, checksum: int) -> bytes:
    return (_MAGIC + f"{size} {checksum:08x}\n".encode()).ljust(_HEAD_BYTES, b"\0")


_Mapped = tuple[dict[str, Any], mmap.mmap]


def _map(path: Path) -> _Mapped | None:
    """Map the tables, or return None when there is no file or it is damaged."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head, checksum = file.read(_HEAD_BYTES), _checksum(file)
        if head != _head(file.tell(), checksum):
            _log.warning("the nuScenes index %s is damaged and is made again", path)
            return None
    # Read above and mapped only now: pages of scenes that nobody asks for stay out of memory.
    with path.open("rb") as file:
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    reader = pa.BufferReader(pa.py_buffer(memoryview(pages)[_HEAD_BYTES:]))
    return {name: pa.ipc.open_stream(reader).read_all() for name in _NAMES}, pages


def _remove_outdated(path: Path) -> None:
    """Delete the indexes of earlier states of the same tables, and what killed runs left of one."""
    place = path.name.rsplit("-", 1)[0]
    for other in chain(path.parent.glob(f"{place}-*"), path.parent.glob(f".{place}-*")):
        if other.stem != path.stem:
            with contextlib.suppress(OSError):
                other.unlink()


def _index(tables: dict[str, Any], pages: mmap.mmap | None) -> Index:
    def column(table: str, name: str) -> Any:
        chunks = tables[table][name]
        # Combining copies even a single chunk, and a copy is memory that processes do not share.
        return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()

    def numbers(table: str, name: str) -> NDArray[Any]:
        return np.asarray(column(table, name).to_numpy(zero_copy_only=False))

    def matrix(table: str, name: str, width: int) -> NDArray[np.float64]:
        return np.asarray(column(table, name).flatten().to_numpy()).reshape(-1, width)

    bounds = zip(
        numbers("scenes", "first_sample").tolist(),
        numbers("scenes", "stop_sample").tolist(),
        strict=True,
    )
    return Index(
        scene_rows=dict(zip(column("scenes", "name").to_pylist(), bounds, strict=True)),
        sample_tokens=column("samples", "token"),
        timestamps_us=numbers("samples", "timestamp_us"),
        next_rows=numbers("samples", "next"),
        box_samples=numbers("boxes", "sample"),
        box_instances=numbers("boxes", "instance"),
        box_values=matrix("boxes", "values", 10),
        box_tokens=column("boxes", "token"),
        instance_tokens=column("instances", "token"),
        instance_categories=column("instances", "category"),
        calibration_poses=matrix("calibrations", "pose", 7),
        calibration_intrinsics=matrix("calibrations", "intrinsics", 9),
        calibration_problems=column("calibrations", "problem"),
        calibration_tokens=column("calibrations", "token"),
        image_samples=numbers("images", "sample"),
        image_cameras=numbers("images", "camera"),
        image_calibrations=numbers("images", "calibration"),
        image_sizes_px=np.stack(
            [numbers("images", "width_px"), numbers("images", "height_px")], axis=1
        ),
        image_egos=matrix("images", "ego", 7),
        image_egos_known=column("images", "ego_known"),
        image_names=column("images", "filename"),
        image_tokens=column("images", "token"),
        image_ego_tokens=column("images", "ego_pose_token"),
        pages=pages,
    )
