from __future__ import annotations

import math

import numpy as np
import pytest

from stkit_bench.bootstrap import (
    check_resampling,
    mean_interval,
    percentile_interval,
    share_interval,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("share", "n", "quantile", "expected"),
    [
        # Brown, Cai and DasGupta (2001): z = 1.96, z² / (n + z²) at 0 of n.
        (0.0, 10, 1.96, (0.0, 3.8416 / 13.8416)),
        (1.0, 10, 1.96, (10 / 13.8416, 1.0)),
        # (0.5 ± 0.5 z / sqrt(n + z²)).
        (0.5, 100, 1.96, (0.5 - 0.98 / math.sqrt(103.8416), 0.5 + 0.98 / math.sqrt(103.8416))),
    ],
)
def test_wilson(share, n, quantile, expected):
    assert wilson_interval(share, n, quantile) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("share", [0.0, 1e-12, 0.3, 1 - 1e-12, 1.0])
@pytest.mark.parametrize("n", [1e-3, 1.0, 7.3, 1e6])
def test_wilson_holds_its_share_and_stays_within_bounds(share, n):
    low, high = wilson_interval(share, n, 2.0)
    assert 0 <= low <= share <= high <= 1


def test_the_variance_of_the_resamples_decides_the_effective_number_of_questions():
    # Variance 0.01 times 5 / 4: 0.25 / 0.0125 = 20 questions; t(0.975, 4) = 2.776445.
    samples = np.array([0.4, 0.6] * 50)
    expected = wilson_interval(0.5, 20.0, 2.7764451)
    assert share_interval(0.5, samples, 5, 0.95) == pytest.approx(expected, abs=1e-6)
    # Independent questions would have a larger one: it counts.
    expected = wilson_interval(0.5, 10.0, 2.7764451)
    assert share_interval(0.5, samples, 5, 0.95, 0.025) == pytest.approx(expected, abs=1e-6)


def test_resamples_that_do_not_differ_count_each_cluster_once():
    same = np.full(100, 0.25)
    expected = wilson_interval(0.25, 8.0, 2.3646243)
    assert share_interval(0.25, same, 8, 0.95) == pytest.approx(expected, abs=1e-6)
    # Above, one of the clusters alone has questions that count.
    assert share_interval(0.25, same, 1, 0.95) == pytest.approx(
        wilson_interval(0.25, 1, 12.7062047)
    )


def test_a_mean_has_wider_percentiles_for_few_clusters():
    samples = np.linspace(0.0, 1.0, 10_001)
    # Phi(-2.776445 sqrt(5 / 4)) = Phi(-3.104160) = 0.000954.
    low, high = mean_interval(samples, 5, 0.95)
    assert (low, high) == pytest.approx((0.000954, 0.999046), abs=1e-6)
    low, high = mean_interval(samples, 1000, 0.95)
    assert (low, high) == pytest.approx((0.0248, 0.9752), abs=1e-4)


@pytest.mark.parametrize(
    ("samples", "k"), [([1.0, 2.0], 1), ([3.0, 3.0], 9), ([], 9), ([math.nan], 9)]
)
def test_a_mean_without_variation_has_no_interval(samples, k):
    assert mean_interval(np.array(samples), k, 0.95) is None


@pytest.mark.parametrize("samples", [[], [math.nan]])
def test_no_resamples_give_no_interval(samples):
    assert share_interval(0.5, np.array(samples), 4, 0.95) is None
    assert percentile_interval(np.array(samples), 0.95) is None


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(ValueError, match="n_resamples must be at least 0, got -1"):
        check_resampling(-1, 0.95)
    with pytest.raises(ValueError, match=r"open interval \(0, 1\), got 1"):
        check_resampling(0, 1)
