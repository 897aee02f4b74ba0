"""How many questions of each task each source should give. Numpy and stdlib only.

Shares are over all questions together, while a sports source has no direction tasks and any source
may have too few of one task: what it cannot give there it gives in its other tasks, so that every
task keeps its number and every source its share, as far as the candidates allow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["controlled_rounding", "fitted", "quotas"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_ROUNDS = 2000
_TOLERANCE = 1e-8
_PARTS = 2**32
"""Rounding counts in parts of a question, which add up exactly."""


def quotas(shares: FloatArray, per_task: int, capacity: IntArray) -> IntArray:
    """Share the questions of every task out over the sources.

    Args:
        shares: (S,) share of each source in all questions, at least 0.
        per_task: questions wanted of each task.
        capacity: (T, S) the most that a source can give of a task; what a source without a share
            has is not used.

    Returns:
        (T, S) whole numbers, none over ``capacity``. Every task sums to ``per_task``, or to all
        that there are. Every source's sum is within one of its share of all of these, unless the
        capacities forbid it; the tasks then stay full and the other sources stand in, in
        proportion to their own shares.
    """
    capacity = np.where(shares > 0, capacity, 0)
    per_row = np.minimum(per_task, capacity.sum(axis=1))
    return controlled_rounding(fitted(shares, per_row, capacity))


def fitted(shares: FloatArray, per_row: IntArray, capacity: IntArray) -> FloatArray:
    """Return real numbers with the given row sums, and columns in proportion to the shares.

    Iterative proportional fitting: rows and columns are scaled in turn, rows last. A cell that
    comes out over its capacity is held there and the rest is fitted again.

    Args:
        shares: (S,) of the columns, at least 0.
        per_row: (T,) sums of the rows, at most ``capacity.sum(axis=1)``.
        capacity: (T, S), 0 where the share is 0.
    """
    total = float(per_row.sum())
    per_column = shares / max(float(shares.sum()), _TOLERANCE) * total
    held = capacity == 0
    values = np.zeros(capacity.shape)
    while True:
        rows = np.maximum(per_row - (capacity * held).sum(axis=1), 0.0)
        # A source that is over its share already still stands in where no other one can.
        columns = np.maximum(per_column - (capacity * held).sum(axis=0), _TOLERANCE * total)
        values = np.where(held, capacity, _scaled((~held).astype(np.float64), rows, columns))
        over = ~held & (values > capacity + _TOLERANCE)
        if not over.any():
            return values
        held |= over


def _scaled(weights: FloatArray, rows: FloatArray, columns: FloatArray) -> FloatArray:
    values = weights * rows[:, None]
    for _ in range(_ROUNDS):
        before = values
        values = values * _ratio(columns, values.sum(axis=0))
        values = values * _ratio(rows, values.sum(axis=1))[:, None]
        if np.abs(values - before).max(initial=0.0) < _TOLERANCE:
            break
    return values


def _ratio(wanted: FloatArray, present: FloatArray) -> FloatArray:
    return np.divide(wanted, present, out=np.zeros(len(wanted)), where=present > 0)


def controlled_rounding(values: FloatArray) -> IntArray:
    """Round every number up or down so that rows keep their sums and columns theirs within one.

    Cells that are not whole form cycles in which steps up and down take turns; going round one
    makes at least one more cell whole and leaves all sums as they were (the controlled rounding
    of Cox 1987, without its dice).

    Args:
        values: (T, S) at least 0, each row summing to a whole number.

    Raises:
        ValueError: a row does not sum to a whole number.
    """
    table = _in_parts(values)
    # One more row takes what columns lack to a whole number, so that it is in the cycles too.
    table = np.vstack([table, -table.sum(axis=0) % _PARTS])
    while (cells := table % _PARTS != 0).any():
        cycle = _cycle(cells)
        plus, minus = tuple(np.array(cycle[::2]).T), tuple(np.array(cycle[1::2]).T)
        rise = min((-table[plus] % _PARTS).min(), (table[minus] % _PARTS).min())
        fall = min((table[plus] % _PARTS).min(), (-table[minus] % _PARTS).min())
        step = rise if rise <= fall else -fall
        table[plus] += step
        table[minus] -= step
    whole: IntArray = table[:-1] // _PARTS
    return whole


def _in_parts(values: FloatArray) -> IntArray:
    """Return the numbers in whole parts, so that sums are exact and rows sum to whole numbers."""
    parts = np.rint(values * _PARTS).astype(np.int64)
    sums = np.rint(values.sum(axis=1)).astype(np.int64) * _PARTS
    lacking = sums - parts.sum(axis=1)
    if (np.abs(lacking) > _PARTS * 1e-6).any():
        raise ValueError(f"rows must sum to whole numbers, got {values.sum(axis=1).tolist()}")
    for row in np.flatnonzero(lacking):
        # The cell that is farthest from the whole number which the correction moves it towards.
        room = (-parts[row] if lacking[row] > 0 else parts[row]) % _PARTS
        parts[row, int(np.argmax(room))] += lacking[row]
    return parts


def _cycle(cells: BoolArray) -> list[tuple[int, int]]:
    """Walk along rows and columns in turn until a line comes again; return the cells between."""
    row = int(np.flatnonzero(cells.any(axis=1))[0])
    column = int(np.flatnonzero(cells[row])[0])
    path = [(row, column)]
    seen = {("row", row): 0}
    while True:
        along_column = len(path) % 2 == 1
        row, column = path[-1]
        line = ("column", column) if along_column else ("row", row)
        if line in seen:
            # The step that entered this line the first time ends the cycle.
            return path[seen[line] :]
        seen[line] = len(path)
        options = np.flatnonzero(cells[:, column] if along_column else cells[row])
        here = row if along_column else column
        following = int(options[options != here][0])
        path.append((following, column) if along_column else (row, following))
