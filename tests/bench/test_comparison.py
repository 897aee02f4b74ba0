from __future__ import annotations

import json

import numpy as np
import pytest
from test_scoring import RIGHT, mixed

from stkit_bench.comparison import compare
from stkit_bench.judging import judge
from stkit_bench.reading import Reading
from stkit_bench.scoring import score


def test_a_comparison_with_oneself_shows_nothing_and_is_not_sure_of_it():
    references, readings = mixed(140, 12)
    result = compare(references, readings, readings)
    assert result.average.difference == 0
    assert result.average.p_value == 1.0
    low, high = result.average.interval
    # t(0.975, 11) = 2.201: 2.201² / (12 + 2.201²) = 0.2876.
    assert (low, high) == pytest.approx((-0.2876, 0.2876), abs=1e-4)


def test_a_comparison_is_paired():
    references, readings = mixed(280, 20)
    judged = judge(references, readings)
    wrong = np.flatnonzero(~judged.correct)
    better = list(readings)
    for row in wrong[:60].tolist():
        better[row] = RIGHT[references[row]["task"]][1]
    result = compare(references, better, readings)
    single = score(references, readings).average_accuracy_interval
    assert result.average.difference > 0
    assert result.average.p_value < 0.05
    assert result.average.interval[0] > 0
    # What makes a window hard is hard for both, so the difference is surer than either score.
    paired_width = result.average.interval[1] - result.average.interval[0]
    assert paired_width < single[1] - single[0]
    reverse = compare(references, readings, better)
    assert reverse.average.difference == -result.average.difference
    assert reverse.average.p_value == result.average.p_value
    low, high = result.average.interval
    assert reverse.average.interval == pytest.approx((-high, -low))
    json.dumps(result.to_dict(), allow_nan=False)


def test_the_average_is_that_of_the_tasks_and_not_of_the_questions():
    references = [{"task": "movement_direction", "clock": 3}] * 9
    references += [{"task": "traveled_distance", "value_si": 10.0}]
    a = [Reading(clock=3)] * 9 + [Reading(value_si=99.0)]
    b = [Reading(clock=6)] * 9 + [Reading(value_si=10.0)]
    found = compare(references, a, b)
    assert (found.average.accuracy_a, found.average.accuracy_b) == (0.5, 0.5)
    assert found.average.difference == 0
    assert found.tasks["movement_direction"].difference == 1
    assert (found.average.n, found.average.n_clusters) == (10, 10)
    assert (found.n_flips, found.exact) == (512, True)
    assert list(found.tasks) == list(found.average_over)


def test_what_became_of_the_responses_is_counted_for_each_side():
    references = [{"id": str(n), "task": "movement_direction", "clock": 3} for n in range(5)]
    right, failed = Reading(clock=3), Reading(reason="reader_failed")
    a = [right, None, None, Reading(reason="refusal"), failed]
    b = [right, right, Reading(reason="refusal"), Reading(reason="no_number"), right]
    found = compare(references, a, b)
    assert found.a.to_dict() == {
        "n_readable": 1,
        "n_unanswered": 2,
        "n_unreadable": 1,
        "unread": {"refusal": 1},
    }
    assert (found.b.n_readable, found.b.n_unanswered, found.b.n_unreadable) == (2, 0, 2)
    assert found.to_dict()["b"]["unread"] == {"no_number": 1, "refusal": 1}
    assert (found.n, found.reader_failures) == (4, 1)


def test_a_comparison_leaves_out_what_the_reader_failed_on_for_either():
    references = [{"id": str(n), "task": "movement_direction", "clock": 3} for n in range(3)]
    failed, right, wrong = Reading(reason="reader_failed"), Reading(clock=3), Reading(clock=6)
    found = compare(references, [right, failed, right], [wrong, wrong, failed])
    assert (found.average.n, found.reader_failures) == (1, 2)
    assert (found.average.accuracy_a, found.average.accuracy_b) == (1.0, 0.0)


@pytest.mark.parametrize("n_resamples", [0, 10])
def test_nothing_to_compare(n_resamples):
    found = compare([], [], [], n_resamples=n_resamples)
    assert (found.tasks, found.average, found.n, found.n_flips) == ({}, None, 0, 0)
    json.dumps(found.to_dict(), allow_nan=False)


def test_without_resamples_there_is_a_difference_alone():
    references, readings = mixed(70, 9)
    found = compare(references, readings, readings[::-1], n_resamples=0)
    assert found.average.interval is None
    assert found.average.p_value is None
    assert (found.n_flips, found.exact) == (0, False)


def test_a_comparison_exchanges_whole_windows():
    """Forty questions of two windows, A ahead on one of them: no evidence. Of forty: much."""
    ahead = [n < 20 for n in range(40)]
    a = [Reading(clock=3 if better or n % 2 else 6) for n, better in enumerate(ahead)]
    b = [Reading(clock=3 if n % 2 else 6) for n in range(40)]

    def p_value(clips):
        references = [
            {"id": str(n), "task": "movement_direction", "clock": 3, "cluster": str(n % clips)}
            if clips == 40
            else {"id": str(n), "task": "movement_direction", "clock": 3, "cluster": str(n // 20)}
            for n in range(40)
        ]
        found = compare(references, a, b)
        assert found.average.difference == pytest.approx(0.25)
        return found.average.p_value

    assert p_value(2) == 1.0
    assert p_value(40) < 0.01
