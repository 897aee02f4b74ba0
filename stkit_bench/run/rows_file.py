"""Rows of a bench by their place: the light columns in memory, one video when it is asked for."""

from __future__ import annotations

import bisect
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stkit_bench.files import FileError, read_jsonl
from stkit_bench.run.digests import digest_of_columns, shortened

__all__ = ["RowsFile"]

_GROUPS_KEPT = 4
#: What decides a question and its answer's line beside boxes and video.
_DECIDING = (
    *("id", "source", "scene_id", "clip_id", "camera", "task", "question", "answer", "prompt"),
    *("target", "timestamps_s", "duration_s", "fps", "boxes_drawn", "camera_poses"),
)
_BOXES = ("objects", "width", "height")


class RowsFile:
    """The rows of a JSONL file, a Parquet file, or all Parquet files of a folder, in file order.

    Args:
        path: the file or folder.

    Raises:
        FileError: nothing is there, a row has no id, or an id repeats.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.exists():
            raise FileError(path, "does not exist")
        parquet = path.is_dir() or path.suffix == ".parquet"
        self._videos: _ParquetVideos | None = None
        if parquet:
            self._videos = _ParquetVideos(path)
            self._table = self._videos.light
        else:
            rows = [row for _, row in read_jsonl(path)]
            self._table = pa.Table.from_pylist(rows) if rows else pa.table({"id": []})
        self.ids = self._checked_ids()

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def columns(self) -> frozenset[str]:
        """The names of the columns, ``video`` included where there is one."""
        names = set(self._table.column_names)
        return frozenset(names | {"video"} if self._videos and self._videos.present else names)

    def column(self, name: str) -> list[Any]:
        """Return one light column, None where the file has no such column."""
        if name not in self._table.column_names:
            return [None] * len(self)
        values: list[Any] = self._table[name].to_pylist()
        return values

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield all rows in order, without their videos."""
        for place in range(len(self)):
            yield self.row(place)

    def row(self, place: int) -> dict[str, Any]:
        """Return a row without its video."""
        (row,) = self._table.slice(place, 1).to_pylist()
        row.pop("video", None)
        return dict(row)

    def video(self, place: int) -> bytes | Path | None:
        """Return a row's video: MP4 bytes, the file it names, or None."""
        if self._videos is not None:
            cell = self._videos.cell(place)
        else:
            cell = self._table["video"][place].as_py() if "video" in self.columns else None
        if isinstance(cell, str):
            cell = {"path": cell}
        if not isinstance(cell, dict):
            return None
        if cell.get("bytes") is not None:
            return bytes(cell["bytes"])
        if not cell.get("path"):
            return None
        folder = self.path if self.path.is_dir() else self.path.parent
        return folder / str(cell["path"])

    def digest(self, places: Sequence[int], videos: str) -> dict[str, str | None]:
        """Return 16 hexadecimal digits each of what decides the questions at these places.

        Equal rows give equal digits whatever file they lie in, unless ``videos`` is ``sizes``.

        Args:
            places: in the order in which they are asked.
            videos: ``bytes`` reads all of them; ``sizes`` takes the sizes of the files and of the
                row groups they lie in; ``none`` leaves them out.
        """
        found: dict[str, str | None] = {
            "texts": self._light(places, _DECIDING),
            "boxes": self._light(places, _BOXES),
        }
        if videos == "none":
            return {**found, "videos": None}
        told = hashlib.sha256()
        for place in places:
            if videos == "bytes":
                for part in self._video_bytes(place):
                    told.update(part)
            else:
                told.update(self._video_size(place))
        return {**found, "videos": shortened(told)}

    def _light(self, places: Sequence[int], names: Sequence[str]) -> str:
        present = [name for name in names if name in self._table.column_names]
        # Not by `pa.array`, which imports pandas: that takes longer than the whole digest.
        numbers = pa.py_buffer(np.asarray(places, np.int64))
        at = pa.Array.from_buffers(pa.int64(), len(places), [None, numbers])
        return digest_of_columns(self._table.select(present).take(at))

    def _video_bytes(self, place: int) -> tuple[bytes, Any]:
        """Return how long a row's video is, and it."""
        video = None if self._videos is None else self._videos.buffer(place)
        if video is None:
            video = self.video(place)
        if isinstance(video, Path):
            # A file that is missing fails its own question when it is asked, and no other.
            video = video.read_bytes() if video.is_file() else None
        return (b"none ", b"") if video is None else (b"%d " % len(video), video)

    def _video_size(self, place: int) -> bytes:
        if self._videos is not None and self._videos.present:
            return b"%d " % self._videos.group_size(place)
        video = self.video(place)
        if isinstance(video, Path):
            return b"%d " % (video.stat().st_size if video.is_file() else -1)
        return b"%d " % len(video or b"")

    def _checked_ids(self) -> list[str]:
        seen: set[str] = set()
        ids = self.column("id")
        for place, identity in enumerate(ids):
            if not isinstance(identity, str):
                raise FileError(self.path, f"row {place}: id must be a text, got {identity!r}")
            if identity in seen:
                raise FileError(self.path, f"row {place}: id {identity!r} repeats an earlier row's")
            seen.add(identity)
        if not ids:
            raise FileError(self.path, "holds no rows")
        return ids


class _ParquetVideos:
    """The videos of Parquet files, a few row groups at a time; for several threads and forks."""

    def __init__(self, path: Path) -> None:
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise FileError(path, "holds no *.parquet file")
        self._paths = files
        self._groups: list[tuple[int, int]] = []
        self._starts: list[int] = []
        try:
            self._open()
            light, total = [], 0
            for number, file in enumerate(self._opened):
                names = [
                    name for name in file.schema_arrow.names if name not in ("video", "messages")
                ]
                light.append(file.read(columns=names).replace_schema_metadata(None))
                for group in range(file.num_row_groups):
                    self._groups.append((number, group))
                    self._starts.append(total)
                    total += file.metadata.row_group(group).num_rows
            self.light = pa.concat_tables(light, promote_options="default")
        except (OSError, pa.ArrowException) as error:
            raise FileError(path, f"cannot be read as Parquet: {error}") from error
        self.present = all("video" in file.schema_arrow.names for file in self._opened)

    def cell(self, place: int) -> Any:
        """Return a row's video as it lies in the file: bytes, path, or both."""
        return None if not self.present else self._scalar(place).as_py()

    def buffer(self, place: int) -> Any:
        """Return the bytes of a row's video without a copy; None where they are not in the file."""
        scalar = self._scalar(place) if self.present else None
        if scalar is None or not scalar.is_valid or not pa.types.is_struct(scalar.type):
            return None
        data = scalar.get("bytes")
        return data.as_buffer() if data is not None and data.is_valid else None

    def _scalar(self, place: int) -> Any:
        if self._process != os.getpid():
            # After a fork: what was open, and a lock that was held, belong to the other process.
            self._open()
        number = _last_at_most(self._starts, place)
        with self._lock:
            if number not in self._kept:
                file, group = self._groups[number]
                self._kept[number] = self._opened[file].read_row_group(group, ["video"])["video"]
                while len(self._kept) > _GROUPS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)
            column = self._kept[number]
        return column[place - self._starts[number]]

    def group_size(self, place: int) -> int:
        """Return the bytes of the videos of a row's group."""
        file, group = self._groups[_last_at_most(self._starts, place)]
        metadata = self._opened[file].metadata.row_group(group)
        columns = map(metadata.column, range(metadata.num_columns))
        return sum(
            int(column.total_uncompressed_size)
            for column in columns
            if column.path_in_schema.split(".")[0] == "video"
        )

    def _open(self) -> None:
        self._opened = [pq.ParquetFile(file) for file in self._paths]
        self._kept: OrderedDict[int, Any] = OrderedDict()
        self._lock = threading.Lock()
        self._process = os.getpid()


def _last_at_most(starts: list[int], place: int) -> int:
    return bisect.bisect_right(starts, place) - 1
