"""Choices that depend on their inputs alone: the same on every machine and in every process.

Python's own ``hash`` changes from run to run and ``random`` depends on the order of the calls, so
whatever must not move between two builds (row ids, drawn units, drawn wordings) is drawn here.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Sequence
from typing import SupportsIndex, TypeAlias, TypeVar

Part: TypeAlias = str | bytes | int | float | None
T = TypeVar("T")

_INDEX_BYTES = 8


def _encode(part: Part) -> bytes:
    if part is None:
        tag, payload = b"n", b""
    elif isinstance(part, str):
        tag, payload = b"s", part.encode("utf-8")
    elif isinstance(part, bytes):
        tag, payload = b"y", part
    elif isinstance(part, bool):
        tag, payload = b"b", b"1" if part else b"0"
    elif isinstance(part, int | SupportsIndex):
        tag, payload = b"i", str(operator.index(part)).encode("ascii")
    elif isinstance(part, float):
        # Adding zero turns -0.0 into 0.0, which compares equal to it.
        tag, payload = b"f", (float(part) + 0.0).hex().encode("ascii")
    else:
        raise TypeError(
            f"a part must be str, bytes, int, float, bool or None, got {type(part).__name__}"
        )
    return tag + str(len(payload)).encode("ascii") + b":" + payload


def stable_digest(*parts: Part) -> bytes:
    """Return the 32-byte SHA-256 of the parts.

    Every part is written with its type and its length, so ``("ab", "c")`` differs from
    ``("a", "bc")`` and ``1`` from ``"1"``. Strings are encoded as UTF-8.

    Raises:
        TypeError: a part is not a str, bytes, int, float, bool or None.
    """
    return hashlib.sha256(b"".join(_encode(part) for part in parts)).digest()


def stable_hex(*parts: Part, length: int = 16) -> str:
    """Return the first ``length`` (1 to 64) hexadecimal digits of the parts' digest."""
    if not 1 <= length <= 64:
        raise ValueError(f"`length` must be from 1 to 64, got {length}")
    return stable_digest(*parts).hex()[:length]


def stable_index(n: int, *parts: Part) -> int:
    """Return an index from 0 to ``n`` - 1 drawn from the parts.

    64 bits modulo ``n``: for ``n`` below a million the bias is under 1e-13.
    """
    if n < 1:
        raise ValueError(f"`n` must be at least 1, got {n}")
    return int.from_bytes(stable_digest(*parts)[:_INDEX_BYTES], "big") % n


def stable_choice(options: Sequence[T], *parts: Part) -> T:
    """Return the option that the parts draw; ``options`` must not be empty."""
    if not options:
        raise ValueError("`options` must hold at least one item, got none")
    return options[stable_index(len(options), *parts)]
