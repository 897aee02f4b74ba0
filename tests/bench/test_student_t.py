from __future__ import annotations

import math

import pytest

from stkit_bench.student_t import t_quantile


@pytest.mark.parametrize(
    ("share", "degrees", "expected"),
    [
        # Printed tables of Student's t.
        *((0.975, d, t) for d, t in ((1, 12.7062), (2, 4.30265), (3, 3.18245), (4, 2.77645))),
        *((0.975, d, t) for d, t in ((9, 2.26216), (29, 2.04523), (60, 2.00030), (120, 1.97993))),
        *((0.995, d, t) for d, t in ((1, 63.6567), (10, 3.16927), (59, 2.66176), (100, 2.62589))),
        (0.9995, 5, 6.86883),
        (0.9, 3, 1.63774),
        (0.5, 7, 0.0),
        (0.975, 10**9, 1.95996),
    ],
)
def test_quantiles(share, degrees, expected):
    assert t_quantile(share, degrees) == pytest.approx(expected, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("degrees", [1, 2])
def test_closed_forms(degrees):
    """One degree: tan(pi (q - 1/2)). Two: (2q - 1) sqrt(2 / (1 - (2q - 1)²))."""
    for share in (0.6, 0.9, 0.999):
        center = 2 * share - 1
        closed = (math.tan(math.pi * center / 2), center * math.sqrt(2 / (1 - center**2)))
        assert t_quantile(share, degrees) == pytest.approx(closed[degrees - 1], rel=1e-9)


def test_both_formulas_meet():
    assert t_quantile(0.975, 59) - t_quantile(0.975, 60) == pytest.approx(0.0007, abs=1e-4)


@pytest.mark.parametrize(("share", "degrees"), [(0.4, 3), (1.0, 3), (0.9, 0)])
def test_out_of_range(share, degrees):
    with pytest.raises(ValueError, match="must be"):
        t_quantile(share, degrees)
