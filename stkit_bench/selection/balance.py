"""The balanced selection: a few questions per task out of many, even over the labels.

The order of the candidates never matters: a seeded hash of each id decides who is taken, after the
labels, the sources and the clips have been shared out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stkit_bench.selection.allocate import nested_shares, split_by_source
from stkit_bench.selection.candidates import Candidates, candidates
from stkit_bench.selection.labels import SelectionConfig, label_columns, universe
from stkit_bench.selection.picking import first, hashes
from stkit_bench.selection.quotas import quotas
from stkit_bench.selection.report import Count, SelectionReport, ShortCell, TaskReport
from stkit_datasets.tasks.names import TASKS, Task

__all__ = ["PUBLISHED_SOURCE_SHARES", "Selection", "check_shares", "select"]

#: Where the published benchmark's questions come from (P1 section 4).
PUBLISHED_SOURCE_SHARES: dict[str, float] = {
    "nuplan": 0.748,
    "nuscenes": 0.125,
    "argoverse2": 0.056,
    "ego_exo4d": 0.071,
}

_NO_SOURCE = "unknown"

ObjectArray = npt.NDArray[np.object_]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Selection:
    """Which candidates were selected.

    Attributes:
        indices: into the candidates, by task and then by the seeded hash of the id.
        ids: of the selected rows, in the same order.
        report: histograms before and after, and what could not be filled.
    """

    indices: IntArray
    ids: tuple[str, ...]
    report: SelectionReport


@dataclass(frozen=True)
class _Pool:
    """The candidates of one task that carry all labels, sorted into sources and cells.

    Attributes:
        task: the task.
        rows: (N,) indices into all candidates.
        source: (N,) codes of their sources.
        cell: (N,) codes of their combinations of labels.
        kinds: the kinds of label.
        cells: the combinations that could be filled, also those without a candidate.
        available: (S, C) candidates of each.
        wanted: (C,) how many to take of each cell, at most all there are.
        unlabelled: candidates that lack a label.
        missing: kinds of label that no candidate carries.
    """

    task: Task
    rows: IntArray
    source: IntArray
    cell: IntArray
    kinds: tuple[str, ...]
    cells: list[tuple[str, ...]]
    available: IntArray
    wanted: IntArray
    unlabelled: int
    missing: tuple[str, ...]


def select(
    rows: Any,
    per_task: int = 200,
    source_shares: Mapping[str, float] | None = None,
    seed: int = 0,
    config: SelectionConfig | None = None,
) -> Selection:
    """Select ``per_task`` questions of each task, balanced over the labels.

    Labels come first: distances and speeds are even over bins, directions and timestamps over the
    12 clock directions, comparisons over which object answers (or same and different), then the
    polarity of the question, then the color. A label with too few candidates gives all it has and
    the others are topped up evenly. Sources come second, and within a source and label clips take
    turns. Whatever falls short is in the report.

    Args:
        rows: a pyarrow ``Table``, ``datasets.Dataset``, pandas ``DataFrame``, mapping of columns or
            sequence of rows, with ``id``, ``task``, ``target`` (or its fields as columns), and
            where known ``source``, ``clip_id``, ``polarity`` and ``objects`` for their colors.
        per_task: questions wanted of each task.
        source_shares: share of each source in all questions together, summing to 1, for example
            :data:`PUBLISHED_SOURCE_SHARES`; sources without a share are left out. A source with
            too few questions of a task, as a sports source has none of direction, gives more of
            its others. None takes the sources as they come.
        seed: another seed selects other questions.
        config: bins and kinds of label.

    Raises:
        ValueError: a number is out of range, a needed column is missing, or an id repeats.
    """
    if per_task < 1:
        raise ValueError(f"per_task must be at least 1, got {per_task}")
    check_shares(source_shares)
    config = config or SelectionConfig()
    pool = candidates(rows)
    key = hashes(pool.id, seed)
    texts = np.where(pool.source == None, _NO_SOURCE, pool.source).astype(str)  # noqa: E711
    excluded = _excluded(texts, source_shares)
    names = sorted(
        {*np.unique(texts).tolist(), *(n for n, s in (source_shares or {}).items() if s > 0)}
        - excluded.keys()
    )
    source = np.full(len(pool), -1, dtype=np.int64)
    for code, name in enumerate(names):
        source[texts == name] = code
    pools = [
        _pool(pool, source, len(names), task, code, per_task, seed, config)
        for code, task in enumerate(TASKS)
    ]
    requested, take = None, None
    if source_shares is not None:
        shares = np.array([source_shares[name] for name in names], dtype=np.float64)
        requested, take = _requested(pools, shares, per_task), _take(pools, shares, per_task)
    chosen: list[IntArray] = []
    reports: dict[str, TaskReport] = {}
    for number, part in enumerate(pools):
        if take is None:
            per_cell, of = part.wanted[None], np.zeros_like(part.source)
        else:
            per_cell = split_by_source(part.available, part.wanted, take[number])
            of = part.source
        picked = first(of, part.cell, per_cell, pool.clip[part.rows], key[part.rows])
        chosen.append(part.rows[picked][np.argsort(key[part.rows[picked]], kind="stable")])
        wanted = None if requested is None else requested[number]
        reports[part.task.value] = _report(part, picked, names, wanted, per_task)
    indices = np.concatenate(chosen)
    return Selection(
        indices=indices,
        ids=tuple(pool.id[indices].tolist()),
        report=SelectionReport(
            seed=seed,
            per_task=per_task,
            candidates=len(pool),
            selected=len(indices),
            excluded=excluded,
            tasks=reports,
        ),
    )


def _pool(
    pool: Candidates,
    source: IntArray,
    n_sources: int,
    task: Task,
    code: int,
    per_task: int,
    seed: int,
    config: SelectionConfig,
) -> _Pool:
    rows = np.flatnonzero((pool.task == code) & (source >= 0))
    kinds, columns, missing = label_columns(pool, rows, task, config)
    labelled = np.ones(len(rows), dtype=np.bool_)
    for column in columns:
        labelled &= column != None  # noqa: E711 - elementwise
    unlabelled = int((~labelled).sum())
    rows = rows[labelled]
    columns = [column[labelled] for column in columns]
    cells = universe(task, kinds, columns, config)
    number = {name: place for place, name in enumerate(cells)}
    names = list(zip(*(c.tolist() for c in columns), strict=True)) if columns else [()] * len(rows)
    cell = np.fromiter((number[name] for name in names), np.int64, len(rows))
    available = np.zeros((n_sources, len(cells)), dtype=np.int64)
    np.add.at(available, (source[rows], cell), 1)
    totals = dict(zip(cells, available.sum(axis=0).tolist(), strict=True))
    per_cell = nested_shares(totals, per_task, seed)
    wanted = np.array([per_cell[name] for name in cells], dtype=np.int64)
    return _Pool(
        task, rows, source[rows], cell, kinds, cells, available, wanted, unlabelled, missing
    )


def _requested(pools: list[_Pool], shares: npt.NDArray[np.float64], per_task: int) -> IntArray:
    """(T, S) what the shares ask for, however few candidates there are.

    A source that has candidates is asked only for tasks that it has.
    """
    there = np.stack([part.available.sum(axis=1) for part in pools])
    asked = (there > 0) | ((there.sum(axis=0) == 0) & (there.sum(axis=1, keepdims=True) > 0))
    return quotas(shares, per_task, np.where(asked, per_task, 0))


def _take(pools: list[_Pool], shares: npt.NDArray[np.float64], per_task: int) -> IntArray:
    """(T, S) what each source should give: as asked for, within what even labels let it give."""
    usable = [np.minimum(part.available, part.wanted).sum(axis=1) for part in pools]
    return quotas(shares, per_task, np.stack(usable))


def _report(
    part: _Pool, picked: IntArray, names: list[str], requested: IntArray | None, per_task: int
) -> TaskReport:
    totals = part.available.sum(axis=0)
    taken = np.bincount(part.cell[picked], minlength=len(part.cells))
    by_source = np.bincount(part.source[picked], minlength=len(names)).tolist()
    there = part.available.sum(axis=1).tolist()
    even = per_task / max(len(part.cells), 1)
    return TaskReport(
        task=part.task.value,
        requested=per_task,
        available=len(part.rows),
        selected=len(picked),
        unlabelled=part.unlabelled,
        labels={
            kind: _histogram([cell[place] for cell in part.cells], totals, taken)
            for place, kind in enumerate(part.kinds)
        },
        short=tuple(
            ShortCell(dict(zip(part.kinds, name, strict=True)), total, even)
            for name, total in zip(part.cells, totals.tolist(), strict=True)
            if total < max(1, math.floor(even))
        ),
        not_balanced=part.missing,
        sources={
            name: Count(
                there[code],
                by_source[code],
                None if requested is None else int(requested[code]),
            )
            for code, name in enumerate(names)
            if there[code] or requested is not None
        },
    )


def _histogram(labels: list[str], totals: IntArray, taken: IntArray) -> dict[str, Count]:
    available: dict[str, int] = dict.fromkeys(labels, 0)
    selected: dict[str, int] = dict.fromkeys(labels, 0)
    for label, total, count in zip(labels, totals.tolist(), taken.tolist(), strict=True):
        available[label] += total
        selected[label] += count
    return {label: Count(available[label], selected[label]) for label in available}


def check_shares(shares: Mapping[str, float] | None) -> None:
    """Raise a ValueError unless the shares are at least 0 and sum to 1."""
    if shares is None:
        return
    if any(not share >= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"source_shares must be at least 0 and sum to 1, got {dict(shares)}")


def _excluded(source: npt.NDArray[np.str_], shares: Mapping[str, float] | None) -> dict[str, int]:
    if shares is None or not len(source):
        return {}
    names, counts = np.unique(source, return_counts=True)
    return {
        name: count
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        if shares.get(name, 0) == 0
    }
