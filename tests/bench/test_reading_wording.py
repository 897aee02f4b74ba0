"""The reader on the project's own answers: whatever the templates say must be read back."""

from __future__ import annotations

import json
from importlib.resources import files
from itertools import product
from typing import Any

import pytest

from stkit_bench.reading import read_response

WORDING = files("stkit_datasets") / "wording"


def load(task: str) -> dict[str, Any]:
    return json.loads((WORDING / f"{task}.json").read_text(encoding="utf-8"))


def questions(wording: dict[str, Any], group: str) -> list[str]:
    convention = wording.get("convention", "")
    return [
        f"{q} {convention}".strip()
        for q in wording["questions"][group] + wording["paraphrases"][group]
    ]


def value_cases(task: str, slot: str) -> list[tuple[str, str]]:
    return [(text, slot) for group in load(task)["answers"].values() for text in group]


@pytest.mark.parametrize(("template", "slot"), value_cases("traveled_distance", "distance"))
@pytest.mark.parametrize(
    ("spoken", "metres"),
    [("15.28 m", 15.28), ("50.13 feet", 15.2796), ("0.12 km", 120.0), ("601.57 in", 15.28)],
)
def test_distance_answers(template: str, slot: str, spoken: str, metres: float) -> None:
    response = template.format(start="3.50", end="17.00", color="red", **{slot: spoken})
    reading = read_response("traveled_distance", response)
    assert reading.value_si == pytest.approx(metres, rel=1e-3)


@pytest.mark.parametrize(("template", "slot"), value_cases("traveling_speed", "speed"))
@pytest.mark.parametrize(
    ("spoken", "mps"),
    [("8.00 m/s", 8.0), ("28.94 mph", 12.937), ("36.00 kilometers per hour", 10.0)],
)
def test_speed_answers(template: str, slot: str, spoken: str, mps: float) -> None:
    response = template.format(start="3.50", end="17.00", color="red", **{slot: spoken})
    assert read_response("traveling_speed", response).value_si == pytest.approx(mps, rel=1e-3)


@pytest.mark.parametrize("clock", range(1, 13))
def test_clock_answers(clock: int) -> None:
    wording = load("movement_direction")
    for template in wording["answers"]["whole"]:
        response = template.format(clock=clock, color="red")
        assert read_response("movement_direction", response).clock == clock, response


@pytest.mark.parametrize("clock", [1, 3, 6, 12])
def test_interval_answers(clock: int) -> None:
    wording = load("direction_timestamp")
    for template, question in product(wording["answers"]["whole"], questions(wording, "whole")):
        response = template.format(clock=clock, color="red", start="3.50", end="7.00")
        asked = question.format(clock=clock, color="red")
        reading = read_response("direction_timestamp", response, asked)
        assert (reading.start_s, reading.end_s) == (3.5, 7.0), (response, asked)


@pytest.mark.parametrize("task", ["traveled_distance_comparison", "traveling_speed_comparison"])
@pytest.mark.parametrize("polarity", ["more", "less"])
@pytest.mark.parametrize("phrased", ["more", "less"])
def test_comparison_answers(task: str, polarity: str, phrased: str) -> None:
    """An answer in the other polarity names the other object first and means the same."""
    wording = load(task)
    for template, question in product(wording["answers"][phrased], questions(wording, polarity)):
        first, second = ("blue", "red") if polarity == phrased else ("red", "blue")
        response = template.format(
            answer_color=first, other_color=second, color_a="red", color_b="blue"
        )
        asked = question.format(color_a="red", color_b="blue")
        assert read_response(task, response, asked).choice == "blue", (response, asked)


@pytest.mark.parametrize("asked", ["same", "different"])
@pytest.mark.parametrize("truth", ["same", "different"])
def test_same_direction_answers(asked: str, truth: str) -> None:
    task = "movement_direction_comparison"
    wording = load(task)
    for template, question in product(
        wording["answers"][f"asked_{asked}_is_{truth}"], questions(wording, asked)
    ):
        response = template.format(color_a="red", color_b="blue")
        spoken = question.format(color_a="red", color_b="blue")
        assert read_response(task, response, spoken).choice == truth, (response, spoken)
        bare = response.split(",")[0]
        assert read_response(task, bare, spoken).choice == truth, (bare, spoken)
