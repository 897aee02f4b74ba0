"""How many of each: even shares under limits, and sources by share. Numpy and stdlib only."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["even_shares", "nested_shares", "split_by_source"]

IntArray = npt.NDArray[np.int64]
Cell = tuple[str, ...]


def even_shares(
    capacity: Sequence[int], total: int, ranks: Sequence[int | tuple[int, int]]
) -> list[int]:
    """Share ``total`` out evenly, nobody over capacity; what one cannot take the others get.

    Args:
        capacity: how many there are of each.
        total: how many are wanted; if there are fewer, all are taken.
        ranks: who gets one more where the shares do not come out even, lowest first.
    """
    shares = [0] * len(capacity)
    left = min(total, sum(capacity))
    open_ = [i for i in range(len(capacity)) if capacity[i] > 0]
    while left:
        each = left // len(open_)
        if each == 0:
            for i in sorted(open_, key=lambda i: ranks[i])[:left]:
                shares[i] += 1
            break
        for i in open_:
            given = min(each, capacity[i] - shares[i])
            shares[i] += given
            left -= given
        open_ = [i for i in open_ if shares[i] < capacity[i]]
    return shares


def nested_shares(capacity: Mapping[Cell, int], total: int, seed: int) -> dict[Cell, int]:
    """Share ``total`` out over cells level by level.

    The first parts of the cells' names share evenly, then the second parts within each of them,
    and so on. A shortage deep down is topped up by its nearest relatives first, so that the first
    level (the answer) stays as even as the candidates allow. What does not come out even goes to
    the part that has got least elsewhere, so that each level is even over all cells as well.
    """
    return _nested(dict(capacity), total, seed, (), Counter())


def _nested(
    capacity: dict[Cell, int], total: int, seed: int, above: Cell, given: Counter[tuple[int, str]]
) -> dict[Cell, int]:
    if all(len(cell) == len(above) for cell in capacity):
        return {cell: min(total, count) for cell, count in capacity.items()}
    branches: dict[str, dict[Cell, int]] = {}
    for cell, count in sorted(capacity.items()):
        branches.setdefault(cell[len(above)], {})[cell] = count
    names = list(branches)
    shares = even_shares(
        [sum(branches[name].values()) for name in names],
        total,
        [(given[len(above), name], _rank(seed, (*above, name))) for name in names],
    )
    result: dict[Cell, int] = {}
    for name, share in zip(names, shares, strict=True):
        given[len(above), name] += share
        result.update(_nested(branches[name], share, seed, (*above, name), given))
    return result


def _rank(seed: int, cell: Cell) -> int:
    text = "\x1f".join((str(seed), *cell))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big")


def split_by_source(available: IntArray, per_cell: IntArray, per_source: IntArray) -> IntArray:
    """Fill the cells from the sources, each source as near to its number as the candidates allow.

    The cells come first: each gets its number if the sources together have it. Picks are made one
    by one, from the source that has the least room left to reach its own number, for the cell that
    is farthest behind.

    Args:
        available: candidates, sources x cells.
        per_cell: wanted per cell, at most ``available.sum(axis=0)``.
        per_source: wanted per source.

    Returns:
        How many to take, sources x cells.
    """
    taken = np.zeros_like(available)
    wanted = per_cell.astype(np.int64).copy()
    while wanted.any():
        cell = int(np.argmax(wanted / np.maximum(per_cell, 1)))
        stock = available - taken
        lacking = per_source - taken.sum(axis=1)
        room = np.minimum(stock, wanted).sum(axis=1)
        # Above 0 for a source that is behind; 1 means that it must be taken from now on.
        urgency = np.where(lacking > 0, lacking / np.maximum(room, 1), lacking * 1e-6)
        urgency = np.where(stock[:, cell] > 0, urgency, -np.inf)
        taken[int(np.argmax(urgency)), cell] += 1
        wanted[cell] -= 1
    while (path := _exchange(taken, available - taken, per_source)) is not None:
        for (giver, cell), (taker, _) in itertools.pairwise(path):
            taken[giver, cell] -= 1
            taken[taker, cell] += 1
    return taken


def _exchange(
    taken: IntArray, stock: IntArray, per_source: IntArray
) -> list[tuple[int, int]] | None:
    """Find sources that can hand cells on, from one over its number to one under it.

    Returns:
        (source, the cell in which the next one takes its place), the last cell -1; or None where
        no exchange brings the sources nearer to their numbers.
    """
    surplus = taken.sum(axis=1) - per_source
    paths = [[(int(source), -1)] for source in np.flatnonzero(surplus > 0)]
    seen = {path[0][0] for path in paths}
    for path in paths:  # grows while it is walked: breadth first
        source = path[-1][0]
        if surplus[source] < 0:
            return path
        for other in range(len(taken)):
            cells = np.flatnonzero((taken[source] > 0) & (stock[other] > 0))
            if other not in seen and len(cells):
                seen.add(other)
                paths.append([*path[:-1], (source, int(cells[0])), (other, -1)])
    return None
