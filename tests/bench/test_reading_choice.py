from __future__ import annotations

import pytest

from stkit_bench.reading import read_response

DISTANCE, SPEED = "traveled_distance_comparison", "traveling_speed_comparison"
FARTHER = (
    "Which object travels a greater distance here: the one with the red bounding box or"
    " the one with the blue bounding box?"
)
SHORTER = (
    "Which object moves a shorter distance in this footage, the object annotated with the"
    " red bounding box or the blue bounding box?"
)
FASTER = "Which object moves faster throughout the video, the red box or the blue box?"
SLOWER = "Which object moves more slowly in this footage, the red box or the blue box?"
PAIRS = [(DISTANCE, FARTHER, SHORTER), (SPEED, FASTER, SLOWER)]

NAMED = [
    "red",
    "Red.",
    "**Red**",
    "the red one",
    "Red box",
    "red bounding box",
    "The object in the red bounding box.",
    "The object annotated with the red bounding box",
    "Answer: red",
    "Final answer: the red object",
    "\\boxed{\\text{red}}",
    "<answer>red</answer>",
    '{"answer": "red"}',
    '```json\n{"choice": "red", "reason": "the blue one is parked"}\n```',
    "Object A (red)",
    "It is the red one.",
    "It's the object in the red box.",
    "not blue but red",
    "Red, not blue.",
    "The red one rather than the blue one",
    "<think>The blue one may go far.</think>red",
    "The first object",
    "the object in the first box",
    "The answer is the red bounding box.",
    "Between the two, it is the red one.",
    "The blue truck in the red box.",
    "Therefore, the correct answer is: the red box.",
]


@pytest.mark.parametrize("response", NAMED)
@pytest.mark.parametrize(("task", "more", "less"), PAIRS)
def test_a_named_object_is_the_choice_under_either_polarity(
    response: str, task: str, more: str, less: str
) -> None:
    for question in (more, less):
        reading = read_response(task, response, question)
        assert reading.choice == "red", (reading, question)


RED_IS_MORE = {
    DISTANCE: [
        "The object in the red bounding box traveled farther than the one in the blue box.",
        "The red one travels farther.",
        "The blue one moved less.",
        "the blue one moved less far than the red one",
        "Compared with the blue object, the red object traveled a greater distance.",
        "The distance traveled by the red object is greater than that of the blue object.",
        "The distance covered by the blue object is less than that of the red object.",
        "The red object covers more distance, while the blue object moves a shorter distance.",
        "The blue object did not move as far as the red one.",
        "The blue one doesn't travel as far as the red one.",
        "The red box moved twice as far as the blue box.",
        "The red object travels a greater distance compared to the blue object.",
        "The greater distance is covered by the object in the red box.",
        "red: 30 m, blue: 12 m",
        "Red: 30 m\nBlue: 12 m",
        "The red object moved about 30 meters while the blue object moved about 12 meters.",
        "The blue object is stationary, while the red object moves.",
        "The blue object remains parked. The red object drives down the street.",
        "The object in the blue box barely moves.",
        "Only the red object is moving.",
        "The red car exceeds the blue car in distance traveled.",
        "The white car in the red box travels farther than the black car in the blue box.",
        "The blue truck in the red box travels farther than the red truck in the blue box.",
        "To determine which object travels farther, I compare the red and blue boxes. The red"
        " object moves across the whole frame. The blue object stays near the curb. Therefore,"
        " the red object traveled farther.",
        "Both objects move, but the red one moves farther.",
        "The two are close, but red goes a longer way.",
        "The red object has the longer path; the blue one has the shorter path.",
        "The first object travels farther than the second object.",
        "Red > Blue, so the red one traveled farther",
        "I'm not entirely sure, but the red one appears to have traveled farther.",
    ],
    SPEED: [
        "The red object is faster.",
        "The object in the red box moves faster than the object in the blue box.",
        "The blue object is slower than the red one.",
        "The blue object moves more slowly.",
        "The red object has a higher average speed than the blue object.",
        "The blue object isn't as fast as the red one.",
        "The blue one is not faster than the red one.",
        "The speed of the red object is greater than that of the blue object.",
        "red: 10 m/s, blue: 5 m/s",
        "The red car moves at about 36 km/h and the blue car at about 10 km/h.",
        "Red moves twice as fast as blue.",
        "The blue pedestrian walks slowly whereas the red car drives quickly, so red is faster.",
        "The blue object lags behind the red one.",
        "The red object maintains a greater speed.",
        "The red one overtakes the blue one, so it is faster.",
    ],
}
STATEMENTS = [(task, text) for task, texts in RED_IS_MORE.items() for text in texts]


@pytest.mark.parametrize(("task", "response"), STATEMENTS)
def test_a_statement_is_turned_to_the_question(task: str, response: str) -> None:
    more, less = next(p[1:] for p in PAIRS if p[0] == task)
    assert read_response(task, response, more).choice == "red"
    assert read_response(task, response, less).choice == "blue"


@pytest.mark.parametrize(
    ("response", "choice"),
    [
        ("The red object moved less than the blue one.", "red"),
        ("The green one traveled farther than the magenta one.", "green"),
        ("cyan", "cyan"),
        ("the violet box", "purple"),
        ("Pink moved farther.", "magenta"),
    ],
)
def test_without_a_question_the_subject_is_chosen(response: str, choice: str) -> None:
    assert read_response(DISTANCE, response).choice == choice


@pytest.mark.parametrize("color", ["green", "yellow", "orange", "purple", "cyan", "magenta"])
def test_every_color_of_the_palette(color: str) -> None:
    question = f"Which goes farther, the object in the red box or in the {color} box?"
    assert read_response(DISTANCE, f"The {color.title()} box.", question).choice == color
    reverse = f"The one in the red box goes less far than the one in the {color} box."
    assert read_response(DISTANCE, reverse, question).choice == color


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("They travel the same distance.", "tie"),
        ("Both objects travel an equal distance.", "tie"),
        ("Both.", "tie"),
        ("There is no difference between them.", "tie"),
        ("I cannot determine which object traveled farther.", "refusal"),
        ("I'm sorry, but I can't tell whether the red or the blue object moved"
         " farther.", "refusal"),
        ("A car.", "no_choice"),
        ("red or blue", "ambiguous"),
        ("", "empty"),
    ],
)  # fmt: skip
def test_unreadable(response: str, reason: str) -> None:
    reading = read_response(DISTANCE, response, FARTHER)
    assert (reading.choice, reading.reason) == (None, reason)
