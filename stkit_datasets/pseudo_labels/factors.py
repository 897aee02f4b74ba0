"""The table that turns first-order deviations into ones that agree with errors.

First-order propagation takes the errors of frames as independent and those of clips as alike.
Neither holds, so each task has three numbers, fitted where truth is known:
``sigma² = (positions * p)² + (scale * s)² + floor²``, where ``p`` is what the centres' own
deviations make of a target and ``s`` what the clip's scale makes of it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from stkit_datasets import atomic
from stkit_datasets.errors import SourceError
from stkit_datasets.tasks.names import TASKS

VARIABLE = "STKIT_UNCERTAINTY"
"""Environment variable that names a table to take instead of the packaged one."""
_VERSION = 1
_VERSION_KEY = "stkit_uncertainty"
_PACKAGED = "uncertainty.json"


@dataclass(frozen=True)
class Factors:
    """The numbers of one task.

    Attributes:
        positions: multiplies the deviation that comes from the centres.
        scale: multiplies the deviation that comes from the clip's scale.
        floor: what is left where both are small, in the unit of the task's uncertainty.
        questions: how many the numbers were fitted to; 0 where they were not.
    """

    positions: float = 1.0
    scale: float = 1.0
    floor: float = 0.0
    questions: int = 0

    def __post_init__(self) -> None:
        for name in ("positions", "scale", "floor"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ValueError(f"{name} must be a number, got {value!r}")
            if not 0 <= value < math.inf:
                raise ValueError(f"{name} must be at least 0, got {value!r}")
        if isinstance(self.questions, bool) or not isinstance(self.questions, int):
            raise ValueError(f"questions must be a whole number, got {self.questions!r}")

    def sigma(self, from_positions: float, from_scale: float) -> float:
        """Return the deviation that errors agree with."""
        return math.hypot(self.positions * from_positions, self.scale * from_scale, self.floor)


@dataclass(frozen=True)
class UncertaintyTable:
    """Factors of all tasks.

    Attributes:
        origin: what they were fitted to, in words.
        tasks: task -> its factors; all seven.
    """

    origin: str
    tasks: Mapping[str, Factors]

    def __post_init__(self) -> None:
        wanted = {str(task) for task in TASKS}
        if set(self.tasks) != wanted:
            off = ", ".join(sorted(set(self.tasks) ^ wanted))
            raise ValueError(f"expected factors of exactly the seven tasks; missing or odd: {off}")
        if not self.origin.strip():
            raise ValueError("the origin must say what the factors were fitted to")


UNCHANGED = UncertaintyTable(
    "none: first-order propagation as it is", {str(task): Factors() for task in TASKS}
)


def read_table(path: Path) -> UncertaintyTable:
    """Read a table that ``write_table`` wrote.

    Raises:
        SourceError: it is not there, or no such table.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(path, f"cannot be read: {error}") from error
    return _parsed(path, text)


def write_table(path: Path, table: UncertaintyTable) -> None:
    """Write a table, whole or not at all."""
    content = {
        _VERSION_KEY: _VERSION,
        "origin": table.origin,
        "tasks": {str(task): asdict(table.tasks[str(task)]) for task in TASKS},
    }
    atomic.write_text(path, json.dumps(content, indent=2) + "\n")


def current_table() -> UncertaintyTable:
    """Return the table that ``STKIT_UNCERTAINTY`` names, else the packaged one.

    Raises:
        SourceError: the file that it names is not there, or no such table.
    """
    named = os.environ.get(VARIABLE, "")
    if not named:
        return _packaged()
    path = Path(named)
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise SourceError(path, f"named by {VARIABLE}, cannot be read: {error}") from error
    return _of_file(path, changed)


@cache
def _of_file(path: Path, changed_ns: int) -> UncertaintyTable:
    return read_table(path)


@cache
def _packaged() -> UncertaintyTable:
    text = resources.files(__package__).joinpath(_PACKAGED).read_text(encoding="utf-8")
    return _parsed(Path(_PACKAGED), text)


def _parsed(path: Path, text: str) -> UncertaintyTable:
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise SourceError(path, f"expected JSON: {error}") from error
    if not isinstance(content, dict) or content.get(_VERSION_KEY) != _VERSION:
        raise SourceError(path, f"expected an object with {_VERSION_KEY}: {_VERSION}")
    tasks, origin = content.get("tasks"), content.get("origin")
    if not isinstance(tasks, dict) or not isinstance(origin, str):
        raise SourceError(path, "expected the fields origin (text) and tasks (object)")
    try:
        factors = {name: Factors(**values) for name, values in tasks.items()}
        return UncertaintyTable(origin, factors)
    except (TypeError, ValueError) as error:
        raise SourceError(path, str(error), "tasks") from error
