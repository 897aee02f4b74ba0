"""Models and questions made up for the tests of ``stkit_bench.run``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stkit_bench.run import RunError
from stkit_datasets.model_clients.base import Reply, Request


def broken_at(place: int, draft: Callable[[int], Any]) -> Callable[[int], Any]:
    """Return ``draft`` of questions, but for one that cannot be put."""

    def broken(asked: int) -> Any:
        if asked == place:
            raise RunError(f"row {place} cannot be put")
        return draft(asked)

    return broken


class Recorder:
    """Answers by a function of the request, and keeps what it was asked."""

    name = "recorder"

    def __init__(
        self,
        answer: Callable[[Request], str | Reply] = lambda request: f"about {request.id}",
        batch_size: int = 1,
        concurrency: int = 1,
        sees_video: bool = True,
        seconds: float = 0.0,
        preparing_s: float = 0.0,
        computes_here: bool = False,
    ) -> None:
        self.computes_here = computes_here
        self.batch_size, self.concurrency, self.sees_video = batch_size, concurrency, sees_video
        self._answer, self._seconds, self._preparing_s = answer, seconds, preparing_s
        self.batches: list[list[Request]] = []
        self.closed = False
        self._lock = threading.Lock()

    @property
    def asked(self) -> list[str]:
        return [request.id for batch in self.batches for request in batch]

    def settings(self) -> Mapping[str, Any]:
        return {"kind": "recorder", "batch_size": self.batch_size}

    def prepare(self, requests: Sequence[Request]) -> Sequence[Request]:
        time.sleep(self._preparing_s)
        return requests

    def respond(self, prepared: Sequence[Request]) -> list[Reply]:
        time.sleep(self._seconds)
        with self._lock:
            self.batches.append(list(prepared))
        found = [self._answer(request) for request in prepared]
        return [Reply(text) if isinstance(text, str) else text for text in found]

    def close(self) -> None:
        self.closed = True
