"""Two sets of readings of the same questions, paired. Numpy only, no I/O."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stkit_bench.bootstrap import FloatArray, check_resampling, cluster_sums
from stkit_bench.judging import Judged, ReadingLike, Reference, judge
from stkit_bench.results import Comparison, Counts, Difference, counted
from stkit_bench.sign_flips import Flipped, Flips, sign_flips
from stkit_datasets.tasks.names import TASKS

__all__ = ["compare"]

#: Random flips for one bootstrap resample: of 10,000, a p-value near 0.05 is known to 0.005.
_FLIPS_PER_RESAMPLE = 10


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

    Whole scene windows are exchanged between the two, so that what makes one hard cancels out;
    p-values and intervals come from the same exchanges (see :mod:`stkit_bench.sign_flips`). A
    question that the reader failed on for one of the two is left out for both.

    Args:
        references: as for :func:`stkit_bench.scoring.score`.
        readings_a: one per reference.
        readings_b: one per reference.
        n_resamples: as for a score; ten times as many random exchanges are tried where there are
            more ways than that, else all ways. 0 leaves intervals and p-values out.
        level: of the intervals.
        seed: of the random exchanges.

    Raises:
        ValueError: as :func:`stkit_bench.scoring.score`.
    """
    check_resampling(n_resamples, level)
    a, b = judge(references, readings_a), judge(references, readings_b)
    both = np.flatnonzero(a.scored & b.scored)
    a, b = a.take(both), b.take(both)
    present = np.unique(a.task)
    of_task = (a.task[:, None] == present).astype(np.float64)
    n_of = of_task.sum(axis=0)
    share = of_task / n_of
    better = a.correct.astype(np.float64) - b.correct
    ahead = _with_mean(cluster_sums(share * better[:, None], a.cluster, a.n_clusters))
    weight = _with_mean(cluster_sums(share, a.cluster, a.n_clusters))
    flips, flipped = Flips(0, exact=False), list[Flipped]()
    if n_resamples and len(both):
        n_flips = _FLIPS_PER_RESAMPLE * n_resamples
        flips, flipped = sign_flips(ahead, weight, n_flips, level, seed)
    accuracy_a, accuracy_b = (_with_mean(one.correct @ of_task / n_of) for one in (a, b))

    def difference(column: int, n: int) -> Difference:
        told = flipped[column] if flipped else None
        return Difference(
            accuracy_a=float(accuracy_a[column]),
            accuracy_b=float(accuracy_b[column]),
            difference=float(accuracy_a[column] - accuracy_b[column]),
            interval=None if told is None else told.interval,
            p_value=None if told is None else told.p_value,
            n=n,
            n_clusters=int(np.count_nonzero(weight[:, column])),
        )

    names = [TASKS[code].value for code in present]
    return Comparison(
        tasks={name: difference(column, int(n_of[column])) for column, name in enumerate(names)},
        average=difference(len(names), len(both)) if names else None,
        average_over=tuple(names),
        a=_counts(a),
        b=_counts(b),
        reader_failures=len(references) - len(both),
        n=len(both),
        n_clusters=a.n_clusters,
        n_flips=flips.n,
        exact=flips.exact,
        level=level,
        seed=seed,
    )


def _with_mean(columns: FloatArray) -> FloatArray:
    """Append the mean over the last axis, that of the tasks."""
    if not columns.shape[-1]:
        return columns
    return np.concatenate([columns, columns.mean(axis=-1, keepdims=True)], axis=-1)


def _counts(judged: Judged) -> Counts:
    unread = counted(judged.reasons)
    return Counts(
        n_readable=int(judged.readable.sum()),
        n_unanswered=int((~judged.answered).sum()),
        n_unreadable=sum(unread.values()),
        unread=unread,
    )
