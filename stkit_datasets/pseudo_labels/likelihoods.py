"""Filter 3: how likely a model tuned on annotated data finds each answer [P2 B.1]. Numpy only.

Likelihoods are min-max normalised within their task and held against the task's threshold.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets.errors import SourceError
from stkit_datasets.tasks.names import Task

THRESHOLDS: Mapping[str, float] = {
    Task.TRAVELED_DISTANCE: 0.8,
    Task.TRAVELING_SPEED: 0.8,
    Task.TRAVELED_DISTANCE_COMPARISON: 0.4,
    Task.TRAVELING_SPEED_COMPARISON: 0.4,
    Task.MOVEMENT_DIRECTION: 0.7,
    Task.MOVEMENT_DIRECTION_COMPARISON: 0.7,
}
"""What is kept, from [P2 B.1], which names none for direction_timestamp."""


@dataclass(frozen=True)
class LikelihoodFilter:
    """What the filter made of the rows.

    Attributes:
        kept: row ids that stay, in the order given.
        normalised: row id -> likelihood from 0 to 1 within its task.
        dropped: ``likelihood: <task>`` -> how many.
    """

    kept: tuple[str, ...]
    normalised: Mapping[str, float]
    dropped: Mapping[str, int]


def filter_by_likelihood(
    row_ids: Sequence[str],
    tasks: Sequence[str],
    likelihoods: Sequence[float],
    thresholds: Mapping[str, float] = THRESHOLDS,
) -> LikelihoodFilter:
    """Keep the rows whose normalised likelihood reaches their task's threshold.

    The normalisation is over all rows of a task, so give those of the whole data set at once, not
    video by video. Likelihoods that are all the same normalise to 1. A task without threshold is
    kept whole.

    Args:
        row_ids: unique ids.
        tasks: the task of each.
        likelihoods: of each row's answer (mean log-likelihood of its tokens, or its exponential:
            whatever grows with it), finite.
        thresholds: task -> the least that is kept.

    Raises:
        ValueError: lengths differ, an id appears twice, or a likelihood is not finite; the message
            names the row.
    """
    if not len(row_ids) == len(tasks) == len(likelihoods):
        raise ValueError(
            f"need one task and likelihood a row, got {len(row_ids)} rows, {len(tasks)} tasks, "
            f"{len(likelihoods)} likelihoods"
        )
    if len(set(row_ids)) != len(row_ids):
        twice = next(name for name, count in Counter(row_ids).items() if count > 1)
        raise ValueError(f"row {twice!r} appears twice")
    for name, value in zip(row_ids, likelihoods, strict=True):
        if not math.isfinite(value):
            raise ValueError(f"row {name!r}: likelihood must be finite, got {value!r}")
    values, names = np.asarray(likelihoods, dtype=np.float64), np.asarray(tasks, dtype=str)
    normalised = np.ones(len(values))
    kept = np.ones(len(values), dtype=np.bool_)
    dropped: dict[str, int] = {}
    for task in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == task)
        low, high = values[rows].min(), values[rows].max()
        if high > low:
            normalised[rows] = (values[rows] - low) / (high - low)
        kept[rows] = normalised[rows] >= thresholds.get(task, 0.0)
        dropped[f"likelihood: {task}"] = int((~kept[rows]).sum())
    return LikelihoodFilter(
        kept=tuple(row_ids[i] for i in np.flatnonzero(kept).tolist()),
        normalised=dict(zip(row_ids, normalised.tolist(), strict=True)),
        dropped=dropped,
    )


def read_likelihoods(paths: Sequence[Path]) -> dict[str, float]:
    """Read what ``trainers/likelihood.py`` wrote: row id -> likelihood of a token of its answer.

    That is the exponential of ``mean_log_prob``, from 0 to 1: answers of different length can be
    compared, and the paper normalises likelihoods, not their logarithms. Half a line at the end of
    a file, which a killed run leaves, is not read.

    Args:
        paths: one file, or those of all processes of a run.

    Raises:
        SourceError: a file cannot be read, or a line is not as expected.
    """
    out: dict[str, float] = {}
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(path, f"cannot be read: {error}") from error
        for number, line in enumerate(text[: text.rfind("\n") + 1].splitlines(), 1):
            name, value = _likelihood(path, number, line)
            if out.setdefault(name, value) != value:
                raise SourceError(path, f"row {name!r} has two likelihoods", f"line {number}")
    return out


def _likelihood(path: Path, number: int, line: str) -> tuple[str, float]:
    where = f"line {number}"
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise SourceError(path, f"expected JSON: {error}", where) from error
    name = entry.get("id") if isinstance(entry, dict) else None
    value = entry.get("mean_log_prob") if isinstance(entry, dict) else None
    if not isinstance(name, str) or isinstance(value, bool) or not isinstance(value, int | float):
        raise SourceError(path, "expected an object with id and mean_log_prob", where)
    if not value <= 0:
        raise SourceError(path, f"mean_log_prob must be at most 0, got {value!r}", where)
    return name, math.exp(value)
