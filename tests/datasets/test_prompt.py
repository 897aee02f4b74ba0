from __future__ import annotations

import math

import numpy as np
import pytest

from stkit_datasets.prompt import common_prompt, format_seconds, full_prompt, messages
from stkit_datasets.wording import load_wording

WORDING = load_wording()
CLOCK = (
    " Directions are named like the hours of a clock lying on the ground and seen from above: 12"
    " o'clock is the way in which the object first moves in this video, 3 o'clock lies to the right"
    " of it, 6 o'clock is the reverse of it and 9 o'clock lies to the left of it."
)


def test_one_object():
    assert common_prompt(WORDING, "traveled_distance", [0.0, 0.5, 1.0], 1.5, ["red"]) == (
        "The clip you see is 1.50 s long. Number of frames shown: 3, taken at these moments:"
        " 0.00 s, 0.50 s, 1.00 s. One object is marked in every frame where it can be seen; its"
        " box is red."
    )


def test_two_objects():
    colors = ["red", "orange"]
    assert common_prompt(WORDING, "traveling_speed_comparison", [0.0], 0.0, colors) == (
        "The clip you see is 0.00 s long. Number of frames shown: 1, taken at these moments:"
        " 0.00 s. Two objects are marked in every frame where they can be seen; the box of one is"
        " red, that of the other is orange."
    )


def test_direction_tasks_carry_the_convention():
    plain = common_prompt(WORDING, "traveling_speed", [0.0, 2.0], 4.0, ["blue"])
    clock = common_prompt(WORDING, "movement_direction", [0.0, 2.0], 4.0, ["blue"])
    stamp = common_prompt(WORDING, "direction_timestamp", [0.0, 2.0], 4.0, ["blue"])
    assert clock == plain + CLOCK
    assert stamp.startswith(plain + CLOCK + " If it moves in a direction several times")


def test_every_frame_keeps_its_own_time():
    times = np.arange(40) * 0.5
    text = common_prompt(WORDING, "traveled_distance", times, 20.0, ["red"])
    assert ": " + ", ".join(f"{t:.2f} s" for t in times) + ". One" in text


@pytest.mark.parametrize(
    ("time_s", "expected"), [(0, "0.00"), (3.5, "3.50"), (-0.001, "0.00"), (1.999, "2.00")]
)
def test_format_seconds(time_s, expected):
    assert format_seconds(time_s) == expected


@pytest.mark.parametrize(
    ("task", "times", "duration", "colors", "says"),
    [
        ("traveled_distance", [], 1.0, ["red"], "at least one frame, got none"),
        ("traveled_distance", [0.0, 0.0], 1.0, ["red"], "rising, got 0.0 at 1"),
        ("traveled_distance", [math.nan], 1.0, ["red"], "finite, .*got nan at 0"),
        ("traveled_distance", [-0.5, 0.0], 1.0, ["red"], "not negative .*got -0.5 at 0"),
        ("traveled_distance", [0.0, 2.0], 1.0, ["red"], "must reach the last frame at 2.0, got 1"),
        ("traveled_distance", [0.0], math.nan, ["red"], "must reach the last frame"),
        ("traveled_distance", [0.0], 1.0, "red", "needs 1 different box"),
        ("traveled_distance", [0.0], 1.0, ["red", "blue"], "needs 1 different box"),
        ("traveled_distance_comparison", [0.0], 1.0, ["red", "red"], "needs 2 different box"),
        ("speed", [0.0], 1.0, ["red"], "unknown task 'speed'"),
    ],
)
def test_wrong_arguments_are_named(task, times, duration, colors, says):
    with pytest.raises(ValueError, match=says):
        common_prompt(WORDING, task, times, duration, colors)


def test_messages_put_the_video_first():
    assert messages(full_prompt("Common.", "Question?"), "Answer.") == [
        {
            "role": "user",
            "content": [{"type": "video"}, {"type": "text", "text": "Common.\nQuestion?"}],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "Answer."}]},
    ]
