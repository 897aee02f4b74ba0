"""Where a track jumps, because its mask went over to another object. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from stkit_datasets.pseudo_labels.interfaces import FloatArray, IntArray


@dataclass(frozen=True)
class BreakConfig:
    """What a jump is.

    Attributes:
        max_square: two positions before and two after lie on one straight motion unless the square
            of what misses, in its deviations, is greater than this (three degrees of freedom).
        acceleration_mps2: deviation of the acceleration between them.
    """

    max_square: float = 25.0
    acceleration_mps2: float = 3.0


def longest_whole_part(
    points_m: FloatArray,
    covariances_m2: FloatArray,
    timestamps_s: FloatArray,
    config: BreakConfig | None = None,
) -> IntArray:
    """Return the frames of a (T, 3) track's longest part without a jump.

    A part may lead over what does not belong to it, such as a few frames in which the mask was on
    another object.
    """
    config = BreakConfig() if config is None else config
    frames = np.flatnonzero(np.isfinite(points_m).all(axis=1))
    pieces = _pieces(frames, points_m, covariances_m2, timestamps_s, config)
    chains: list[list[int]] = []
    for piece in pieces:
        for chain in chains:
            four = [*chain[-2:], *piece[:2]]
            if len(four) == 4 and _fits(four, points_m, covariances_m2, timestamps_s, config):
                chain.extend(piece)
                break
        else:
            chains.append(list(piece))
    longest = max(chains, key=len, default=[])
    return np.array(longest, dtype=np.int64)


def _pieces(
    frames: IntArray,
    points: FloatArray,
    covariances: FloatArray,
    times_s: FloatArray,
    config: BreakConfig,
) -> list[list[int]]:
    at = frames.tolist()
    cuts = [
        k
        for k in range(2, len(at) - 1)
        if not _fits(at[k - 2 : k + 2], points, covariances, times_s, config)
    ]
    return [at[start:stop] for start, stop in pairwise([0, *cuts, len(at)])]


def _fits(
    four: list[int],
    points: FloatArray,
    covariances: FloatArray,
    times_s: FloatArray,
    config: BreakConfig,
) -> bool:
    """Whether two positions and two later ones lie on one motion of constant velocity.

    The test is whether the first pair, led on, and the second, led back, meet in the middle.
    """
    t = times_s[four]
    middle = (t[1] + t[2]) / 2
    before = (middle - t[0]) / (t[1] - t[0])
    after = (t[3] - middle) / (t[3] - t[2])
    weights = np.array([1 - before, before, -after, -(1 - after)])
    off = weights @ points[four]
    covariance = (weights**2 @ covariances[four].reshape(4, 9)).reshape(3, 3)
    reach = (t[3] - t[0]) / 2
    covariance = covariance + np.eye(3) * (config.acceleration_mps2 * reach**2 / 2) ** 2
    return bool(off @ np.linalg.solve(covariance, off) <= config.max_square)
