"""Distance, speed and clock directions of tracks on the 0.5 s grid. Numpy only, no I/O.

All functions take N tracks at once. A run of frames is ``start`` to ``stop``, exclusive, as in a
slice; NaN centres mark frames without annotation and never count as motion.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]

NO_DIRECTION = 0
"""The clock value of a step that is too short to point anywhere."""


def step_lengths_m(centers_m: FloatArray) -> FloatArray:
    """Lengths of the N x (T-1) steps between consecutive frames; NaN beside a gap."""
    return np.asarray(np.linalg.norm(np.diff(centers_m, axis=1), axis=2))


def step_speeds_mps(centers_m: FloatArray, timestamps_s: FloatArray) -> FloatArray:
    """Speeds of the N x (T-1) steps; NaN beside a gap."""
    return step_lengths_m(centers_m) / np.diff(timestamps_s)


def traveled_distance_m(centers_m: FloatArray, start: int, stop: int) -> float:
    """Sum the step lengths of one (T, 3) track over frames ``start`` to ``stop``, exclusive.

    The definition of [P1 3.2]. The sum is NaN if a frame between is not annotated: a gap is never
    bridged.

    Raises:
        ValueError: the run has fewer than two frames or leaves the track.
    """
    if not 0 <= start < stop - 1 < len(centers_m):
        raise ValueError(
            f"a run needs at least two frames inside 0..{len(centers_m)}, got [{start}, {stop})"
        )
    return float(np.linalg.norm(np.diff(centers_m[start:stop], axis=0), axis=1).sum())


def average_speed_mps(
    centers_m: FloatArray, timestamps_s: FloatArray, start: int, stop: int
) -> float:
    """Traveled distance over elapsed time of one (T, 3) track, with the real timestamps [P1 3.2].

    Raises:
        ValueError: the run has fewer than two frames or leaves the track.
    """
    distance_m = traveled_distance_m(centers_m, start, stop)
    return distance_m / float(timestamps_s[stop - 1] - timestamps_s[start])


def net_displacements_m(centers_m: FloatArray, starts: IntArray, stops: IntArray) -> FloatArray:
    """(N,) straight-line distances from each run's first to its last frame; 0 for empty runs."""
    rows = np.arange(len(centers_m))
    empty = stops - starts < 1
    first, last = np.where(empty, 0, starts), np.where(empty, 0, stops - 1)
    distance = np.linalg.norm(centers_m[rows, last] - centers_m[rows, first], axis=1)
    return np.where(empty, 0.0, distance)


def longest_runs(mask: BoolArray) -> tuple[IntArray, IntArray]:
    """Find each row's longest run of true values in an (N, T) mask, the first one on a tie.

    Returns:
        (N,) starts and (N,) exclusive stops; equal where a row has no true value.
    """
    n, t = mask.shape
    lengths = np.zeros((n, t + 1), dtype=np.int64)
    for frame in range(t):
        lengths[:, frame + 1] = np.where(mask[:, frame], lengths[:, frame] + 1, 0)
    stops = lengths.argmax(axis=1)
    return stops - lengths[np.arange(n), stops], stops


def clock_directions(
    centers_m: FloatArray, starts: IntArray, min_step_m: float = 0.25
) -> NDArray[np.int8]:
    """Give each step a clock direction relative to its object's first step [P1 eq. 1].

    The angle is taken about the world's z axis, clockwise seen from above, so that a right turn
    from the first step is 3 o'clock. Twelve sectors of 30 degrees, centred on the hours.

    Args:
        centers_m: (N, T, 3) centres, z up.
        starts: (N,) the frame at which each object's appearance begins.
        min_step_m: a shorter step has no direction; if an object's first step is shorter, none of
            its steps has one.

    Returns:
        (N, T-1) hours 1 to 12, ``NO_DIRECTION`` where there is none.
    """
    steps = np.diff(centers_m, axis=1)
    n_steps = steps.shape[1]
    long_enough = (np.linalg.norm(steps, axis=2) >= min_step_m) & (
        np.hypot(steps[..., 0], steps[..., 1]) > 0
    )
    rows = np.arange(len(steps))
    first = np.clip(starts, 0, max(n_steps - 1, 0))
    if n_steps == 0:
        return np.zeros((len(centers_m), 0), dtype=np.int8)
    headings = np.arctan2(steps[..., 1], steps[..., 0])
    clockwise = headings[rows, first][:, None] - headings
    hours = np.mod(np.rint(np.degrees(clockwise) / 30.0), 12.0)
    hours = np.where(hours == 0, 12.0, hours)
    valid = long_enough & long_enough[rows, first][:, None]
    return np.where(valid, hours, NO_DIRECTION).astype(np.int8)


def direction_runs(clocks: NDArray[np.int8], start: int, stop: int) -> dict[int, tuple[int, int]]:
    """Longest run of consecutive steps for each hour that one object's steps point to.

    Args:
        clocks: (T-1,) hours of one object's steps.
        start: first frame of the appearance.
        stop: its exclusive end.

    Returns:
        hour -> (first frame of the first step, last frame of the last step).
    """
    runs: dict[int, tuple[int, int]] = {}
    steps = clocks[start : stop - 1]
    borders = np.flatnonzero(np.diff(steps)) + 1
    edges = [0, *borders.tolist(), len(steps)]
    for first, last in pairwise(edges):
        if first == last or steps[first] == NO_DIRECTION:
            continue
        hour = int(steps[first])
        if hour not in runs or last - first > runs[hour][1] - runs[hour][0]:
            runs[hour] = (start + first, start + last)
    return runs


def heading_difference_deg(displacement_a_m: FloatArray, displacement_b_m: FloatArray) -> float:
    """Angle between two (3,) displacements in the ground plane, 0 to 180 degrees."""
    a = np.arctan2(displacement_a_m[1], displacement_a_m[0])
    b = np.arctan2(displacement_b_m[1], displacement_b_m[0])
    wrapped = np.mod(np.degrees(a - b) + 180.0, 360.0) - 180.0
    return float(abs(wrapped))
