"""Typed columns out of tables, every check naming the file, the row and the rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
from numpy.typing import NDArray

from stkit_datasets.errors import SourceError

ColumnType = Literal["string", "integer", "number"]

MAX_MAGNITUDE = 1e9
"""No coordinate, size or pixel is larger; beyond it lies corruption, and later overflow."""

QUATERNION_TOLERANCE = 0.01
"""How far from 1 the length of a rotation quaternion may be; zero or mixed-up columns are not."""

_TYPE_TESTS: dict[str, Callable[[pa.DataType], bool]] = {
    "string": lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    "integer": pa.types.is_integer,
    "number": lambda t: pa.types.is_floating(t) or pa.types.is_integer(t),
}


@dataclass(frozen=True, eq=False)
class Columns:
    """A table whose columns have been found and typed.

    Attributes:
        path: the file, for errors.
        table: the columns.
        keys: the columns whose values say in an error which row is meant.
        row_name: what the file calls a row (``row``, ``line``).
        row_numbers: (R,) the rows' numbers in the file; None when they are 0, 1, 2…
    """

    path: Path
    table: pa.Table
    keys: tuple[str, ...] = ()
    row_name: str = "row"
    row_numbers: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def where(self, row: int, column: str | None = None) -> str:
        """Say which row, and which column of it, for an error."""
        values = ", ".join(
            f"{key}={self.table[key][row].as_py()}" for key in self.keys if key in self
        )
        number = row if self.row_numbers is None else int(self.row_numbers[row])
        text = f"{self.row_name} {number}" + (f" ({values})" if values else "")
        return f"{text}, column {column!r}" if column else text

    def __contains__(self, name: object) -> bool:
        return name in self.table.column_names

    def error(self, rule: str, row: int | None = None, column: str | None = None) -> SourceError:
        """Make the error that a row, a column or the whole file breaks a rule."""
        if row is not None:
            return SourceError(self.path, rule, self.where(row, column))
        return SourceError(self.path, rule, f"column {column!r}" if column else None)

    def take(self, rows: NDArray[np.int64]) -> Columns:
        """Return some of the rows, which keep their numbers."""
        numbers = rows if self.row_numbers is None else self.row_numbers[rows]
        return replace(self, table=self.table.take(pa.array(rows)), row_numbers=numbers)

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return a column of integers without nulls."""
        self._refuse_nulls(name)
        try:
            column = self.table[name].cast(pa.int64())
        except pa.ArrowInvalid as error:
            raise self.error("expected integers that fit 64 bits", column=name) from error
        return np.asarray(column.to_numpy())

    def timestamps_ns(self, name: str) -> NDArray[np.int64]:
        """Return a column of times in ns, none negative."""
        values = self.integers(name)
        if len(values) and values.min() < 0:
            row = int(np.argmax(values < 0))
            raise self.error(f"expected a time of at least 0 ns, got {values[row]}", row, name)
        return values

    def numbers(self, *names: str, nullable: bool = False) -> NDArray[np.float64]:
        """Return (R, C) finite numbers; with ``nullable`` NaN where a value or column is missing.

        Raises:
            SourceError: a value is null (unless allowed), NaN, infinite or over ``MAX_MAGNITUDE``.
        """
        out = np.full((len(self), len(names)), np.nan)
        for index, name in enumerate(names):
            if nullable and name not in self:
                continue
            column = self.table[name]
            if not nullable:
                self._refuse_nulls(name)
            values = column.cast(pa.float64(), safe=False).to_numpy()
            bad = ~(np.abs(values) <= MAX_MAGNITUDE)
            if nullable and column.null_count:
                bad &= column.is_valid().to_numpy()
            if bad.any():
                row = int(np.argmax(bad))
                raise self.error(
                    f"expected a finite number of at most {MAX_MAGNITUDE:g}, got {values[row]:g}",
                    row,
                    name,
                )
            out[:, index] = values
        return out

    def positive(self, *names: str, nullable: bool = False) -> NDArray[np.float64]:
        """Return (R, C) numbers above zero, as ``numbers`` does."""
        values = self.numbers(*names, nullable=nullable)
        bad = values <= 0
        if bad.any():
            row, column = (int(i) for i in np.argwhere(bad)[0])
            raise self.error(
                f"expected a number above 0, got {values[row, column]:g}", row, names[column]
            )
        return values

    def quaternions(self, *names: str, nullable: bool = False) -> NDArray[np.float64]:
        """Return (R, 4) unit quaternions (w, x, y, z), normalised.

        Raises:
            SourceError: one is not of length 1 within ``QUATERNION_TOLERANCE``.
        """
        values = self.numbers(*names, nullable=nullable)
        norms = np.sqrt(np.einsum("ij,ij->i", values, values))
        bad = np.abs(norms - 1.0) > QUATERNION_TOLERANCE
        if bad.any():
            row = int(np.argmax(bad))
            raise self.error(
                f"expected a rotation quaternion {'/'.join(names)} of length 1, "
                f"got length {norms[row]:g}",
                row,
            )
        out: NDArray[np.float64] = values / norms[:, None]
        return out

    def order_in_time(
        self, track_index: NDArray[np.int64], timestamps_ns: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Return the rows sorted by track.

        Rows of different tracks may be mixed in any way, but those of one track must follow in
        time: published files do, and a step back means that rows or time stamps were changed.

        Raises:
            SourceError: a track has two rows of one time, or a step back in time.
        """
        order = np.argsort(track_index, kind="stable")
        step = np.diff(timestamps_ns[order])
        wrong = np.flatnonzero((np.diff(track_index[order]) == 0) & (step <= 0))
        if len(wrong):
            rule = (
                "expected one annotation per track and time, found a second one"
                if step[wrong[0]] == 0
                else "expected the annotations of a track in order of time, found a step back"
            )
            raise self.error(rule, int(order[wrong[0] + 1]))
        return np.asarray(order)

    def codes(self, name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        """Return the sorted distinct values of a string column and each row's index into them."""
        self._refuse_nulls(name)
        encoded = pc.dictionary_encode(self.table[name].combine_chunks())
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        found: list[str] = encoded.dictionary.to_pylist()
        order = sorted(range(len(found)), key=found.__getitem__)
        place = np.empty(len(found), dtype=np.int64)
        place[order] = np.arange(len(found))
        indices = encoded.indices.to_numpy(zero_copy_only=False)
        return place[indices], tuple(found[i] for i in order)

    def strings(self, name: str) -> list[str]:
        """Return a column of strings without nulls."""
        self._refuse_nulls(name)
        values: list[str] = self.table[name].to_pylist()
        return values

    def _refuse_nulls(self, name: str) -> None:
        column = self.table[name]
        if column.null_count:
            row = int(np.argmin(column.is_valid().to_numpy()))
            raise self.error("expected a value, got null", row, name)


def read_feather(path: Path, types: Mapping[str, ColumnType], keys: Sequence[str] = ()) -> Columns:
    """Read the named columns of an Arrow IPC (Feather V2) file.

    The file is read into memory and checked in full: a corrupt file that is memory-mapped can end
    the process, and one with broken string offsets too.

    Raises:
        SourceError: the file is missing, no Feather file, cut off, or lacks a column of the type.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise SourceError(path, "expected a Feather file here, found none") from error
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    try:
        source = pa.BufferReader(data)
        schema = pa.ipc.open_file(source).schema
        check_types(path, schema, types)
        options = pa.ipc.IpcReadOptions(
            included_fields=sorted(schema.get_field_index(name) for name in types),
            use_threads=False,
        )
        source.seek(0)
        table = pa.ipc.open_file(source, options=options).read_all()
        table.validate(full=True)
    except SourceError:
        raise
    # Corrupt metadata surfaces as any of these, an absurd length as MemoryError.
    except (pa.ArrowException, ValueError, KeyError, OSError, MemoryError, OverflowError) as error:
        raise SourceError(
            path, f"expected a complete Feather (Arrow IPC) file; reading it failed: {error}"
        ) from error
    return Columns(path, table, tuple(keys))


def check_types(path: Path, schema: pa.Schema, types: Mapping[str, ColumnType]) -> None:
    """Check that a table has each column once and of its type.

    Raises:
        SourceError: a column is missing, doubled or of another type.
    """
    for name, expected in types.items():
        count = schema.names.count(name)
        if count != 1:
            found = ", ".join(map(repr, schema.names))
            rule = f"expected one column of type {expected}, found {count} among {found}"
            raise SourceError(path, rule, f"column {name!r}")
        actual = schema.field(name).type
        if not _TYPE_TESTS[expected](actual):
            raise SourceError(
                path, f"expected a column of type {expected}, got {actual}", f"column {name!r}"
            )
