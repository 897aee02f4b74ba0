"""Targets and readings in, scores with intervals out. Numpy only, no I/O.

Strict accuracy counts a response that is missing or cannot be read as wrong; the mean absolute
error is over the readable ones, and coverage stands beside both. Every interval is from a bootstrap
that draws whole scene windows, the stretches of a scene that questions are about (see
:mod:`stkit_bench.bootstrap`).

A question whose response the reader failed on (a language model that could not be reached, or whose
replies were invalid) is neither right nor wrong: it is left out of every figure and counted as a
reader failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stkit_bench.bootstrap import (
    FloatArray,
    IntArray,
    check_resampling,
    cluster_sums,
    mean_interval,
    resampled_sums,
    share_interval,
)
from stkit_bench.comparison import compare
from stkit_bench.judging import (
    MAE_UNITS,
    Judged,
    ReadingLike,
    Reference,
    judge,
)
from stkit_bench.results import (
    Comparison,
    Counts,
    Difference,
    Interval,
    Scores,
    TaskScores,
    counted,
)
from stkit_datasets.tasks.names import TASKS, Task

__all__ = [
    "Comparison",
    "Counts",
    "Difference",
    "Interval",
    "Scores",
    "TaskScores",
    "breakdown",
    "compare",
    "score",
    "score_judged",
]

_STATISTICS = ("n", "correct", "readable", "error", "iou")


def score(
    references: Sequence[Reference],
    readings: Sequence[ReadingLike | None],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Scores:
    """Score readings against their references.

    Args:
        references: mappings with ``task``, the target fields (``value_si`` in m or m/s, ``clock``,
            ``start_s`` and ``end_s`` in s, ``choice``) and optionally ``id`` and ``cluster``, the
            scene window that the question is about, by which the bootstrap resamples.
        readings: one per reference; None where the question was not answered.
        n_resamples: bootstrap resamples; 0 leaves the intervals out.
        level: of the intervals, between 0 and 1.
        seed: of the bootstrap.

    Raises:
        ValueError: lengths differ, an id repeats, or a target breaks a rule; it names the row.
    """
    return score_judged(
        judge(references, readings), n_resamples=n_resamples, level=level, seed=seed
    )


def score_judged(
    judged: Judged, *, n_resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> Scores:
    """Score questions that were judged already (see :func:`score`)."""
    check_resampling(n_resamples, level)
    failed = np.bincount(judged.task[~judged.scored], minlength=len(TASKS))
    judged = judged.take(np.flatnonzero(judged.scored))
    sums = cluster_sums(_statistics(judged), judged.cluster, judged.n_clusters)
    total = sums.sum(axis=0)
    resampled = resampled_sums(sums, n_resamples, seed)
    present = [task for code, task in enumerate(TASKS) if _pick(total, code, "n") > 0]
    tasks = {
        task.value: _task_scores(judged, task, total, resampled, level, int(failed[code]))
        for code, task in enumerate(TASKS)
        if task in present
    }
    average = _average(total, present)
    interval = None
    if present:
        drawn, floor = _average(resampled, present), _independent_variance(total, present)
        interval = share_interval(float(average), drawn, judged.n_clusters, level, floor)
    complete = len(present) == len(TASKS)
    n, n_readable = len(judged), int(judged.readable.sum())
    return Scores(
        tasks=tasks,
        average_accuracy=float(average) if complete else None,
        average_accuracy_interval=interval if complete else None,
        average_of_present=float(average) if present else None,
        average_of_present_interval=interval,
        average_over=tuple(task.value for task in present),
        missing_tasks=tuple(task.value for task in TASKS if task not in present),
        n=n,
        n_readable=n_readable,
        n_unanswered=int((~judged.answered).sum()),
        reader_failures=int(failed.sum()),
        n_clusters=judged.n_clusters,
        coverage=n_readable / n if n else None,
        unread=counted(judged.reasons),
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )


def breakdown(
    references: Sequence[Reference],
    readings: Sequence[ReadingLike | None],
    by: str | Callable[[Reference], Any],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Scores]:
    """Score each group of questions by itself.

    ``by`` is a key that every reference holds, or a function of a reference. Groups are named by
    the value's text; None becomes the group ``"null"``. The rest is as for :func:`score`.

    Raises:
        ValueError: as :func:`score`, or a reference lacks the key.
    """
    judged = judge(references, readings)
    groups: dict[str, list[int]] = {}
    for row, reference in enumerate(references):
        if isinstance(by, str) and by not in reference:
            raise ValueError(
                f"references[{row}] has no {by!r} to group by; "
                f"it has {', '.join(sorted(reference))}"
            )
        value = reference[by] if isinstance(by, str) else by(reference)
        groups.setdefault("null" if value is None else str(value), []).append(row)
    return {
        name: score_judged(
            judged.take(np.asarray(rows)), n_resamples=n_resamples, level=level, seed=seed
        )
        for name, rows in sorted(groups.items())
    }


def _statistics(judged: Judged) -> FloatArray:
    """Return questions x (tasks x statistics), a question's own task filled, the rest 0."""
    n = len(judged)
    values = np.stack(
        [
            np.ones(n),
            judged.correct.astype(np.float64),
            judged.readable.astype(np.float64),
            np.nan_to_num(judged.error, nan=0.0),
            np.nan_to_num(judged.iou, nan=0.0),
        ],
        axis=1,
    )
    table = np.zeros((n, len(TASKS), len(_STATISTICS)))
    table[np.arange(n), judged.task] = values
    return table.reshape(n, len(TASKS) * len(_STATISTICS))


def _pick(sums: FloatArray, code: int, name: str) -> FloatArray:
    picked: FloatArray = sums[..., code * len(_STATISTICS) + _STATISTICS.index(name)]
    return picked


def _ratio(sums: FloatArray, code: int, above: str, below: str) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.true_divide(_pick(sums, code, above), _pick(sums, code, below)))


def _average(sums: FloatArray, tasks: Sequence[Task]) -> FloatArray:
    if not tasks:
        return np.asarray(np.nan)
    ratios = [_ratio(sums, TASKS.index(task), "correct", "n") for task in tasks]
    return np.asarray(np.mean(ratios, axis=0))


def _independent_variance(total: FloatArray, tasks: Sequence[Task]) -> float:
    """Return the variance of the average accuracy if no question had to do with another."""
    variances = []
    for task in tasks:
        code = TASKS.index(task)
        share = float(_ratio(total, code, "correct", "n"))
        variances.append(share * (1 - share) / float(_pick(total, code, "n")))
    return sum(variances) / len(tasks) ** 2


def _task_scores(
    judged: Judged,
    task: Task,
    total: FloatArray,
    resampled: FloatArray,
    level: float,
    reader_failures: int,
) -> TaskScores:
    code = TASKS.index(task)
    rows = np.flatnonzero(judged.task == code)

    def share(above: str) -> tuple[float, Interval | None]:
        value = float(_ratio(total, code, above, "n"))
        # An overlap is no yes or no, so its variance has no such bound.
        floor = 0.0 if above == "iou" else value * (1 - value) / len(rows)
        drawn = _ratio(resampled, code, above, "n")
        return value, share_interval(value, drawn, _n_clusters(judged, rows), level, floor)

    accuracy, accuracy_interval = share("correct")
    coverage, coverage_interval = share("readable")
    readable = rows[judged.readable[rows]]
    mae, mae_interval = None, None
    if task in MAE_UNITS and len(readable):
        mae = float(_ratio(total, code, "error", "readable"))
        drawn = _ratio(resampled, code, "error", "readable")
        mae_interval = mean_interval(drawn, _n_clusters(judged, readable), level)
    timestamp = task is Task.DIRECTION_TIMESTAMP
    mean_iou, mean_iou_interval = share("iou") if timestamp else (None, None)
    return TaskScores(
        task=task.value,
        n=len(rows),
        n_readable=len(readable),
        n_unanswered=int((~judged.answered[rows]).sum()),
        reader_failures=reader_failures,
        coverage=coverage,
        coverage_interval=coverage_interval,
        accuracy=accuracy,
        accuracy_interval=accuracy_interval,
        mae=mae,
        mae_interval=mae_interval,
        mae_unit=MAE_UNITS.get(task),
        mean_iou=mean_iou,
        mean_iou_interval=mean_iou_interval,
        unread=counted(judged.reasons[row] for row in rows.tolist()),
    )


def _n_clusters(judged: Judged, rows: IntArray) -> int:
    return len(np.unique(judged.cluster[rows]))
