"""Baselines that see no video: what a score is worth shows beside them.

Each answers in English sentences that go through the same reader as a model's. An answer depends on
the row's id and the seed alone, never on the order of the rows or on their targets.
"""

from __future__ import annotations

import itertools
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stkit_datasets.config import FPS
from stkit_datasets.model_clients.answerer import Row
from stkit_datasets.seeding import stable_choice, stable_digest
from stkit_datasets.tasks.names import TASKS, Task

__all__ = ["ClassPrior", "Constant", "Guess", "Random"]

_KMH_PER_MPS = 3.6
_LONGEST_S = 20.0  # of a clip [P1 3.2]
_COLOR_WORDS = re.compile(
    r"\b(red|green|blue|yellow|orange|purple|pink|cyan|magenta|white|black|brown|gr[ae]y|lime|teal)\b",
    re.IGNORECASE,
)
_NAMED_COLOR_TASKS = (Task.TRAVELED_DISTANCE_COMPARISON, Task.TRAVELING_SPEED_COMPARISON)


@dataclass(frozen=True)
class Guess:
    """One answer for each task, in the target's units.

    Attributes:
        distance_m: traveled distance.
        speed_mps: traveling speed.
        clock: movement direction, 1 to 12.
        interval_s: start and end of a direction.
        place: which of the two objects named answers a comparison, 0 or 1; or
        colors: how good a guess each color is, where that is known; it goes before ``place``.
        direction: ``same`` or ``different``.
    """

    distance_m: float = 10.0
    speed_mps: float = 5.0
    clock: int = 12
    interval_s: tuple[float, float] = (0.0, 5.0)
    place: int = 0
    colors: Mapping[str, int] = field(default_factory=dict)
    direction: str = "same"


@dataclass(frozen=True)
class Constant:
    """The same answer to every question of a task; the first color named in comparisons."""

    guess: Guess = field(default_factory=Guess)
    name: str = "constant"

    def answer(self, rows: Sequence[Row]) -> list[str]:
        """Return one sentence per row."""
        return [_sentence(row, _task(row, number), self.guess) for number, row in _numbered(rows)]


@dataclass(frozen=True)
class Random:
    """A seeded draw per question.

    Distances are drawn uniformly by their logarithm and speeds uniformly, each within its range;
    clock directions, the two colors, and same or different uniformly; intervals from all pairs of
    times on the grid of 0.5 s that are at least a second apart, within the row's ``duration_s``
    (20 s where it is not told).
    """

    seed: int = 0
    distance_m: tuple[float, float] = (1.0, 200.0)
    speed_kmh: tuple[float, float] = (1.0, 80.0)
    name: str = "random"

    def answer(self, rows: Sequence[Row]) -> list[str]:
        """Return one sentence per row.

        Raises:
            ValueError: a row has no id.
        """
        return [
            _sentence(row, _task(row, number), self._draw(row, number))
            for number, row in _numbered(rows)
        ]

    def _draw(self, row: Row, number: int) -> Guess:
        identity = row.get("id")
        if identity is None:
            raise ValueError(f"row {number}: id must be given, the draw depends on it")
        parts = (self.name, self.seed, str(identity))
        share = int.from_bytes(stable_digest("value", *parts)[:8], "big") / 2**64
        shortest, longest = self.distance_m
        slowest, fastest = self.speed_kmh
        return Guess(
            distance_m=shortest * (longest / shortest) ** share,
            speed_mps=(slowest + (fastest - slowest) * share) / _KMH_PER_MPS,
            clock=stable_choice(range(1, 13), "clock", *parts),
            interval_s=stable_choice(_intervals(row), "interval", *parts),
            place=stable_choice((0, 1), "place", *parts),
            direction=stable_choice(("same", "different"), "direction", *parts),
        )


@dataclass(frozen=True)
class ClassPrior:
    """The most frequent label, or the median value, of training rows; see :meth:`fit`."""

    guess: Guess
    tasks: frozenset[str]
    name: str = "class_prior"

    @classmethod
    def fit(cls, rows: Iterable[Row]) -> ClassPrior:
        """Learn from training rows, each with ``task`` and ``target``.

        Raises:
            ValueError: there are no training rows.
        """
        targets: dict[str, list[Mapping[str, Any]]] = {}
        for number, row in enumerate(rows):
            task = _task(row, number)
            targets.setdefault(task, []).append(row.get("target") or row)
        if not targets:
            raise ValueError("the class prior needs training rows to learn from, got none")
        learned: dict[str, Any] = {}
        if Task.TRAVELED_DISTANCE in targets:
            learned["distance_m"] = _median(targets[Task.TRAVELED_DISTANCE], "value_si")
        if Task.TRAVELING_SPEED in targets:
            learned["speed_mps"] = _median(targets[Task.TRAVELING_SPEED], "value_si")
        if Task.MOVEMENT_DIRECTION in targets:
            learned["clock"] = _most_frequent(targets[Task.MOVEMENT_DIRECTION], "clock")
        if Task.DIRECTION_TIMESTAMP in targets:
            timestamps = targets[Task.DIRECTION_TIMESTAMP]
            learned["interval_s"] = (_median(timestamps, "start_s"), _median(timestamps, "end_s"))
        if Task.MOVEMENT_DIRECTION_COMPARISON in targets:
            pairs = targets[Task.MOVEMENT_DIRECTION_COMPARISON]
            learned["direction"] = _most_frequent(pairs, "choice")
        learned["colors"] = Counter(
            target["choice"] for task in _NAMED_COLOR_TASKS for target in targets.get(task, [])
        )
        return cls(Guess(**learned), frozenset(targets))

    def answer(self, rows: Sequence[Row]) -> list[str]:
        """Return one sentence per row.

        Raises:
            ValueError: a row is of a task that no training row was of.
        """
        for number, row in _numbered(rows):
            if _task(row, number) not in self.tasks:
                raise ValueError(f"row {number}: no training row was of the task {row['task']!s}")
        return [_sentence(row, _task(row, number), self.guess) for number, row in _numbered(rows)]


def _sentence(row: Row, task: Task, guess: Guess) -> str:
    if task is Task.TRAVELED_DISTANCE:
        return f"The object traveled {guess.distance_m:.2f} m."
    if task is Task.TRAVELING_SPEED:
        return f"The object moved at {guess.speed_mps * _KMH_PER_MPS:.2f} km/h."
    if task is Task.MOVEMENT_DIRECTION:
        return f"The object is moving toward {guess.clock} o'clock."
    if task is Task.DIRECTION_TIMESTAMP:
        return f"From {guess.interval_s[0]:.2f} s to {guess.interval_s[1]:.2f} s."
    if task is Task.MOVEMENT_DIRECTION_COMPARISON:
        return (
            "They move in the same direction."
            if guess.direction == "same"
            else "They move in different directions."
        )
    colors = _colors(row)
    known = [guess.colors.get(color, 0) for color in colors]
    place = guess.place if known[0] == known[1] else known.index(max(known))
    return f"The {colors[place]} object."


def _colors(row: Row) -> tuple[str, str]:
    """Return the two colors that a comparison names, from its question or else its objects.

    The question goes first: a row and the reference made of it share it, whatever their objects.
    """
    found = [color.lower() for color in _COLOR_WORDS.findall(row.get("question") or "")]
    named = list(dict.fromkeys(found))
    if len(named) != 2:
        objects = [item["color"] for item in row.get("objects") or [] if item.get("color")]
        named = objects or named
    if len(named) != 2:
        raise ValueError(
            f"row {row.get('id')!r}: a comparison needs two colors in `objects` or in the "
            f"question, got {named}"
        )
    return named[0], named[1]


def _intervals(row: Row) -> list[tuple[float, float]]:
    # Not from the frames' own times: references have none, and a view has fewer of them.
    length_s = row.get("duration_s")
    if not isinstance(length_s, int | float) or not math.isfinite(length_s):
        length_s = _LONGEST_S
    times = [k / FPS for k in range(max(2, round(length_s * FPS)))]
    pairs = [(a, b) for a, b in itertools.combinations(times, 2) if b - a >= 1.0]
    return pairs or [(times[0], times[-1])]


def _median(targets: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(statistics.median(target[name] for target in targets))


def _most_frequent(targets: Sequence[Mapping[str, Any]], name: str) -> Any:
    counts = Counter(target[name] for target in targets)
    # Equal counts are told apart by the label, so that the order of the rows does not matter.
    return min(counts, key=lambda label: (-counts[label], str(label)))


def _numbered(rows: Sequence[Row]) -> Iterable[tuple[int, Row]]:
    return enumerate(rows)


def _task(row: Row, number: int) -> Task:
    task = row.get("task")
    if task not in TASKS:
        raise ValueError(f"row {number}: task must be one of {', '.join(TASKS)}, got {task!r}")
    return Task(task)
