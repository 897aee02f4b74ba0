"""Columns of the nuScenes tables looked up, joined and sorted without a second copy of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stkit_datasets.errors import SourceError


def index_in(column: Any, tokens: Any) -> Any:
    """``pc.index_in``, also for a column whose chunks each have a dictionary of their own."""
    if not pa.types.is_dictionary(column.type):
        return pc.index_in(column, value_set=tokens)
    chunks = column.chunks
    values = pa.concat_arrays([chunk.dictionary for chunk in chunks])
    found = pc.index_in(values, value_set=tokens)
    starts = np.cumsum([0, *(len(chunk.dictionary) for chunk in chunks)])[:-1]
    return found.take(
        pa.chunked_array(
            [
                pc.add(chunk.indices.cast(pa.int64()), int(start))
                for chunk, start in zip(chunks, starts, strict=True)
            ]
        )
    )


def joined(chunks: list[Any]) -> Any:
    """Join tables into one of one chunk, and empty the list of them."""
    table = pa.concat_tables(chunks)
    chunks.clear()  # so that not two copies of the largest table are held
    return table.combine_chunks()


def sorted_by_sample(table: Any) -> Any:
    """Sort by sample, keeping the file's order within one."""
    order = np.argsort(table["sample"].to_numpy(), kind="stable")
    names = table.column_names
    columns = {}
    # The widest first, each let go of when it is sorted, so that not two copies of all are held.
    for name in sorted(names, key=lambda name: -table[name].nbytes):
        column = table[name]
        wide = pa.types.is_fixed_size_list(column.type)
        columns[name] = _sorted_lists(column, order) if wide else column.take(order)
        table = table.drop_columns([name])
    return pa.table({name: columns[name] for name in names}).combine_chunks()


def _sorted_lists(column: Any, order: NDArray[np.intp]) -> Any:
    """``take`` for lists of numbers, which does not join the chunks first."""
    width = column.type.list_size
    places = np.empty(len(order), dtype=np.intp)
    places[order] = np.arange(len(order))
    out = np.empty((len(order), width))
    start = 0
    for chunk in column.chunks:
        stop = start + len(chunk)
        out[places[start:stop]] = chunk.flatten().to_numpy().reshape(-1, width)
        start = stop
    return pa.FixedSizeListArray.from_arrays(out.ravel(), width)


def matrix(path: Path, rows: Any, widths: Mapping[str, int]) -> Any:
    """Join list columns of fixed lengths into one fixed-size list column, in that order."""
    parts = []
    for column, width in widths.items():
        lists = rows[column].combine_chunks()
        lengths = pc.list_value_length(lists).to_numpy()
        if (lengths != width).any():
            row = int(np.flatnonzero(lengths != width)[0])
            raise SourceError(
                path,
                f"{column} must have {width} numbers, got {lists[row].as_py()}",
                f"token {rows['token'][row].as_py()!r}",
            )
        parts.append(lists.flatten().to_numpy().reshape(-1, width))
    joined = np.concatenate(parts, axis=1)
    return pa.FixedSizeListArray.from_arrays(joined.ravel(), joined.shape[1])


def expect_unique(path: Path, values: Any, column: str) -> None:
    """Raise a ``SourceError`` that names a value which a column has twice."""
    if pc.count_distinct(values).as_py() == len(values):
        return
    counts = pc.value_counts(values)
    row = pc.index(pc.greater(counts.field("counts"), 1), True).as_py()
    twice = counts.field("values")[row].as_py()
    raise SourceError(path, f"{column} must be unique, found more than once: {twice!r}")
