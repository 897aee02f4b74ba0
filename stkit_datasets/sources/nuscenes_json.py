"""Read a JSON array of flat objects into Arrow tables without holding it, or its objects, whole.

The fast way cuts the file between objects and lets Arrow parse each block as one object a line,
into a given schema. It takes nothing on trust: whatever it cannot parse, or finds incomplete, is
read again by the slow way, object by object with the standard library, which either gives the
same columns or an error that names the row and the rule.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.json as pa_json

from stkit_datasets.errors import SourceError

T = TypeVar("T")

BLOCK_BYTES = 2 << 20
"""Bytes that are parsed at once: few enough to stay in a processor's cache."""
THREADS = 1
"""Beside the one that reads the file. Two tables are read at once, and more threads would only wait
for each other."""
_MAX_OBJECT_CHARS = 1 << 20
_WHITESPACE = " \t\r\n"


class _NotPlainError(Exception):
    """The block has not the layout that the fast way knows; says nothing about its validity."""


def read_table(path: Path, schema: Any) -> Any:
    """Read the columns of ``schema`` from a JSON array of objects; other columns are ignored.

    Returns:
        One ``pyarrow.Table`` in one chunk; no value is null, strings are valid UTF-8.

    Raises:
        SourceError: the file is missing, not a complete JSON array of objects, or a row lacks a
            column or has a value of another type.
    """
    chunks = read_chunks(path, schema, lambda table: table)
    return pa.concat_tables([schema.empty_table(), *chunks]).combine_chunks()


def read_chunks(
    path: Path,
    schema: Any,
    convert: Callable[[Any], T],
    drop: Callable[[list[bytes]], list[bytes]] | None = None,
) -> list[T]:
    """Read a table as ``read_table`` does, but reduce every chunk at once to what is needed.

    Args:
        path: the JSON file.
        schema: a ``pyarrow.Schema`` of the wanted columns.
        convert: called with each chunk, a ``pyarrow.Table``, on a worker thread; its results are
            returned in the order of the file, at least one.
        drop: may leave out objects that surely are not needed, before they are parsed; given the
            texts of a block's objects, each without its last brace. What it cannot judge it must
            keep, and ``convert`` must not rely on it.
    """

    def work(block: bytes) -> T:
        rows = block.split(b"},")
        return convert(_parse_rows(drop(rows) if drop else rows, schema))

    try:
        try:
            with ThreadPoolExecutor(THREADS) as pool:
                chunks = list(_in_order(pool, work, _blocks(path)))
            return chunks or [convert(schema.empty_table())]
        except _NotPlainError:
            return [convert(table) for table in _strict_tables(path, schema)]
    except OSError as error:
        raise SourceError(path, f"table cannot be read: {error.strerror or error}") from error


def _in_order(
    pool: ThreadPoolExecutor, work: Callable[[bytes], T], blocks: Iterator[bytes]
) -> Iterator[T]:
    """Map on the pool with a bounded number of blocks in flight, which ``pool.map`` has not."""
    waiting: list[Future[T]] = []
    try:
        for block in blocks:
            waiting.append(pool.submit(work, block))
            if len(waiting) > THREADS:
                yield waiting.pop(0).result()
        while waiting:
            yield waiting.pop(0).result()
    finally:
        for future in waiting:
            future.cancel()


def _blocks(path: Path) -> Iterator[bytes]:
    """Yield runs of objects, ``{…}, {…``, provided that no object holds another.

    The brackets of the array, the commas between the runs and each run's last brace are left out.
    """
    opening, rest = b"[", b""
    with path.open("rb") as file:
        while data := file.read(BLOCK_BYTES):
            end = data.rfind(b"}")
            if end < 0:
                rest += data
                if len(rest) > 2 * BLOCK_BYTES:
                    raise _NotPlainError
                continue
            rest = rest.lstrip()
            if not rest:
                rest = data[: end + 1].lstrip()[:-1]
                head = rest[:1]
                block = rest[1:]
            else:
                head = rest[:1]
                block = b"".join((memoryview(rest)[1:], memoryview(data)[:end]))
            if head != opening:
                raise _NotPlainError
            yield block
            opening, rest = b",", data[end + 1 :]
    ends = ([b"]"],) if opening == b"," else ([b"[]"], [b"[", b"]"])
    if rest.split() not in ends:
        raise _NotPlainError


def _parse_rows(rows: list[bytes], schema: Any) -> Any:
    """Parse the texts of objects that lack their last brace; there may be line breaks in them."""
    if not rows:
        return schema.empty_table()
    lines = b"}\n".join(rows) + b"}\n"
    try:
        table = pa_json.read_json(
            pa.BufferReader(lines),
            # One block, so that no object is cut and the line breaks inside objects do no harm.
            read_options=pa_json.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=pa_json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
        table = table.select(schema.names)
        table.validate(full=True)
    except (pa.ArrowException, KeyError) as error:
        raise _NotPlainError from error
    if table.schema != schema or table.num_rows != len(rows):
        raise _NotPlainError
    if any(_holds_null(chunk) for column in table.columns for chunk in column.chunks):
        raise _NotPlainError
    return table


def _holds_null(array: Any) -> bool:
    if array.null_count:
        return True
    return bool(pa.types.is_list(array.type)) and _holds_null(array.flatten())


def _strict_tables(path: Path, schema: Any) -> Iterator[Any]:
    """Parse object by object, check each value, and say which row is wrong."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(_strict_objects(path)):
        where = f"row {number}"
        if isinstance(row, dict) and isinstance(row.get("token"), str):
            where += f", token {row['token']!r}"
        if not isinstance(row, dict):
            raise SourceError(path, f"must be an object, got {type(row).__name__}", where)
        rows.append({f.name: _checked(path, where, row, f.name, f.type) for f in schema})
        if len(rows) == 10_000:
            yield pa.Table.from_pylist(rows, schema=schema)
            rows = []
    yield pa.Table.from_pylist(rows, schema=schema)


def _checked(path: Path, where: str, row: dict[str, Any], name: str, kind: Any) -> Any:
    if name not in row:
        raise SourceError(path, f"column {name!r} is missing", where)
    try:
        return _convert(row[name], kind)
    except (TypeError, ValueError, OverflowError) as error:
        found = type(row[name]).__name__ if isinstance(row[name], list) else repr(row[name])[:80]
        raise SourceError(path, f"{name} must be {_words(kind)}, got {found}", where) from error


def _words(kind: Any) -> str:
    if pa.types.is_list(kind):
        return f"a list ({_words(kind.value_type)} each)"
    names = {pa.string(): "a string", pa.int64(): "an integer", pa.bool_(): "true or false"}
    return names.get(kind, "a number")


def _convert(value: Any, kind: Any) -> Any:
    """Return the value as the Arrow type takes it.

    Raises:
        TypeError, ValueError, OverflowError: it is of another type or out of range.
    """
    if pa.types.is_list(kind):
        if not isinstance(value, list):
            raise TypeError
        return [_convert(item, kind.value_type) for item in value]
    if kind == pa.string():
        if not isinstance(value, str):
            raise TypeError
        value.encode()  # a lone surrogate is no UTF-8
    elif kind == pa.bool_():
        if not isinstance(value, bool):
            raise TypeError
    elif isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    elif kind == pa.int64():
        if not isinstance(value, int) or not -(2**63) <= value < 2**63:
            raise TypeError
    else:
        return float(value)
    return value


def _strict_objects(path: Path) -> Iterator[Any]:
    """Decode the items of a JSON array one by one, in bounded memory."""
    decoder = json.JSONDecoder()
    rule = "must be one complete JSON array of objects"
    with path.open("rb") as file:
        text = codecs.getreader("utf-8")(file)
        buffer, position, count, opened = "", 0, 0, False
        while True:
            try:
                data = text.read(1 << 16)
            except UnicodeDecodeError as error:
                raise SourceError(path, f"{rule}: {error}", f"after row {count - 1}") from error
            buffer, position = buffer[position:] + data, 0
            final = not data
            if not opened:
                buffer = buffer.lstrip(_WHITESPACE)
                if buffer[:1] != "[" and (buffer or final):
                    raise SourceError(path, f"{rule}: it does not begin with '['")
                if not buffer:
                    continue
                opened, position = True, 1
            while True:
                item = _next_item(buffer, position, count, decoder)
                if isinstance(item, str):
                    if final or len(buffer) - position > _MAX_OBJECT_CHARS:
                        raise SourceError(path, f"{rule}: {item}", f"row {count}")
                    break
                if item is None:
                    return _expect_end(path, text.read().strip(_WHITESPACE))
                value, position = item
                yield value
                count += 1


def _expect_end(path: Path, rest: str) -> None:
    if rest:
        raise SourceError(path, "must be one complete JSON array: text follows the closing ']'")


def _next_item(
    buffer: str, position: int, count: int, decoder: json.JSONDecoder
) -> tuple[Any, int] | str | None:
    """Return an item and where it ends, None at the array's end, or why there is no item yet."""
    while buffer[position : position + 1] in _WHITESPACE and position < len(buffer):
        position += 1
    if position >= len(buffer):
        return "the file ends before ']'"
    if buffer[position] == "]":
        rest = buffer[position + 1 :].strip(_WHITESPACE)
        return "text follows the closing ']'" if rest else None
    if count:
        if buffer[position] != ",":
            return f"',' or ']' expected, found {buffer[position]!r}"
        position += 1
    while position < len(buffer) and buffer[position] in _WHITESPACE:
        position += 1
    try:
        value, end = decoder.raw_decode(buffer, position)
    except json.JSONDecodeError as error:
        return error.msg
    except (RecursionError, ValueError) as error:
        return str(error)
    return value, end
