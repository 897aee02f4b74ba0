"""A question before its frames are decoded: all of its text, and which frames go where."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.model_clients.answerer import Row
from stkit_datasets.model_clients.base import Request, Turn, VideoPart

__all__ = ["Draft", "DraftPart", "DraftTurn", "Questions", "Slot"]


@dataclass(frozen=True, eq=False)
class Slot:
    """Frames that are decoded when the question is asked.

    Attributes:
        times_s: of the frames, seconds from the clip's start.
        read: returns them, (T, H, W, 3) uint8 RGB; raises ``StkitError`` where it cannot.
        kind: ``video`` or ``depth``.
    """

    times_s: tuple[float, ...]
    read: Callable[[], NDArray[np.uint8]]
    kind: str = "video"

    def part(self) -> VideoPart:
        """Decode."""
        return VideoPart(self.read(), self.times_s)


DraftPart: TypeAlias = str | Slot


@dataclass(frozen=True, eq=False)
class DraftTurn:
    """One turn of the conversation."""

    role: Literal["user", "assistant"]
    parts: tuple[DraftPart, ...]


@dataclass(frozen=True, eq=False)
class Draft:
    """One question.

    Attributes:
        id: the question's.
        turns: examples first, the question last.
        record: what the line of the answers file says beside the response.
        row: the question's row without its video.
    """

    id: str
    turns: tuple[DraftTurn, ...]
    record: Mapping[str, Any] = field(default_factory=dict)
    row: Row = field(default_factory=dict)

    @property
    def frames_s(self) -> list[float]:
        """Times of the question's own frames; empty where none are shown."""
        for part in self.turns[-1].parts:
            if isinstance(part, Slot) and part.kind == "video":
                return list(part.times_s)
        return []

    @property
    def prompt_hash(self) -> str:
        """16 hexadecimal digits of the whole conversation: texts, roles, and times of frames."""
        said = [
            [
                turn.role,
                [p if isinstance(p, str) else {p.kind: list(p.times_s)} for p in turn.parts],
            ]
            for turn in self.turns
        ]
        text = json.dumps(said, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def request(self) -> Request:
        """Decode the frames.

        Raises:
            StkitError: they cannot be had.
        """
        turns = tuple(
            Turn(turn.role, tuple(p.part() if isinstance(p, Slot) else p for p in turn.parts))
            for turn in self.turns
        )
        return Request(self.id, turns, self.row)


class Questions(Protocol):
    """The questions of a benchmark, put in one way."""

    @property
    def ids(self) -> Sequence[str]:
        """In the order of the bench."""

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the questions, as plain values that JSON can hold."""

    def n_frames(self, place: int) -> int:
        """Return how many frames the question at this place shows."""

    def draft(self, place: int) -> Draft:
        """Put the question at this place."""
