"""Two readers on one file of answers: how often they read the same, and where they part."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from stkit_bench.judging import KMH_PER_MPS, ReadingLike, Reference, judge
from stkit_datasets.tasks.names import TASKS, Task

__all__ = ["Agreement", "Parting", "TaskAgreement", "agree", "reading_text"]

#: Two values this close are one reading: a conversion rounds, a decimal is cut.
_RELATIVE = 0.01
_ABSOLUTE_S = 0.05


@dataclass(frozen=True)
class TaskAgreement:
    """How two readers agree on the responses of one task.

    Attributes:
        n: responses that both readers could be asked about.
        both_read: read by both.
        only_a: read by A alone.
        only_b: read by B alone.
        neither: read by neither.
        same_reading: read by both, as the same, or by neither.
        same_verdict: right for both or wrong for both.
        only_a_right: right as A reads it, wrong as B does.
        only_b_right: the reverse.
        accuracy_a: share of right answers as A reads them.
        accuracy_b: as B reads them.
    """

    n: int
    both_read: int
    only_a: int
    only_b: int
    neither: int
    same_reading: int
    same_verdict: int
    only_a_right: int
    only_b_right: int
    accuracy_a: float
    accuracy_b: float

    @property
    def agreement(self) -> float:
        """Share of responses with the same verdict."""
        return self.same_verdict / self.n


@dataclass(frozen=True)
class Parting:
    """One response that two readers read differently."""

    id: str
    task: str
    question: str | None
    response: str
    read_a: str
    read_b: str
    correct_a: bool
    correct_b: bool


@dataclass(frozen=True)
class Agreement:
    """Two readers on the same responses.

    Attributes:
        name_a: of the first reader.
        name_b: of the second reader.
        n: responses that are compared; there is one to each question but those in ``failures``
            and ``unanswered``.
        unanswered: questions without a response.
        failures: responses that a reader failed on.
        tasks: by name, and ``all``.
        partings: those whose verdicts differ first, then in the order of the file.
    """

    name_a: str
    name_b: str
    n: int
    unanswered: int
    failures: int
    tasks: dict[str, TaskAgreement]
    partings: tuple[Parting, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        tasks = {
            name: {**asdict(task), "agreement": task.agreement} for name, task in self.tasks.items()
        }
        return {**asdict(self), "tasks": tasks, "partings": [asdict(p) for p in self.partings]}


def agree(
    references: Sequence[Reference],
    responses: Sequence[str | None],
    readings_a: Sequence[ReadingLike | None],
    readings_b: Sequence[ReadingLike | None],
    names: tuple[str, str] = ("a", "b"),
) -> Agreement:
    """Compare two readers.

    Args:
        references: what the responses are to.
        responses: free text, None where there is none.
        readings_a: of the first reader, one per response.
        readings_b: of the second.
        names: of the two.

    Raises:
        ValueError: as :func:`stkit_bench.judging.judge`.
    """
    a, b = judge(references, readings_a), judge(references, readings_b)
    answered = [text is not None for text in responses]
    compared = [n for n in range(len(references)) if answered[n] and a.scored[n] and b.scored[n]]
    same = {
        n: _same(references[n]["task"], readings_a[n], readings_b[n], a.readable[n], b.readable[n])
        for n in compared
    }
    tasks = {}
    for name in (*map(str, TASKS), "all"):
        rows = [n for n in compared if name in ("all", references[n]["task"])]
        if rows:
            tasks[name] = _counted(rows, a, b, same)
    apart = [n for n in compared if not same[n] or a.correct[n] != b.correct[n]]
    apart.sort(key=lambda n: (a.correct[n] == b.correct[n], n))
    partings = tuple(
        Parting(
            id=str(references[n].get("id") or n),
            task=references[n]["task"],
            question=references[n].get("question"),
            response=responses[n] or "",
            read_a=reading_text(references[n]["task"], readings_a[n], bool(a.readable[n])),
            read_b=reading_text(references[n]["task"], readings_b[n], bool(b.readable[n])),
            correct_a=bool(a.correct[n]),
            correct_b=bool(b.correct[n]),
        )
        for n in apart
    )
    n_answered = sum(answered)
    return Agreement(
        *names,
        n=len(compared),
        unanswered=len(references) - n_answered,
        failures=n_answered - len(compared),
        tasks=tasks,
        partings=partings,
    )


def reading_text(task: str, reading: ReadingLike | None, readable: bool) -> str:
    """Write a reading in a few plain words."""
    if reading is None or not readable:
        return f"not read: {None if reading is None else reading.reason}"
    if task == Task.TRAVELED_DISTANCE and reading.value_si is not None:
        return f"{reading.value_si:.4g} m"
    if task == Task.TRAVELING_SPEED and reading.value_si is not None:
        return f"{reading.value_si * KMH_PER_MPS:.4g} km/h"
    if task == Task.MOVEMENT_DIRECTION:
        return f"{reading.clock} o'clock"
    if task == Task.DIRECTION_TIMESTAMP:
        return f"{reading.start_s:g} s to {reading.end_s:g} s"
    return str(reading.choice)


def _counted(rows: Sequence[int], a: Any, b: Any, same: Mapping[int, bool]) -> TaskAgreement:
    read = [(bool(a.readable[n]), bool(b.readable[n])) for n in rows]
    right = [(bool(a.correct[n]), bool(b.correct[n])) for n in rows]
    return TaskAgreement(
        n=len(rows),
        both_read=read.count((True, True)),
        only_a=read.count((True, False)),
        only_b=read.count((False, True)),
        neither=read.count((False, False)),
        same_reading=sum(same[n] for n in rows),
        same_verdict=right.count((True, True)) + right.count((False, False)),
        only_a_right=right.count((True, False)),
        only_b_right=right.count((False, True)),
        accuracy_a=sum(one for one, _ in right) / len(rows),
        accuracy_b=sum(other for _, other in right) / len(rows),
    )


def _same(
    task: str, a: ReadingLike | None, b: ReadingLike | None, read_a: bool, read_b: bool
) -> bool:
    if a is None or b is None or not (read_a and read_b):
        return not read_a and not read_b
    if task in (Task.TRAVELED_DISTANCE, Task.TRAVELING_SPEED):
        return _close(a.value_si, b.value_si, relative=_RELATIVE)
    if task == Task.DIRECTION_TIMESTAMP:
        ends = ((a.start_s, b.start_s), (a.end_s, b.end_s))
        return all(_close(one, other, absolute=_ABSOLUTE_S) for one, other in ends)
    if task == Task.MOVEMENT_DIRECTION:
        return a.clock == b.clock
    return str(a.choice).strip().lower() == str(b.choice).strip().lower()


def _close(a: float | None, b: float | None, relative: float = 0.0, absolute: float = 1e-9) -> bool:
    return (
        a is not None and b is not None and math.isclose(a, b, rel_tol=relative, abs_tol=absolute)
    )
