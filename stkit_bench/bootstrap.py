"""Intervals of ratios of sums from a bootstrap that draws whole clusters. Numpy only.

Questions about one stretch of one scene are not independent, so those stretches, the clusters, are
drawn with replacement and every question of a drawn one comes along. A resample is a vector of how
often each cluster was drawn; all statistics of all resamples are then one product of matrices.

The percentiles of the resamples alone are too narrow where clusters are few, and have no width at
all where no answer or every answer is right. :func:`share_interval` and :func:`mean_interval` say
what is done about it; ``benchmarks/interval_coverage.py`` measures both.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from stkit_bench.student_t import t_quantile

__all__ = [
    "check_resampling",
    "cluster_sums",
    "mean_interval",
    "percentile_interval",
    "resampled_sums",
    "share_interval",
    "wilson_interval",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Drawn clusters held at once: 4 million counts are 32 MB.
_CELLS_PER_BLOCK = 4_000_000
#: Resamples that differ by less do so by rounding.
_NO_VARIANCE = 1e-15


def check_resampling(n_resamples: int, level: float) -> None:
    """Raise ValueError unless there are 0 or more resamples and ``level`` is between 0 and 1."""
    if n_resamples < 0:
        raise ValueError(f"n_resamples must be at least 0, got {n_resamples}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in the open interval (0, 1), got {level}")


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


def share_interval(
    value: float, samples: FloatArray, n_clusters: int, level: float, least_variance: float = 0.0
) -> tuple[float, float] | None:
    """Return the interval of a mean of values from 0 to 1, or None when nothing was resampled.

    The variance of the resamples, times k / (k - 1) for k clusters, gives the effective number of
    independent questions, value (1 - value) / variance (Korn and Graubard 1998, Survey Methodology
    24, 193-201). The interval is Wilson's (1927, JASA 22, 209-212) for that number, with Student's
    t of k - 1 degrees of freedom in place of the normal quantile; Dean and Pagano (2015, JSSAM 3,
    484-503) compare such intervals for clustered data. Where the resamples do not differ, at 0 or 1
    above all, the data tell nothing of how alike the questions of a cluster are, and each cluster
    counts as one question.

    Args:
        value: the mean, 0 to 1.
        samples: the resampled means; those that are not finite are left out.
        n_clusters: clusters with a question that the mean is over, at least 1.
        level: of the interval.
        least_variance: that of independent questions; clusters never make a share surer than it.
    """
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return None
    k = max(n_clusters, 1)
    variance = float(finite.var()) * k / max(k - 1, 1)
    spread = value * (1 - value)
    if variance <= _NO_VARIANCE or spread <= _NO_VARIANCE:
        effective = float(k)
    else:
        effective = spread / max(variance, least_variance)
    return wilson_interval(value, effective, t_quantile((1 + level) / 2, max(k - 1, 1)))


def wilson_interval(share: float, n: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's score interval of a share of ``n`` independent questions.

    Args:
        share: 0 to 1.
        n: above 0, not necessarily whole.
        quantile: how many standard errors the interval reaches, 1.96 for 95 % of a normal.
    """
    square = quantile * quantile / n
    middle = (share + square / 2) / (1 + square)
    half = math.sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    # At 0 and 1 the two terms are equal but for rounding; the share is never left outside.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def mean_interval(samples: FloatArray, n_clusters: int, level: float) -> tuple[float, float] | None:
    """Return the interval of a mean without bounds, such as of absolute errors.

    Percentiles of the resamples, further out where the k clusters are few: the share left on either
    side is that of a normal beyond -t sqrt(k / (k - 1)), t being Student's quantile for k - 1
    degrees of freedom (the expanded percentile interval of Hesterberg 2015, The American
    Statistician 69, 371-386).

    Args:
        samples: the resampled means; those that are not finite are left out.
        n_clusters: clusters with a question that the mean is over.
        level: of the interval.

    Returns:
        None when nothing was resampled or the resamples do not differ, as those of one cluster:
        then the data tell nothing of how far off the mean is.
    """
    if n_clusters < 2:
        return None
    quantile = t_quantile((1 + level) / 2, n_clusters - 1)
    outside = NormalDist().cdf(-quantile * math.sqrt(n_clusters / (n_clusters - 1)))
    ends = percentile_interval(samples, 1 - 2 * outside)
    return None if ends is None or ends[1] - ends[0] <= _NO_VARIANCE else ends


def percentile_interval(samples: FloatArray, level: float) -> tuple[float, float] | None:
    """Return the central ``level`` of the finite samples, or None when there is none.

    A resample without a single question of a task says nothing about it and is left out.
    """
    finite = samples[np.isfinite(samples)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
