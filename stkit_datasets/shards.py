"""How rows lie in a Parquet file: groups of rows across the borders of units and shards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from stkit_datasets import atomic

SHARD_BYTES = 500_000_000
"""Shards are cut at about this size, small enough to stream and large enough to be few."""
ROW_GROUP_ROWS = 100
"""Rows with video read at once. Those about the same objects share theirs, held once a group.

Measured on 723 simulated rows with 438 MB of video, 132 MB of it distinct: groups of 50 take 171 MB
on disk and 272 MB to read, of 100 take 145 and 333, of 200 take 139 and 589.
"""
ANNOTATION_GROUP_ROWS = 1000
"""The same for rows without video, some kilobytes each."""

_DICTIONARY_BYTES = 1 << 30


def group_rows(*, video: bool) -> int:
    """How many rows make a group."""
    return ROW_GROUP_ROWS if video else ANNOTATION_GROUP_ROWS


@contextmanager
def writing(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Open a writer whose file takes the place of ``path`` when the block ends well.

    A video that several rows of a group share is stored once: Parquet keeps distinct values in a
    dictionary, and the limit lets that dictionary hold all videos of a group.
    """
    with (
        atomic.replacing(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
            write_page_checksum=True,
        ) as writer,
    ):
        yield writer


def row_groups(tables: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Regroup tables, in order, into tables of ``rows`` rows; only the last may be shorter."""
    pending: list[pa.Table] = []
    count = 0
    for read in tables:
        pending.append(read)
        count += read.num_rows
        while count >= rows:
            table = pa.concat_tables(pending)
            yield table.slice(0, rows)
            pending = [table.slice(rows)]
            count -= rows
    if count:
        yield pa.concat_tables(pending)


def tables_of(path: Path) -> Iterator[pa.Table]:
    """Yield the row groups of a file of ours."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for index in range(file.num_row_groups):
            yield file.read_row_group(index)
