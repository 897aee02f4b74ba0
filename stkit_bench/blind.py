"""What an answer is worth that sees no video: chance, and the baselines that need no training.

Chance is the accuracy that a draw from the targets themselves can expect, question by question: of
a distance, a speed or a span the target of another question of the task; of a clock direction and
of same or different a label as often as it occurs; of two colors either. So it holds for any
choice of questions, a group of a breakdown among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_bench.judging import (
    ACCURACY_HIGH,
    ACCURACY_LOW,
    IOU_THRESHOLD,
    RELATIVE_TOLERANCE,
    BoolArray,
    FloatArray,
    IntArray,
    Judged,
    Reference,
    interval_iou,
    judge,
)
from stkit_bench.models.baselines import ClassPrior, Constant, Random
from stkit_bench.readers import RulesReader, read_all
from stkit_datasets.model_clients.answerer import Answerer
from stkit_datasets.tasks.names import TASKS, Task

__all__ = ["AVERAGE", "CHANCE", "Blind", "chance_of"]

#: The names under which chance and a mean over tasks are told.
CHANCE = "chance"
AVERAGE = "average"

#: Pairs of spans that are compared at once: 2 million are some 100 MB.
_PAIRS_PER_BLOCK = 2_000_000


@dataclass(frozen=True)
class Blind:
    """How often each question is answered rightly without seeing its video.

    Attributes:
        task: index into :data:`stkit_datasets.tasks.names.TASKS`, one per question.
        right: by name (``chance``, ``constant``, ``random``, ``class_prior``) the probability of a
            right answer to each question; NaN where a task has only one question.
    """

    task: IntArray
    right: dict[str, FloatArray]

    @classmethod
    def of(
        cls,
        references: Sequence[Reference],
        seed: int = 0,
        training: Iterable[Mapping[str, Any]] | None = None,
    ) -> Blind:
        """Work them out; a baseline that cannot answer these questions is left out.

        Args:
            references: as :func:`stkit_bench.references` makes them. The baselines need ``id`` and
                ``question``, and answer as in ``stkit-bench run`` where they have ``duration_s``.
            seed: of the random baseline.
            training: rows that the class prior learns from; None leaves it out.

        Raises:
            ValueError: a target breaks a rule, or there are no training rows; the message names
                the row.
        """
        judged = judge(references, [None] * len(references))
        right = {CHANCE: chance_of(references)}
        baselines: list[Answerer] = [Constant(), Random(seed=seed)]
        if training is not None:
            baselines.append(ClassPrior.fit(training))
        for baseline in baselines:
            try:
                responses = baseline.answer(references)
            except ValueError:
                # References without ids or questions: the baselines have nothing to go by.
                continue
            found: Judged = judge(references, read_all(RulesReader(), references, responses))
            right[baseline.name] = found.correct.astype(np.float64)
        return cls(judged.task, right)

    def accuracies(self, rows: IntArray | BoolArray | None = None) -> dict[str, dict[str, float]]:
        """Return by name the accuracy in each task that has a question, and their ``average``.

        Args:
            rows: which questions, as indices or a mask; None for all.
        """
        chosen = slice(None) if rows is None else rows
        task = self.task[chosen]
        found = {}
        for name, right in self.right.items():
            tasks = {
                str(TASKS[code]): float(right[chosen][task == code].mean())
                for code in np.unique(task)
            }
            average = float(np.mean(list(tasks.values()))) if tasks else float("nan")
            found[name] = {**tasks, AVERAGE: average}
        return found


def chance_of(references: Sequence[Reference]) -> FloatArray:
    """Return the probability that a draw from the targets answers each question rightly.

    NaN where a task has only one question. The references must be valid (see
    :func:`stkit_bench.judging.judge`).
    """
    found = np.full(len(references), np.nan)
    for task in TASKS:
        rows = np.array([n for n, r in enumerate(references) if r["task"] == task], np.int64)
        if len(rows) > 1:
            found[rows] = _chance(task, [references[n] for n in rows])
    return found


def _chance(task: Task, references: Sequence[Reference]) -> FloatArray:
    if task in (Task.TRAVELED_DISTANCE, Task.TRAVELING_SPEED):
        return _of_values(np.array([r["value_si"] for r in references], np.float64))
    if task is Task.DIRECTION_TIMESTAMP:
        return _of_spans(
            np.array([r["start_s"] for r in references], np.float64),
            np.array([r["end_s"] for r in references], np.float64),
        )
    if task in (Task.TRAVELED_DISTANCE_COMPARISON, Task.TRAVELING_SPEED_COMPARISON):
        return np.full(len(references), 0.5)
    key = "clock" if task is Task.MOVEMENT_DIRECTION else "choice"
    _, label, counts = np.unique(
        [str(r[key]).lower() for r in references], return_inverse=True, return_counts=True
    )
    return np.asarray(counts[label] / len(references), np.float64)


def _of_values(target: FloatArray) -> FloatArray:
    order = np.sort(target)
    slack = RELATIVE_TOLERANCE * target
    low = np.searchsorted(order, ACCURACY_LOW * target - slack, "left")
    high = np.searchsorted(order, ACCURACY_HIGH * target + slack, "right")
    # Each target is right for itself, and is not another question's.
    return np.asarray((high - low - 1) / (len(target) - 1), np.float64)


def _of_spans(start: FloatArray, end: FloatArray) -> FloatArray:
    n = len(start)
    right = np.empty(n)
    block = max(1, _PAIRS_PER_BLOCK // n)
    for first in range(0, n, block):
        here = slice(first, first + block)
        iou = interval_iou(start[here, None], end[here, None], start[None], end[None])
        right[here] = (iou >= IOU_THRESHOLD - RELATIVE_TOLERANCE).sum(axis=1) - 1
    return np.clip(right, 0, None) / (n - 1)
