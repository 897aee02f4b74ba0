from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_bench.bootstrap import wilson_interval
from stkit_bench.sign_flips import sign_flips


def flip(ahead, weight=None, n_flips=10_000, level=0.95, seed=0):
    column = np.asarray(ahead, float)[:, None] / len(ahead)
    share = np.full_like(column, 1 / len(ahead)) if weight is None else np.asarray(weight)[:, None]
    flips, (found,) = sign_flips(column, share, n_flips, level, seed)
    return flips, found


def slow_p_value(ahead, weight, difference):
    """Every way of flipping, one at a time."""
    left = np.asarray(ahead) / len(ahead) - difference * np.asarray(weight)
    ways = [abs(np.dot(s, left)) for s in itertools.product((1, -1), repeat=len(left))]
    return np.mean(np.array(ways) >= abs(left.sum()) - 1e-12)


@pytest.mark.parametrize(
    ("ahead", "p_value"),
    [
        # Sums of ±1: at least as far from 0 as 5 are 5 and -5 of 32.
        ([1, 1, 1, 1, 1], 2 / 32),
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        # 4 of 6 ahead: |sum| >= 2 but for the 20 ways to 0.
        ([1, 1, 1, 1, -1, -1], 44 / 64),
        ([1, 0, 0, 0, 0, 0], 1.0),
        ([0, 0, 0], 1.0),
        ([0.3], 1.0),
    ],
)
def test_all_ways_are_counted(ahead, p_value):
    flips, found = flip(ahead)
    assert flips.exact
    assert flips.n == 2 ** (len(ahead) - 1)
    assert found.p_value == p_value


def test_five_windows_cannot_show_a_difference():
    assert flip([1, 1, 1, 1, 1])[1].interval == (-1.0, 1.0)
    assert flip([1, 1, 1, 1, 1], level=0.9)[1].interval[0] > 0


def test_windows_that_all_tell_the_same_count_as_one_question_each():
    quantile = 2.2621572
    _, high = wilson_interval(0.0, 10, quantile)
    assert flip([0] * 10)[1].interval == pytest.approx((-high, high))
    assert flip([0.5] * 10)[1].interval == pytest.approx(wilson_interval(0.5, 10, quantile))
    low, high = wilson_interval(0.5, 10, quantile)
    assert flip([-0.5] * 10)[1].interval == pytest.approx((-high, -low))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(3, 6)), min_size=1, max_size=9),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_the_interval_holds_what_the_slow_test_does_not_reject(clusters, level):
    ahead = np.array([a / n for a, n in clusters])
    weight = np.array([n for _, n in clusters]) / sum(n for _, n in clusters)
    ahead = ahead * weight * len(ahead)
    _, found = flip(ahead, weight, level=level)
    low, high = found.interval
    assert found.p_value == pytest.approx(slow_p_value(ahead, weight, 0.0))
    # With no difference to be seen, p is 1 at the difference that was seen.
    assert low - 1e-9 <= ahead.mean() <= high + 1e-9
    assert (low <= 0 <= high) == (found.p_value > 1 - level + 1e-12)
    if np.ptp(ahead / weight) > 1e-9:
        for inside in np.linspace(low, high, 7)[1:-1]:
            assert slow_p_value(ahead, weight, inside) > 1 - level - 1e-9
        for outside in (low - 1e-3, high + 1e-3):
            if abs(outside) <= 1:
                assert slow_p_value(ahead, weight, outside) <= 1 - level + 1e-9


def test_random_ways_come_close_to_all_and_the_seed_decides():
    ahead = np.random.default_rng(0).normal(0.4, 1, 14).clip(-1, 1)
    all_ways, exact = flip(ahead, n_flips=2**13)
    some, drawn = flip(ahead, n_flips=2**13 - 1, seed=3)
    assert (all_ways.exact, some.exact, some.n) == (True, False, 2**13 - 1)
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.02)
    assert drawn.interval == pytest.approx(exact.interval, abs=0.02)
    assert drawn == flip(ahead, n_flips=2**13 - 1, seed=3)[1]
    assert drawn != flip(ahead, n_flips=2**13 - 1, seed=4)[1]


def test_no_p_value_is_zero():
    _, found = flip([1.0] * 40, n_flips=100)
    assert found.p_value == 1 / 100


def test_blocks_of_flips_are_those_of_one(monkeypatch):
    ahead = np.random.default_rng(1).normal(0, 1, 30).clip(-1, 1)
    whole = flip(ahead, n_flips=500)
    monkeypatch.setattr("stkit_bench.sign_flips._CELLS_PER_BLOCK", 90)
    assert flip(ahead, n_flips=500) == whole
