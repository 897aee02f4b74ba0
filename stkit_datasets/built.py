"""What a folder of rows holds: its Parquet shards, known by their names and footers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stkit_datasets import schema
from stkit_datasets.errors import SourceError

SHARD_NAME = re.compile(r"(?P<split>\w+)-(?P<number>\d{5})-of-(?P<total>\d{5})\.parquet")

_VIDEO_BYTES = "video.bytes"
_FOOTER_TAIL_BYTES = 8


@dataclass(frozen=True)
class RowFile:
    """One shard of rows; only its footer is read.

    Attributes:
        source: the folder it lies in.
        split: the split in its name.
        path: the file.
    """

    source: str
    split: str
    path: Path

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer.

        Raises:
            SourceError: the file is no whole Parquet file of ours.
        """
        try:
            file = pq.ParquetFile(self.path)
            found = file.schema_arrow.remove_metadata()
        except (pa.ArrowException, OSError) as error:
            raise SourceError(self.path, f"not a readable Parquet file: {error}") from error
        for entry in schema.arrow_schema():
            if found.get_field_index(entry.name) < 0:
                raise SourceError(self.path, f"no column {entry.name!r}: not a file of STKit rows")
            if found.field(entry.name).type != entry.type:
                raise SourceError(
                    self.path,
                    f"must be {entry.type}, got {found.field(entry.name).type}",
                    f"column {entry.name!r}",
                )
        return file.metadata

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.metadata.num_rows)

    @property
    def has_video(self) -> bool:
        """Whether any row holds video; a footer that does not tell counts as yes."""
        for column in self._columns():
            if column.path_in_schema == _VIDEO_BYTES:
                statistics = column.statistics
                if statistics is None or not statistics.has_null_count:
                    return True
                if statistics.null_count < column.num_values:
                    return True
        return False

    def group_bytes(self, video: bool) -> list[int]:
        """The stored size of every row group, with or without its video."""
        metadata = self.metadata
        sizes = []
        for index in range(metadata.num_row_groups):
            group = metadata.row_group(index)
            columns = [group.column(i) for i in range(group.num_columns)]
            sizes.append(
                sum(
                    int(column.total_compressed_size)
                    for column in columns
                    if video or not column.path_in_schema.startswith("video.")
                )
            )
        return sizes

    @cached_property
    def digest(self) -> str:
        """16 hex digits of size and footer, which change with what the file holds."""
        with self.path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(size - _FOOTER_TAIL_BYTES)
            footer_bytes = int.from_bytes(file.read(4), "little") + _FOOTER_TAIL_BYTES
            file.seek(size - footer_bytes)
            footer = file.read()
        return hashlib.sha256(f"{size}\n".encode() + footer).hexdigest()[:16]

    def _columns(self) -> Iterator[pq.ColumnChunkMetaData]:
        for index in range(self.metadata.num_row_groups):
            group = self.metadata.row_group(index)
            for number in range(group.num_columns):
                yield group.column(number)


def rows_note(files: Iterable[RowFile]) -> str:
    """Return the line of a card's YAML by which ``datasets`` tells these rows from others.

    Its cache goes by the name of the folder and the YAML of its card alone, so that after another
    build in the same place it would give the rows of the first one, without a word.
    """
    digests = "".join(file.digest for file in files)
    return f"rows {hashlib.sha256(digests.encode()).hexdigest()[:16]}"


def row_files(folder: Path) -> dict[str, list[RowFile]]:
    """Find all shards of a folder: source -> its files by split and number.

    Raises:
        SourceError: there are none, or some of a split's are missing.
    """
    found: dict[str, list[RowFile]] = {}
    for place in sorted(path for path in folder.glob("*") if path.is_dir()):
        names = [(path, SHARD_NAME.fullmatch(path.name)) for path in sorted(place.iterdir())]
        numbers: dict[str, list[tuple[int, int]]] = {}
        for path, match in names:
            if match:
                found.setdefault(place.name, []).append(RowFile(place.name, match["split"], path))
                count = (int(match["number"]), int(match["total"]))
                numbers.setdefault(match["split"], []).append(count)
        for split, counts in numbers.items():
            total = counts[0][1]
            if counts != [(number, total) for number in range(total)]:
                raise SourceError(
                    place,
                    f"expected {total} shards of one build, found {len(counts)}; build again",
                    f"split {split!r}",
                )
    if not found:
        raise SourceError(folder, "expected a folder that `stkit build` has written and finished")
    return found


def built_files(folder: Path) -> dict[str, list[RowFile]]:
    """Find the shards of a finished build.

    Raises:
        SourceError: the build was not finished, or a shard is missing or broken.
    """
    found = row_files(folder)
    for source, files in found.items():
        report = folder / "reports" / f"{source}.json"
        if not report.is_file():
            raise SourceError(report, "missing: the build was not finished; run it again")
        for file in files:
            _ = file.metadata
    return found
