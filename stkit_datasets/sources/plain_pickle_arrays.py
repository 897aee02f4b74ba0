"""Dicts, lists, texts and numpy arrays out of a pickle, without running it.

The same machine as ``plain_pickle``, which see, with the opcodes of dicts and texts, and with the
four ways in which numpy's versions and pickle's protocols spell an array of numbers. An array
comes from its bytes and its stated shape; nothing is imported and nothing is called.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.sources.plain_pickle import DType, Machine, Name, PickleRefusedError, run

MAX_BYTES = 1 << 30

_NUMPY = ("numpy.core", "numpy._core")
_MAX_DIMENSIONS = 4
_PLAIN = (dict, list, str, bytes, int, float, np.ndarray)


def read_containers(data: bytes) -> object:
    """Return what a pickle of dicts, lists, tuples, texts, numbers and numpy arrays holds.

    Arrays come back read-only, of float64, float32, int64, int32, int16, uint8 or bool, at most
    four-dimensional. Keys of dicts are texts or whole numbers. Containers may be shared or hold
    themselves; walk the result no deeper than it should be.

    Raises:
        PickleRefusedError: it holds anything else, is broken, or is over ``MAX_BYTES`` long.
    """
    if len(data) > MAX_BYTES:
        raise PickleRefusedError(f"{len(data)} bytes, at most {MAX_BYTES} are read")
    return run(_ArrayMachine(), data)


@dataclass(eq=False)
class _Array:
    """An array that has been announced, under some memo keys, and waits for its state."""

    keys: list[object] = field(default_factory=list)


class _ArrayMachine(Machine):
    names = {  # noqa: RUF012
        **{(f"{room}.multiarray", "_reconstruct"): "announce" for room in _NUMPY},
        **{(f"{room}.multiarray", "scalar"): "scalar" for room in _NUMPY},
        **{(f"{room}.numeric", "_frombuffer"): "frombuffer" for room in _NUMPY},
        ("numpy", "ndarray"): "ndarray",
        ("numpy", "dtype"): "dtype",
        ("_codecs", "encode"): "encode",
        ("__builtin__", "bytes"): "no bytes",
    }
    types = {  # noqa: RUF012
        "f8": "d",
        "f4": "f",
        "i8": "q",
        "i4": "i",
        "i2": "h",
        "u1": "B",
        "b1": "?",
    }

    def step(self, name: str, argument: object) -> None:
        super().step(name, argument)
        top = self.stack[-1] if self.stack else None
        if isinstance(top, _Array):
            if name == "MEMOIZE":
                top.keys.append(len(self.memo) - 1)
            elif name.endswith("PUT"):
                top.keys.append(argument)

    def result(self) -> object:
        (value,) = self.stack
        return self.plain(value)

    def plain(self, value: object) -> object:
        """Let through what data may hold, and none of the machine's own marks."""
        # No tuple in a tuple: shared ones would make an exponential walk of a few bytes.
        for item in value if isinstance(value, tuple) else (value,):
            if item is not None and not isinstance(item, _PLAIN):
                raise PickleRefusedError(f"holds {type(item).__name__}, not data")
        return value

    def extend(self, items: list[object]) -> None:
        super().extend([self.plain(item) for item in items])

    def set_items(self, items: list[object]) -> None:
        target = self.stack[-1]
        if not isinstance(target, dict) or len(items) % 2:
            raise PickleRefusedError("sets an item of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | int):
                raise PickleRefusedError(f"a key of type {type(key).__name__}")
            target[key] = self.plain(value)

    def set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.set_items([key, value])

    def new_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.set_items(items)

    def call(self) -> None:
        arguments, called = self.stack[-1], self.stack[-2]
        if not isinstance(called, Name) or not isinstance(arguments, tuple):
            raise PickleRefusedError("calls something that is not read")
        if called.meaning in ("dtype", "scalar"):
            super().call()
            return
        made: object
        if called.meaning == "encode":
            made = _encoded(arguments)
        elif called.meaning == "no bytes" and arguments == ():
            made = b""
        elif called.meaning == "announce" and arguments[0] == Name("ndarray"):
            made = _Array()
        elif called.meaning == "frombuffer":
            buffer, dtype, shape, order = arguments
            made = _array(buffer, dtype, shape, order == "F")
        else:
            raise PickleRefusedError("calls something that is not read")
        self.stack[-2:] = [made]

    def build(self) -> None:
        state, target = self.stack[-1], self.stack[-2]
        if not isinstance(target, _Array):
            if isinstance(target, DType) and isinstance(state, tuple) and state[1] == "|":
                self.stack.pop()  # a type of one byte, which has no order
                return
            super().build()
            return
        if not isinstance(state, tuple):
            raise PickleRefusedError("an array without its state")
        _, shape, dtype, fortran, data = state
        made = _array(data, dtype, shape, fortran is True)
        self.stack[-2:] = [made]
        # The announced array may have been memoised; later uses mean the finished one.
        self.memo.update(dict.fromkeys(target.keys, made))


def _encoded(arguments: tuple[object, ...]) -> bytes:
    """Bytes that protocol 2 spells as a text."""
    text, codec = arguments
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise PickleRefusedError("encodes something other than bytes")
    return text.encode("latin-1")


def _array(data: object, dtype: object, shape: object, fortran: bool) -> NDArray[np.generic]:
    if isinstance(data, str):  # how Python 2 wrote bytes
        data = data.encode("latin-1")
    if not isinstance(dtype, DType) or not isinstance(data, bytes | bytearray):
        raise PickleRefusedError("an array of something other than numbers")
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MAX_DIMENSIONS
        or not all(type(size) is int and size >= 0 for size in shape)
    ):
        raise PickleRefusedError(f"an array of shape {shape!r}")
    kind = np.dtype(dtype.order + dtype.code)
    if math.prod(shape) * kind.itemsize != len(data):
        raise PickleRefusedError(f"{len(data)} bytes for an array of {shape!r} {kind}")
    flat = np.frombuffer(bytes(data), kind)
    array = flat.astype(kind.newbyteorder("=")).reshape(shape, order="F" if fortran else "C")
    array.flags.writeable = False
    return array


_ArrayMachine.values = Machine.values | {
    *("BINUNICODE8", "BINBYTES8", "BYTEARRAY8", "STRING", "BINSTRING", "SHORT_BINSTRING"),
}
_ArrayMachine.actions = {
    **Machine.actions,
    "EMPTY_DICT": lambda m: m.stack.append({}),
    "DICT": _ArrayMachine.new_dict,
    "SETITEM": _ArrayMachine.set_item,
    "SETITEMS": lambda m: m.set_items(m.pop_mark()),
    "REDUCE": _ArrayMachine.call,
    "BUILD": _ArrayMachine.build,
}
