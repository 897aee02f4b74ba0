"""Whether each reading meets its target: columns of right and wrong, of errors and overlaps.

Numpy and the standard library only. The rules are those of the papers' section 4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stkit_datasets.tasks.names import TASKS, Task

__all__ = [
    "ACCURACY_HIGH",
    "ACCURACY_LOW",
    "IOU_THRESHOLD",
    "KMH_PER_MPS",
    "MAE_UNITS",
    "READER_FAILED",
    "RELATIVE_TOLERANCE",
    "Judged",
    "ReadingLike",
    "Reference",
    "interval_iou",
    "judge",
]

#: A distance or speed is right from 0.75 to 1.25 times the target, both bounds included.
ACCURACY_LOW = 0.75
ACCURACY_HIGH = 1.25
#: An interval is right from this intersection over union on.
IOU_THRESHOLD = 0.5
#: An answer on a bound still counts after a conversion of units has moved its last bits.
RELATIVE_TOLERANCE = 1e-9
KMH_PER_MPS = 3.6
#: The reason of a reading that the reader, not the response, is to blame for. It is no score.
READER_FAILED = "reader_failed"

#: The unit in which the mean absolute error of a task is told; the other tasks have none.
MAE_UNITS: dict[Task, str] = {
    Task.TRAVELED_DISTANCE: "m",
    Task.TRAVELING_SPEED: "km/h",
    Task.MOVEMENT_DIRECTION: "clock hours",
}

_CODES = {task.value: code for code, task in enumerate(TASKS)}

Reference = Mapping[str, Any]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]


class ReadingLike(Protocol):
    """What a response was read as; the fields that the task does not use are None."""

    @property
    def value_si(self) -> float | None:
        """Metres or metres per second."""

    @property
    def clock(self) -> int | None:
        """Clock direction, 1 to 12."""

    @property
    def start_s(self) -> float | None:
        """Start of an interval, seconds."""

    @property
    def end_s(self) -> float | None:
        """End of an interval, seconds."""

    @property
    def choice(self) -> str | None:
        """A colour, or ``same`` or ``different``."""

    @property
    def reason(self) -> str | None:
        """Why nothing could be read."""

    @property
    def readable(self) -> bool:
        """Whether the response was read."""


@dataclass(frozen=True)
class Judged:
    """One entry per question, in the order of the references.

    Attributes:
        task: index into :data:`stkit_datasets.tasks.names.TASKS`.
        answered: False where no response was given at all.
        readable: the reading holds what the task asks for.
        correct: the reading meets the target; False where unreadable.
        error: absolute error in the unit of :data:`MAE_UNITS`; NaN where unreadable or the task
            has none.
        iou: intersection over union of a direction timestamp, 0 where unreadable; NaN elsewhere.
        cluster: which clip the question belongs to, 0 … ``n_clusters`` - 1. A reference without a
            ``cluster`` stands alone.
        reasons: why a response was not read, None where it was read or there was none.
    """

    task: IntArray
    answered: BoolArray
    readable: BoolArray
    correct: BoolArray
    error: FloatArray
    iou: FloatArray
    cluster: IntArray
    reasons: list[str | None]

    @property
    def scored(self) -> BoolArray:
        """False where the reader failed: that question says nothing about the answers."""
        return np.fromiter((r != READER_FAILED for r in self.reasons), np.bool_, len(self))

    def __len__(self) -> int:
        return len(self.task)

    @property
    def n_clusters(self) -> int:
        """The number of different clips."""
        return int(self.cluster.max()) + 1 if len(self.cluster) else 0

    def take(self, indices: IntArray) -> Judged:
        """Return these questions only, with the clusters numbered anew."""
        _, cluster = np.unique(self.cluster[indices], return_inverse=True)
        return Judged(
            task=self.task[indices],
            answered=self.answered[indices],
            readable=self.readable[indices],
            correct=self.correct[indices],
            error=self.error[indices],
            iou=self.iou[indices],
            cluster=cluster.astype(np.int64),
            reasons=[self.reasons[int(index)] for index in indices],
        )


def judge(references: Sequence[Reference], readings: Sequence[ReadingLike | None]) -> Judged:
    """Compare each reading with its reference.

    Args:
        references: mappings with ``task`` and the target fields that the task uses (``value_si``
            in m or m/s, ``clock`` 1 to 12, ``start_s`` and ``end_s`` in s, ``choice``), optionally
            ``id`` (must not repeat) and ``cluster``.
        readings: one per reference; None where the question was not answered.

    Raises:
        ValueError: the lengths differ, an id repeats, or a target is missing or out of range; the
            message names the row.
    """
    if len(references) != len(readings):
        raise ValueError(
            f"references and readings must have the same length, "
            f"got {len(references)} and {len(readings)}"
        )
    _check_ids(references)
    n = len(references)
    judged = Judged(
        task=_task_codes(references),
        answered=np.fromiter((r is not None for r in readings), np.bool_, n),
        readable=np.zeros(n, np.bool_),
        correct=np.zeros(n, np.bool_),
        error=np.full(n, np.nan),
        iou=np.full(n, np.nan),
        cluster=_cluster_codes(references),
        reasons=[None] * n,
    )
    for code, name in enumerate(TASKS):
        rows = np.flatnonzero(judged.task == code)
        if len(rows):
            verdict = _JUDGES[name](_Questions(rows, references, readings, name))
            judged.readable[rows] = verdict.readable
            judged.correct[rows] = verdict.correct & verdict.readable
            judged.error[rows] = np.where(verdict.readable, verdict.error, np.nan)
            judged.iou[rows] = verdict.iou
    for row, reading in enumerate(readings):
        if reading is not None and not judged.readable[row]:
            judged.reasons[row] = str(reading.reason or "not what the task asks for")
    return judged


@dataclass(frozen=True)
class _Questions:
    """The questions of one task: where they stand in the references."""

    rows: IntArray
    references: Sequence[Reference]
    readings: Sequence[ReadingLike | None]
    task: Task

    def name(self, position: int) -> str:
        return _name(self.references, int(self.rows[position]))

    def targets(self, field: str) -> FloatArray:
        values = np.empty(len(self.rows))
        for position, row in enumerate(self.rows.tolist()):
            value = self.references[row].get(field)
            if value is None or isinstance(value, str) or not math.isfinite(value):
                raise ValueError(
                    f"{self.name(position)}: {field} must be a finite number for the task "
                    f"{self.task}, got {value!r}"
                )
            values[position] = value
        return values

    def given(self, field: str) -> FloatArray:
        """Return what was read; NaN where there is nothing."""
        values = np.full(len(self.rows), np.nan)
        for position, row in enumerate(self.rows.tolist()):
            reading = self.readings[row]
            if reading is not None and reading.readable:
                value = getattr(reading, field)
                values[position] = np.nan if value is None else value
        return values

    def require(self, ok: BoolArray, field: str, rule: str, values: FloatArray) -> None:
        if not ok.all():
            bad = int(np.flatnonzero(~ok)[0])
            raise ValueError(f"{self.name(bad)}: {field} {rule}, got {values[bad]:g}")


@dataclass(frozen=True)
class _Verdict:
    readable: BoolArray
    correct: BoolArray
    error: FloatArray | float = math.nan
    iou: FloatArray | float = math.nan


def _judge_magnitude(questions: _Questions) -> _Verdict:
    target = questions.targets("value_si")
    questions.require(target >= 0, "value_si", "must be at least 0", target)
    given = questions.given("value_si")
    slack = RELATIVE_TOLERANCE * target
    with np.errstate(invalid="ignore"):
        low = given >= ACCURACY_LOW * target - slack
        high = given <= ACCURACY_HIGH * target + slack
        error = np.abs(given - target)
    scale = KMH_PER_MPS if questions.task is Task.TRAVELING_SPEED else 1.0
    return _Verdict(readable=np.isfinite(given), correct=low & high, error=error * scale)


def _judge_direction(questions: _Questions) -> _Verdict:
    target = questions.targets("clock")
    on_the_clock = (target >= 1) & (target <= 12) & (target == np.round(target))
    questions.require(on_the_clock, "clock", "must be a whole number 1…12", target)
    given = questions.given("clock")
    apart = np.abs(given - target)
    return _Verdict(
        readable=(given >= 1) & (given <= 12),
        correct=apart == 0,
        error=np.minimum(apart, 12.0 - apart),
    )


def _judge_interval(questions: _Questions) -> _Verdict:
    start, end = questions.targets("start_s"), questions.targets("end_s")
    questions.require(end >= start, "end_s", "must not lie before start_s", end)
    given_start, given_end = questions.given("start_s"), questions.given("end_s")
    readable = np.isfinite(given_start) & np.isfinite(given_end)
    iou = np.where(readable, interval_iou(start, end, given_start, given_end), 0.0)
    return _Verdict(readable=readable, correct=iou >= IOU_THRESHOLD - RELATIVE_TOLERANCE, iou=iou)


def _judge_choice(questions: _Questions) -> _Verdict:
    readable = np.zeros(len(questions.rows), np.bool_)
    correct = readable.copy()
    for position, row in enumerate(questions.rows.tolist()):
        target = questions.references[row].get("choice")
        if not isinstance(target, str) or not target.strip():
            raise ValueError(
                f"{questions.name(position)}: choice must be a non-empty text for the task "
                f"{questions.task}, got {target!r}"
            )
        reading = questions.readings[row]
        given = reading.choice if reading is not None and reading.readable else None
        if given:
            readable[position] = True
            correct[position] = given.strip().lower() == target.strip().lower()
    return _Verdict(readable=readable, correct=correct)


_JUDGES: dict[Task, Callable[[_Questions], _Verdict]] = {
    Task.TRAVELED_DISTANCE: _judge_magnitude,
    Task.TRAVELING_SPEED: _judge_magnitude,
    Task.MOVEMENT_DIRECTION: _judge_direction,
    Task.DIRECTION_TIMESTAMP: _judge_interval,
    Task.TRAVELED_DISTANCE_COMPARISON: _judge_choice,
    Task.TRAVELING_SPEED_COMPARISON: _judge_choice,
    Task.MOVEMENT_DIRECTION_COMPARISON: _judge_choice,
}


def interval_iou(
    start_a: FloatArray, end_a: FloatArray, start_b: FloatArray, end_b: FloatArray
) -> FloatArray:
    """Return the intersection over union of intervals ``[start, end]``, elementwise.

    Two equal instants overlap fully (1.0); an interval that ends before it starts overlaps nothing.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        shared = np.clip(np.minimum(end_a, end_b) - np.maximum(start_a, start_b), 0.0, None)
        union = (end_a - start_a) + (end_b - start_b) - shared
        iou = np.where(union > 0, shared / union, 0.0)
        same_instant = (end_a == start_a) & (end_b == start_b) & (start_a == start_b)
        ordered = (end_a >= start_a) & (end_b >= start_b)
    return np.where(same_instant, 1.0, np.where(ordered, iou, 0.0))


def _check_ids(references: Sequence[Reference]) -> None:
    seen: dict[Any, int] = {}
    for row, reference in enumerate(references):
        identity = reference.get("id")
        if identity is None:
            continue
        if identity in seen:
            raise ValueError(
                f"references[{row}]: id {identity!r} repeats that of references[{seen[identity]}]"
            )
        seen[identity] = row


def _task_codes(references: Sequence[Reference]) -> IntArray:
    codes = np.empty(len(references), np.int64)
    for row, reference in enumerate(references):
        code = _CODES.get(reference.get("task", ""))
        if code is None:
            raise ValueError(
                f"{_name(references, row)}: task must be one of {', '.join(TASKS)}, "
                f"got {reference.get('task')!r}"
            )
        codes[row] = code
    return codes


def _cluster_codes(references: Sequence[Reference]) -> IntArray:
    known: dict[Any, int] = {}
    keys: Iterable[Any] = (
        ("row", row) if reference.get("cluster") is None else reference["cluster"]
        for row, reference in enumerate(references)
    )
    return np.fromiter((known.setdefault(k, len(known)) for k in keys), np.int64, len(references))


def _name(references: Sequence[Reference], row: int) -> str:
    identity = references[row].get("id")
    return f"references[{row}]" if identity is None else f"references[{row}] (id {identity!r})"
