"""STKit-Bench: rows and responses in, scores out.

``import stkit_bench`` is light: names are loaded when they are first used. It also makes
``evaluate.load("stkit_bench")`` work from any folder (see :mod:`stkit_bench.registration`).
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from stkit_bench.registration import module_path, register

if TYPE_CHECKING:
    from stkit_bench.build import build_bench
    from stkit_bench.overlap import assert_disjoint
    from stkit_bench.reading import READER_VERSION, Reading, read_response
    from stkit_bench.rows import references
    from stkit_bench.scoring import Comparison, Scores, TaskScores, breakdown, compare, score
    from stkit_bench.selection import select

    __version__: str

__all__ = [
    "READER_VERSION",
    "Comparison",
    "Reading",
    "Scores",
    "TaskScores",
    "__version__",
    "assert_disjoint",
    "breakdown",
    "build_bench",
    "compare",
    "module_path",
    "read_response",
    "references",
    "score",
    "select",
]

_HOMES = {
    "READER_VERSION": "stkit_bench.reading",
    "Reading": "stkit_bench.reading",
    "read_response": "stkit_bench.reading",
    "Comparison": "stkit_bench.scoring",
    "Scores": "stkit_bench.scoring",
    "TaskScores": "stkit_bench.scoring",
    "assert_disjoint": "stkit_bench.overlap",
    "breakdown": "stkit_bench.scoring",
    "build_bench": "stkit_bench.build",
    "compare": "stkit_bench.scoring",
    "references": "stkit_bench.rows",
    "score": "stkit_bench.scoring",
    "select": "stkit_bench.selection",
}

register()


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("stkit")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
