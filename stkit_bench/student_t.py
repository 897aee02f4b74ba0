"""Quantiles of Student's t for whole degrees of freedom. Standard library only."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = ["t_quantile"]

#: From here on the expansion about the normal is right to seven digits.
_MANY = 60
_HALVINGS = 60


@lru_cache(maxsize=1024)
def t_quantile(share: float, degrees: int) -> float:
    """Return the t below which a ``share`` of Student's distribution lies.

    Args:
        share: from 0.5 to below 1.
        degrees: of freedom, at least 1.

    Raises:
        ValueError: an argument is out of range.
    """
    if not 0.5 <= share < 1:
        raise ValueError(f"share must be from 0.5 to below 1, got {share}")
    if degrees < 1:
        raise ValueError(f"degrees must be at least 1, got {degrees}")
    if degrees >= _MANY:
        return _expanded(NormalDist().inv_cdf(share), degrees)
    low, high = 0.0, math.pi / 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _central(middle, degrees) < 2 * share - 1:
            low = middle
        else:
            high = middle
    return math.sqrt(degrees) * math.tan((low + high) / 2)


def _central(angle: float, degrees: int) -> float:
    """Return how much lies within ± sqrt(degrees) tan(angle) (Abramowitz and Stegun 26.7.3-4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for power in range(degrees // 2):
        total += term
        term *= cosine * cosine * (2 * power + 1 + odd) / (2 * power + 2 + odd)
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _expanded(z: float, degrees: int) -> float:
    """Return the quantile from the normal one, in powers of 1 / degrees (same, 26.7.5)."""
    square = z * z
    terms = (
        z * (square + 1) / 4,
        z * ((5 * square + 16) * square + 3) / 96,
        z * (((3 * square + 19) * square + 17) * square - 15) / 384,
    )
    return z + sum(term / float(degrees) ** (power + 1) for power, term in enumerate(terms))
