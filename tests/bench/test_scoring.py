from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_bench.bootstrap import share_interval
from stkit_bench.judging import interval_iou, judge
from stkit_bench.reading import Reading
from stkit_bench.scoring import breakdown, score
from stkit_datasets.tasks.names import TASKS, Task


@dataclass(frozen=True)
class R:
    value_si: float | None = None
    clock: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    choice: str | None = None
    reason: str | None = None

    @property
    def readable(self) -> bool:
        return self.reason is None


def ref(task: str, cluster: str | None = None, **target: Any) -> dict[str, Any]:
    return {"task": task, "cluster": cluster, **target}


def one(task: str, reading: R | None, **target: Any):
    return score([ref(task, **target)], [reading], n_resamples=10).tasks[task]


RIGHT = {
    "traveled_distance": ({"value_si": 10.0}, R(value_si=10.0)),
    "traveling_speed": ({"value_si": 5.0}, R(value_si=5.0)),
    "movement_direction": ({"clock": 3}, R(clock=3)),
    "direction_timestamp": ({"start_s": 1.0, "end_s": 3.0}, R(start_s=1.0, end_s=3.0)),
    "traveled_distance_comparison": ({"choice": "red"}, R(choice="red")),
    "traveling_speed_comparison": ({"choice": "blue"}, R(choice="blue")),
    "movement_direction_comparison": ({"choice": "same"}, R(choice="same")),
}
WRONG = {
    "traveled_distance": R(value_si=100.0),
    "traveling_speed": R(value_si=50.0),
    "movement_direction": R(clock=9),
    "direction_timestamp": R(start_s=8.0, end_s=9.0),
    "traveled_distance_comparison": R(choice="blue"),
    "traveling_speed_comparison": R(choice="red"),
    "movement_direction_comparison": R(choice="different"),
}


@pytest.mark.parametrize("task", ["traveled_distance", "traveling_speed"])
@pytest.mark.parametrize(
    ("target", "given_value", "right"),
    [
        (10.0, 7.5, True),
        (10.0, 12.5, True),
        (10.0, 7.4999, False),
        (10.0, 12.5001, False),
        (3.3, 0.75 * 3.3, True),
        (3.3, 1.25 * 3.3, True),
        # A bound that has gone through km/h and back.
        (7.7, 1.25 * 7.7 * 3.6 / 3.6, True),
        (0.1 + 0.2, 0.375, True),
        (0.0, 0.0, True),
        (0.0, 0.01, False),
        (10.0, -10.0, False),
    ],
)
def test_a_magnitude_is_right_within_a_quarter(task, target, given_value, right):
    assert one(task, R(value_si=given_value), value_si=target).accuracy == float(right)


def test_distance_error_is_in_metres_and_speed_error_in_kilometres_per_hour():
    distance = one("traveled_distance", R(value_si=12.0), value_si=10.0)
    speed = one("traveling_speed", R(value_si=12.0), value_si=10.0)
    assert (distance.mae, distance.mae_unit) == (pytest.approx(2.0), "m")
    assert (speed.mae, speed.mae_unit) == (pytest.approx(7.2), "km/h")


@pytest.mark.parametrize(
    ("target", "given_clock", "error"), [(12, 1, 1), (1, 12, 1), (3, 9, 6), (2, 2, 0), (11, 4, 5)]
)
def test_clock_error_goes_the_short_way_round(target, given_clock, error):
    result = one("movement_direction", R(clock=given_clock), clock=target)
    assert result.mae == error
    assert result.accuracy == float(error == 0)


@pytest.mark.parametrize(
    ("truth", "answer", "iou"),
    [
        ((0, 10), (0, 10), 1.0),
        ((0, 10), (0, 5), 0.5),
        ((0, 10), (5, 15), 1 / 3),
        ((0, 4), (6, 8), 0.0),
        ((0, 4), (4, 8), 0.0),
        ((2, 2), (2, 2), 1.0),
        ((2, 2), (1, 3), 0.0),
        ((2, 2), (3, 3), 0.0),
        ((0, 10), (10, 0), 0.0),
    ],
)
def test_interval_overlap(truth, answer, iou):
    arrays = [np.array([float(v)]) for v in (*truth, *answer)]
    assert interval_iou(*arrays)[0] == pytest.approx(iou)
    result = one(
        "direction_timestamp",
        R(start_s=answer[0], end_s=answer[1]),
        start_s=truth[0],
        end_s=truth[1],
    )
    assert result.mean_iou == pytest.approx(iou)
    assert result.accuracy == float(iou >= 0.5)


def test_a_choice_is_compared_without_case():
    assert one("traveled_distance_comparison", R(choice=" Red"), choice="red").accuracy == 1.0


def test_unreadable_is_wrong_but_not_in_the_error_and_counted_by_reason():
    references = [ref("traveled_distance", value_si=10.0) for _ in range(4)]
    readings = [R(value_si=12.0), R(reason="no_unit"), None, R(value_si=20.0)]
    result = score(references, readings).tasks["traveled_distance"]
    assert result.n == 4
    assert result.n_readable == 2
    assert result.n_unanswered == 1
    assert result.coverage == 0.5
    assert result.accuracy == 0.25
    assert result.mae == pytest.approx(6.0)
    assert result.unread == {"no_unit": 1}


def test_unreadable_interval_has_overlap_zero():
    references = [ref("direction_timestamp", start_s=0.0, end_s=2.0) for _ in range(2)]
    result = score(references, [R(start_s=0.0, end_s=2.0), R(reason="never")])
    assert result.tasks["direction_timestamp"].mean_iou == 0.5


def test_nothing_readable_has_no_error_to_tell():
    result = one("traveling_speed", R(reason="refusal"), value_si=3.0)
    assert result.mae is None
    assert result.mae_interval is None
    assert result.accuracy == 0.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_reading_that_is_no_number_counts_as_unreadable(value):
    result = one("traveled_distance", R(value_si=value), value_si=3.0)
    assert result.n_readable == 0
    assert result.unread == {"not what the task asks for": 1}


def test_a_reading_of_another_task_counts_as_unreadable():
    assert one("movement_direction", R(value_si=3.0), clock=3).n_readable == 0


def test_the_average_is_the_mean_of_the_seven():
    references, readings = [], []
    for number, task in enumerate(TASKS):
        target, right = RIGHT[task]
        # 0, 1, … 6 of 6 right.
        for k in range(6):
            references.append(ref(task, **target))
            readings.append(right if k < number else WRONG[task])
    result = score(references, readings)
    assert result.average_accuracy == pytest.approx(0.5)
    assert result.average_accuracy_interval is not None
    assert result.missing_tasks == ()
    assert [t.accuracy for t in result.tasks.values()] == pytest.approx([n / 6 for n in range(7)])


def test_an_absent_task_leaves_no_average_and_is_named():
    result = score([ref("movement_direction", clock=3)], [R(clock=3)])
    assert result.average_accuracy is None
    assert result.average_accuracy_interval is None
    assert result.average_of_present == 1.0
    assert result.average_over == ("movement_direction",)
    assert len(result.missing_tasks) == 6
    assert "movement_direction" not in result.missing_tasks


def test_no_questions_at_all():
    result = score([], [])
    assert (result.n, result.tasks, result.average_of_present) == (0, {}, None)
    json.dumps(result.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    ("references", "message"),
    [
        ([ref("traveled_distance", value_si=float("nan"))], r"references\[0\].*value_si.*nan"),
        ([ref("traveled_distance")], r"references\[0\].*value_si.*None"),
        ([ref("traveled_distance", value_si=-1.0)], r"at least 0, got -1"),
        ([ref("movement_direction", clock=13)], r"1…12, got 13"),
        ([ref("movement_direction", clock=2.5)], r"1…12, got 2.5"),
        ([ref("direction_timestamp", start_s=3.0, end_s=2.0)], r"before start_s"),
        ([ref("traveled_distance_comparison", choice=None)], r"choice must be"),
        ([ref("jumping")], r"task must be one of traveled_distance.*got 'jumping'"),
        ([{"task": "movement_direction", "clock": "x", "id": "q7"}], r"\(id 'q7'\)"),
    ],
)
def test_a_bad_reference_is_named(references, message):
    with pytest.raises(ValueError, match=message):
        score(references, [R(reason="empty")])


def test_lengths_and_ids_are_checked():
    with pytest.raises(ValueError, match="same length, got 1 and 2"):
        score([ref("movement_direction", clock=1)], [R(clock=1), R(clock=1)])
    twice = [{"id": "a", "task": "movement_direction", "clock": 1}] * 2
    with pytest.raises(
        ValueError, match=r"references\[1\]: id 'a' repeats that of references\[0\]"
    ):
        score(twice, [R(clock=1)] * 2)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.2, float("nan")])
def test_level_is_checked(level):
    with pytest.raises(ValueError, match="open interval"):
        score([], [], level=level)


def slow_interval(references, readings, task, n_resamples, seed):
    """The same resamples, one question at a time."""
    judged = judge(references, readings)
    clips = judged.n_clusters
    members = [np.flatnonzero(judged.cluster == clip) for clip in range(clips)]
    code = TASKS.index(task)
    generator = np.random.default_rng(seed)
    accuracies = []
    for _ in range(n_resamples):
        right = total = 0
        for clip in generator.integers(0, clips, size=clips):
            for row in members[clip]:
                if judged.task[row] == code:
                    total += 1
                    right += int(judged.correct[row])
        if total:
            accuracies.append(right / total)
    right = judged.correct[judged.task == code]
    value = right.mean()
    with_task = len(np.unique(judged.cluster[judged.task == code]))
    floor = value * (1 - value) / len(right)
    return share_interval(value, np.array(accuracies), with_task, 0.95, floor)


def mixed(n: int, clips: int, seed: int = 1):
    generator = np.random.default_rng(seed)
    references, readings = [], []
    for number in range(n):
        task = TASKS[number % 7]
        target, right = RIGHT[task]
        clip = int(generator.integers(0, clips))
        references.append(ref(task, f"clip{clip}", id=str(number), **target))
        # Whole clips are easy or hard, as real ones are.
        readings.append(right if generator.random() < 0.15 + 0.7 * (clip % 2) else WRONG[task])
    return references, readings


def test_bootstrap_agrees_with_a_slow_one():
    references, readings = mixed(140, 12)
    fast = score(references, readings, n_resamples=400, seed=3)
    for task in (Task.TRAVELED_DISTANCE, Task.MOVEMENT_DIRECTION):
        slow = slow_interval(references, readings, task, 400, 3)
        assert fast.tasks[task].accuracy_interval == pytest.approx(tuple(slow))


def test_clustered_interval_is_wider_than_one_by_question():
    references, readings = mixed(700, 10)
    alone = [{**reference, "cluster": None} for reference in references]

    def width(rows):
        low, high = score(rows, readings).average_accuracy_interval
        return high - low

    assert width(references) > 1.5 * width(alone)


def test_one_window_tells_next_to_nothing():
    references, readings = mixed(70, 1)
    result = score(references, readings)
    for task in result.tasks.values():
        low, high = task.accuracy_interval
        assert low <= task.accuracy <= high
        assert high - low > 0.98
        assert task.mae_interval is None


@pytest.mark.parametrize(("n_right", "interval"), [(0, (0.0, 0.3386)), (10, (0.6614, 1.0))])
def test_nothing_or_everything_right_is_not_sure(n_right, interval):
    """Ten windows of four questions: t(0.975, 9) = 2.2622; 2.2622² / (10 + 2.2622²) = 0.3385."""
    references = [ref("movement_direction", f"w{n // 4}", clock=3) for n in range(40)]
    readings = [R(clock=3 if n < 4 * n_right else 9) for n in range(40)]
    result = score(references, readings)
    task = result.tasks["movement_direction"]
    assert task.accuracy_interval == pytest.approx(interval, abs=2e-4)
    assert result.average_of_present_interval == task.accuracy_interval
    assert task.coverage_interval == pytest.approx((0.6614, 1.0), abs=2e-4)


def test_an_interval_gets_no_narrower_when_windows_tell_more_than_questions():
    """One right answer in ten windows of forty: not surer than one of 400 questions."""
    references = [ref("movement_direction", f"w{n // 40}", clock=3) for n in range(400)]
    one_right = score(references, [R(clock=3 if n == 0 else 9) for n in range(400)])
    low, high = one_right.tasks["movement_direction"].accuracy_interval
    assert low < 1 / 400 < high
    assert high > 0.01


def test_the_seed_decides():
    references, readings = mixed(70, 9)
    first = score(references, readings, seed=5)
    assert first == score(references, readings, seed=5)
    assert first != score(references, readings, seed=6)


def test_results_hold_plain_values():
    references, readings = mixed(70, 9)
    text = json.dumps(score(references, readings).to_dict(), allow_nan=False)
    assert json.loads(text)["tasks"]["traveled_distance"]["n"] == 10


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(TASKS), st.sampled_from("rwun"), st.integers(0, 4)), max_size=25
    ),
    st.randoms(use_true_random=False),
)
def test_scores_stay_in_bounds_and_do_not_depend_on_order(questions, random):
    def build(items):
        references = [ref(task, f"c{clip}", **RIGHT[task][0]) for task, _, clip in items]
        answers = {"u": R(reason="empty"), "n": None}
        readings = [
            RIGHT[task][1] if kind == "r" else WRONG[task] if kind == "w" else answers[kind]
            for task, kind, _ in items
        ]
        return score(references, readings, n_resamples=20)

    result = build(questions)
    shuffled = list(questions)
    random.shuffle(shuffled)
    again = build(shuffled)
    assert {k: v.accuracy for k, v in result.tasks.items()} == {
        k: v.accuracy for k, v in again.tasks.items()
    }
    assert result.average_of_present == pytest.approx(again.average_of_present)
    for task in result.tasks.values():
        assert 0 <= task.accuracy <= task.coverage <= 1
        low, high = task.accuracy_interval or (task.accuracy, task.accuracy)
        assert 0 <= low <= task.accuracy <= high <= 1
        assert high - low > 0.1
        if task.mean_iou is not None:
            assert 0 <= task.mean_iou <= 1


def test_breakdown_by_a_key_and_by_a_function():
    references, readings = mixed(70, 9)
    for number, reference in enumerate(references):
        reference["occlusion"] = "occluded" if number % 2 else None
    by_key = breakdown(references, readings, "occlusion", n_resamples=10)
    assert list(by_key) == ["null", "occluded"]
    assert sum(s.n for s in by_key.values()) == 70
    by_function = breakdown(references, readings, lambda r: r["task"], n_resamples=10)
    assert {k: v.n for k, v in by_function.items()} == dict.fromkeys(TASKS, 10)
    with pytest.raises(ValueError, match=r"references\[0\] has no 'weather'.*occlusion"):
        breakdown(references, readings, "weather")


# --- what the reader failed on ---------------------------------------------------------------


def test_a_failure_of_the_reader_is_neither_right_nor_wrong():
    references = [
        {"id": str(n), "task": "movement_direction", "clock": 3, "cluster": str(n // 2)}
        for n in range(6)
    ]
    failed, right, wrong = Reading(reason="reader_failed"), Reading(clock=3), Reading(clock=6)
    readings = [right, wrong, failed, failed, Reading(reason="refusal"), None]
    scores = score(references, readings)
    task = scores.tasks["movement_direction"]
    assert (task.n, task.reader_failures, task.n_unanswered) == (4, 2, 1)
    assert (task.accuracy, task.coverage, task.mae) == (0.25, 0.5, 1.5)
    assert task.unread == {"refusal": 1}
    assert (scores.n, scores.reader_failures) == (4, 2)
    # The same as if those questions had not been asked, to the intervals.
    kept = [0, 1, 4, 5]
    alone = score([references[n] for n in kept], [readings[n] for n in kept])
    expected = {**alone.tasks["movement_direction"].to_dict(), "reader_failures": 2}
    assert task.to_dict() == expected
    assert scores.n_clusters == alone.n_clusters == 2


def test_a_task_that_the_reader_failed_on_altogether_has_no_score():
    references = [{"task": "movement_direction", "clock": 3}] * 2
    scores = score(references, [Reading(reason="reader_failed")] * 2)
    assert (scores.tasks, scores.n, scores.average_of_present) == ({}, 0, None)
