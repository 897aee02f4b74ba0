"""Test and interval of a paired difference, from exchanging A and B within clusters. Numpy only.

If A and B are equally good, then in every cluster it is chance which of the two is called A.
Exchanging them turns the sign of what the cluster adds to the difference, so all ways of doing so
are as likely as what was seen. This randomization test is exact where clusters are few, for which
resampling is not (Canay, Romano and Shaikh 2017, Econometrica 85, 1013-1030). Smucker, Allan and
Carterette (2007, CIKM, 623-632) recommend it for comparing two systems on the same questions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from stkit_bench.bootstrap import FloatArray, wilson_interval
from stkit_bench.student_t import t_quantile

__all__ = ["Flipped", "Flips", "sign_flips"]

#: Signs held at once: 4 million are 32 MB.
_CELLS_PER_BLOCK = 4_000_000
#: Sums that are equal but for rounding must compare as equal: differences are 1 / questions apart.
_DECIMALS = 12
_SAME = 1e-9


@dataclass(frozen=True)
class Flips:
    """How the signs were flipped.

    Attributes:
        n: ways that were tried, the one that was seen included.
        exact: whether these are all there are (but for turning every sign, which changes nothing).
    """

    n: int
    exact: bool


@dataclass(frozen=True)
class Flipped:
    """What flipping told of one difference.

    Attributes:
        p_value: the share of flips that give a difference at least as far from 0.
        interval: the differences that the test does not reject at 1 - level, within -1 to 1. It
            holds 0 exactly if the p-value is above 1 - level.
    """

    p_value: float
    interval: tuple[float, float]


def sign_flips(
    ahead: FloatArray, weight: FloatArray, n_flips: int, level: float, seed: int
) -> tuple[Flips, list[Flipped]]:
    """Test several differences on the same flips.

    All ways are tried where there are at most ``n_flips``, else ``n_flips`` random ones, what was
    seen among them, so that no p-value is 0 (Phipson and Smyth 2010, Stat. Appl. Genet. Mol. Biol.
    9, 39). With k clusters no p-value is below 2 / 2 ** k: five cannot show a difference at 5 %,
    and its 95 % interval is then -1 to 1.

    The interval holds every difference d that is not rejected when d times its weight is taken off
    each cluster. A cluster's signs being given, those d lie between two numbers, so that the ends
    are order statistics of these numbers.

    Args:
        ahead: clusters x differences, what each cluster adds to the difference.
        weight: the same shape, each cluster's share of the questions; each column adds up to 1.
        n_flips: at least 1.
        level: of the intervals.
        seed: of the random flips.
    """
    n_clusters, n_differences = ahead.shape
    exact = n_clusters < 63 and 2 ** max(n_clusters - 1, 0) <= n_flips
    flips = Flips(2 ** max(n_clusters - 1, 0) if exact else n_flips, exact)
    signs = _all_signs(n_clusters) if exact else _random_signs(n_clusters, n_flips, seed)
    sums = np.concatenate([block @ np.hstack([ahead, weight]) for block in signs])
    sums = np.round(sums, _DECIMALS)
    seen = np.round(ahead.sum(axis=0), _DECIMALS)
    found = []
    for column in range(n_differences):
        flipped, share = sums[:, column], sums[:, n_differences + column]
        p_value = float((np.abs(flipped) >= abs(seen[column])).mean())
        k = int(np.count_nonzero(weight[:, column]))
        interval = _not_rejected(float(seen[column]), flipped, share, level)
        if interval[1] - interval[0] < _SAME:
            interval = _without_variance(float(seen[column]), k, level)
        found.append(Flipped(p_value, interval))
    return flips, found


def _all_signs(n_clusters: int) -> Iterator[FloatArray]:
    """Yield every way of flipping; the first sign stays, as turning all changes nothing."""
    ways = np.arange(2 ** max(n_clusters - 1, 0))[:, None]
    rest = (ways >> np.arange(max(n_clusters - 1, 0))) & 1
    first = np.zeros((len(ways), min(n_clusters, 1)), rest.dtype)
    yield np.where(np.hstack([first, rest]) == 1, -1.0, 1.0)


def _random_signs(n_clusters: int, n_flips: int, seed: int) -> Iterator[FloatArray]:
    generator = np.random.default_rng(seed)
    yield np.ones((1, n_clusters))
    block = max(1, _CELLS_PER_BLOCK // n_clusters)
    for first in range(1, n_flips, block):
        rows = min(block, n_flips - first)
        flipped = generator.integers(0, 2, size=(rows, n_clusters))
        yield np.where(flipped == 1, -1.0, 1.0)


def _not_rejected(
    seen: float, flipped: FloatArray, share: FloatArray, level: float
) -> tuple[float, float]:
    """Return the ends of all d for which |flipped - d share| < |seen - d| often enough."""
    bound = np.abs(share) > 1 - _SAME
    with np.errstate(divide="ignore", invalid="ignore"):
        one, other = (seen - flipped) / (1 - share), (seen + flipped) / (1 + share)
    low = np.where(bound, -1.0, np.minimum(one, other))
    high = np.where(bound, 1.0, np.maximum(one, other))
    # A d is kept if more than 1 - level of the flips are as extreme there.
    place = int((1 - level) * len(flipped) + _SAME)
    return (
        max(-1.0, float(np.partition(low, place)[place])),
        min(1.0, float(-np.partition(-high, place)[place])),
    )


def _without_variance(seen: float, k: int, level: float) -> tuple[float, float]:
    """Return an interval where all clusters tell the same: each then counts as one question."""
    quantile = t_quantile((1 + level) / 2, max(k - 1, 1))
    low, high = wilson_interval(abs(seen), k, quantile)
    if seen == 0:
        return -high, high
    return (low, high) if seen > 0 else (-high, -low)
