from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

QUESTION = (
    "The clip you see is 19.50 s long. When does the object in the red box move toward 3 o'clock?"
)

FORMS = [
    "from 3.5 s to 7 s",
    "From 3.50 to 7.00 seconds",
    "between 3.50 and 7.00 seconds",
    "Between **3.50 and 7.00 seconds**, the object moves toward the 3 o'clock direction.",
    "The object moves in the 3 o'clock direction between 3.5s and 7.0s.",
    "3.5-7.0",
    "3.5–7.0 s",
    "3.5s - 7.0s",
    "3.50s, 7.00s",
    "**3.50s, 7.00s**",
    "3.5, 7.0",
    "(3.5, 7.0)",
    "[3.5, 7.0]",
    "[3.5s, 7s]",
    "00:03.5 - 00:07",
    "0:03.5 to 0:07",
    '{"start": 3.5, "end": 7}',
    '```json\n{"start_time": "3.5s", "end_time": "7.0s"}\n```',
    '{"timestamp": [3.5, 7.0]}',
    '{"interval": "3.5-7.0"}',
    '{"answer": {"start_s": 3.5, "end_s": 7.0}}',
    "start: 3.5, end: 7.0",
    "Start: 3.5 seconds\nEnd: 7.0 seconds",
    "It starts at 3.5 seconds and ends at 7.0 seconds.",
    "The object starts moving toward 3 o'clock at 3.5 s and continues until 7 s.",
    "It begins to travel toward 3 o'clock at 3.50 seconds and ceases to at 7.00 seconds.",
    "The object begins heading to 3 o'clock at around 3.5 seconds and stops at about 7 seconds.",
    "from second 3.5 to second 7",
    "from 3.5 s until 7 s",
    "approximately 3.5 to 7 seconds",
    "~3.5s–7s",
    "3.5s → 7s",
    "from t=3.5 s to t=7 s",
    "<think>0 to 19.5? no</think>3.5 to 7.0 seconds",
    "\\boxed{3.5 \\text{ to } 7.0}",
    "<answer>3.5-7.0</answer>",
    "Final answer: 3.5 s to 7.0 s",
    "three point five to seven seconds",
    "0-3.5 s: 12 o'clock\n3.5-7 s: 3 o'clock\n7-19.5 s: 6 o'clock",
    "The video lasts 19.5 seconds. The object moves toward 3 o'clock from 3.5 to 7 seconds.",
    "Frames 8 to 15 (3.5 s to 7.0 s)",
    "from frame 8 (3.5s) to frame 15 (7.0s)",
    "At 3.5 s it turns to 3 o'clock, for 3.5 seconds.",
    "from 7 s to 3.5 s",
    "The object heads toward the 3 o'clock direction from 3.5 to 7.0 seconds, 12 m in total.",
    "I can't be sure, but it seems to be from 3.5 to 7 seconds.",
    "at 3.5, 4.0, 5.5 and 7.0 seconds",
    "3,5 s bis 7 s, i.e. 3.5 to 7 seconds",
]


@pytest.mark.parametrize("response", FORMS)
def test_forms(response: str) -> None:
    reading = read_response("direction_timestamp", response, QUESTION)
    assert (reading.start_s, reading.end_s) == (3.5, 7.0), reading


CASES = [
    ("the first 4 seconds", (0.0, 4.0)),
    ("During the first 4.5 seconds of the video.", (0.0, 4.5)),
    ("the last 4 seconds", (15.5, 19.5)),
    ("until 4s", (0.0, 4.0)),
    ("From the beginning to 4 seconds.", (0.0, 4.0)),
    ("from the start until 4.0 s", (0.0, 4.0)),
    ("from 10 s until the end of the video", (10.0, 19.5)),
    ("From 10 seconds onwards.", (10.0, 19.5)),
    ("It starts at 10 seconds and continues to the end.", (10.0, 19.5)),
    ("after 10 seconds", (10.0, 19.5)),
    ("throughout the entire video", (0.0, 19.5)),
    ("The object moves toward 3 o'clock throughout the video.", (0.0, 19.5)),
    ("at 5.0 seconds", (5.0, 5.0)),
    ("At the 5-second mark.", (5.0, 5.0)),
    ("The object starts moving in the 3 o'clock direction at 5.00 seconds.", (5.0, 5.0)),
    ("from 1 to 3 and again from 6 to 9 seconds", (6.0, 9.0)),
    ("[[1, 2.5], [6, 9]]", (6.0, 9.0)),
    ("1:02 to 1:10", (62.0, 70.0)),
    ("from 0:00:03 to 0:00:07", (3.0, 7.0)),
    ("0 to 2 s", (0.0, 2.0)),
    ("from 0.00 to 0.50 seconds", (0.0, 0.5)),
]


@pytest.mark.parametrize(("response", "expected"), CASES)
def test_cases(response: str, expected: tuple[float, float]) -> None:
    reading = read_response("direction_timestamp", response, QUESTION)
    assert (reading.start_s, reading.end_s) == pytest.approx(expected), reading


@pytest.mark.parametrize(
    "prompt",
    [
        "The video lasts for 12.00 seconds, and 24 frames are uniformly sampled from it.",
        "The clip is 12 s long.",
        "This is a 12-second video.",
        "Video length: 12.0 seconds",
        "Duration: 12s.",
        "Frames at 0.00 s, 4.00 s, 8.00 s, 12.00 s.",
    ],
)
def test_the_length_of_the_video(prompt: str) -> None:
    asked = f"{prompt} When does it move toward 1 o'clock?"
    reading = read_response("direction_timestamp", "from 5 s to the end", asked)
    assert (reading.start_s, reading.end_s) == (5.0, 12.0)


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("from 10 s until the end of the video", "no_length"),
        ("throughout the entire video", "no_length"),
        ("The object never moves in the 3 o'clock direction.", "never"),
        ("The object does not move toward 3 o'clock in the video.", "never"),
        ("3 o'clock", "no_time"),
        ("The object is a car.", "no_time"),
        ("frame 5 to frame 9", "no_time"),
        ("I'm unable to determine when the object moves in that direction.", "refusal"),
        ("", "empty"),
    ],
)
def test_unreadable(response: str, reason: str) -> None:
    reading = read_response("direction_timestamp", response, "When does it move to 3 o'clock?")
    assert (reading.start_s, reading.end_s, reading.reason) == (None, None, reason)
