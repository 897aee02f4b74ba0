"""Batches made ahead of the model: questions put, frames decoded, whatever the model makes of them.

In processes of their own where the model computes in this one: decoding and scaling in threads
would take turns at the interpreter with the model, which needs it for every step of a response.
In threads where the model is elsewhere and this process only waits for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from stkit_bench.models.base import Failure, Model, Request
from stkit_bench.run.drafts import Questions
from stkit_bench.run.processes import Forked, can_fork
from stkit_bench.run.settings import RunError
from stkit_datasets.errors import StkitError

__all__ = ["Asked", "Prepared", "Preparer", "Workers"]


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
    """Prepares batches of one run ahead; workers start when it is made.

    Args:
        model: for whom.
        questions: from where.
        workers: how many, and of which kind.
        n_batches: how many will be prepared.

    Raises:
        RunError: processes are wanted where there are none.
    """

    def __init__(
        self, model: Model, questions: Questions, workers: Workers, n_batches: int
    ) -> None:
        self.workers = workers
        self._model, self._questions = model, questions
        self._forked: list[Forked] = []
        self._idle: SimpleQueue[Forked] = SimpleQueue()
        if workers.in_processes(model):
            # Before any thread of this run is there: a fork copies the locks that others hold.
            for _ in range(min(workers.preparing, n_batches)):
                self._forked.append(Forked(self._prepare))
                self._idle.put(self._forked[-1])
        self._threads = ThreadPoolExecutor(workers.preparing, "prepare")

    def submit(self, places: Sequence[int]) -> Future[Prepared]:
        """Begin with the questions at these places.

        The future raises ``RunError`` where a question cannot be put or a process has died.
        """
        return self._threads.submit(self._elsewhere if self._forked else self._prepare, places)

    def cancel(self) -> None:
        """Begin with no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Wait for what was begun and end the workers."""
        self._threads.shutdown(cancel_futures=True)
        while self._forked:
            self._forked.pop().stop()

    def _elsewhere(self, places: Sequence[int]) -> Prepared:
        process = self._idle.get()
        try:
            found: Prepared = process.call(places)
        finally:
            self._idle.put(process)
        return found

    def _prepare(self, places: Sequence[int]) -> Prepared:
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
