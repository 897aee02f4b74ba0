"""Bootstrap of ratios of sums, resampling whole clips. Numpy only.

Questions about one clip are not independent, so the clips are drawn with replacement and every
question of a drawn clip comes along. A resample is a vector of how often each clip was drawn; all
statistics of all resamples are then one product of matrices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["cluster_sums", "percentile_interval", "resampled_sums", "two_sided_p_value"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Drawn clips held at once: 4 million counts are 32 MB.
_CELLS_PER_BLOCK = 4_000_000


def cluster_sums(values: FloatArray, cluster: IntArray, n_clusters: int) -> FloatArray:
    """Sum the rows of ``values`` (questions x statistics) within each cluster.

    Returns:
        ``n_clusters`` x statistics.
    """
    columns = [np.bincount(cluster, column, n_clusters) for column in values.T]
    return np.stack(columns, axis=1) if columns else np.zeros((n_clusters, 0))


def resampled_sums(sums: FloatArray, n_resamples: int, seed: int) -> FloatArray:
    """Draw as many clusters as there are, ``n_resamples`` times, and add up their sums.

    Args:
        sums: clusters x statistics.
        n_resamples: how many resamples, at least 0.
        seed: of the drawing; the same seed gives the same resamples.

    Returns:
        ``n_resamples`` x statistics.
    """
    blocks = [
        weights @ sums for weights in _draws(len(sums), n_resamples, np.random.default_rng(seed))
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, sums.shape[1]))


def _draws(
    n_clusters: int, n_resamples: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    if n_clusters == 0:
        yield np.zeros((n_resamples, 0))
        return
    block = max(1, _CELLS_PER_BLOCK // n_clusters)
    for first in range(0, n_resamples, block):
        rows = min(block, n_resamples - first)
        drawn = generator.integers(0, n_clusters, size=(rows, n_clusters))
        drawn += np.arange(rows)[:, None] * n_clusters
        counts = np.bincount(drawn.ravel(), minlength=rows * n_clusters)
        yield counts.reshape(rows, n_clusters).astype(np.float64)


def percentile_interval(samples: FloatArray, level: float) -> tuple[float, float] | None:
    """Return the central ``level`` of the finite samples, or None when there is none.

    A resample without a single question of a task says nothing about it and is left out.
    """
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def two_sided_p_value(differences: FloatArray) -> float | None:
    """Return the p-value of "no difference" that matches the percentile interval.

    Twice the smaller share of resampled differences on either side of 0, those at 0 counted on
    both sides and one added to numerator and denominator, so that it is never 0.
    """
    finite = differences[np.isfinite(differences)]
    if not len(finite):
        return None
    smaller = min(int((finite <= 0).sum()), int((finite >= 0).sum()))
    return min(1.0, 2 * (smaller + 1) / (len(finite) + 1))
