from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import toy

from stkit_datasets.config import KinematicsConfig
from stkit_datasets.observation import Observation, observe
from stkit_datasets.rows import RowConfig, ask
from stkit_datasets.tasks.base import Question

CONFIG = RowConfig(video="none")


def seen(*centers: np.ndarray, **more) -> Observation:
    return observe(toy.clip(np.stack(centers), **more), KinematicsConfig())


def questions(observation: Observation, task: str, seed: int = 0) -> list[Question]:
    return [q for q in ask(observation, RowConfig(video="none", seed=seed)) if q.task == task]


def turning_right(n_straight: int, n_after: int) -> np.ndarray:
    """2 m steps along +x, then along -y: a turn to the right, 3 o'clock."""
    steps = [(2.0, 0, 0)] * n_straight + [(0, -2.0, 0)] * n_after
    return np.concatenate(
        [[[20.0, 6.0, 0.75]], np.array([20.0, 6.0, 0.75]) + np.cumsum(steps, axis=0)]
    )


def test_whole_distance_is_the_path_of_the_appearance() -> None:
    # Two straight legs of 4 x 2 m: 16 m of path, though the ends are 11.3 m apart.
    whole = questions(seen(turning_right(4, 4)), "traveled_distance")[0]
    assert (whole.form, whole.start, whole.stop, whole.value_si) == ("whole", 0, 9, 16.0)


def test_whole_speed_is_path_over_time() -> None:
    whole = questions(seen(turning_right(4, 4)), "traveling_speed")[0]
    assert whole.value_si == pytest.approx(4.0)


@pytest.mark.parametrize("seed", range(12))
def test_intervals_lie_inside_on_the_grid_and_move(seed: int) -> None:
    centers = toy.straight((20, 0, 0.75), (2, 0, 0), 12)
    centers[4:9] = centers[4]  # stands for two seconds
    centers[9:] = centers[4] + np.arange(1, 4)[:, None] * np.array([1.0, 0, 0])
    interval = questions(seen(centers), "traveled_distance", seed)[1]
    assert interval.form == "interval"
    assert 0 <= interval.start < interval.stop - 2 < 12
    assert (interval.start, interval.stop) != (0, 12)
    moved = centers[interval.stop - 1] - centers[interval.start]
    assert np.linalg.norm(moved) >= 1.0


def test_intervals_differ_between_seeds() -> None:
    observation = seen(toy.straight((20, 0, 0.75), (2, 0, 0), 20))
    drawn = {questions(observation, "traveled_distance", seed)[1].start for seed in range(20)}
    assert len(drawn) > 3


def test_direction_at_the_end_is_that_of_the_last_step() -> None:
    assert questions(seen(turning_right(4, 2)), "movement_direction")[0].clock == 3


def test_no_direction_when_the_last_step_is_short() -> None:
    centers = turning_right(4, 2)
    centers[-1] = centers[-2] + [0.1, 0, 0]
    assert questions(seen(centers), "movement_direction") == []


def test_timestamps_span_first_steps_start_to_last_steps_end() -> None:
    asked = questions(seen(turning_right(4, 3)), "direction_timestamp")
    assert [(q.clock, q.span) for q in asked] == [(3, (4, 7)), (12, (0, 4))]


def test_a_direction_kept_for_half_a_second_is_not_asked_about() -> None:
    asked = questions(seen(turning_right(5, 1)), "direction_timestamp")
    assert [q.clock for q in asked] == [12]


def test_sports_have_no_direction_questions() -> None:
    pair = (toy.straight((20, 4, 0.75), (2, 0, 0), 8), toy.straight((20, -4, 0.75), (5, 0, 0), 8))
    asked = Counter(str(q.task) for q in ask(seen(*pair, domain="sports"), CONFIG))
    assert set(asked) == {
        "traveled_distance",
        "traveling_speed",
        "traveled_distance_comparison",
        "traveling_speed_comparison",
    }


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("task", ["traveled_distance_comparison", "traveling_speed_comparison"])
def test_the_winner_answers_the_polarity(task: str, seed: int) -> None:
    slow = toy.straight((20, 4, 0.75), (2, 0, 0), 8)
    fast = toy.straight((20, -4, 0.75), (5, 0, 0), 8)
    (question,) = questions(seen(slow, fast), task, seed)
    assert question.winner is not None
    assert question.objects[question.winner] == {"more": 1, "less": 0}[question.form]


def test_both_polarities_and_both_orders_are_drawn() -> None:
    slow = toy.straight((20, 4, 0.75), (2, 0, 0), 8)
    fast = toy.straight((20, -4, 0.75), (5, 0, 0), 8)
    drawn = {
        (q.form, q.objects)
        for seed in range(40)
        for q in questions(seen(slow, fast), "traveled_distance_comparison", seed)
    }
    assert len(drawn) == 4


@pytest.mark.parametrize(
    ("speed", "distance_asked", "speed_asked"),
    [
        (2.3, False, False),  # ratio 1.15
        (2.45, True, False),  # 8.575 m against 7 m, but only 0.45 m/s apart
        (2.6, True, True),
    ],
)
def test_unclear_comparisons_are_not_asked(
    speed: float, distance_asked: bool, speed_asked: bool
) -> None:
    pair = (
        toy.straight((20, 4, 0.75), (2, 0, 0), 8),
        toy.straight((20, -4, 0.75), (speed, 0, 0), 8),
    )
    assert bool(questions(seen(*pair), "traveled_distance_comparison")) is distance_asked
    assert bool(questions(seen(*pair), "traveling_speed_comparison")) is speed_asked


def test_quantities_are_compared_over_the_shared_run() -> None:
    early = toy.straight((20, 4, 0.75), (2, 0, 0), 14)
    early[10:] = np.nan
    late = toy.straight((20, -4, 0.75), (4, 0, 0), 14)
    late[:5] = np.nan
    (question,) = questions(seen(early, late), "traveled_distance_comparison")
    assert (question.start, question.stop) == (5, 10)
    assert sorted(question.values_si) == [4.0, 8.0]


def test_objects_seen_together_too_briefly_are_not_compared() -> None:
    early = toy.straight((20, 4, 0.75), (2, 0, 0), 14)
    early[8:] = np.nan
    late = toy.straight((20, -4, 0.75), (4, 0, 0), 14)
    late[:5] = np.nan
    assert questions(seen(early, late), "traveled_distance_comparison") == []


@pytest.mark.parametrize(
    ("angle_deg", "same"),
    [(0, True), (29, True), (31, None), (59, None), (61, False), (180, False)],
)
def test_same_and_different_directions(angle_deg: float, same: bool | None) -> None:
    turn = np.radians(angle_deg)
    pair = (
        toy.straight((25, 4, 0.75), (2, 0, 0), 8),
        toy.straight((25, -3, 0.75), (2 * np.cos(turn), 2 * np.sin(turn), 0), 8),
    )
    asked = questions(seen(*pair), "movement_direction_comparison")
    assert [q.same for q in asked] == ([] if same is None else [same])


def test_pairs_are_capped_and_both_answers_kept() -> None:
    many = [toy.straight((20 + 3 * i, 8 - 2.2 * i, 0.75), (2, 0, 0), 8) for i in range(8)]
    many.append(toy.straight((45, 0, 0.75), (-2, 0, 0), 8))
    asked = questions(seen(*many, size_lwh_m=(1.0, 1.0, 1.0)), "movement_direction_comparison")
    assert Counter(q.same for q in asked) == {True: 4, False: 4}
