"""Who answers questions: anything with a name and ``answer``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

__all__ = ["Answerer", "Row"]

#: One question, as in a data set of STKit.
Row = Mapping[str, Any]


@runtime_checkable
class Answerer(Protocol):
    """Answers questions in free English text, one response per row."""

    @property
    def name(self) -> str:
        """What results are filed under."""

    def answer(self, rows: Sequence[Row]) -> list[str]:
        """Return one response per row, in the same order."""
