from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stkit_bench.selection.quotas import controlled_rounding, quotas

PLENTY = 10**6
SHARES = st.lists(st.floats(0.01, 1), min_size=1, max_size=6).map(lambda s: np.array(s) / sum(s))


def test_the_published_shares_with_a_sports_source():
    """1,400 questions; the last source, 7.1 %, has no questions of direction."""
    capacity = np.full((7, 4), PLENTY)
    capacity[[2, 3, 6], 3] = 0
    found = quotas(np.array([0.748, 0.125, 0.056, 0.071]), 200, capacity)
    assert found.sum(axis=1).tolist() == [200] * 7
    assert found.sum(axis=0).tolist() == [1047, 175, 79, 99]
    assert found[[2, 3, 6], 3].tolist() == [0, 0, 0]
    # What it gives to its four tasks is even, and so is what the others give to the rest.
    assert set(found[[0, 1, 4, 5], 3].tolist()) <= {24, 25}
    assert set(found[[2, 3, 6], 0].tolist()) <= {161, 162}


def test_capacity_is_kept_and_the_rest_moves_to_other_tasks():
    capacity = np.array([[5, 900], [900, 900]])
    found = quotas(np.array([0.5, 0.5]), 100, capacity)
    assert found.tolist() == [[5, 95], [95, 5]]


def test_an_impossible_share_gives_way_to_full_tasks():
    """A sports source with 90 % of all, which only two of three tasks can take."""
    found = quotas(np.array([0.9, 0.1]), 10, np.array([[99, 99], [99, 99], [0, 99]]))
    assert found.tolist() == [[10, 0], [10, 0], [0, 10]]


@pytest.mark.parametrize(
    ("capacity", "expected"),
    [
        ([[0, 0], [3, 4]], [[0, 0], [3, 4]]),
        ([[50, 0], [0, 50]], [[10, 0], [0, 10]]),
        ([[50, 2], [50, 50]], [[8, 2], [2, 8]]),
        (np.zeros((2, 2), int), [[0, 0], [0, 0]]),
    ],
)
def test_too_few_are_all_taken(capacity, expected):
    assert quotas(np.array([0.5, 0.5]), 10, np.array(capacity)).tolist() == expected


def test_a_source_without_a_share_gives_nothing():
    assert quotas(np.array([1.0, 0.0]), 9, np.array([[5, 50]])).tolist() == [[5, 0]]


@given(SHARES, st.integers(1, 200))
def test_sums_of_tasks_are_exact_and_of_sources_within_one(shares, per_task):
    found = quotas(shares, per_task, np.full((7, len(shares)), PLENTY))
    assert (found.sum(axis=1) == per_task).all()
    assert np.abs(found.sum(axis=0) - shares * 7 * per_task).max() < 1 + 1e-6


@given(SHARES, st.floats(0, 0.5), st.integers(1, 200))
def test_the_same_with_a_sports_source(others, share, per_task):
    shares = np.array([*(others * (1 - share)), share])
    capacity = np.full((7, len(shares)), PLENTY)
    capacity[[2, 3, 6], -1] = 0
    found = quotas(shares, per_task, capacity)
    assert (found.sum(axis=1) == per_task).all()
    assert np.abs(found.sum(axis=0) - shares * 7 * per_task).max() < 1 + 1e-4


@given(SHARES, st.data())
def test_nothing_is_over_capacity_and_every_task_is_as_full_as_it_can(shares, data):
    capacity = data.draw(arrays(np.int64, (7, len(shares)), elements=st.integers(0, 40)))
    found = quotas(shares, 50, capacity)
    assert (found >= 0).all()
    assert (found <= capacity).all()
    assert (found.sum(axis=1) == np.minimum(50, capacity.sum(axis=1))).all()


@given(st.data(), st.integers(1, 7), st.integers(1, 6))
def test_rounding_keeps_rows_and_moves_no_number_by_a_whole_one(data, n_rows, n_columns):
    weights = data.draw(arrays(np.float64, (n_rows, n_columns), elements=st.floats(0.01, 9)))
    totals = data.draw(arrays(np.int64, n_rows, elements=st.integers(0, 50)))
    values = weights / weights.sum(axis=1, keepdims=True) * totals[:, None]
    found = controlled_rounding(values)
    assert (found.sum(axis=1) == totals).all()
    assert np.abs(found - values).max() < 1 + 1e-6
    assert np.abs(found.sum(axis=0) - values.sum(axis=0)).max() < 1 + 1e-6


def test_rounding_needs_whole_rows():
    with pytest.raises(ValueError, match=r"rows must sum to whole numbers, got \[0.75\]"):
        controlled_rounding(np.array([[0.5, 0.25]]))
