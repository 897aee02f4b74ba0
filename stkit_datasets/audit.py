"""A row's target worked out again from the positions it stores, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_datasets import kinematics
from stkit_datasets.clip import FloatArray
from stkit_datasets.config import KinematicsConfig
from stkit_datasets.tasks.names import Task

Row = Mapping[str, Any]

_TOLERANCE = 1e-4
"""Stored positions are rounded to a micrometre; sums over 40 of them stay far below this."""


@dataclass(frozen=True)
class Audit:
    """How a target comes about.

    Attributes:
        lines: the arithmetic, one step a line.
        target: the target as stored.
        recomputed: the same, from the stored positions alone.
        agrees: whether the two are the same.
    """

    lines: tuple[str, ...]
    target: str
    recomputed: str
    agrees: bool


def positions_m(row: Row, index: int) -> FloatArray:
    """(T, 3) world positions of a row's object, NaN where not annotated."""
    centers = row["objects"][index]["centers_m"]
    return np.array([[np.nan] * 3 if center is None else center for center in centers], dtype=float)


def run_of(row: Row) -> tuple[int, int]:
    """First frame and exclusive end of the run that the target was computed over."""
    times = np.asarray(row["timestamps_s"])
    return _frame_at(times, row["start_s"]), _frame_at(times, row["end_s"]) + 1


def _frame_at(times_s: FloatArray, time_s: float) -> int:
    return int(np.abs(times_s - time_s).argmin())


def audit(row: Row, config: KinematicsConfig | None = None) -> Audit:
    """Work a row's target out again.

    Args:
        row: a row of a build.
        config: the thresholds the row was built with.
    """
    config = KinematicsConfig() if config is None else config
    return _AUDITS[Task(row["task"])](row, config)


def _steps(row: Row, index: int, start: int, stop: int) -> tuple[list[str], FloatArray]:
    centers, times = positions_m(row, index), row["timestamps_s"]
    lengths = np.linalg.norm(np.diff(centers[start:stop], axis=0), axis=1)
    lines = [f"{row['objects'][index]['color']} object, track {row['objects'][index]['track_id']}:"]
    for offset, frame in enumerate(range(start, stop)):
        x, y, z = centers[frame]
        step = f"  step {lengths[offset - 1]:8.4f} m" if offset else ""
        lines.append(f"  {times[frame]:6.2f} s  ({x:10.3f}, {y:10.3f}, {z:8.3f}) m{step}")
    return lines, lengths


def _distance(row: Row, config: KinematicsConfig) -> Audit:
    start, stop = run_of(row)
    lines, lengths = _steps(row, 0, start, stop)
    value = float(lengths.sum())
    lines.append(f"sum of {len(lengths)} steps = {value:.6f} m")
    return _value_audit(row, lines, value, "m")


def _speed(row: Row, config: KinematicsConfig) -> Audit:
    start, stop = run_of(row)
    lines, lengths = _steps(row, 0, start, stop)
    elapsed = row["timestamps_s"][stop - 1] - row["timestamps_s"][start]
    value = float(lengths.sum()) / elapsed
    lines.append(f"{lengths.sum():.6f} m / {elapsed:.6f} s = {value:.6f} m/s")
    return _value_audit(row, lines, value, "m/s")


def _value_audit(row: Row, lines: list[str], value: float, unit: str) -> Audit:
    target = row["target"]["value_si"]
    agrees = abs(target - value) <= _TOLERANCE * max(1.0, abs(value))
    return Audit(tuple(lines), f"{target:.6f} {unit}", f"{value:.6f} {unit}", agrees)


def _clocks(row: Row, config: KinematicsConfig) -> tuple[list[str], np.ndarray[Any, Any]]:
    start, stop = run_of(row)
    centers, times = positions_m(row, 0), row["timestamps_s"]
    clocks = kinematics.clock_directions(centers[None], np.array([start]), config.min_step_m)[0]
    steps = np.diff(centers, axis=0)
    reference = np.degrees(np.arctan2(steps[start, 1], steps[start, 0]))
    lines = [f"reference: first step, heading {reference:.1f} deg (12 o'clock)"]
    for frame in range(start, stop - 1):
        heading = np.degrees(np.arctan2(steps[frame, 1], steps[frame, 0]))
        clockwise = np.mod(reference - heading, 360)
        hour = f"{clocks[frame]} o'clock" if clocks[frame] else "too short, no direction"
        (x0, y0), (x1, y1) = centers[frame, :2], centers[frame + 1, :2]
        lines.append(
            f"  {times[frame]:6.2f}-{times[frame + 1]:.2f} s  ({x0:.3f}, {y0:.3f}) to "
            f"({x1:.3f}, {y1:.3f}) m  step "
            f"{np.linalg.norm(steps[frame]):7.3f} m, {clockwise:5.1f} deg clockwise: {hour}"
        )
    return lines, clocks


def _direction(row: Row, config: KinematicsConfig) -> Audit:
    lines, clocks = _clocks(row, config)
    clock, target = int(clocks[run_of(row)[1] - 2]), row["target"]["clock"]
    lines.append(f"last step of the appearance: {clock} o'clock")
    return Audit(tuple(lines), f"{target} o'clock", f"{clock} o'clock", clock == target)


def _timestamp(row: Row, config: KinematicsConfig) -> Audit:
    lines, clocks = _clocks(row, config)
    target = row["target"]
    runs = kinematics.direction_runs(clocks, *run_of(row))
    first, last = runs.get(target["clock"], (0, 0))
    start_s, end_s = row["timestamps_s"][first], row["timestamps_s"][last]
    lines.append(f"longest run at {target['clock']} o'clock: {start_s:.2f} s to {end_s:.2f} s")
    agrees = (
        max(abs(start_s - target["start_s"]), abs(end_s - target["end_s"])) <= _TOLERANCE
        and target["clock"] in runs
    )
    stored = f"{target['start_s']:.2f} s to {target['end_s']:.2f} s"
    return Audit(tuple(lines), stored, f"{start_s:.2f} s to {end_s:.2f} s", agrees)


def _compared(row: Row, config: KinematicsConfig) -> Audit:
    start, stop = run_of(row)
    per_second = row["task"] == Task.TRAVELING_SPEED_COMPARISON
    lines, values, unit = [], [], "m/s" if per_second else "m"
    elapsed = row["timestamps_s"][stop - 1] - row["timestamps_s"][start]
    for index in (0, 1):
        steps, lengths = _steps(row, index, start, stop)
        value = float(lengths.sum()) / (elapsed if per_second else 1.0)
        lines += [*steps, f"  {'average speed' if per_second else 'sum'} = {value:.6f} {unit}"]
        values.append(value)
    colors = [entry["color"] for entry in row["objects"]]
    more = colors[int(values[1] > values[0])]
    less = colors[int(values[1] <= values[0])]
    choice = more if row["polarity"] == "more" else less
    lines.append(f"asked for the one that does {row['polarity']}: {choice}")
    target = row["target"]["choice"]
    return Audit(tuple(lines), target, choice, choice == target)


def _directions_compared(row: Row, config: KinematicsConfig) -> Audit:
    start, stop = run_of(row)
    ends = [positions_m(row, i)[[start, stop - 1], :2] for i in (0, 1)]
    moved = [last - first for first, last in ends]
    difference = kinematics.heading_difference_deg(moved[0], moved[1])
    lines = [
        f"{entry['color']} object, track {entry['track_id']}: from ({first[0]:.3f}, "
        f"{first[1]:.3f}) to ({last[0]:.3f}, {last[1]:.3f}) m, displacement "
        f"({d[0]:.3f}, {d[1]:.3f}) m, heading {np.degrees(np.arctan2(d[1], d[0])):.1f} deg"
        for entry, (first, last), d in zip(row["objects"], ends, moved, strict=True)
    ]
    choice = "same" if difference <= config.same_direction_deg else "different"
    lines.append(
        f"difference {difference:.1f} deg (same up to {config.same_direction_deg:g}, different "
        f"from {config.different_direction_deg:g}): {choice}"
    )
    target = row["target"]["choice"]
    return Audit(tuple(lines), target, choice, choice == target)


_AUDITS = {
    Task.TRAVELED_DISTANCE: _distance,
    Task.TRAVELING_SPEED: _speed,
    Task.MOVEMENT_DIRECTION: _direction,
    Task.DIRECTION_TIMESTAMP: _timestamp,
    Task.TRAVELED_DISTANCE_COMPARISON: _compared,
    Task.TRAVELING_SPEED_COMPARISON: _compared,
    Task.MOVEMENT_DIRECTION_COMPARISON: _directions_compared,
}
