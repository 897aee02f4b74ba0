"""Columns, poses and pictures out of Parquet files, only those asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet

from stkit_datasets.clip import FloatArray
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import Columns, ColumnType, check_types
from stkit_datasets.sources.rigid import check_rigid

_BATCH_ROWS = 8
_BUFFER_BYTES = 1 << 20


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a file as ``pyarrow.parquet.ParquetFile``; not mapped into memory, read as needed.

    Whatever reading raises inside the context becomes an error that names the file.

    Raises:
        SourceError: the file is missing, no Parquet file, or broken where it is read.
    """
    if not path.exists():
        raise SourceError(path, "expected a Parquet file here, found none")
    try:
        with pa.parquet.ParquetFile(path, buffer_size=_BUFFER_BYTES, pre_buffer=False) as file:
            yield file
    except SourceError:
        raise
    # Corrupt metadata surfaces as any of these, an absurd length as MemoryError.
    except (pa.ArrowException, ValueError, KeyError, OSError, MemoryError, OverflowError) as error:
        raise SourceError(
            path, f"expected a complete Parquet file; reading it failed: {error}"
        ) from error


def read_parquet(
    path: Path,
    types: Mapping[str, ColumnType | tuple[ColumnType, ...]],
    keys: Sequence[str] = (),
    matrices: Sequence[str] = (),
) -> Columns:
    """Read the named columns of a file, each of its type or of one of several.

    Args:
        path: the file.
        types: the type of each column.
        keys: the columns that name a row in an error.
        matrices: further columns, which ``rigid_matrices`` will check.

    Raises:
        SourceError: the file is missing or broken, or lacks a column of the type.
    """
    with open_parquet(path) as file:
        schema = file.schema_arrow
        for name, allowed in types.items():
            options = allowed if isinstance(allowed, tuple) else (allowed,)
            _check_one_of(path, schema, name, options)
        for name in matrices:
            _check_matrix_type(path, schema, name)
        table = file.read(columns=[*types, *matrices], use_threads=False)
        table.validate(full=True)
    return Columns(path, table, tuple(keys))


def rigid_matrices(columns: Columns, name: str) -> FloatArray:
    """Return (R, 4, 4) rigid poses of a column that lists their 16 numbers row by row.

    Raises:
        SourceError: a row has another count of numbers, or its matrix is not rigid.
    """
    column = columns.table[name]
    counts = pc.list_value_length(column).to_numpy()
    wrong = ~(counts == 16)  # also true for null, which comes as NaN
    if wrong.any():
        rule = "expected the 16 numbers of a 4 x 4 matrix"
        raise columns.error(rule, int(np.argmax(wrong)), name)
    values = pc.list_flatten(column).cast(pa.float64()).to_numpy()
    poses: FloatArray = np.array(values, dtype=np.float64).reshape(-1, 4, 4)
    return check_rigid(columns, poses, name)


class ParquetBlobs:
    """Some rows of a column of bytes, read anew on each iteration, a few rows at a time.

    Args:
        path: the file.
        column: its column of bytes.
        rows: which rows, in the order wanted.
    """

    def __init__(self, path: Path, column: str, rows: Sequence[int]) -> None:
        self._path = path
        self._column = column
        self._rows = tuple(rows)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes of every row.

        Raises:
            SourceError: the file or column is missing or broken, or a row holds no bytes.
        """
        ahead: dict[int, bytes] = {}
        waiting = list(reversed(self._rows))
        for row, data in self._read(frozenset(self._rows)):
            ahead[row] = data
            while waiting and waiting[-1] in ahead:
                yield ahead.pop(waiting.pop())

    def _read(self, wanted: frozenset[int]) -> Iterator[tuple[int, bytes]]:
        with open_parquet(self._path) as file:
            field = file.schema_arrow.field(self._column)
            if not (pa.types.is_binary(field.type) or pa.types.is_large_binary(field.type)):
                rule = f"expected a column of bytes, got {field.type}"
                raise SourceError(self._path, rule, f"column {self._column!r}")
            start = 0
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                if any(start <= row < stop for row in wanted):
                    yield from self._read_group(file, group, start, wanted)
                start = stop

    def _read_group(
        self, file: Any, group: int, start: int, wanted: frozenset[int]
    ) -> Iterator[tuple[int, bytes]]:
        batches = file.iter_batches(
            _BATCH_ROWS, row_groups=[group], columns=[self._column], use_threads=False
        )
        for batch in batches:
            for index in range(batch.num_rows):
                if start + index in wanted:
                    data = batch.column(0)[index].as_py()
                    if data is None:
                        where = f"row {start + index}, column {self._column!r}"
                        raise SourceError(self._path, "expected bytes, got null", where)
                    yield start + index, data
            start += batch.num_rows


def _check_one_of(
    path: Path, schema: pa.Schema, name: str, allowed: tuple[ColumnType, ...]
) -> None:
    for kind in allowed[:-1]:
        try:
            check_types(path, schema, {name: kind})
        except SourceError:
            continue
        return
    check_types(path, schema, {name: allowed[-1]})


def _check_matrix_type(path: Path, schema: pa.Schema, name: str) -> None:
    if schema.names.count(name) != 1:
        found = ", ".join(map(repr, schema.names))
        rule = f"expected one column of 4 x 4 matrices, found {schema.names.count(name)} of {found}"
        raise SourceError(path, rule, f"column {name!r}")
    kind = schema.field(name).type
    lists = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if not any(test(kind) for test in lists) or not pa.types.is_floating(kind.value_type):
        raise SourceError(path, f"expected lists of 16 numbers, got {kind}", f"column {name!r}")
