"""Replies of a language model, checked strictly and combined with the question."""

from __future__ import annotations

import json

import pytest

from stkit_bench.reading.question import parse_question
from stkit_bench.reading.replies import ReplyError, reading_of

FARTHER = "Which travels farther, the object in the red box or the one in the blue box?"
SLOWER = "Which is slower, the object in the green box or the one in the yellow box?"
SAME = "Do the red and the blue object move in the same direction?"
DIFFERENT = "Do the red and the blue object move in different directions?"


def read(task, question=None, none_because=None, **fields):
    reply = json.dumps({**fields, "none_because": none_because})
    return reading_of(task, reply, parse_question(question))


@pytest.mark.parametrize(
    ("fields", "question", "value"),
    [
        ({"distance_m": 12.5, "unit_stated": True}, "How many feet?", 12.5),
        ({"distance_m": 10, "unit_stated": False}, "How far, in feet, does it go?", 3.048),
        ({"distance_m": 10, "unit_stated": False}, "How far does it go?", 10.0),
        ({"distance_m": 0, "unit_stated": True}, None, 0.0),
    ],
)
def test_a_distance_is_in_metres_and_a_bare_number_in_the_unit_asked_for(fields, question, value):
    assert read("traveled_distance", question, **fields).value_si == pytest.approx(value)


@pytest.mark.parametrize(
    ("fields", "question", "value"),
    [
        ({"speed_kmh": 36, "unit_stated": True}, "How many mph?", 10.0),
        ({"speed_kmh": 36, "unit_stated": False}, "How fast, in km/h, is it?", 10.0),
        ({"speed_kmh": 36, "unit_stated": False}, "How fast is it?", 36.0),
    ],
)
def test_a_speed_is_stored_in_metres_per_second(fields, question, value):
    assert read("traveling_speed", question, **fields).value_si == pytest.approx(value)


@pytest.mark.parametrize(("clock", "hour", "reason"), [(3, 3, None), (15, None, "out_of_range")])
def test_an_hour(clock, hour, reason):
    found = read("movement_direction", clock=clock)
    assert (found.clock, found.reason) == (hour, reason)


@pytest.mark.parametrize(
    ("start", "end", "question", "expected"),
    [
        (2, 6.5, None, (2.0, 6.5, None)),
        (6, 2, None, (2.0, 6.0, None)),
        (7, None, "The video lasts 20.00 seconds. When?", (7.0, 20.0, None)),
        (7, None, "When?", (None, None, "no_length")),
        (-1, 2, None, (None, None, "out_of_range")),
    ],
)
def test_a_span_ends_with_the_video_where_its_length_is_known(start, end, question, expected):
    found = read("direction_timestamp", question, start_s=start, end_s=end)
    assert (found.start_s, found.end_s, found.reason) == expected


@pytest.mark.parametrize(
    ("name", "more", "question", "choice"),
    [
        ("red", None, FARTHER, "red"),
        ("red", 1, FARTHER, "red"),
        ("red", 0, FARTHER, "blue"),
        ("The blue box", 0, FARTHER, "red"),
        ("second", None, FARTHER, "blue"),
        ("first", 0, FARTHER, "blue"),
        ("red", 0, None, "red"),
    ],
)
def test_the_polarity_of_the_question_decides(name, more, question, choice):
    found = read("traveled_distance_comparison", question, object=name, more=more)
    assert found.choice == choice


@pytest.mark.parametrize(("more", "choice"), [(1, "yellow"), (0, "green"), (None, "green")])
def test_the_slower_of_two(more, choice):
    found = read("traveling_speed_comparison", SLOWER, object="green", more=more)
    assert found.choice == choice


def test_first_of_unnamed_objects_is_no_choice():
    found = read("traveling_speed_comparison", "Which is faster?", object="first", more=None)
    assert found.reason == "no_choice"


@pytest.mark.parametrize(
    ("same", "yes", "question", "choice"),
    [
        (None, 1, SAME, "same"),
        (None, 0, SAME, "different"),
        (None, 1, DIFFERENT, "different"),
        (None, 0, DIFFERENT, "same"),
        (1, 0, DIFFERENT, "same"),
        (0, None, SAME, "different"),
    ],
)
def test_what_yes_means_depends_on_the_question(same, yes, question, choice):
    assert read("movement_direction_comparison", question, same=same, yes=yes).choice == choice


@pytest.mark.parametrize(
    ("task", "none_because", "reason"),
    [
        ("traveled_distance", "refusal", "refusal"),
        ("traveled_distance", "nothing_said", "no_number"),
        ("traveled_distance", "no_unit", "no_unit"),
        ("movement_direction", "nothing_said", "no_clock"),
        ("direction_timestamp", "never", "never"),
        ("traveling_speed_comparison", "tie", "tie"),
        ("movement_direction_comparison", "several_answers", "ambiguous"),
    ],
)
def test_nothing_to_report_keeps_its_reason(task, none_because, reason):
    empty = {
        "traveled_distance": {"distance_m": None, "unit_stated": False},
        "movement_direction": {"clock": None},
        "direction_timestamp": {"start_s": None, "end_s": None},
        "traveling_speed_comparison": {"object": None, "more": None},
        "movement_direction_comparison": {"same": None, "yes": None},
    }[task]
    found = read(task, none_because=none_because, **empty)
    assert (found.readable, found.reason) == (False, reason)


def test_a_fence_around_the_object_is_taken_off():
    reply = '```json\n{"clock": 3, "none_because": null}\n```'
    assert reading_of("movement_direction", reply).clock == 3


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("3", "exactly the keys clock, none_because"),
        ("three o'clock", "one JSON object and nothing else"),
        ('{"clock": 3, "none_because": null', "one JSON object"),
        ('Here: {"clock": 3, "none_because": null}', "one JSON object"),
        ('{"clock": 3}', "exactly the keys"),
        ('{"clock": 3, "none_because": null, "sure": true}', "exactly the keys"),
        ('{"clock": "3", "none_because": null}', "clock must be a whole number"),
        ('{"clock": 3.5, "none_because": null}', "clock must be a whole number"),
        ('{"clock": true, "none_because": null}', "clock must be a whole number"),
        ('{"clock": null, "none_because": null}', "null exactly when"),
        ('{"clock": 3, "none_because": "refusal"}', "null exactly when"),
        ('{"clock": null, "none_because": "tired"}', "one of the reasons"),
        ('{"clock": null, "none_because": ["refusal"]}', "one of the reasons"),
        ("[" * 100_000, "one JSON object"),
    ],
)
def test_anything_else_is_refused(reply, message):
    with pytest.raises(ReplyError, match=message):
        reading_of("movement_direction", reply)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"12"', "true", "[1]"])
def test_numbers_are_finite_numbers(value):
    reply = f'{{"distance_m": {value}, "unit_stated": true, "none_because": null}}'
    with pytest.raises(ReplyError):
        reading_of("traveled_distance", reply)


def test_an_object_is_one_color():
    for name in ("red and blue", "the car", 3):
        with pytest.raises(ReplyError, match="object must be one of red"):
            read("traveling_speed_comparison", object=name, more=None)
