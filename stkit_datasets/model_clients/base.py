"""What a model is given and what it gives back; every kind stands behind :class:`Model`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.model_clients.answerer import Row

__all__ = [
    "Failure",
    "Model",
    "ModelError",
    "Part",
    "Reply",
    "Request",
    "Turn",
    "VideoPart",
    "without_video",
]


class ModelError(ValueError):
    """A model cannot be used at all: a wrong name, a missing library, a key that is refused."""


@dataclass(frozen=True, eq=False)
class VideoPart:
    """Frames in order.

    Attributes:
        frames: (T, H, W, 3) uint8, RGB.
        times_s: T times, seconds from the start of the clip.
    """

    frames: NDArray[np.uint8]
    times_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8:
            raise ValueError(
                f"frames must be (T, H, W, 3) uint8, got {self.frames.shape} {self.frames.dtype}"
            )
        if len(self.frames) != len(self.times_s) or not self.times_s:
            raise ValueError(f"{len(self.frames)} frames need as many times: {self.times_s}")


Part: TypeAlias = str | VideoPart


@dataclass(frozen=True, eq=False)
class Turn:
    """What one side of a conversation says: text and video in order."""

    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Request:
    """One question, ready to be asked.

    Attributes:
        id: the question's.
        turns: examples first, each a user's and an assistant's turn; the question last.
        row: the question's row without its video, for models that answer from it.
    """

    id: str
    turns: tuple[Turn, ...]
    row: Row = field(default_factory=dict)

    @property
    def videos(self) -> tuple[VideoPart, ...]:
        """All videos in the order in which they are shown."""
        return tuple(p for turn in self.turns for p in turn.parts if isinstance(p, VideoPart))


def without_video(request: Request) -> Request:
    """Return the request with its text alone."""
    turns = tuple(
        Turn(turn.role, tuple(part for part in turn.parts if isinstance(part, str)))
        for turn in request.turns
    )
    return Request(request.id, turns, request.row)


@dataclass(frozen=True)
class Failure:
    """Why there is no response.

    Attributes:
        kind: ``video`` (the frames cannot be read), ``rate_limit``, ``server``, ``timeout``,
            ``connection``, ``invalid`` (not a completion), ``empty`` (a completion without text),
            ``refused`` (the endpoint rejects this request) or ``model`` (it raised an error).
        message: for people.
    """

    kind: str
    message: str


@dataclass(frozen=True)
class Reply:
    """What came back for one request: a text or a failure.

    Attributes:
        finish_reason: why the text ends, as the model says (``stop``, ``length``), else None.
        input_tokens: tokens read, visual ones included; None where unknown.
        output_tokens: tokens written.
        latency_s: from the first attempt to the answer; of a batch, the batch's.
        attempts: how often it was asked.
    """

    text: str | None
    failure: Failure | None = None
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_s: float = 0.0
    attempts: int = 1

    def __post_init__(self) -> None:
        if (self.text is None) == (self.failure is None):
            raise ValueError("a reply has a text or a failure, not both and not neither")


class Model(Protocol):
    """Answers batches of requests.

    ``prepare`` is called ahead of time, so that whatever needs no accelerator and no answer from
    outside (scaling, tokens, JPEG) overlaps with ``respond``: in threads, or, for a model that
    computes here, in forked processes. There it must touch no accelerator, and what it returns
    must be picklable; arrays and tensors in dicts, lists and tuples go fast.
    """

    @property
    def name(self) -> str:
        """What answers are filed under."""

    @property
    def batch_size(self) -> int:
        """Most requests in one batch; those of a batch show equally many frames."""

    @property
    def concurrency(self) -> int:
        """How many batches may be answered at once."""

    @property
    def sees_video(self) -> bool:
        """Whether requests must carry frames."""

    @property
    def computes_here(self) -> bool:
        """Whether ``respond`` keeps this process busy, instead of waiting for another."""

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the answers, as plain values that JSON can hold; never a key."""

    def prepare(self, requests: Sequence[Request]) -> Any:
        """Return what ``respond`` takes."""

    def respond(self, prepared: Any) -> list[Reply]:
        """Return one reply per request, in order.

        Raises:
            ModelError: no request can be answered; the run stops and can be taken up again.
        """

    def close(self) -> None:
        """Free what is held."""
