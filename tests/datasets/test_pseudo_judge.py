from __future__ import annotations

import json

import numpy as np
import pytest

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.judge import (
    CRITERIA,
    default_questions,
    judge,
    read_questions,
    yes_or_no,
)
from stkit_datasets.pseudo_labels.likelihoods import filter_by_likelihood
from stkit_datasets.tasks.names import Task

IMAGES = np.zeros((2, 4, 4, 3), dtype=np.uint8)


class Parrot:
    """Answers each question with what it was told to."""

    name = "parrot"

    def __init__(self, **responses):
        by_name = dict.fromkeys(CRITERIA, "Yes.") | responses
        self._responses = {default_questions()[name]: text for name, text in by_name.items()}

    def ask(self, images, question):
        return self._responses[question]


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("Yes", True),
        ("yes, all of them", True),
        ("**No.**", False),
        ("\n  NO - one is hidden", False),
        ("Yes and no", None),
        ("Yesterday it was", None),
        ("Nothing hides it", None),
        ("I think yes", None),
        ("", None),
    ],
)
def test_responses_are_read_strictly(response, expected):
    assert yes_or_no(response) is expected


def test_all_four_must_be_yes():
    assert judge(IMAGES, Parrot()).passed


@pytest.mark.parametrize(
    ("responses", "reasons"),
    [
        ({"occlusion": "No"}, ("vlm: occlusion",)),
        ({"tracking": "maybe"}, ("vlm: tracking unreadable",)),
        ({"camera_motion": "no", "detection": "no"}, ("vlm: camera_motion", "vlm: detection")),
    ],
)
def test_a_clip_that_does_not_pass_says_why(responses, reasons):
    judgement = judge(IMAGES, Parrot(**responses))
    assert not judgement.passed
    assert judgement.reasons == reasons


def test_questions_can_be_replaced(tmp_path):
    path = tmp_path / "questions.json"
    questions = {name: f"{name}?" for name in CRITERIA}
    path.write_text(json.dumps(questions))
    assert read_questions(path) == questions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ('{"occlusion": "?"}', "expected an object with the keys occlusion, camera_motion"),
        (json.dumps(dict.fromkeys(CRITERIA, "")), "expected a question, got ''"),
    ],
)
def test_wrong_questions_are_refused(tmp_path, text, message):
    path = tmp_path / "questions.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=message):
        read_questions(path)


# --- filter 3 --------------------------------------------------------------------------------


def test_likelihoods_are_normalised_within_their_task():
    distance, compared = Task.TRAVELED_DISTANCE, Task.TRAVELED_DISTANCE_COMPARISON
    found = filter_by_likelihood(
        ["a", "b", "c", "d", "e", "f", "g"],
        [distance, distance, distance, compared, compared, compared, Task.DIRECTION_TIMESTAMP],
        [-4.0, -0.8, 0.0, 10.0, 14.0, 20.0, -100.0],
    )
    assert found.normalised == {"a": 0, "b": 0.8, "c": 1, "d": 0, "e": 0.4, "f": 1, "g": 1}
    assert found.kept == ("b", "c", "e", "f", "g")
    assert found.dropped == {
        f"likelihood: {distance}": 1,
        f"likelihood: {compared}": 1,
        "likelihood: direction_timestamp": 0,
    }


@pytest.mark.parametrize(
    ("ids", "values", "message"),
    [
        (["a", "a"], [0.1, 0.2], "row 'a' appears twice"),
        (["a", "b"], [0.1, float("nan")], "row 'b': likelihood must be finite"),
        (["a"], [0.1, 0.2], "1 rows, 1 tasks, 2 likelihoods"),
    ],
)
def test_wrong_likelihoods_are_refused(ids, values, message):
    with pytest.raises(ValueError, match=message):
        filter_by_likelihood(ids, [Task.TRAVELING_SPEED] * len(ids), values)
