"""Columns out of delimited text, every error naming the file, the line and the rule."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import Columns, ColumnType, check_types

_ARROW_TYPES = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64()}
# What pyarrow says of a value that is not of its column's type.
_BAD_VALUE = re.compile(r"In CSV column #(\d+): (?:Row #(\d+): )?(.*)", re.DOTALL)
_BAD_ROW = re.compile(r"CSV parse error: (?:Row #(\d+): )?(.*)", re.DOTALL)


def read_csv(
    path: Path,
    types: Mapping[str, ColumnType],
    keys: Sequence[str] = (),
    *,
    delimiter: str = ",",
    names: Sequence[str] | None = None,
    header_may_be: bool = False,
    ends_with_newline: bool = False,
) -> Columns:
    """Read the named columns of a delimited text file; an empty or ``nan`` value is null.

    Args:
        path: the file, UTF-8.
        types: the type of each wanted column; others are not parsed.
        keys: the columns that name a row in an error.
        delimiter: what stands between two values.
        names: the names of all columns, where those in the file are not known or there are none.
        header_may_be: with ``names``, whether the file may have others in its first line; it has
            when the line does not begin with a number.
        ends_with_newline: whether the format ends every line, so that a file cut off inside its
            last value is known.

    Raises:
        SourceError: the file is missing or broken, or lacks a column, or a value is not of its
            column's type.
    """
    data = read_bytes(path)
    if ends_with_newline and not data.endswith(b"\n"):
        raise SourceError(path, "expected a file that ends with the end of a line; it is cut off")
    has_header = names is None or (
        header_may_be and not _is_number(data.split(delimiter.encode(), 1)[0])
    )
    first_line = 2 if has_header else 1
    header = _header(path, data, delimiter) if names is None else list(names)
    check_types(path, pa.schema([(name, _type_of(name, types)) for name in header]), types)
    body = data.partition(b"\n")[2] if has_header else data
    table = _parse(path, body, header, types, delimiter, first_line)
    numbers = np.arange(first_line, first_line + table.num_rows, dtype=np.int64)
    return Columns(path, table, tuple(keys), "line", numbers)


def read_bytes(path: Path) -> bytes:
    """Return a whole file.

    Raises:
        SourceError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(path, "expected a file here, found none") from error
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error


def _header(path: Path, data: bytes, delimiter: str) -> list[str]:
    line = data.partition(b"\n")[0]
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise SourceError(path, f"expected the names of the columns: {error}", "line 1") from error
    if not text:
        raise SourceError(path, "expected the names of the columns, found nothing", "line 1")
    return [name.strip().strip('"') for name in text.split(delimiter)]


def _is_number(text: bytes) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _type_of(name: str, types: Mapping[str, ColumnType]) -> pa.DataType:
    return _ARROW_TYPES[types[name]] if name in types else pa.null()


def _parse(
    path: Path,
    body: bytes,
    header: Sequence[str],
    types: Mapping[str, ColumnType],
    delimiter: str,
    first_line: int,
) -> pa.Table:
    # Columns go by their places: names that are not wanted may come more than once.
    places = {name: str(header.index(name)) for name in types}
    if not body.strip():
        return pa.table({name: pa.array([], _ARROW_TYPES[kind]) for name, kind in types.items()})
    try:
        table = pa.csv.read_csv(
            pa.BufferReader(body),
            read_options=pa.csv.ReadOptions(
                use_threads=False, column_names=[str(i) for i in range(len(header))]
            ),
            parse_options=pa.csv.ParseOptions(delimiter=delimiter),
            convert_options=pa.csv.ConvertOptions(
                include_columns=list(places.values()),
                column_types={places[n]: _ARROW_TYPES[kind] for n, kind in types.items()},
                null_values=["", "nan", "NaN", "NULL", "null"],
                strings_can_be_null=True,
            ),
        )
    # Bytes that are no text surface as any of these, an absurd length as MemoryError.
    except (pa.ArrowException, ValueError, KeyError, OSError, MemoryError, OverflowError) as error:
        raise _parse_error(path, str(error), header, first_line) from error
    return table.rename_columns(list(types))


def _parse_error(path: Path, message: str, header: Sequence[str], first_line: int) -> SourceError:
    if found := _BAD_VALUE.match(message):
        column, row, rule = found.groups()
        name = f"column {header[int(column)]!r}"
        where = f"line {int(row) + first_line - 1}, {name}" if row else name
        return SourceError(path, f"expected a value of the column's type: {rule}", where)
    if found := _BAD_ROW.match(message):
        row, rule = found.groups()
        where_row = f"line {int(row) + first_line - 1}" if row else None
        return SourceError(path, f"expected whole lines of {len(header)} values: {rule}", where_row)
    return SourceError(path, f"expected a complete text file; reading it failed: {message}")
