from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

FORMS = [
    "{} o'clock",
    "{} o’clock",
    "{} o' clock",
    "{} oclock",
    "{} o clock",
    "{}-o'clock",
    "{} O'Clock",
    "**{} o'clock.**",
    "{}:00",
    "{:02d}:00",
    "{}",
    "{}.",
    "**{}**",
    "\\boxed{{{}}}",
    "\\boxed{{{}\\text{{ o'clock}}}}",
    "<answer>{}</answer>",
    '{{"clock": {}}}',
    '{{"direction": "{} o\'clock"}}',
    "Answer: {}",
    "Final answer: {} o'clock",
    "The direction is {}.",
    "{}点钟方向",
    "The object is heading toward the {} o'clock direction at the end of the video.",
    "As the video ends, the object moves toward the {} o'clock direction.",
    "The object moves in the direction of {} o'clock at the end of the video.",
    "At 5.5 seconds, the object 2 is heading to {} o'clock.",
    "Initially it moves toward 12 o'clock, but by the end it is heading toward {} o'clock.",
    "If 12 o'clock is its first direction, it ends up moving toward {} o'clock.",
    "Since 12 o'clock is the initial heading, the final heading is {} o'clock.",
    "<think>3 o'clock or 9 o'clock?</think>{} o'clock",
    "Between 0 and 2 s it goes to 4 o'clock.\nTherefore, the final answer is: {} o'clock",
]
WORDS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
         "twelve"]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("hour", [1, 3, 6, 9, 10, 12])
def test_forms(form: str, hour: int) -> None:
    response = form.format(hour)
    reading = read_response("movement_direction", response)
    assert reading.clock == hour, (response, reading)


@pytest.mark.parametrize(("hour", "word"), list(enumerate(WORDS, 1)))
def test_number_words(hour: int, word: str) -> None:
    for response in (f"{word} o'clock", f"{word.title()} o’clock.", f"toward {word} o'clock", word):
        assert read_response("movement_direction", response).clock == hour, response


CASES = [
    ("12 o’clock (straight ahead)", 12),
    ("The object is moving straight ahead, i.e. the 12 o'clock direction.", 12),
    ("It turned right, so 3 o'clock.", 3),
    ("It starts at 12 o'clock and ends at 3 o'clock.", 3),
    ("It turned from 12 o'clock to 3 o'clock.", 3),
    ("The object changes direction from 12 to 2 o'clock.", 2),
    ("The object moves toward the 3 o'clock direction, relative to its initial 12 o'clock"
     " heading.", 3),
    ("The object is moving in the 9 o'clock direction at the end. At first it moved to 12"
     " o'clock.", 9),
    ("12 o'clock represents the initial direction. The object gradually turns left. By the last"
     " frames its heading is about 10 o'clock.", 10),
    ("Where 12 o'clock means its first direction, 3 o'clock right, 6 o'clock the reverse and 9"
     " o'clock left, it goes to 2 o'clock.", 2),
    ("between 2 and 4 o'clock", 3),
    ("2-4 o'clock", 3),
    ("11 to 1 o'clock", 12),
    ("between 10 o'clock and 12 o'clock", 11),
    ("The object moves straight.", 12),
    ("It continues forward.", 12),
    ("The object moves to the right at the end of the video.", 3),
    ("It moves from left to right.", 3),
    ("Left.", 9),
    ("It reverses.", 6),
    ("It goes backward at the end.", 6),
    ("It goes straight and finally turns left.", 9),
    ("It has turned 90 degrees clockwise.", 3),
    ("It rotates 60° counterclockwise relative to its first direction.", 10),
    ("It turned 30 degrees to the right.", 1),
    ("0 o'clock", 12),
    ("not 3 o'clock but 9 o'clock", 9),
    ("I can't be certain, but it appears to head toward 5 o'clock.", 5),
    ("1. At 0 s: 12 o'clock\n2. At 2 s: 1 o'clock\n3. At 4 s: 2 o'clock", 2),
    ("**Direction:** 7 o'clock\n\n**Explanation:** the car turns around, away from 12 o'clock.", 7),
    ("The object moves toward the 4 o'clock direction (bottom right of the frame).", 4),
]  # fmt: skip


@pytest.mark.parametrize(("response", "hour"), CASES)
def test_cases(response: str, hour: int) -> None:
    reading = read_response("movement_direction", response)
    assert reading.clock == hour, reading


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("between 2 and 3 o'clock", "ambiguous"),
        ("2-3 o'clock", "ambiguous"),
        ("1:30 o'clock", "ambiguous"),
        ("slightly to the right", "ambiguous"),
        ("forward-right", "ambiguous"),
        ("It turned 45 degrees clockwise.", "ambiguous"),
        ("15 o'clock", "out_of_range"),
        ("13", "out_of_range"),
        ("I cannot determine the direction.", "refusal"),
        ("North", "no_clock"),
        ("The car is silver.", "no_clock"),
        ("", "empty"),
    ],
)
def test_unreadable(response: str, reason: str) -> None:
    reading = read_response("movement_direction", response)
    assert (reading.clock, reading.reason) == (None, reason)
