"""Which rows of each group are taken: clips in turn, and a seeded hash of the id in each."""

from __future__ import annotations

import hashlib

import numpy as np
import numpy.typing as npt

__all__ = ["first", "hashes"]

ObjectArray = npt.NDArray[np.object_]
IntArray = npt.NDArray[np.int64]
HashArray = npt.NDArray[np.uint64]


def hashes(ids: ObjectArray, seed: int) -> HashArray:
    """Return a hash of each id, which the seed changes and the order of the ids does not."""
    prefix = hashlib.sha256(f"{seed}\x1f".encode())

    def digest(identity: str) -> bytes:
        hashed = prefix.copy()
        hashed.update(identity.encode("utf-8"))
        return hashed.digest()[:8]

    return np.frombuffer(b"".join(map(digest, ids.tolist())), dtype=">u8").astype(np.uint64)


def first(
    source: IntArray, cell: IntArray, take: IntArray, clips: ObjectArray, key: HashArray
) -> IntArray:
    """Return the first ``take[source, cell]`` rows of each group, clips taking turns.

    Args:
        source: (N,) code of each row's source.
        cell: (N,) code of its combination of labels.
        take: (S, C) how many of each group.
        clips: (N,) name of its clip, or None.
        key: (N,) the order within a clip.
    """
    _, clip = np.unique(np.array([str(name) for name in clips.tolist()]), return_inverse=True)
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
