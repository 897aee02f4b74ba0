"""What scores are of: the answers that were read and the questions that they are to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from stkit_bench.files import FileError, read_jsonl
from stkit_bench.rows import TARGET_FIELDS

__all__ = ["answers_facts", "questions_facts"]

_DIGITS = 16
#: The unit is how the answer was worded; what is judged is in SI.
_JUDGED = tuple(name for name in TARGET_FIELDS if name != "unit")


def answers_facts(path: Path) -> dict[str, Any]:
    """Return which file of answers was scored, and who gave them.

    Args:
        path: JSONL file of answers.

    Returns:
        ``file``, its name; ``sha256`` of its bytes; ``models`` and ``settings``, the distinct
        names and digests of settings that its lines state, as ``stkit-bench run`` writes them.
        Both are empty where no line says.

    Raises:
        FileError: the file cannot be read.
    """
    told: dict[str, set[str]] = {"model": set(), "settings": set()}
    for _, line in read_jsonl(path):
        for key, values in told.items():
            if isinstance(line.get(key), str):
                values.add(line[key])
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    return {
        "file": path.name,
        "sha256": sha256,
        "models": sorted(told["model"]),
        "settings": sorted(told["settings"]),
    }


def questions_facts(references: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how many questions there are, and a digest that tells them from others.

    Args:
        references: as :func:`stkit_bench.references` makes them.

    Returns:
        ``n``; ``digest``, 16 hexadecimal digits of all ids, tasks and targets, whatever their
        order and the kind of file they came from.
    """
    lines = sorted(
        json.dumps([reference["id"], reference["task"], *map(reference.get, _JUDGED)])
        for reference in map(_with_floats, references)
    )
    told = hashlib.sha256("\n".join(lines).encode())
    return {"n": len(lines), "digest": told.hexdigest()[:_DIGITS]}


def _with_floats(reference: Mapping[str, Any]) -> dict[str, Any]:
    # JSON writes 10.0 as 10 in some hands.
    return {
        key: float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        for key, value in reference.items()
    }
