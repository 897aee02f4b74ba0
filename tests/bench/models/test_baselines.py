from __future__ import annotations

import numpy as np
import pytest

from stkit_bench.models import Answerer
from stkit_bench.models.baselines import ClassPrior, Constant, Guess, Random
from stkit_bench.reading import read_response
from stkit_datasets.tasks.names import TASKS

QUESTIONS = {
    "traveled_distance": "How far does the object in the red box travel?",
    "traveling_speed": "How fast is the object in the red box?",
    "movement_direction": "Where is the object in the red box heading at the end?",
    "direction_timestamp": "When does the object in the red box move toward 3 o'clock?",
    "traveled_distance_comparison": "Which travels farther, the red or the blue object?",
    "traveling_speed_comparison": "Which is slower, the red or the blue object?",
    "movement_direction_comparison": "Do the red and the blue object move in the same direction?",
}


def rows(n: int = 1):
    return [
        {
            "id": f"{task}{number}",
            "task": task,
            "question": QUESTIONS[task],
            "duration_s": 5.5,
        }
        for task in TASKS
        for number in range(n)
    ]


def target(task, **fields):
    return {"task": task, "target": {"task": task, **fields}}


TRAINING = [
    *[target("traveled_distance", value_si=v) for v in (1.0, 40.0, 7.0)],
    *[target("traveling_speed", value_si=v) for v in (2.0, 4.0)],
    *[target("movement_direction", clock=c) for c in (3, 12, 3)],
    *[target("direction_timestamp", start_s=s, end_s=s + 4) for s in (0.0, 1.0, 5.0)],
    *[target("traveled_distance_comparison", choice=c) for c in ("blue", "blue", "red")],
    target("traveling_speed_comparison", choice="blue"),
    *[target("movement_direction_comparison", choice=c) for c in ("different", "same")],
]


def read(answerer, items):
    return [
        read_response(row["task"], text, row["question"])
        for row, text in zip(items, answerer.answer(items), strict=True)
    ]


@pytest.mark.parametrize(
    "answerer", [Constant(), Random(), ClassPrior.fit(TRAINING)], ids=lambda a: a.name
)
def test_every_answer_can_be_read(answerer):
    assert isinstance(answerer, Answerer)
    items = rows(40)
    for row, reading in zip(items, read(answerer, items), strict=True):
        assert reading.readable, (row, reading)


def test_the_constant_says_what_it_was_given():
    guess = Guess(
        distance_m=7.5,
        speed_mps=10.0,
        clock=4,
        interval_s=(1.0, 2.5),
        place=1,
        direction="different",
    )
    distance, speed, direction, timestamp, farther, slower, same = read(Constant(guess), rows())
    assert distance.value_si == 7.5
    assert speed.value_si == pytest.approx(10.0)
    assert direction.clock == 4
    assert (timestamp.start_s, timestamp.end_s) == (1.0, 2.5)
    assert (farther.choice, slower.choice, same.choice) == ("blue", "blue", "different")


def test_the_class_prior_says_the_most_frequent_and_the_median():
    distance, speed, direction, timestamp, farther, slower, same = read(
        ClassPrior.fit(TRAINING), rows()
    )
    assert distance.value_si == 7.0
    assert speed.value_si == pytest.approx(3.0)
    assert direction.clock == 3
    assert (timestamp.start_s, timestamp.end_s) == (1.0, 5.0)
    assert (farther.choice, slower.choice, same.choice) == ("blue", "blue", "different")
    assert ClassPrior.fit(TRAINING[::-1]) == ClassPrior.fit(TRAINING)


def test_the_class_prior_says_so_when_it_has_learned_nothing():
    with pytest.raises(ValueError, match="training rows"):
        ClassPrior.fit([])
    learned = ClassPrior.fit(TRAINING[:3])
    with pytest.raises(ValueError, match="row 1: no training row was of the task traveling_speed"):
        learned.answer(rows())


def test_random_depends_on_id_and_seed_alone():
    items = rows(20)
    answers = Random(seed=1).answer(items)
    assert Random(seed=1).answer(items[::-1]) == answers[::-1]
    assert Random(seed=2).answer(items) != answers
    with pytest.raises(ValueError, match="row 0: id must be given"):
        Random().answer([{"task": "movement_direction"}])


def test_random_is_uniform():
    items = rows(600)
    readings = read(Random(), items)
    clocks = [r.clock for r in readings if r.clock is not None]
    counts = np.bincount(clocks, minlength=13)[1:]
    # 600 draws over 12: mean 50, standard deviation 6.8.
    assert counts.min() > 20
    assert counts.max() < 80
    same = sum(r.choice == "same" for r in readings)
    assert 240 < same < 360
    for reading in readings:
        if reading.start_s is not None:
            assert 0 <= reading.start_s <= reading.end_s - 1.0 <= 4.0


def test_no_answer_depends_on_the_target():
    items = rows(3)
    cheating = [{**row, "target": {"value_si": 1.0, "choice": "red", "clock": 1}} for row in items]
    for answerer in (Constant(), Random(), ClassPrior.fit(TRAINING)):
        assert answerer.answer(items) == answerer.answer(cheating)


def test_colors_come_from_the_objects_in_the_order_named():
    row = {
        "id": "x",
        "task": "traveled_distance_comparison",
        "question": "Which one went farther?",
        "objects": [{"color": "cyan"}, {"color": "lime"}],
    }
    assert "cyan" in Constant().answer([row])[0]
    named = {**row, "question": "Which one went farther, the lime or the cyan one?"}
    assert "lime" in Constant().answer([named])[0]
    with pytest.raises(ValueError, match="row 'x': a comparison needs two colors"):
        Constant().answer([{**row, "objects": None}])
