"""Numbers out of a pickle, without running it.

Unpickling imports and calls what the bytes name. This reader does neither: it walks the opcodes,
knows those that build lists, tuples and numbers, and takes the few names in ``_NAMES`` for what
they mean. Anything else is refused, by name.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from dataclasses import dataclass

MAX_BYTES = 1 << 16
"""A pickle of a few numbers is no longer; nothing bigger is looked at."""

_LIST_MODULE = "nuplan.database.common.data_types"
_NAMES = {
    **dict.fromkeys(
        ((_LIST_MODULE, name) for name in ("Translation", "Rotation", "CameraIntrinsic")), "list"
    ),
    ("numpy.core.multiarray", "scalar"): "scalar",
    ("numpy._core.multiarray", "scalar"): "scalar",
    ("numpy", "dtype"): "dtype",
}
_DTYPES = {"f8": "d", "f4": "f", "i8": "q", "i4": "i"}


class PickleRefusedError(ValueError):
    """The pickle is cut short, or holds something other than numbers in lists."""


@dataclass(frozen=True)
class _Name:
    meaning: str


@dataclass
class _DType:
    code: str
    order: str = "<"


_MARK = object()


def read_numbers(data: bytes) -> object:
    """Return the list, tuple or number that a pickle holds.

    Lists of the nuPlan devkit's own classes come back as plain lists, numpy scalars as numbers.
    Lists may be shared or hold themselves; walk the result no deeper than it should be.

    Raises:
        PickleRefusedError: it holds anything else, is broken, or is over ``MAX_BYTES`` long.
    """
    if len(data) > MAX_BYTES:
        raise PickleRefusedError(f"{len(data)} bytes, at most {MAX_BYTES} are read")
    machine = _Machine()
    name = "start"
    try:
        for opcode, argument, _ in pickletools.genops(data):
            name = opcode.name
            if name == "STOP":
                return machine.result()
            machine.step(name, argument)
    except PickleRefusedError:
        raise
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise PickleRefusedError(f"broken at {name}: {error}") from error
    raise PickleRefusedError("no end")


class _Machine:
    """The pickle machine's stack and memo, holding data only."""

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.memo: dict[object, object] = {}

    def result(self) -> object:
        (value,) = self.stack
        if not isinstance(value, list | tuple | int | float):
            raise PickleRefusedError(f"holds {type(value).__name__}, not numbers")
        return value

    def step(self, name: str, argument: object) -> None:
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _ACTIONS:
            _ACTIONS[name](self)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.push_name(*str(argument).split(" ", 1))
        elif name not in ("PROTO", "FRAME"):
            raise PickleRefusedError(f"opcode {name} is not one of plain numbers")

    def push_name(self, module: str, name: str) -> None:
        meaning = _NAMES.get((module, name))
        if meaning is None:
            raise PickleRefusedError(f"names {module}.{name}, which is not read")
        self.stack.append(_Name(meaning))

    def stack_global(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push_name(str(module), str(name))

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def pop_mark(self) -> list[object]:
        at = max(i for i, value in enumerate(self.stack) if value is _MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def pack(self, count: int) -> None:
        items = self.stack[len(self.stack) - count :]
        if len(items) < count:
            raise PickleRefusedError("takes more than there is")
        del self.stack[len(self.stack) - count :]
        self.stack.append(tuple(items))

    def extend(self, items: list[object]) -> None:
        if not isinstance(self.stack[-1], list):
            raise PickleRefusedError("appends to what is no list")
        self.stack[-1].extend(items)

    def new_object(self) -> None:
        arguments, made = self.stack.pop(), self.stack.pop()
        if made != _Name("list") or arguments != ():
            raise PickleRefusedError("makes an object that is not read")
        self.stack.append([])

    def call(self) -> None:
        arguments, called = self.stack.pop(), self.stack.pop()
        if called == _Name("dtype") and isinstance(arguments, tuple):
            self.stack.append(_DType(_DTYPES[str(arguments[0])]))
        elif called == _Name("scalar") and isinstance(arguments, tuple):
            dtype, data = arguments
            if not isinstance(dtype, _DType):
                raise PickleRefusedError("holds a number of no type")
            self.stack.extend(struct.unpack(dtype.order + dtype.code, data))
        else:
            raise PickleRefusedError("calls something that is not read")

    def build(self) -> None:
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _DType) or not isinstance(state, tuple):
            raise PickleRefusedError("sets the state of something that is not read")
        if state[1] not in ("<", ">"):
            raise PickleRefusedError(f"a number of byte order {state[1]!r}")
        target.order = str(state[1])


_VALUES = frozenset(
    (
        *("NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2"),
        *("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "SHORT_BINBYTES", "BINBYTES"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE"),
    )
)
_ACTIONS: dict[str, Callable[[_Machine], None]] = {
    "MARK": lambda m: m.stack.append(_MARK),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "LIST": lambda m: m.stack.append(m.pop_mark()),
    "TUPLE": lambda m: m.stack.append(tuple(m.pop_mark())),
    "TUPLE1": lambda m: m.pack(1),
    "TUPLE2": lambda m: m.pack(2),
    "TUPLE3": lambda m: m.pack(3),
    "APPEND": lambda m: m.extend([m.stack.pop()]),
    "APPENDS": lambda m: m.extend(m.pop_mark()),
    "MEMOIZE": _Machine.memoize,
    "STACK_GLOBAL": _Machine.stack_global,
    "NEWOBJ": _Machine.new_object,
    "REDUCE": _Machine.call,
    "BUILD": _Machine.build,
}
