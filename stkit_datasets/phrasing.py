"""A question put into words: its id, colours, unit, sentences and the target of its row."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from stkit_datasets.clip import Clip
from stkit_datasets.config import FPS
from stkit_datasets.observation import Observation
from stkit_datasets.prompt import common_prompt, format_seconds, full_prompt
from stkit_datasets.seeding import stable_choice, stable_digest, stable_hex
from stkit_datasets.tasks.base import Question
from stkit_datasets.tasks.names import Task
from stkit_datasets.units import SPELLINGS, Kind, format_quantity, suitable_units
from stkit_datasets.video.palette import COLORS
from stkit_datasets.wording import TaskWording, Wording, direction_answer_group, fill

POLARITIES = ("more", "less", "same", "different")

_STORED_DECIMALS = 6
"""Stored metres and seconds: a micrometre. The last bits of a sum differ between processors."""

_QUANTITIES: dict[Task, Kind] = {
    Task.TRAVELED_DISTANCE: "length",
    Task.TRAVELING_SPEED: "speed",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The machine-readable truth of a question; ``None`` where a task does not use a field.

    Attributes:
        task: the task's id.
        value_si: metres or metres per second.
        unit: the unit in which the answer speaks of the value.
        clock: 1 to 12; of direction_timestamp it is the direction that was asked about.
        start_s: when the object begins to move in that direction.
        end_s: when it ends.
        choice: the colour that answers, or ``same`` or ``different``.
    """

    task: str
    value_si: float | None = None
    unit: str | None = None
    clock: int | None = None
    start_s: float | None = None
    end_s: float | None = None
    choice: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain mapping."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Phrased:
    """One question in words."""

    id: str
    asked: Question
    colors: tuple[str, ...]
    polarity: str | None
    question: str
    answer: str
    prompt: str
    target: Target
    start_s: float
    end_s: float


def stored(value: float) -> float:
    """Round to the precision that rows are stored with."""
    return round(float(value), _STORED_DECIMALS) + 0.0


def video_duration_s(n_frames: int) -> float:
    """Length of a clip's video: every frame is shown for one step of the grid."""
    return n_frames / FPS


def question_id(clip: Clip, question: Question, seed: int) -> str:
    """Name a question by what it asks: the same on every machine, for every build."""
    tracks = [clip.tracks.track_ids[index] for index in sorted(question.objects)]
    asked_clock = question.clock if question.task == Task.DIRECTION_TIMESTAMP else None
    return stable_hex(
        clip.source,
        clip.clip_id,
        clip.camera.name,
        str(question.task),
        question.form,
        question.start,
        question.stop,
        asked_clock,
        seed,
        *tracks,
    )


def draw_colors(clip: Clip, objects: tuple[int, ...], seed: int) -> tuple[str, ...]:
    """Draw a colour for each object, two different ones for two.

    They depend on the objects and not on the task, so that all questions about the same objects
    share one video.
    """
    ids = [clip.tracks.track_ids[index] for index in objects]
    named = sorted(range(len(ids)), key=ids.__getitem__)
    digest = stable_digest(
        clip.source, clip.clip_id, clip.camera.name, seed, "colors", *sorted(ids)
    )
    palette = list(COLORS)
    drawn = {}
    for position, index in enumerate(named):
        number = int.from_bytes(digest[8 * position : 8 * position + 8], "big")
        drawn[index] = palette.pop(number % len(palette))
    return tuple(drawn[index] for index in range(len(ids)))


def phrase(observation: Observation, question: Question, wording: Wording, seed: int) -> Phrased:
    """Draw the sentences, unit and colours of a question and fill them in."""
    clip = observation.clip
    times = clip.timestamps_s
    name = question_id(clip, question, seed)
    colors = draw_colors(clip, question.objects, seed)
    target = _target(question, colors, times, name)
    start_s, end_s = stored(times[question.start]), stored(times[question.stop - 1])
    slots = _slots(question, colors, target, start_s, end_s, name)
    sentences = wording[question.task]
    text = fill(stable_choice(sentences.questions[question.form], name, "question"), slots)
    answer = fill(stable_choice(_answers(sentences, question), name, "answer"), slots)
    # The times as the row stores them, so that the prompt can be made again from the row.
    shown = np.round(times, _STORED_DECIMALS).tolist()
    common = common_prompt(wording, question.task, shown, video_duration_s(len(times)), colors)
    return Phrased(
        id=name,
        asked=question,
        colors=colors,
        polarity=question.form if question.form in POLARITIES else None,
        question=text,
        answer=answer,
        prompt=full_prompt(common, text),
        target=target,
        start_s=start_s,
        end_s=end_s,
    )


def _answers(sentences: TaskWording, question: Question) -> tuple[str, ...]:
    group = question.form
    if question.same is not None:
        group = direction_answer_group(question.form, "same" if question.same else "different")
    return sentences.answers[group]


def _target(
    question: Question, colors: tuple[str, ...], times: np.ndarray[Any, Any], name: str
) -> Target:
    value, unit, start_s, end_s, choice = None, None, None, None, None
    if question.value_si is not None:
        value = stored(question.value_si)
        unit = stable_choice(suitable_units(value, _QUANTITIES[question.task]), name, "unit")
    if question.span is not None:
        start_s, end_s = (stored(times[frame]) for frame in question.span)
    if question.winner is not None:
        choice = colors[question.winner]
    if question.same is not None:
        choice = "same" if question.same else "different"
    return Target(str(question.task), value, unit, question.clock, start_s, end_s, choice)


def _slots(
    question: Question,
    colors: tuple[str, ...],
    target: Target,
    start_s: float,
    end_s: float,
    name: str,
) -> dict[str, str]:
    if question.span is not None:
        assert target.start_s is not None
        assert target.end_s is not None
        start_s, end_s = target.start_s, target.end_s
    slots = {"start": format_seconds(start_s), "end": format_seconds(end_s)}
    if len(colors) == 1:
        slots["color"] = colors[0]
    else:
        slots["color_a"], slots["color_b"] = colors
    if question.winner is not None:
        slots["answer_color"] = colors[question.winner]
        slots["other_color"] = colors[1 - question.winner]
    if question.clock is not None:
        slots["clock"] = str(question.clock)
    if target.value_si is not None:
        assert target.unit is not None
        kind = _QUANTITIES[question.task]
        spoken = format_quantity(
            target.value_si, target.unit, stable_choice(SPELLINGS, name, "spelling")
        )
        slots["distance" if kind == "length" else "speed"] = spoken
    return slots
