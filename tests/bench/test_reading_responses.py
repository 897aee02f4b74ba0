"""Responses in the styles of many models, one JSON line each, with what must be read."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stkit_bench.reading import read_response
from stkit_datasets.video.palette import COLORS

FIELDS = ("value_si", "clock", "start_s", "end_s", "choice", "reason")
HERE = Path(__file__).parent
PROMPT = json.loads(
    (files("stkit_datasets") / "wording" / "common_prompt.json").read_text(encoding="utf-8")
)["common_prompt"]


def rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def label(row: dict[str, Any]) -> str:
    return f"{row['task']}: {row['response'][:40]}"


def check(row: dict[str, Any], question: str | None) -> None:
    reading = read_response(row["task"], row["response"], question)
    for field in FIELDS:
        expected, got = row.get(field), getattr(reading, field)
        if field == "value_si" and expected is not None:
            # Some responses give the same value twice, rounded in two units.
            assert got == pytest.approx(expected, rel=0.008, abs=1e-6), reading
        else:
            assert got == expected, reading


def whole_prompt(question: str) -> str:
    """The question behind the common prompt: 24 frames of a clip of 12 s."""
    colors = tuple(dict.fromkeys(re.findall(rf"\b(?:{'|'.join(COLORS)})\b", question)))
    moments = ", ".join(f"{index / 2:.2f}" for index in range(24))
    video = PROMPT["video"].format(seconds="12.00", frames=24, times=f"{moments} s")
    if len(colors) == 2:
        boxes = PROMPT["two_objects"].format(color_a=colors[0], color_b=colors[1])
    else:
        boxes = PROMPT["one_object"].format(color=colors[0])
    return f"{video} {boxes} {question}"


@pytest.mark.parametrize("row", rows("reading_responses.jsonl"), ids=label)
def test_response(row: dict[str, Any]) -> None:
    check(row, row.get("question"))


@pytest.mark.parametrize(
    "row", rows("reading_responses_2.jsonl") + rows("reading_responses_3.jsonl"), ids=label
)
def test_response_with_question_and_with_whole_prompt(row: dict[str, Any]) -> None:
    """Rows whose answer needs the video's length are read with the whole prompt only."""
    if not row.get("needs_prompt"):
        check(row, row["question"])
    check(row, whole_prompt(row["question"]))
