"""What a language model replied about a response, checked strictly and turned into a reading.

A reply is one JSON object with exactly its task's keys. It tells what the response says; what the
question adds (the unit of a bare number, which of two was asked for, what "yes" means, where the
video ends) is added here, by rules.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from stkit_datasets.tasks.names import Task

from .question import COLORS, Question
from .result import Reading, Reason, unreadable

__all__ = ["KMH_PER_MPS", "ReplyError", "fields_of", "reading_of"]

KMH_PER_MPS = 3.6

_FENCED = re.compile(r"\s*```(?:json)?\s*(\{.*\})\s*```\s*", re.DOTALL)
_REASONS = {
    "refusal": Reason.REFUSAL,
    "no_unit": Reason.NO_UNIT,
    "wrong_quantity": Reason.WRONG_QUANTITY,
    "out_of_range": Reason.OUT_OF_RANGE,
    "several_answers": Reason.AMBIGUOUS,
    "never": Reason.NEVER,
    "tie": Reason.TIE,
}
_NOTHING = {
    Task.TRAVELED_DISTANCE: Reason.NO_NUMBER,
    Task.TRAVELING_SPEED: Reason.NO_NUMBER,
    Task.MOVEMENT_DIRECTION: Reason.NO_CLOCK,
    Task.DIRECTION_TIMESTAMP: Reason.NO_TIME,
}
_KEYS: dict[Task, tuple[str, ...]] = {
    Task.TRAVELED_DISTANCE: ("distance_m", "unit_stated"),
    Task.TRAVELING_SPEED: ("speed_kmh", "unit_stated"),
    Task.MOVEMENT_DIRECTION: ("clock",),
    Task.DIRECTION_TIMESTAMP: ("start_s", "end_s"),
    Task.TRAVELED_DISTANCE_COMPARISON: ("object", "more"),
    Task.TRAVELING_SPEED_COMPARISON: ("object", "more"),
    Task.MOVEMENT_DIRECTION_COMPARISON: ("same", "yes"),
}
#: The keys of which at least one is filled when there is something to report.
_ANSWERS = {Task.MOVEMENT_DIRECTION_COMPARISON: ("same", "yes")}


class ReplyError(ValueError):
    """A reply is not what was asked for; the message says which rule it breaks."""


def reading_of(task: str, reply: str, question: Question | None = None) -> Reading:
    """Read a reply.

    Args:
        task: one of :data:`stkit_datasets.tasks.names.TASKS`.
        reply: what the language model wrote.
        question: what was asked; it is combined with the reply and never shown to the model.

    Raises:
        ReplyError: the reply breaks a rule.
    """
    name = Task(task)
    return _READERS[name](fields_of(task, reply), question or Question())


def fields_of(task: str, reply: str) -> dict[str, Any]:
    """Return the fields of a reply.

    Raises:
        ReplyError: it is not one JSON object, alone or in a fence, with exactly the task's keys
            and values of their types, or it both reports an answer and says why there is none.
    """
    name = Task(task)
    fenced = _FENCED.fullmatch(reply)
    try:
        data = json.loads(fenced.group(1) if fenced else reply, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ReplyError("it must be one JSON object and nothing else") from error
    wanted = (*_KEYS[name], "none_because")
    if not isinstance(data, dict) or data.keys() != set(wanted):
        raise ReplyError(f"it must be an object with exactly the keys {', '.join(wanted)}")
    for key in _KEYS[name]:
        _CHECKS[key](key, data[key])
    reason = data["none_because"]
    if reason not in (None, "nothing_said", *_REASONS):
        raise ReplyError("none_because must be null or one of the reasons that were given")
    answers = _ANSWERS.get(name, _KEYS[name][:1])
    if any(data[key] is not None for key in answers) == (reason is not None):
        raise ReplyError("none_because must be null exactly when an answer is reported")
    return data


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _number(key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ReplyError(f"{key} must be a number or null")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise ReplyError(f"{key} must be a finite number")


def _whole(key: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ReplyError(f"{key} must be a whole number or null")


def _bit(key: str, value: Any) -> None:
    if value not in (None, 0, 1) or isinstance(value, float):
        raise ReplyError(f"{key} must be 0, 1 or null")


def _truth(key: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ReplyError(f"{key} must be true or false")


def _object(key: str, value: Any) -> None:
    if value is not None and (not isinstance(value, str) or _named(value) is None):
        raise ReplyError(f"{key} must be one of {', '.join(COLORS)}, first, second, or null")


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "distance_m": _number,
    "speed_kmh": _number,
    "unit_stated": _truth,
    "clock": _whole,
    "start_s": _number,
    "end_s": _number,
    "object": _object,
    "more": _bit,
    "same": _bit,
    "yes": _bit,
}


def _none(task: Task, fields: Mapping[str, Any]) -> Reading:
    reason = _REASONS.get(fields["none_because"]) or _NOTHING.get(task, Reason.NO_CHOICE)
    return unreadable(reason)


def _distance(fields: Mapping[str, Any], question: Question) -> Reading:
    value = fields["distance_m"]
    if value is None:
        return _none(Task.TRAVELED_DISTANCE, fields)
    if not fields["unit_stated"]:
        value *= question.distance_unit or 1.0
    return Reading(value_si=float(value)) if value >= 0 else unreadable(Reason.OUT_OF_RANGE)


def _speed(fields: Mapping[str, Any], question: Question) -> Reading:
    value = fields["speed_kmh"]
    if value is None:
        return _none(Task.TRAVELING_SPEED, fields)
    # A bare number is in the unit that was asked for, else in m/s, as the rules take it.
    stated = fields["unit_stated"]
    speed_mps = value / KMH_PER_MPS if stated else value * (question.speed_unit or 1.0)
    return Reading(value_si=float(speed_mps)) if value >= 0 else unreadable(Reason.OUT_OF_RANGE)


def _clock(fields: Mapping[str, Any], question: Question) -> Reading:
    hour = fields["clock"]
    if hour is None:
        return _none(Task.MOVEMENT_DIRECTION, fields)
    return Reading(clock=hour) if 1 <= hour <= 12 else unreadable(Reason.OUT_OF_RANGE)


def _interval(fields: Mapping[str, Any], question: Question) -> Reading:
    start, end = fields["start_s"], fields["end_s"]
    if start is None:
        return _none(Task.DIRECTION_TIMESTAMP, fields)
    if end is None:
        end = question.length_s
    if end is None:
        return unreadable(Reason.NO_LENGTH)
    low, high = sorted((float(start), float(end)))
    return Reading(start_s=low, end_s=high) if low >= 0 else unreadable(Reason.OUT_OF_RANGE)


def _choice(task: Task) -> Callable[[Mapping[str, Any], Question], Reading]:
    def read(fields: Mapping[str, Any], question: Question) -> Reading:
        if fields["object"] is None:
            return _none(task, fields)
        colors, color = question.colors, _named(fields["object"])
        if color in ("first", "second"):
            if len(colors) != 2:
                return unreadable(Reason.NO_CHOICE)
            color = colors[color == "second"]
        more, wanted = fields["more"], question.wants_more
        if more is not None and wanted is not None and bool(more) != wanted:
            # "The blue one moved less" answers "which moved farther?" with the other.
            others = [other for other in colors if other != color]
            if len(others) != 1:
                return unreadable(Reason.NO_CHOICE)
            color = others[0]
        return Reading(choice=color)

    return read


def _same(fields: Mapping[str, Any], question: Question) -> Reading:
    if fields["none_because"] is not None:
        return _none(Task.MOVEMENT_DIRECTION_COMPARISON, fields)
    same = fields["same"]
    if same is None:
        same = bool(fields["yes"]) == question.yes_is_same
    return Reading(choice="same" if same else "different")


_READERS: dict[Task, Callable[[Mapping[str, Any], Question], Reading]] = {
    Task.TRAVELED_DISTANCE: _distance,
    Task.TRAVELING_SPEED: _speed,
    Task.MOVEMENT_DIRECTION: _clock,
    Task.DIRECTION_TIMESTAMP: _interval,
    Task.TRAVELED_DISTANCE_COMPARISON: _choice(Task.TRAVELED_DISTANCE_COMPARISON),
    Task.TRAVELING_SPEED_COMPARISON: _choice(Task.TRAVELING_SPEED_COMPARISON),
    Task.MOVEMENT_DIRECTION_COMPARISON: _same,
}


def _named(text: str) -> str | None:
    """Return the one color or place that a text names, None for none or several."""
    names = (*COLORS, "first", "second")
    found = {word for word in re.findall(r"[a-z]+", text.lower()) if word in names}
    return found.pop() if len(found) == 1 else None
