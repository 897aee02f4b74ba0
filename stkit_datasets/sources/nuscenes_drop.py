"""Leave out rows of the two largest tables before they are parsed: most of them are never needed.

Both functions get the texts of some JSON objects and judge each by its bytes alone. They leave out
only what is certainly not needed and keep whatever they cannot judge, so that the layout of a file
decides how fast it is read, never what is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import compress
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

_NO_KEYFRAME = (b'"is_key_frame": false', b'"is_key_frame":false')
_TOKEN = re.compile(rb'\s*\{\s*"token"\s*:\s*"')
_QUOTE, _BACKSLASH = ord('"'), ord("\\")
_HASHED_BYTES = 16
_HASH_BITS = 22


def drop_sweeps(rows: list[bytes]) -> list[bytes]:
    """Leave out ``sample_data`` between keyframes: four in five rows of the full release."""
    for text in _NO_KEYFRAME:
        start = next((at for row in rows if (at := row.find(text)) >= 0), -1)
        if start >= 0:
            stop = start + len(text)
            # Nearly all rows have it at the same place, where a look costs less than a search.
            rows = [row for row in rows if row[start:stop] != text and text not in row]
    return rows


def unwanted_dropper(wanted: Any) -> Callable[[list[bytes]], list[bytes]]:
    """Return a function that leaves out rows whose token is certainly none of the wanted.

    Args:
        wanted: an Arrow array of strings.
    """
    # A table of hashes: true for every wanted token and, by chance, for one in twenty others.
    table = np.zeros(1 << _HASH_BITS, dtype=np.bool_)
    tokens = [text.encode() for text in wanted.to_pylist()]
    starts = b"".join(token[:_HASHED_BYTES] for token in tokens if len(token) >= _HASHED_BYTES)
    table[_hashes(np.frombuffer(starts, np.uint8).reshape(-1, _HASHED_BYTES))] = True

    def drop(rows: list[bytes]) -> list[bytes]:
        # Rows that begin as the last one does, up to the end of the token, can be judged.
        begins = _TOKEN.match(rows[-1])
        if begins is None:
            return rows
        start = begins.end()
        stop = rows[-1].find(b'"', start)
        if stop - start < _HASHED_BYTES:
            return rows
        joined = b"".join(map(itemgetter(slice(stop + 1)), rows))
        if len(joined) != len(rows) * (stop + 1):
            return rows
        heads = np.frombuffer(joined, np.uint8).reshape(len(rows), stop + 1)
        names = heads[:, start:stop]
        alike = (heads[:, :start] == heads[-1, :start]).all(axis=1) & (heads[:, stop] == _QUOTE)
        # A token may be shorter than the last row's, or be spelt with an escape.
        alike &= ~((names == _QUOTE) | (names == _BACKSLASH)).any(axis=1)
        keep = ~alike | table[_hashes(names[:, :_HASHED_BYTES])]
        return list(compress(rows, keep.tolist()))

    return drop


def _hashes(starts: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Hash (N, 16) bytes to ``_HASH_BITS`` bits."""
    words = np.ascontiguousarray(starts).view(np.uint64)
    mixed = words[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ words[:, 1]
    return (mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(64 - _HASH_BITS)
