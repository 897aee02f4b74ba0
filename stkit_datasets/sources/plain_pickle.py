"""Numbers and arrays out of a pickle, without running it.

Unpickling imports and calls what the bytes name. This reader does neither: it walks the opcodes,
knows those that build lists, tuples and numbers, and takes the few names in ``_NAMES`` for what
they mean. Anything else is refused, by name.
``plain_pickle_arrays`` adds dicts, texts and numpy arrays.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

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
class Name:
    """A module's name that has a meaning; nothing is imported."""

    meaning: str


@dataclass
class DType:
    """A numpy type of plain numbers, as a code of ``struct`` and a byte order."""

    code: str
    order: str = "<"


MARK = object()
"""Stands on the stack where a run of items begins."""


def read_numbers(data: bytes) -> object:
    """Return the list, tuple or number that a pickle holds.

    Lists of the nuPlan devkit's own classes come back as plain lists, numpy scalars as numbers.
    Lists may be shared or hold themselves; walk the result no deeper than it should be.

    Raises:
        PickleRefusedError: it holds anything else, is broken, or is over ``MAX_BYTES`` long.
    """
    if len(data) > MAX_BYTES:
        raise PickleRefusedError(f"{len(data)} bytes, at most {MAX_BYTES} are read")
    return run(Machine(), data)


def run(machine: Machine, data: bytes) -> object:
    """Let a machine walk a pickle.

    Raises:
        PickleRefusedError: the machine does not know an opcode or a name, or the pickle is broken.
    """
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


class Machine:
    """The pickle machine's stack and memo, holding data only.

    Attributes:
        names: (module, name) -> what it means to this machine.
        types: numpy's code of a type -> that of ``struct``.
        values: opcodes that push their argument.
        actions: opcodes that do something to the stack.
    """

    names: Mapping[tuple[str, str], str] = _NAMES
    types: Mapping[str, str] = _DTYPES
    values: frozenset[str]
    actions: Mapping[str, Callable[[Any], None]]

    def __init__(self) -> None:
        self.stack: list[object] = []
        self.memo: dict[object, object] = {}

    def result(self) -> object:
        """Return what is left when the pickle ends."""
        (value,) = self.stack
        if not isinstance(value, list | tuple | int | float):
            raise PickleRefusedError(f"holds {type(value).__name__}, not numbers")
        return value

    def step(self, name: str, argument: object) -> None:
        """Do what one opcode says."""
        if name in self.values:
            self.stack.append(argument)
        elif name in self.actions:
            self.actions[name](self)
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif name == "GLOBAL":
            self.push_name(*str(argument).split(" ", 1))
        elif name not in ("PROTO", "FRAME"):
            raise PickleRefusedError(f"opcode {name} is not one that is read")

    def push_name(self, module: str, name: str) -> None:
        """Push what a name means."""
        meaning = self.names.get((module, name))
        if meaning is None:
            raise PickleRefusedError(f"names {module}.{name}, which is not read")
        self.stack.append(Name(meaning))

    def stack_global(self) -> None:
        """Push what a name on the stack means."""
        name, module = self.stack.pop(), self.stack.pop()
        self.push_name(str(module), str(name))

    def memoize(self) -> None:
        """Remember the top under the next number."""
        self.memo[len(self.memo)] = self.stack[-1]

    def pop_mark(self) -> list[object]:
        """Take the items down to the last mark, and the mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not MARK:
            at -= 1
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items

    def pack(self, count: int) -> None:
        """Make a tuple of the uppermost items."""
        items = self.stack[len(self.stack) - count :]
        if len(items) < count:
            raise PickleRefusedError("takes more than there is")
        del self.stack[len(self.stack) - count :]
        self.stack.append(tuple(items))

    def extend(self, items: list[object]) -> None:
        """Append to the list on top."""
        if not isinstance(self.stack[-1], list):
            raise PickleRefusedError("appends to what is no list")
        self.stack[-1].extend(items)

    def new_object(self) -> None:
        """Make an empty list of a class that means one."""
        arguments, made = self.stack.pop(), self.stack.pop()
        if made != Name("list") or arguments != ():
            raise PickleRefusedError("makes an object that is not read")
        self.stack.append([])

    def call(self) -> None:
        """Make a type, or a number of a type."""
        arguments, called = self.stack.pop(), self.stack.pop()
        if called == Name("dtype") and isinstance(arguments, tuple):
            self.stack.append(DType(self.types[str(arguments[0])]))
        elif called == Name("scalar") and isinstance(arguments, tuple):
            dtype, data = arguments
            if not isinstance(dtype, DType):
                raise PickleRefusedError("holds a number of no type")
            self.stack.extend(struct.unpack(dtype.order + dtype.code, data))
        else:
            raise PickleRefusedError("calls something that is not read")

    def build(self) -> None:
        """Give a type its byte order."""
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, DType) or not isinstance(state, tuple):
            raise PickleRefusedError("sets the state of something that is not read")
        if state[1] not in ("<", ">"):
            raise PickleRefusedError(f"a number of byte order {state[1]!r}")
        target.order = str(state[1])


Machine.values = frozenset(
    (
        *("NONE", "INT", "BININT", "BININT1", "BININT2"),
        *("LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "SHORT_BINBYTES", "BINBYTES"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE"),
    )
)
Machine.actions = {
    "MARK": lambda m: m.stack.append(MARK),
    "NEWTRUE": lambda m: m.stack.append(True),
    "NEWFALSE": lambda m: m.stack.append(False),
    "EMPTY_LIST": lambda m: m.stack.append([]),
    "EMPTY_TUPLE": lambda m: m.stack.append(()),
    "LIST": lambda m: m.stack.append(m.pop_mark()),
    "TUPLE": lambda m: m.stack.append(tuple(m.pop_mark())),
    "TUPLE1": lambda m: m.pack(1),
    "TUPLE2": lambda m: m.pack(2),
    "TUPLE3": lambda m: m.pack(3),
    "APPEND": lambda m: m.extend([m.stack.pop()]),
    "APPENDS": lambda m: m.extend(m.pop_mark()),
    "MEMOIZE": Machine.memoize,
    "STACK_GLOBAL": Machine.stack_global,
    "NEWOBJ": Machine.new_object,
    "REDUCE": Machine.call,
    "BUILD": Machine.build,
}
