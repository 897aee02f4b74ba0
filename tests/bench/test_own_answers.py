"""Every answer that a build can write is read back to the target it was written from."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import pytest

from stkit_bench.reading import read_response
from stkit_datasets.units import SPELLINGS, format_quantity, suitable_units
from stkit_datasets.video.palette import COLORS
from stkit_datasets.wording import direction_answer_group, fill, load_wording

WORDING = load_wording()
INTERVAL = {"start": "3.50", "end": "12.00", "color": "red"}

MAGNITUDES = {
    "traveled_distance": ("distance", "length", (0.3, 1.0, 15.0, 900.0, 2500.0)),
    "traveling_speed": ("speed", "speed", (0.6, 1.5, 8.0, 30.0)),
}


def questions(task: str, group: str, slots: dict[str, str]) -> Iterator[str]:
    wording = WORDING[task]
    for question in (*wording.questions[group], *wording.paraphrases[group]):
        yield fill(question, slots)


def answers(task: str, group: str, slots: dict[str, str]) -> Iterator[str]:
    for answer in WORDING[task].answers[group]:
        yield fill(answer, slots)


def show(misread: list[tuple[str, str, object]]) -> str:
    one_each = {answer: (question, got) for question, answer, got in misread}
    lines = [f"  {a!r}\n  {q!r}\n  -> {got}" for a, (q, got) in list(one_each.items())[:20]]
    return f"{len(misread)} misread:\n" + "\n\n".join(lines)


@pytest.mark.parametrize("group", ["whole", "interval"])
@pytest.mark.parametrize("task", MAGNITUDES)
def test_quantities_in_every_unit(task, group):
    slot, kind, values = MAGNITUDES[task]
    misread = []
    for value_si in values:
        for unit in suitable_units(value_si, kind):
            for spelling in SPELLINGS:
                slots = INTERVAL | {slot: format_quantity(value_si, unit, spelling)}
                for answer in answers(task, group, slots):
                    for question in questions(task, group, slots):
                        got = read_response(task, answer, question=question)
                        if got.value_si != pytest.approx(value_si, rel=0.005):
                            misread.append((question, answer, got))
    assert not misread, show(misread)


def test_clock_directions():
    misread = []
    for clock in range(1, 13):
        slots = {"color": "red", "clock": str(clock)}
        for answer in answers("movement_direction", "whole", slots):
            for question in questions("movement_direction", "whole", slots):
                got = read_response("movement_direction", answer, question=question)
                if got.clock != clock:
                    misread.append((question, answer, got))
    assert not misread, show(misread)


def test_direction_timestamps():
    misread = []
    for clock in range(1, 13):
        for start, end in ((0.0, 2.0), (3.5, 12.0), (float(clock), clock + 1.5)):
            slots = {"color": "red", "clock": str(clock)}
            slots |= {"start": f"{start:.2f}", "end": f"{end:.2f}"}
            for answer in answers("direction_timestamp", "whole", slots):
                for question in questions("direction_timestamp", "whole", slots):
                    got = read_response("direction_timestamp", answer, question=question)
                    if (got.start_s, got.end_s) != (start, end):
                        misread.append((question, answer, got))
    assert not misread, show(misread)


@pytest.mark.parametrize("group", ["more", "less"])
@pytest.mark.parametrize("task", ["traveled_distance_comparison", "traveling_speed_comparison"])
def test_magnitude_comparisons(task, group):
    misread = []
    for color_a, color_b in permutations(COLORS, 2):
        for choice, other in ((color_a, color_b), (color_b, color_a)):
            slots = {"color_a": color_a, "color_b": color_b}
            slots |= {"answer_color": choice, "other_color": other}
            for answer in answers(task, group, slots):
                for question in questions(task, group, slots):
                    got = read_response(task, answer, question=question)
                    if got.choice != choice:
                        misread.append((question, answer, got))
    assert not misread, show(misread)


@pytest.mark.parametrize("asked", ["same", "different"])
@pytest.mark.parametrize("truth", ["same", "different"])
def test_direction_comparisons(asked, truth):
    task, misread = "movement_direction_comparison", []
    for color_a, color_b in permutations(COLORS[:4], 2):
        slots = {"color_a": color_a, "color_b": color_b}
        for answer in answers(task, direction_answer_group(asked, truth), slots):
            for question in questions(task, asked, slots):
                got = read_response(task, answer, question=question)
                if got.choice != truth:
                    misread.append((question, answer, got))
    assert not misread, show(misread)


@pytest.mark.parametrize("task", ["traveled_distance_comparison", "traveling_speed_comparison"])
@pytest.mark.parametrize(("asked", "said"), [("more", "less"), ("less", "more")])
def test_the_opposite_answer_names_the_other_color(task, asked, said):
    misread = []
    slots = {"color_a": "red", "color_b": "blue", "answer_color": "red", "other_color": "blue"}
    for answer in answers(task, said, slots):
        for question in questions(task, asked, slots):
            got = read_response(task, answer, question=question)
            if got.choice != "blue":
                misread.append((question, answer, got))
    assert not misread, show(misread)
