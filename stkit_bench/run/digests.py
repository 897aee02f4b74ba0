"""Digests of what is asked: of columns, and of files by their sizes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["digest_of_columns", "digest_of_sizes", "shortened"]

_DIGITS = 16


def shortened(told: Any) -> str:
    """Return the digits of a ``hashlib`` object that are written down."""
    return str(told.hexdigest()[:_DIGITS])


def digest_of_columns(table: Any) -> str:
    """Return the digest of a table, whatever the order of its columns and the width of its numbers.

    Columns and fields without any value count as absent.
    """
    told = hashlib.sha256()
    for name in sorted(table.column_names):
        column = table[name].combine_chunks()
        for path, leaf in _leaves(name, column):
            if leaf.null_count == len(leaf):
                continue
            told.update(f"{path} {len(leaf)} ".encode())
            told.update(_plain(pc.is_valid(leaf), pa.uint8()))
            told.update(_bytes(pc.drop_null(leaf)))
    return shortened(told)


def digest_of_sizes(root: Path, paths: Iterable[Path]) -> str:
    """Return the digest of the names below ``root`` and the sizes of files."""
    told = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size if path.is_file() else -1
        told.update(f"{path.relative_to(root).as_posix()} {size}\n".encode())
    return shortened(told)


def _leaves(path: str, values: Any) -> Iterator[tuple[str, Any]]:
    """Yield arrays without fields or lists, lengths of lists among them."""
    kind = values.type
    if pa.types.is_struct(kind):
        for field in sorted(kind, key=lambda field: str(field.name)):
            index = kind.get_field_index(field.name)
            yield from _leaves(f"{path}.{field.name}", pc.struct_field(values, index))
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield f"{path}#", pc.list_value_length(values)
        yield from _leaves(f"{path}[]", pc.list_flatten(values))
    else:
        yield path, values


def _bytes(values: Any) -> bytes:
    kind = values.type
    if pa.types.is_floating(kind):
        return _plain(values, pa.float64())
    if pa.types.is_integer(kind):
        return _plain(values, pa.int64())
    return json.dumps(values.to_pylist(), default=str).encode()


def _plain(values: Any, kind: Any) -> bytes:
    """Return numbers without nulls as bytes; `to_numpy` would import pandas for it."""
    cast = values.cast(kind)
    width = kind.bit_width // 8
    data = cast.buffers()[1]
    start = cast.offset * width
    return b"" if data is None else bytes(memoryview(data)[start : start + len(cast) * width])
