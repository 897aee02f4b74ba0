"""Models that see no video: the baselines behind the interface of all models, and blind models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

from stkit_datasets.model_clients.answerer import Answerer
from stkit_datasets.model_clients.base import Failure, Model, Reply, Request, without_video

__all__ = ["Blind", "FromRows"]


class FromRows:
    """A baseline that answers from the rows, such as those of ``stkit_bench.models.baselines``."""

    batch_size = 1
    concurrency = 1
    sees_video = False
    computes_here = False  # an answer takes no time beside its question

    def __init__(self, answerer: Answerer) -> None:
        self._answerer = answerer

    @property
    def name(self) -> str:
        """The baseline's name."""
        return self._answerer.name

    def settings(self) -> Mapping[str, Any]:
        """Return the baseline's fields."""
        fields: dict[str, Any] = getattr(self._answerer, "__dict__", {})
        return {"kind": "baseline", "name": self.name, "fields": _plain(fields)}

    def prepare(self, requests: Sequence[Request]) -> Sequence[Request]:
        """Return the requests as they are."""
        return requests

    def respond(self, prepared: Sequence[Request]) -> list[Reply]:
        """Answer each row by itself, so that one it cannot answer costs no other."""
        return [self._one(request) for request in prepared]

    def _one(self, request: Request) -> Reply:
        try:
            (text,) = self._answerer.answer([request.row])
        except ValueError as error:
            return Reply(None, Failure("model", str(error)))
        return Reply(text)

    def close(self) -> None:
        """Hold nothing."""


class Blind:
    """Another model that is given the text alone."""

    sees_video = False

    def __init__(self, model: Model) -> None:
        self._model = model
        self.batch_size, self.concurrency = model.batch_size, model.concurrency
        self.computes_here = model.computes_here

    @property
    def name(self) -> str:
        """The model's name, marked."""
        return f"{self._model.name} (no video)"

    def settings(self) -> Mapping[str, Any]:
        """Return the model's settings, marked."""
        return {**self._model.settings(), "video": False}

    def prepare(self, requests: Sequence[Request]) -> Any:
        """Drop the frames, then prepare as the model does."""
        return self._model.prepare([without_video(request) for request in requests])

    def respond(self, prepared: Any) -> list[Reply]:
        """Let the model answer."""
        return self._model.respond(prepared)

    def close(self) -> None:
        """Close the model."""
        self._model.close()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        entries = [_plain(entry) for entry in value]
        return sorted(entries, key=str) if isinstance(value, set | frozenset) else entries
    return value
