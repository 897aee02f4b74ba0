"""Velocities of tracks by the rule that nuScenes publishes its own with. Numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def central_velocities_mps(
    centers_m: FloatArray, timestamps_s: FloatArray, max_gap_s: float = 1.5
) -> FloatArray:
    """Difference each track between its annotated frames before and after each frame.

    Where one of the two is missing the frame itself takes its place. This is the rule of
    ``box_velocity`` in nuscenes-devkit 1.2.0, of which 1.5 s is the default.

    Args:
        centers_m: (N, T, 3) centres; NaN where not annotated.
        timestamps_s: (T,) ascending.
        max_gap_s: the longest time to a neighbouring annotation; between both neighbours it may
            be twice as long.

    Returns:
        (N, T, 3) metres per second; NaN where not annotated, at a track's only annotation, and
        where the time is over the longest.
    """
    n, t = centers_m.shape[:2]
    annotated = np.isfinite(centers_m).all(axis=2)
    frames = np.broadcast_to(np.arange(t), (n, t))
    empty = np.full((n, 1), -1)
    seen = np.maximum.accumulate(np.where(annotated, frames, -1), axis=1)
    before = np.concatenate([empty, seen[:, :-1]], axis=1) if t else seen
    ahead = np.minimum.accumulate(np.where(annotated, frames, t)[:, ::-1], axis=1)[:, ::-1]
    after = np.concatenate([ahead[:, 1:], empty + t + 1], axis=1) if t else ahead
    has_before, has_after = before >= 0, after < t
    first = np.where(has_before, before, frames)
    last = np.where(has_after, after, frames)
    rows = np.arange(n)[:, None]
    seconds = timestamps_s[last] - timestamps_s[first]
    longest = np.where(has_before & has_after, 2 * max_gap_s, max_gap_s)
    known = annotated & (has_before | has_after) & (seconds <= longest)
    moved = centers_m[rows, last] - centers_m[rows, first]
    out: FloatArray = np.where(
        known[..., None], moved / np.where(known, seconds, 1.0)[..., None], np.nan
    )
    return out
