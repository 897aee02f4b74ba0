"""Candidate rows as columns: what a selection needs to know of each, and no more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stkit_datasets.tasks.names import TASKS

__all__ = ["COLUMNS", "Candidates", "candidates"]

#: The columns that are read, where they exist. ``objects`` is read for its colors.
COLUMNS = (
    "id",
    "source",
    "clip_id",
    "task",
    "target",
    "value_si",
    "clock",
    "choice",
    "polarity",
    "objects",
    "first_color",
    "second_color",
)
_REQUIRED = ("id", "task")

ObjectArray = npt.NDArray[np.object_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Candidates:
    """Columns of equal length; texts are None and numbers NaN where a row has none."""

    id: ObjectArray
    task: IntArray
    source: ObjectArray
    clip: ObjectArray
    value_si: FloatArray
    clock: FloatArray
    choice: ObjectArray
    polarity: ObjectArray
    first_color: ObjectArray
    second_color: ObjectArray

    def __len__(self) -> int:
        return len(self.id)


def candidates(rows: Any) -> Candidates:
    """Read candidates from a table, a dataset, a mapping of columns or a sequence of rows.

    Raises:
        ValueError: a column is missing, an id is missing or repeats, or a task is unknown; the
            message names the row.
    """
    table = _table(rows)
    missing = [name for name in _REQUIRED if name not in table.column_names]
    if missing:
        raise ValueError(
            f"candidates need the columns {', '.join(_REQUIRED)}; {', '.join(missing)} missing"
        )
    first, second = _colors(table)
    return Candidates(
        id=_ids(table),
        task=_tasks(table),
        source=_texts(table, "source"),
        clip=_texts(table, "clip_id"),
        value_si=_numbers(table, "value_si"),
        clock=_numbers(table, "clock"),
        choice=_texts(table, "choice"),
        polarity=_texts(table, "polarity"),
        first_color=first,
        second_color=second,
    )


def _table(rows: Any) -> pa.Table:
    if isinstance(rows, pa.Table):
        return rows.select([name for name in COLUMNS if name in rows.column_names])
    if hasattr(rows, "select_columns"):
        narrow = rows.select_columns([name for name in COLUMNS if name in rows.column_names])
        return narrow.with_format("arrow")[:]
    if isinstance(rows, Mapping):
        return pa.table({name: rows[name] for name in COLUMNS if name in rows})
    if hasattr(rows, "to_dict") and hasattr(rows, "columns"):
        narrow = rows[[name for name in COLUMNS if name in rows.columns]]
        return pa.Table.from_pandas(narrow, preserve_index=False)
    return pa.Table.from_pylist([_narrow(row) for row in rows])


def _narrow(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {name: row.get(name) for name in COLUMNS if name in row and name != "objects"}
    objects: Sequence[Mapping[str, Any]] | None = row.get("objects")
    if objects is not None:
        kept["objects"] = [{"color": item.get("color")} for item in objects]
    return kept


def _field(table: pa.Table, name: str) -> pa.ChunkedArray | None:
    if "target" in table.column_names:
        target = table.column("target")
        if pa.types.is_struct(target.type) and target.type.get_field_index(name) >= 0:
            return pc.struct_field(target, name)
    return table.column(name) if name in table.column_names else None


def _texts(table: pa.Table, name: str) -> ObjectArray:
    column = _field(table, name)
    if column is None or pa.types.is_null(column.type):
        return np.full(table.num_rows, None, dtype=object)
    # Equal texts are stored once in a million rows.
    coded = column.combine_chunks().dictionary_encode()
    if isinstance(coded, pa.ChunkedArray):
        coded = coded.combine_chunks()
    names = np.array([*coded.dictionary.to_pylist(), None], dtype=object)
    result: ObjectArray = names[coded.indices.fill_null(len(names) - 1).to_numpy()]
    return result


def _numbers(table: pa.Table, name: str) -> FloatArray:
    column = _field(table, name)
    if column is None or pa.types.is_null(column.type):
        return np.full(table.num_rows, np.nan)
    cast = column.cast(pa.float64()).fill_null(float("nan"))
    return np.asarray(cast.to_numpy(), dtype=np.float64)


def _ids(table: pa.Table) -> ObjectArray:
    column = table.column("id")
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise ValueError(f"candidate row {row}: id must be given, got null")
    values = column.to_pylist()
    if len(set(values)) != len(values):
        seen: set[Any] = set()
        for row, value in enumerate(values):
            if value in seen:
                raise ValueError(f"candidate row {row}: id {value!r} repeats an earlier row's")
            seen.add(value)
    ids = np.empty(len(values), dtype=object)
    ids[:] = [str(value) for value in values]
    return ids


def _tasks(table: pa.Table) -> IntArray:
    names = _texts(table.select(["task"]), "task")
    codes = np.full(len(names), -1, dtype=np.int64)
    for code, task in enumerate(TASKS):
        codes[names == task.value] = code
    if (codes < 0).any():
        row = int(np.flatnonzero(codes < 0)[0])
        raise ValueError(
            f"candidate row {row}: task must be one of {', '.join(TASKS)}, got {names[row]!r}"
        )
    return codes


def _colors(table: pa.Table) -> tuple[ObjectArray, ObjectArray]:
    first, second = _texts(table, "first_color"), _texts(table, "second_color")
    if "first_color" in table.column_names or "objects" not in table.column_names:
        return first, second
    start = 0
    for chunk in table.column("objects").chunks:
        if pa.types.is_null(chunk.type):
            continue
        lengths = chunk.value_lengths().fill_null(0).to_numpy()
        flat = chunk.flatten()
        if flat.type.get_field_index("color") < 0:
            return first, second
        colors = np.array(pc.struct_field(flat, "color").to_pylist(), dtype=object)
        ends = np.cumsum(lengths)
        for column, place in ((first, 0), (second, 1)):
            has = np.flatnonzero(lengths > place)
            column[start + has] = colors[(ends - lengths)[has] + place]
        start += len(chunk)
    return first, second
