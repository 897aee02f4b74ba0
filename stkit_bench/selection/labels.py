"""Labels to balance by: bins of values, clock directions, answers, polarities and colors."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from stkit_bench.selection.candidates import Candidates
from stkit_datasets.tasks.names import Task

__all__ = ["SelectionConfig", "label_columns", "universe"]

_KMH_PER_MPS = 3.6

ObjectArray = npt.NDArray[np.object_]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_LABELS: dict[Task, tuple[str, ...]] = {
    Task.TRAVELED_DISTANCE: ("distance_m",),
    Task.TRAVELING_SPEED: ("speed_kmh",),
    Task.MOVEMENT_DIRECTION: ("clock",),
    Task.DIRECTION_TIMESTAMP: ("clock",),
    Task.TRAVELED_DISTANCE_COMPARISON: ("answer", "polarity", "color"),
    Task.TRAVELING_SPEED_COMPARISON: ("answer", "polarity", "color"),
    Task.MOVEMENT_DIRECTION_COMPARISON: ("answer", "polarity", "color"),
}
_CLOCK = tuple(f"{hour:02d}" for hour in range(1, 13))


@dataclass(frozen=True)
class SelectionConfig:
    """By what the tasks are balanced; the papers name the labels, the borders are ours.

    Attributes:
        distance_edges_m: borders of the distance bins; a bin holds its lower border.
        speed_edges_kmh: borders of the speed bins.
        labels: for each task the kinds of label, the most important first.
    """

    distance_edges_m: tuple[float, ...] = (0, 2.5, 5, 10, 20, 40, 80, 160, math.inf)
    speed_edges_kmh: tuple[float, ...] = (0, 5, 10, 20, 30, 40, 50, 70, math.inf)
    labels: Mapping[Task, tuple[str, ...]] = field(default_factory=lambda: dict(_LABELS))

    def __post_init__(self) -> None:
        for name in ("distance_edges_m", "speed_edges_kmh"):
            edges = getattr(self, name)
            if len(edges) < 2 or any(b <= a for a, b in itertools.pairwise(edges)):
                raise ValueError(f"{name} must hold at least two rising numbers, got {edges}")


def label_columns(
    pool: Candidates, rows: IntArray, task: Task, config: SelectionConfig
) -> tuple[tuple[str, ...], list[ObjectArray], tuple[str, ...]]:
    """Return the kinds of label that the task's rows carry, their columns, and the other kinds."""
    kinds: list[str] = []
    columns: list[ObjectArray] = []
    missing: list[str] = []
    for kind in config.labels[task]:
        column = _label_column(pool, rows, task, kind, config)
        if len(rows) and all(value is None for value in column):
            missing.append(kind)
        else:
            kinds.append(kind)
            columns.append(column)
    return tuple(kinds), columns, tuple(missing)


def _label_column(
    pool: Candidates, rows: IntArray, task: Task, kind: str, config: SelectionConfig
) -> ObjectArray:
    if kind == "distance_m":
        return _bins(pool.value_si[rows], config.distance_edges_m)
    if kind == "speed_kmh":
        return _bins(pool.value_si[rows] * _KMH_PER_MPS, config.speed_edges_kmh)
    if kind == "clock":
        hours = pool.clock[rows]
        valid = (hours >= 1) & (hours <= 12) & (hours == np.floor(hours))
        return _named(np.array(_CLOCK, dtype=object), hours - 1, valid)
    if kind == "polarity":
        return pool.polarity[rows]
    same_or_different = task is Task.MOVEMENT_DIRECTION_COMPARISON
    if kind == "answer":
        return pool.choice[rows] if same_or_different else _place(pool, rows)
    if kind == "color":
        return pool.first_color[rows] if same_or_different else pool.choice[rows]
    raise ValueError(
        f"labels[{task.value!r}]: unknown kind {kind!r}; there are distance_m, speed_kmh, clock, "
        "answer, polarity, color"
    )


def _place(pool: Candidates, rows: IntArray) -> ObjectArray:
    """Return whether the object named first or the one named second is the answer."""
    choice = pool.choice[rows]
    place = np.full(len(rows), None, dtype=object)
    given = choice != None  # noqa: E711 - elementwise
    place[given & (choice == pool.first_color[rows])] = "first"
    place[given & (choice == pool.second_color[rows])] = "second"
    return place


def _bins(values: FloatArray, edges: tuple[float, ...]) -> ObjectArray:
    with np.errstate(invalid="ignore"):
        valid = (values >= edges[0]) & (values < edges[-1])
    return _named(np.array(_bin_names(edges), dtype=object), np.digitize(values, edges) - 1, valid)


def _bin_names(edges: tuple[float, ...]) -> list[str]:
    return [f"{a:g}+" if math.isinf(b) else f"{a:g}-{b:g}" for a, b in itertools.pairwise(edges)]


def _named(
    names: ObjectArray, codes: npt.NDArray[Any], valid: npt.NDArray[np.bool_]
) -> ObjectArray:
    column = np.full(len(codes), None, dtype=object)
    column[valid] = names[codes[valid].astype(np.int64)]
    return column


def universe(
    task: Task, kinds: tuple[str, ...], columns: list[ObjectArray], config: SelectionConfig
) -> list[tuple[str, ...]]:
    """Return every cell that could be filled, also those without a candidate."""
    same_or_different = task is Task.MOVEMENT_DIRECTION_COMPARISON
    known = {
        "distance_m": _bin_names(config.distance_edges_m),
        "speed_kmh": _bin_names(config.speed_edges_kmh),
        "clock": list(_CLOCK),
        "answer": ["same", "different"] if same_or_different else ["first", "second"],
    }
    levels = []
    for kind, column in zip(kinds, columns, strict=True):
        observed = sorted({str(value) for value in column.tolist()})
        levels.append(
            [*known.get(kind, ()), *(v for v in observed if v not in known.get(kind, ()))]
        )
    return list(itertools.product(*levels))
