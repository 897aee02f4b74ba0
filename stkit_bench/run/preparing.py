"""Batches made ahead of the model: questions put, frames decoded, whatever the model makes of them.

In processes of their own where the model computes in this one: decoding and scaling in threads
would take turns at the interpreter with the model, which needs it for every step of a response.
In threads where the model is elsewhere and this process only waits for it.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from stkit_bench.run.batches import Batch
from stkit_bench.run.drafts import Questions
from stkit_bench.run.processes import Forked, can_fork
from stkit_bench.run.settings import RunError
from stkit_datasets.errors import StkitError
from stkit_datasets.model_clients.base import Failure, Model, Request

__all__ = ["Asked", "Prepared", "Preparer", "Workers"]

#: At least so many batches are prepared ahead of those being answered.
_AHEAD = 2


@dataclass(frozen=True)
class Workers:
    """Who takes part.

    Attributes:
        preparing: processes or threads that decode, draw and scale ahead of the model.
        rank: of this process among those that share the questions.
        world_size: how many processes there are.
        meet: waits until all processes are here; needed for more than one.
        processes: whether batches are prepared in processes (True) or threads (False); None takes
            processes for models that compute in this one, where the system can fork.
    """

    preparing: int = 2
    rank: int = 0
    world_size: int = 1
    meet: Callable[[], None] = lambda: None
    processes: bool | None = None

    def __post_init__(self) -> None:
        if self.preparing < 1:
            raise RunError(f"preparing must be at least 1, got {self.preparing}")

    def in_processes(self, model: Model) -> bool:
        """Return whether batches for this model are prepared in processes.

        Raises:
            RunError: processes are wanted where the system cannot fork.
        """
        if self.processes and not can_fork():
            raise RunError("batches can be prepared in processes on Linux only; take threads")
        return model.computes_here and can_fork() if self.processes is None else self.processes


@dataclass(frozen=True)
class Asked:
    """What the answers file says of a question, whatever is answered."""

    id: str
    prompt_hash: str
    frames_s: list[float]
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Prepared:
    """A batch, ready to be answered.

    Attributes:
        asked: its questions.
        lost: of those that have no frames, by their number in the batch.
        batch: what the model made of the others; None where there are none.
    """

    asked: list[Asked]
    lost: dict[int, Failure]
    batch: Any


class Preparer:
    """Prepares the batches of one run ahead, and begins with the first when it is made.

    Args:
        model: for whom.
        questions: from where.
        workers: how many, and of which kind.
        batches: places of questions.

    Attributes:
        ahead: how many batches are to be prepared or answered at any time.

    Raises:
        RunError: processes are wanted where there are none.
    """

    def __init__(
        self, model: Model, questions: Questions, workers: Workers, batches: Sequence[Batch]
    ) -> None:
        self.ahead = model.concurrency + max(_AHEAD, workers.preparing)
        self._model, self._questions = model, questions
        self._left = deque(batches)
        self._begun: deque[Future[Prepared]] = deque()
        self._n_to_come, self._lock = len(batches), threading.Lock()
        self._forked: list[Forked] = []
        self._idle: SimpleQueue[Forked] = SimpleQueue()
        if workers.in_processes(model):
            # Before any thread of this run is there: a fork copies the locks that others hold.
            for _ in range(min(workers.preparing, len(batches))):
                self._forked.append(Forked(self._parts))
                self._idle.put(self._forked[-1])
        self._threads = ThreadPoolExecutor(workers.preparing, "prepare")
        for _ in range(min(self.ahead, len(batches))):
            self._begin()

    def take(self) -> Future[Prepared]:
        """Return the next batch, to come.

        The future raises ``RunError`` where a question cannot be put or a process has died.
        """
        if not self._begun:
            self._begin()
        return self._begun.popleft()

    def cancel(self) -> None:
        """Begin with no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Wait for what was begun and end the workers."""
        self._threads.shutdown(cancel_futures=True)
        self._dismiss()
        while self._forked:
            self._forked.pop().close()

    def _begin(self) -> None:
        work = self._elsewhere if self._forked else self._prepare
        self._begun.append(self._threads.submit(work, self._left.popleft()))

    def _elsewhere(self, places: Batch) -> Prepared:
        process = self._idle.get()
        try:
            found = Prepared(*process.call(places))
        finally:
            self._idle.put(process)
        with self._lock:
            self._n_to_come -= 1
            if not self._n_to_come:
                # They end while the last batches are answered.
                self._dismiss()
        return found

    def _dismiss(self) -> None:
        for process in self._forked:
            process.dismiss()

    def _parts(self, places: Batch) -> tuple[Any, ...]:
        found = self._prepare(places)
        return found.asked, found.lost, found.batch

    def _prepare(self, places: Batch) -> Prepared:
        drafts = [self._questions.draft(place) for place in places]
        requests: list[Request] = []
        lost: dict[int, Failure] = {}
        for number, draft in enumerate(drafts):
            try:
                requests.append(draft.request())
            except StkitError as error:
                lost[number] = Failure("video", str(error))
        asked = [Asked(d.id, d.prompt_hash, d.frames_s, d.record) for d in drafts]
        return Prepared(asked, lost, self._model.prepare(requests) if requests else None)
