"""Rows to references: what a response is judged by, without touching the videos."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["TARGET_FIELDS", "reference", "references"]

#: The fields of a target beside its task, in the order of the row's schema.
TARGET_FIELDS: tuple[str, ...] = ("value_si", "unit", "clock", "start_s", "end_s", "choice")

#: Columns of a row that no score needs and that are long.
_LEFT_OUT = frozenset({"answer", "prompt", "video"})
_SCALARS = (str, int, float, bool)


def references(dataset: Any) -> list[dict[str, Any]]:
    """Return one reference per row.

    Args:
        dataset: a ``datasets.Dataset`` or ``IterableDataset``, a pandas ``DataFrame``, a pyarrow
            ``Table``, or an iterable of rows. A row holds ``target``, ``task`` and ``question``;
            the fields of the target may also stand in the row itself. Only the columns that are
            needed are read, so no video is decoded.

    Returns:
        Dicts with ``id``, ``cluster``, ``task``, ``question`` and the target's fields (None where
        the task does not use them), and the row's other plain values (source, camera, scenario
        attributes) for breakdowns. ``cluster`` is the row's, or else ``source/clip_id``.

    Raises:
        TypeError: a dictionary of splits was given, or something that holds no rows.
        ValueError: a row has no task, or two that differ; the message names the row.
    """
    return [reference(row, f"row {number}") for number, row in enumerate(_rows(dataset))]


def reference(row: Mapping[str, Any], where: str = "row") -> dict[str, Any]:
    """Return the reference of one row, or of a bare target with its task and question.

    Args:
        row: see :func:`references`.
        where: how an error names the row.
    """
    target = row.get("target")
    if target is not None and not isinstance(target, Mapping):
        raise ValueError(f"{where}: target must be an object, got {type(target).__name__}")
    fields = row if target is None else target
    task = _task(row, fields, where)
    result = {
        key: value
        for key, value in row.items()
        if key not in _LEFT_OUT and (value is None or isinstance(value, _SCALARS))
    }
    result.update({name: _null_if_nan(fields.get(name)) for name in TARGET_FIELDS})
    result.update(id=row.get("id"), cluster=_cluster(row), task=task, question=row.get("question"))
    result.pop("target", None)
    return result


def _task(row: Mapping[str, Any], fields: Mapping[str, Any], where: str) -> str:
    outer, inner = row.get("task"), fields.get("task")
    task = inner if outer is None else outer
    if not isinstance(task, str):
        raise ValueError(f"{where}: task must be a text, got {task!r}")
    if inner is not None and inner != task:
        raise ValueError(f"{where}: task {task!r} differs from its target's task {inner!r}")
    return str(task)


def _cluster(row: Mapping[str, Any]) -> str | None:
    if row.get("cluster") is not None:
        return str(row["cluster"])
    source, clip = row.get("source"), row.get("clip_id")
    return None if source is None or clip is None else f"{source}/{clip}"


def _null_if_nan(value: Any) -> Any:
    # A table of pandas writes a missing number as NaN; a needed one is refused when it is judged.
    return None if isinstance(value, float) and math.isnan(value) else value


def _rows(dataset: Any) -> Iterable[Mapping[str, Any]]:
    if isinstance(dataset, Mapping):
        raise TypeError(
            f"references() takes one split, got a dictionary of {', '.join(map(str, dataset))}: "
            "choose one, for example dataset['validation']"
        )
    if isinstance(dataset, (str, bytes)) or not hasattr(dataset, "__iter__"):
        if hasattr(dataset, "to_pylist") and hasattr(dataset, "select"):
            return _table_rows(dataset)
        raise TypeError(f"references() takes rows, got {type(dataset).__name__}")
    if hasattr(dataset, "select_columns"):
        return _dataset_rows(dataset)
    if hasattr(dataset, "to_pylist") and hasattr(dataset, "column_names"):
        return _table_rows(dataset)
    if hasattr(dataset, "to_dict") and hasattr(dataset, "columns"):
        frame_rows: Iterable[Mapping[str, Any]] = dataset.to_dict("records")
        return frame_rows
    return _checked(dataset)


def _dataset_rows(dataset: Any) -> Iterable[Mapping[str, Any]]:
    features = dataset.features
    if features is None:
        # A stream without known types: its rows are read whole, but never decoded by us.
        rows: Iterable[Mapping[str, Any]] = dataset
        return rows
    kept = [name for name, feature in features.items() if _is_wanted(name, feature)]
    narrow = dataset.select_columns(kept)
    if hasattr(narrow, "with_format") and hasattr(narrow, "__len__"):
        table = narrow.with_format("arrow")[:]
        listed: Sequence[Mapping[str, Any]] = table.to_pylist()
        return listed
    streamed: Iterable[Mapping[str, Any]] = narrow
    return streamed


def _is_wanted(name: str, feature: Any) -> bool:
    return name == "target" or (name not in _LEFT_OUT and type(feature).__name__ == "Value")


def _table_rows(table: Any) -> Iterable[Mapping[str, Any]]:
    kept = [
        field.name
        for field in table.schema
        if field.name == "target" or (field.name not in _LEFT_OUT and field.type.num_fields == 0)
    ]
    rows: Iterable[Mapping[str, Any]] = table.select(kept).to_pylist()
    return rows


def _checked(rows: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"row {number} must be a mapping, got {type(row).__name__}")
        yield row
