from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

TASK = "movement_direction_comparison"
ASKS_SAME = "Do the objects in the red box and in the blue box move in the same direction?"
ASKS_DIFFERENT = "Are the objects in the red box and the blue box heading in different directions?"


@pytest.mark.parametrize(
    ("response", "yes"),
    [
        ("Yes", True),
        ("yes.", True),
        ("**Yes.**", True),
        ("Yes, they do.", True),
        ("Answer: Yes", True),
        ("<answer>yes</answer>", True),
        ("\\boxed{\\text{Yes}}", True),
        ('{"answer": "yes"}', True),
        ('{"answer": true}', True),
        ("True", True),
        ("They do.", True),
        ("The answer is yes.", True),
        ("No", False),
        ("No.", False),
        ("**No**", False),
        ("No, they do not.", False),
        ("No, they don't.", False),
        ("False", False),
        ("Final answer: No", False),
        ("Let me look at both.\n\nThe red one drives on. So the answer is no.", False),
        ('{"answer": "no", "explanation": "see frames"}', False),
        ("<think>yes?</think>No", False),
    ],
)
def test_yes_and_no_follow_the_question(response: str, yes: bool) -> None:
    assert read_response(TASK, response, ASKS_SAME).choice == ("same" if yes else "different")
    assert read_response(TASK, response, ASKS_DIFFERENT).choice == ("different" if yes else "same")
    assert read_response(TASK, response).choice == ("same" if yes else "different")


SAME = [
    "same",
    "The same direction.",
    "They move in the same direction.",
    "Both objects are moving in the same general direction.",
    "They are traveling parallel to each other.",
    "Both are heading north.",
    "Both cars are moving to the right.",
    "The two objects do not move in different directions.",
    "They share the same heading.",
    "The red one follows the blue one.",
    '{"same_direction": true}',
    "The blue car heads the same way as the red car.",
    "Red moves toward 12 o'clock and blue moves toward 12 o'clock.",
    "The red object moves left, and the blue object also moves left.",
    "Their directions of travel are the same.",
    "There is no difference; it is the same direction.",
]
DIFFERENT = [
    "different",
    "Different directions.",
    "They move in opposite directions.",
    "They are not moving in the same direction.",
    "The objects don't move in the same direction.",
    "They diverge.",
    "Their paths are perpendicular.",
    "They move differently: the red one turns.",
    "The red one drives away from the camera while the blue one comes toward the camera.",
    "The red object moves to the left and the blue object moves to the right.",
    "red moves toward 3 o'clock and blue 9 o'clock",
    '{"same_direction": false}',
    "They move toward each other.",
    "Neither moves in the same direction as the other.",
    "The blue car is heading in another direction than the red one.",
    "Red is heading north and blue is heading south.",
    "The directions differ.",
    "Both move, but in different directions.",
    "The red one goes one way and the blue one goes the opposite way.",
    "At first both move in the same direction. Therefore, overall they go in different directions.",
]


@pytest.mark.parametrize("question", [ASKS_SAME, ASKS_DIFFERENT, None])
@pytest.mark.parametrize("prefix", ["", "Final answer: ", "<think>hm</think>"])
def test_stated_directions(question: str | None, prefix: str) -> None:
    for response in SAME:
        if response.startswith("{") and prefix == "Final answer: ":
            continue
        assert read_response(TASK, prefix + response, question).choice == "same", response
    for response in DIFFERENT:
        if prefix == "Final answer: " and response.startswith("At first"):
            continue
        assert read_response(TASK, prefix + response, question).choice == "different", response


@pytest.mark.parametrize(
    ("response", "choice"),
    [
        ("Yes, they move in the same direction.", "same"),
        ("No, they move in different directions.", "different"),
        ("No, they move differently.", "different"),
        ("Yes, both objects are moving toward the right.", "same"),
        ("No, the red one turns left while the blue one goes straight.", "different"),
        ("No. They are not moving in the same direction.", "different"),
        ("Yes... on reflection, they do not move in the same direction.", "different"),
    ],
)
def test_a_statement_outweighs_yes_and_no(response: str, choice: str) -> None:
    assert read_response(TASK, response, ASKS_SAME).choice == choice


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("I can't tell whether they move in the same direction.", "refusal"),
        ("It is not possible to determine the directions.", "refusal"),
        ("A car and a bus.", "no_choice"),
        ("", "empty"),
    ],
)
def test_unreadable(response: str, reason: str) -> None:
    reading = read_response(TASK, response, ASKS_SAME)
    assert (reading.choice, reading.reason) == (None, reason)
