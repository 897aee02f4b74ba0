"""Targets and readings in, scores with intervals out. Numpy only, no I/O.

Strict accuracy counts a response that is missing or cannot be read as wrong; the mean absolute
error is over the readable ones, and coverage stands beside both. Every interval is a percentile
bootstrap over clips.

A question whose response the reader failed on (a language model that could not be reached, or whose
replies were invalid) is neither right nor wrong: it is left out of every figure and counted as a
reader failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from stkit_bench.bootstrap import (
    FloatArray,
    cluster_sums,
    percentile_interval,
    resampled_sums,
    two_sided_p_value,
)
from stkit_bench.judging import (
    MAE_UNITS,
    Judged,
    ReadingLike,
    Reference,
    judge,
)
from stkit_bench.results import Comparison, Difference, Interval, Scores, TaskScores
from stkit_datasets.tasks.names import TASKS, Task

__all__ = [
    "Comparison",
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
            clip by which the bootstrap resamples.
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
    _check_bootstrap(n_resamples, level)
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
    interval = percentile_interval(_average(resampled, present), level) if present else None
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
        unread=_count(judged.reasons),
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )


def compare(
    references: Sequence[Reference],
    readings_a: Sequence[ReadingLike | None],
    readings_b: Sequence[ReadingLike | None],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Comparison:
    """Compare two sets of readings of the same questions, question by question.

    Both are scored on the same resampled clips, so what makes a clip hard cancels out. The p-value
    is that of "no difference", from the same resamples (see
    :func:`stkit_bench.bootstrap.two_sided_p_value`). A question that the reader failed on for one
    of them is left out for both.

    Raises:
        ValueError: as :func:`score`.
    """
    _check_bootstrap(n_resamples, level)
    a, b = judge(references, readings_a), judge(references, readings_b)
    both = np.flatnonzero(a.scored & b.scored)
    a, b = a.take(both), b.take(both)
    statistics = np.concatenate([_statistics(a), _statistics(b)], axis=1)
    sums = cluster_sums(statistics, a.cluster, a.n_clusters)
    resampled = resampled_sums(sums, n_resamples, seed)
    half = statistics.shape[1] // 2
    total_a, total_b = sums.sum(axis=0)[:half], sums.sum(axis=0)[half:]
    drawn_a, drawn_b = resampled[:, :half], resampled[:, half:]
    present = [task for code, task in enumerate(TASKS) if _pick(total_a, code, "n") > 0]

    def difference(names: Sequence[Task], n: int) -> Difference:
        value_a, value_b = _average(total_a, names), _average(total_b, names)
        samples = np.atleast_1d(_average(drawn_a, names) - _average(drawn_b, names))
        return Difference(
            accuracy_a=float(value_a),
            accuracy_b=float(value_b),
            difference=float(value_a - value_b),
            interval=percentile_interval(samples, level),
            p_value=two_sided_p_value(samples),
            n=n,
        )

    counts = {task: int(_pick(total_a, TASKS.index(task), "n")) for task in present}
    return Comparison(
        tasks={task.value: difference([task], counts[task]) for task in present},
        average=difference(present, len(both)) if present else None,
        average_over=tuple(task.value for task in present),
        reader_failures=len(references) - len(both),
        n_clusters=a.n_clusters,
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


def _check_bootstrap(n_resamples: int, level: float) -> None:
    if n_resamples < 0:
        raise ValueError(f"n_resamples must be at least 0, got {n_resamples}")
    if not 0 < level < 1:
        raise ValueError(f"level must be in the open interval (0, 1), got {level}")


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

    def estimate(above: str, below: str) -> tuple[float | None, Interval | None]:
        value = float(_ratio(total, code, above, below))
        interval = percentile_interval(_ratio(resampled, code, above, below), level)
        return (value, interval) if np.isfinite(value) else (None, None)

    accuracy, accuracy_interval = estimate("correct", "n")
    coverage, coverage_interval = estimate("readable", "n")
    mae, mae_interval = estimate("error", "readable") if task in MAE_UNITS else (None, None)
    timestamp = task is Task.DIRECTION_TIMESTAMP
    mean_iou, mean_iou_interval = estimate("iou", "n") if timestamp else (None, None)
    assert accuracy is not None
    assert coverage is not None
    return TaskScores(
        task=task.value,
        n=len(rows),
        n_readable=int(judged.readable[rows].sum()),
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
        unread=_count(judged.reasons[row] for row in rows.tolist()),
    )


def _count(reasons: Any) -> dict[str, int]:
    counts = Counter(reason for reason in reasons if reason is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
