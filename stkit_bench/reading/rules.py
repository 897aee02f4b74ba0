"""The rules reader: one response to one reading, deterministic and without a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from stkit_datasets.tasks.names import TASKS, Task

from .choice import read_choice
from .clock import read_clock
from .fields import sentence_from_json
from .interval import read_interval
from .normalize import normalize
from .question import Question, parse_question
from .refusal import split_refusals
from .result import Reading, Reason, unreadable
from .same_direction import read_same_direction
from .segments import Segment, segments
from .units import Kind
from .value import read_value

_READERS: dict[Task, Callable[[Segment, Question], Reading]] = {
    Task.TRAVELED_DISTANCE: lambda s, q: read_value(s, Kind.DISTANCE, q),
    Task.TRAVELING_SPEED: lambda s, q: read_value(s, Kind.SPEED, q),
    Task.MOVEMENT_DIRECTION: lambda s, q: read_clock(s),
    Task.DIRECTION_TIMESTAMP: read_interval,
    Task.TRAVELED_DISTANCE_COMPARISON: lambda s, q: read_choice(s, q, "distance"),
    Task.TRAVELING_SPEED_COMPARISON: lambda s, q: read_choice(s, q, "speed"),
    Task.MOVEMENT_DIRECTION_COMPARISON: read_same_direction,
}
#: What the model itself marked as its answer is believed when it says one of these.
_FINAL = frozenset({Reason.TIE, Reason.NEVER, Reason.AMBIGUOUS, Reason.OUT_OF_RANGE})


def read_response(task: str, response: str | None, question: str | None = None) -> Reading:
    """Read what a model answered.

    Args:
        task: one of :data:`stkit_datasets.tasks.names.TASKS`.
        response: the model's text; None and blank text read as ``empty``.
        question: the question or the whole prompt. It gives a bare number its unit, a
            comparison its polarity and colours, and "until the end" its second.

    Raises:
        ValueError: the task is unknown.
        TypeError: the response or the question is neither a string nor None.
    """
    try:
        name = Task(task)
    except ValueError:
        raise ValueError(f"unknown task {task!r}, expected one of {', '.join(TASKS)}") from None
    for label, given in (("response", response), ("question", question)):
        if given is not None and not isinstance(given, str):
            raise TypeError(f"`{label}` must be a string or None, got {type(given).__name__}")
    if response is None or not response.strip():
        return unreadable(Reason.EMPTY)
    return _read(name, normalize(response), parse_question(question))


def _read(task: Task, text: str, question: Question) -> Reading:
    reader = _READERS[task]
    failure: Reading | None = None
    for segment in segments(text, partial(sentence_from_json, task)):
        if not segment.text.strip():
            continue
        declined, remaining = split_refusals(segment.text)
        reading = reader(
            Segment(remaining, segment.strong, segment.bold, declined, segment.corrected), question
        )
        if reading.readable:
            return reading
        if declined and reading.reason not in _FINAL:
            reading = unreadable(Reason.REFUSAL)
        if segment.strong and (reading.reason in _FINAL or reading.reason == Reason.REFUSAL):
            return reading
        failure = reading
    return failure or unreadable(Reason.EMPTY)
