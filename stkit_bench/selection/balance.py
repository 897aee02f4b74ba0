"""The balanced selection: a few questions per task out of many, even over the labels.

The order of the candidates never matters: a seeded hash of each id decides who is taken, after the
labels, the sources and the clips have been shared out.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from stkit_bench.selection.allocate import largest_remainder, nested_shares, split_by_source
from stkit_bench.selection.candidates import Candidates, candidates
from stkit_bench.selection.labels import SelectionConfig, label_columns, universe
from stkit_bench.selection.report import Count, SelectionReport, ShortCell, TaskReport
from stkit_datasets.tasks.names import TASKS, Task

__all__ = ["PUBLISHED_SOURCE_SHARES", "Selection", "select"]

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
        source_shares: share of each source in every task, summing to 1, for example
            :data:`PUBLISHED_SOURCE_SHARES`; sources without a share are left out. None takes the
            sources as they come.
        seed: another seed selects other questions.
        config: bins and kinds of label.

    Raises:
        ValueError: a number is out of range, a needed column is missing, or an id repeats.
    """
    if per_task < 1:
        raise ValueError(f"per_task must be at least 1, got {per_task}")
    _check_shares(source_shares)
    config = config or SelectionConfig()
    pool = candidates(rows)
    order_key = _hashes(pool.id, seed)
    source = np.where(pool.source == None, _NO_SOURCE, pool.source)  # noqa: E711 - elementwise
    excluded = _excluded(source, source_shares)
    chosen: list[IntArray] = []
    reports: dict[str, TaskReport] = {}
    for code, task in enumerate(TASKS):
        rows_of_task = np.flatnonzero(
            (pool.task == code) & ~np.isin(source, np.array(list(excluded), dtype=object))
        )
        picked, report = _select_task(
            pool, rows_of_task, source, order_key, task, per_task, source_shares, seed, config
        )
        chosen.append(picked[np.argsort(order_key[picked], kind="stable")])
        reports[task.value] = report
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


def _select_task(
    pool: Candidates,
    rows: IntArray,
    source: ObjectArray,
    order_key: npt.NDArray[np.uint64],
    task: Task,
    per_task: int,
    source_shares: Mapping[str, float] | None,
    seed: int,
    config: SelectionConfig,
) -> tuple[IntArray, TaskReport]:
    kinds, columns, missing = label_columns(pool, rows, task, config)
    labelled = np.ones(len(rows), dtype=np.bool_)
    for column in columns:
        labelled &= column != None  # noqa: E711 - elementwise
    unlabelled = int((~labelled).sum())
    rows = rows[labelled]
    columns = [column[labelled] for column in columns]
    cells_of_task = universe(task, kinds, columns, config)
    cells = {name: number for number, name in enumerate(cells_of_task)}
    names = list(zip(*(c.tolist() for c in columns), strict=True)) if columns else [()] * len(rows)
    cell = np.fromiter((cells[name] for name in names), np.int64, len(rows))
    source_names, source_code = np.unique(source[rows].astype(str), return_inverse=True)

    available = np.zeros((len(source_names), len(cells_of_task)), dtype=np.int64)
    np.add.at(available, (source_code, cell), 1)
    totals = dict(zip(cells_of_task, available.sum(axis=0).tolist(), strict=True))
    per_cell = nested_shares(totals, per_task, seed)
    wanted = np.array([per_cell[name] for name in cells_of_task], dtype=np.int64)
    requested = None if source_shares is None else largest_remainder(source_shares, per_task)
    if requested is None:
        picked = _first(np.zeros_like(source_code), cell, wanted[None], pool, rows, order_key)
    else:
        per_source = np.array([requested[str(name)] for name in source_names], dtype=np.int64)
        take = split_by_source(available, wanted, per_source)
        picked = _first(source_code, cell, take, pool, rows, order_key)

    even = per_task / max(len(cells_of_task), 1)
    report = TaskReport(
        task=task.value,
        requested=per_task,
        available=len(rows),
        selected=len(picked),
        unlabelled=unlabelled,
        labels={
            kind: _histogram(cells_of_task, place, totals, cell[picked])
            for place, kind in enumerate(kinds)
        },
        short=tuple(
            ShortCell(dict(zip(kinds, name, strict=True)), totals[name], even)
            for name in cells_of_task
            if totals[name] < max(1, math.floor(even))
        ),
        not_balanced=missing,
        sources=_by_source(source_names, source_code, picked, requested),
    )
    return rows[picked], report


def _first(
    source: IntArray,
    cell: IntArray,
    take: IntArray,
    pool: Candidates,
    rows: IntArray,
    order_key: npt.NDArray[np.uint64],
) -> IntArray:
    """Return the first ``take[source, cell]`` rows of each group, clips taking turns."""
    clips = np.array([str(clip) for clip in pool.clip[rows].tolist()], dtype=object)
    _, clip = np.unique(clips.astype(str), return_inverse=True)
    key = order_key[rows]
    group = source * take.shape[1] + cell
    turn = _rank_within(np.lexsort((key, clip, group)), group, clip)
    order = np.lexsort((key, turn, group))
    place = _rank_within(order, group, np.zeros_like(group))
    picked: IntArray = np.flatnonzero(place < take.ravel()[group])
    return picked


def _rank_within(order: IntArray, group: IntArray, part: IntArray) -> IntArray:
    """Return each row's place among the rows of its group and part, in the given order."""
    ranks = np.zeros(len(order), dtype=np.int64)
    if not len(order):
        return ranks
    starts = np.ones(len(order), dtype=np.bool_)
    starts[1:] = (np.diff(group[order]) != 0) | (np.diff(part[order]) != 0)
    first = np.flatnonzero(starts)
    lengths = np.diff([*first, len(order)])
    ranks[order] = np.arange(len(order)) - np.repeat(first, lengths)
    return ranks


def _histogram(
    universe: list[tuple[str, ...]],
    place: int,
    totals: Mapping[tuple[str, ...], int],
    cell: IntArray,
) -> dict[str, Count]:
    taken = np.bincount(cell, minlength=len(universe))
    available: dict[str, int] = {}
    selected: dict[str, int] = {}
    for number, name in enumerate(universe):
        available[name[place]] = available.get(name[place], 0) + totals[name]
        selected[name[place]] = selected.get(name[place], 0) + int(taken[number])
    return {label: Count(available[label], selected[label]) for label in available}


def _by_source(
    names: npt.NDArray[Any],
    code: IntArray,
    picked: IntArray,
    requested: Mapping[str, int] | None,
) -> dict[str, Count]:
    there = dict(zip(names.tolist(), np.bincount(code, minlength=len(names)).tolist(), strict=True))
    taken = np.bincount(code[picked], minlength=len(names)).tolist()
    chosen = dict(zip(names.tolist(), taken, strict=True))
    every = sorted({*there, *(requested or {})})
    return {
        name: Count(
            there.get(name, 0),
            chosen.get(name, 0),
            None if requested is None else requested.get(name, 0),
        )
        for name in every
    }


def _check_shares(shares: Mapping[str, float] | None) -> None:
    if shares is None:
        return
    if any(not share >= 0 for share in shares.values()) or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"source_shares must be at least 0 and sum to 1, got {dict(shares)}")


def _excluded(source: ObjectArray, shares: Mapping[str, float] | None) -> dict[str, int]:
    if shares is None or not len(source):
        return {}
    names, counts = np.unique(source.astype(str), return_counts=True)
    return {
        name: count
        for name, count in zip(names.tolist(), counts.tolist(), strict=True)
        if shares.get(name, 0) == 0
    }


def _hashes(ids: ObjectArray, seed: int) -> npt.NDArray[np.uint64]:
    prefix = hashlib.sha256(f"{seed}\x1f".encode())

    def digest(identity: str) -> bytes:
        hashed = prefix.copy()
        hashed.update(identity.encode("utf-8"))
        return hashed.digest()[:8]

    return np.frombuffer(b"".join(map(digest, ids.tolist())), dtype=">u8").astype(np.uint64)
