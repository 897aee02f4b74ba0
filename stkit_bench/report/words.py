"""Numbers, targets and readings in the words of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stkit_bench.judging import KMH_PER_MPS, READER_FAILED, ReadingLike
from stkit_bench.results import Interval
from stkit_datasets.tasks.names import Task

__all__ = [
    "SHORT_NAMES",
    "TASK_NAMES",
    "interval",
    "number",
    "percent",
    "percent_interval",
    "points",
    "reading_words",
    "target_words",
]

TASK_NAMES: dict[Task, str] = {
    Task.TRAVELED_DISTANCE: "Traveled distance",
    Task.TRAVELING_SPEED: "Traveling speed",
    Task.MOVEMENT_DIRECTION: "Movement direction",
    Task.DIRECTION_TIMESTAMP: "Direction timestamp",
    Task.TRAVELED_DISTANCE_COMPARISON: "Distance comparison",
    Task.TRAVELING_SPEED_COMPARISON: "Speed comparison",
    Task.MOVEMENT_DIRECTION_COMPARISON: "Direction comparison",
}

#: Narrow headings, each with the full name beside it in the page's markup.
SHORT_NAMES: dict[Task, str] = {
    Task.TRAVELED_DISTANCE: "Distance",
    Task.TRAVELING_SPEED: "Speed",
    Task.MOVEMENT_DIRECTION: "Direction",
    Task.DIRECTION_TIMESTAMP: "Timestamp",
    Task.TRAVELED_DISTANCE_COMPARISON: "Distance, two",
    Task.TRAVELING_SPEED_COMPARISON: "Speed, two",
    Task.MOVEMENT_DIRECTION_COMPARISON: "Direction, two",
}

NOTHING = "–"


def percent(share: float | None) -> str:
    """Write a share of 1 as a percentage with one decimal, without the sign."""
    return NOTHING if share is None else f"{100 * share:.1f}"


def percent_interval(ends: Interval | None) -> str:
    """Write an interval of shares, ``15.0–55.0``."""
    return NOTHING if ends is None else f"{100 * ends[0]:.1f}–{100 * ends[1]:.1f}"


def points(share: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    return f"{100 * share:+.1f}".replace("-", "−")


def number(value: float | None, decimals: int = 2) -> str:
    """Write a number with thousands separators."""
    return NOTHING if value is None else f"{value:,.{decimals}f}"


def interval(ends: Interval | None, decimals: int = 2) -> str:
    """Write an interval of numbers."""
    return NOTHING if ends is None else f"{number(ends[0], decimals)}–{number(ends[1], decimals)}"


def target_words(target: Mapping[str, Any]) -> str:
    """Write a row's target: SI units first, km/h beside m/s."""
    task = Task(target["task"])
    words = _quantity(
        task,
        target.get("value_si"),
        target.get("start_s"),
        target.get("end_s"),
        target.get("choice"),
    )
    clock = target.get("clock")
    if task is Task.MOVEMENT_DIRECTION:
        return f"{clock} o’clock"
    return f"{words}, toward {clock} o’clock" if task is Task.DIRECTION_TIMESTAMP else words


def reading_words(task: str, reading: ReadingLike | None, readable: bool) -> str:
    """Write what a response was read as, or why it was not."""
    if reading is None:
        return "no response"
    if reading.reason == READER_FAILED:
        return "the reader failed"
    if not readable:
        reason = str(reading.reason or "not what the task asks for").replace("_", " ")
        return f"not readable: {reason}"
    if task == Task.MOVEMENT_DIRECTION:
        return f"{reading.clock} o’clock"
    return _quantity(Task(task), reading.value_si, reading.start_s, reading.end_s, reading.choice)


def _quantity(
    task: Task,
    value_si: float | None,
    start_s: float | None,
    end_s: float | None,
    choice: str | None,
) -> str:
    if task is Task.TRAVELED_DISTANCE:
        return f"{number(value_si)} m"
    if task is Task.TRAVELING_SPEED:
        kmh = None if value_si is None else value_si * KMH_PER_MPS
        return f"{number(kmh)} km/h ({number(value_si)} m/s)"
    if task is Task.DIRECTION_TIMESTAMP:
        return f"{number(start_s)} s to {number(end_s)} s"
    if task is Task.MOVEMENT_DIRECTION_COMPARISON:
        return f"{choice} direction" if choice == "same" else f"{choice} directions"
    return str(choice)
