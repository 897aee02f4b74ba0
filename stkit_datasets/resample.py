"""Tracks annotated faster than 2 Hz, sampled on the grid of 0.5 s. Arrays only; numpy only.

``locate`` finds, for every track and grid time at once, the one or two annotations that give the
value there; ``interpolate`` and ``interpolate_rotations`` then read any column through them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry
from stkit_datasets.errors import ConfigError
from stkit_datasets.sources.base import GRID_STEP_S

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NS_PER_S = 1_000_000_000
NO_ANNOTATION = -1


@dataclass(frozen=True)
class GridConfig:
    """How annotations are sampled on the grid.

    Attributes:
        step_s: distance of two grid times [P1 3.2].
        snap_s: an annotation this near to a grid time is taken as it is [ours].
        max_gap_s: two annotations farther apart are never interpolated between [ours].
        max_span_s: a longer recording is refused, so that one broken time stamp cannot ask for a
            grid that fills the memory [ours].
    """

    step_s: float = GRID_STEP_S
    snap_s: float = 0.010
    max_gap_s: float = 0.25
    max_span_s: float = 6 * 3600.0

    def __post_init__(self) -> None:
        if not 0 < self.step_s < float("inf"):
            raise ConfigError(f"GridConfig.step_s must be positive, got {self.step_s:g}")
        if not 0 <= self.snap_s < self.step_s / 2:
            raise ConfigError(f"GridConfig.snap_s must lie in [0, step_s / 2), got {self.snap_s:g}")
        if not 0 <= self.max_gap_s < float("inf"):
            raise ConfigError(f"GridConfig.max_gap_s must not be negative, got {self.max_gap_s:g}")
        if not 0 < self.max_span_s < float("inf"):
            raise ConfigError(f"GridConfig.max_span_s must be positive, got {self.max_span_s:g}")


DEFAULT_GRID = GridConfig()


class Neighbours(NamedTuple):
    """The annotation rows that a value at each of N tracks and T grid times comes from.

    Attributes:
        before: (N, T) row of the annotation taken, or of the earlier of two; -1 where none.
        after: (N, T) row of the later of two; -1 where one annotation is taken as it is, or none.
        weight: (N, T) share of ``after``, 0 to 1; 0 where it is -1.
    """

    before: IntArray
    after: IntArray
    weight: FloatArray


@dataclass(frozen=True, eq=False)
class Resampled:
    """N tracks on T grid times; NaN where there is no annotation to take a value from.

    Attributes:
        centers_m: (N, T, 3).
        sizes_lwh_m: (N, T, 3).
        rotations_wxyz: (N, T, 4) unit quaternions.
        annotation_keys: (N, T, 2) time stamps in ns of the annotations used, -1 where none.
    """

    centers_m: FloatArray
    sizes_lwh_m: FloatArray
    rotations_wxyz: FloatArray
    annotation_keys: IntArray


def grid_timestamps_ns(
    sweep_timestamps_ns: IntArray, config: GridConfig = DEFAULT_GRID
) -> IntArray:
    """Lay the grid over sweeps: t_k = t_0 + step · k, moved to a sweep that lies within ``snap_s``.

    Args:
        sweep_timestamps_ns: (S,) strictly increasing.
        config: the step and the tolerance.

    Returns:
        (T,) grid times from the first sweep to the last, in ns.

    Raises:
        ValueError: the sweeps do not increase, or span more than ``config.max_span_s``.
    """
    sweeps = np.asarray(sweep_timestamps_ns, dtype=np.int64)
    if sweeps.size == 0:
        return np.empty(0, dtype=np.int64)
    if sweeps[0] < 0 or (sweeps.size > 1 and not (np.diff(sweeps) > 0).all()):
        raise ValueError("sweep times must be non-negative and strictly increasing")
    step_ns, snap_ns = _to_ns(config.step_s), _to_ns(config.snap_s)
    span_ns = int(sweeps[-1]) - int(sweeps[0])
    if span_ns > config.max_span_s * NS_PER_S:
        raise ValueError(
            f"sweeps span {span_ns / NS_PER_S:g} s, more than the {config.max_span_s:g} s allowed"
        )
    count = (span_ns + snap_ns) // step_ns + 1
    grid = sweeps[0] + step_ns * np.arange(count, dtype=np.int64)
    nearest = sweeps[nearest_indices(sweeps, grid)]
    return np.where(np.abs(nearest - grid) <= snap_ns, nearest, grid)


def nearest_indices(sorted_ns: IntArray, query_ns: IntArray) -> IntArray:
    """Return for every query the index of the nearest of the sorted times; the earlier on a tie."""
    right = np.searchsorted(sorted_ns, query_ns).clip(0, len(sorted_ns) - 1)
    left = (right - 1).clip(0)
    closer_left = np.abs(query_ns - sorted_ns[left]) <= np.abs(sorted_ns[right] - query_ns)
    return np.where(closer_left, left, right)


def longest_run(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return start and end (exclusive) of the first longest run of true; (0, 0) when all false."""
    edges = np.flatnonzero(np.diff(mask, prepend=False, append=False)).reshape(-1, 2)
    if not len(edges):
        return 0, 0
    start, stop = edges[np.argmax(edges[:, 1] - edges[:, 0])].tolist()
    return start, stop


def locate(
    track_index: IntArray,
    timestamps_ns: IntArray,
    n_tracks: int,
    grid_ns: IntArray,
    config: GridConfig = DEFAULT_GRID,
) -> Neighbours:
    """Find the annotations that give each track's value at each grid time.

    The nearest annotation of the track within ``config.snap_s``, if there is one, is taken as it
    is. Else the two around the grid time are, when they lie at most ``config.max_gap_s`` apart.

    Args:
        track_index: (R,) which of the ``n_tracks`` tracks a row belongs to.
        timestamps_ns: (R,) when; rows sorted by track, then by time, without duplicates.
        n_tracks: N.
        grid_ns: (T,) grid times.
        config: the tolerances.

    Raises:
        ValueError: rows are not sorted, or a time is negative.
    """
    shape = (n_tracks, len(grid_ns))
    rows = len(timestamps_ns)
    if rows == 0:
        none = np.full(shape, NO_ANNOTATION, dtype=np.int64)
        return Neighbours(none, none.copy(), np.zeros(shape))
    if timestamps_ns.min() < 0:
        raise ValueError("annotation times must not be negative")
    # Ranks of times instead of times keep the combined key far from the end of int64.
    times, rank = np.unique(timestamps_ns, return_inverse=True)
    key = track_index * (len(times) + 1) + rank
    if not (np.diff(key) > 0).all():
        raise ValueError("annotations must be sorted by track and time, without duplicates")
    tracks = np.arange(n_tracks, dtype=np.int64)[:, None]
    right = np.searchsorted(key, tracks * (len(times) + 1) + np.searchsorted(times, grid_ns))
    left = right - 1
    has_right = (right < rows) & (track_index[right.clip(max=rows - 1)] == tracks)
    has_left = (left >= 0) & (track_index[left.clip(0)] == tracks)
    right, left = right.clip(max=rows - 1), left.clip(0)

    far = np.iinfo(np.int64).max
    ahead = np.where(has_right, timestamps_ns[right] - grid_ns, far)
    behind = np.where(has_left, grid_ns - timestamps_ns[left], far)
    single = np.minimum(ahead, behind) <= _to_ns(config.snap_s)
    gap = np.where(has_left & has_right, timestamps_ns[right] - timestamps_ns[left], far)
    double = ~single & (gap <= _to_ns(config.max_gap_s))
    taken = np.where(ahead < behind, right, left)
    return Neighbours(
        before=np.where(single, taken, np.where(double, left, NO_ANNOTATION)),
        after=np.where(double, right, NO_ANNOTATION),
        weight=np.where(double, behind / np.maximum(gap, 1), 0.0),
    )


def interpolate(values: FloatArray, neighbours: Neighbours) -> FloatArray:
    """Read (R, C) annotation values at the grid, linearly: (N, T, C), NaN where there is none."""
    out = np.full((*neighbours.before.shape, values.shape[1]), np.nan)
    known = neighbours.before >= 0
    out[known] = values[neighbours.before[known]]
    double = neighbours.after >= 0
    weight = neighbours.weight[double][:, None]
    out[double] = (1 - weight) * out[double] + weight * values[neighbours.after[double]]
    return out


def interpolate_rotations(rotations_wxyz: FloatArray, neighbours: Neighbours) -> FloatArray:
    """Read (R, 4) unit quaternions at the grid, along the shorter arc: (N, T, 4)."""
    out = np.full((*neighbours.before.shape, 4), np.nan)
    known = neighbours.before >= 0
    out[known] = rotations_wxyz[neighbours.before[known]]
    double = neighbours.after >= 0
    out[double] = geometry.slerp(
        out[double], rotations_wxyz[neighbours.after[double]], neighbours.weight[double]
    )
    return out


def annotation_keys(timestamps_ns: IntArray, neighbours: Neighbours) -> IntArray:
    """Return the (N, T, 2) time stamps of the annotations used, -1 where there is none."""
    rows = np.stack([neighbours.before, neighbours.after], axis=-1)
    return np.where(rows >= 0, timestamps_ns[rows], NO_ANNOTATION) if len(timestamps_ns) else rows


def resample_tracks(
    track_index: IntArray,
    timestamps_ns: IntArray,
    centers_m: FloatArray,
    sizes_lwh_m: FloatArray,
    rotations_wxyz: FloatArray,
    n_tracks: int,
    grid_ns: IntArray,
    config: GridConfig = DEFAULT_GRID,
) -> Resampled:
    """Sample annotated boxes, all tracks at once, at the grid times.

    Args:
        track_index: (R,) as for ``locate``; rows sorted by track, then by time.
        timestamps_ns: (R,)
        centers_m: (R, 3) in a frame that does not move.
        sizes_lwh_m: (R, 3)
        rotations_wxyz: (R, 4) unit quaternions in the same frame.
        n_tracks: N.
        grid_ns: (T,) grid times.
        config: the tolerances.

    Raises:
        ValueError: rows are not sorted, or a time is negative.
    """
    neighbours = locate(track_index, timestamps_ns, n_tracks, grid_ns, config)
    return Resampled(
        centers_m=interpolate(centers_m, neighbours),
        sizes_lwh_m=interpolate(sizes_lwh_m, neighbours),
        rotations_wxyz=interpolate_rotations(rotations_wxyz, neighbours),
        annotation_keys=annotation_keys(timestamps_ns, neighbours),
    )


def _to_ns(seconds: float) -> int:
    return round(seconds * NS_PER_S)
