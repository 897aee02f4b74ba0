"""Which questions are asked together: decided once for the whole bench, never by what is missing.

How rows are padded in a batch moves the last bits of a model's numbers. A run that was killed
makes the same batches as one that was not, so its answers are the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TypeAlias

__all__ = ["Batch", "plan", "share"]

#: Places of questions in the bench.
Batch: TypeAlias = tuple[int, ...]


def plan(n_frames: Sequence[int], batch_size: int) -> list[Batch]:
    """Return batches of places with equally many frames, in the order of their first question."""
    waiting: dict[int, list[int]] = {}
    batches: list[Batch] = []
    for place, count in enumerate(n_frames):
        group = waiting.setdefault(count, [])
        group.append(place)
        if len(group) == batch_size:
            batches.append(tuple(waiting.pop(count)))
    batches += [tuple(group) for group in waiting.values()]
    return sorted(batches)


def share(
    batches: Sequence[Batch], missing: Collection[int], rank: int, world_size: int
) -> list[Batch]:
    """Return what one of several processes asks: every so-manieth batch, what is missing of it."""
    mine = batches[rank::world_size]
    left = [tuple(place for place in batch if place in missing) for batch in mine]
    return [batch for batch in left if batch]
