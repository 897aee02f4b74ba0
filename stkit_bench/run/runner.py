"""Questions in, a model, answers out: prepared ahead, asked at once, written as they come."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stkit_bench.run.answers_file import AnswersFile, claim_settings, read_kept
from stkit_bench.run.batches import plan, share
from stkit_bench.run.budget import Budget, Tally
from stkit_bench.run.drafts import Questions
from stkit_bench.run.preparing import Asked, Prepared, Preparer, Workers
from stkit_bench.run.settings import RunError, fingerprint
from stkit_datasets._version import __version__
from stkit_datasets.model_clients.base import Model, Reply

__all__ = ["RunSummary", "Workers", "run"]


@dataclass(frozen=True)
class RunSummary:
    """What a run did.

    Attributes:
        n_questions: of the bench.
        n_answered: with a response in the file.
        n_asked: in this run, by this process.
        failures: of questions without a response, by kind.
        stopped: why questions were left unasked, or None.
        seconds: wall time.
        input_tokens: of all answers in the file.
        output_tokens: of all answers in the file.
        cost: of all answers in the file; None without prices.
    """

    n_questions: int
    n_answered: int
    n_asked: int
    failures: dict[str, int]
    stopped: str | None
    seconds: float
    input_tokens: int
    output_tokens: int
    cost: float | None


def run(
    model: Model,
    questions: Questions,
    out: Path,
    *,
    budget: Budget | None = None,
    workers: Workers | None = None,
    max_failures_in_a_row: int = 20,
    progress: bool = False,
    told: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Ask the questions that the answers file has no response to, and put the file in order.

    Args:
        model: who answers.
        questions: what is asked.
        out: the answers file, JSONL; written on if it is there and was made with equal settings.
        budget: what the answers of this file may use in all.
        workers: who prepares, and which share of the questions is asked here.
        max_failures_in_a_row: stop when so many questions failed one after the other.
        progress: show a bar.
        told: what else ``<out>.run.json`` should say, such as the endpoint's address.

    Raises:
        RunError: the file was made with other settings, or another run writes to it.
        ModelError: no question can be answered. What was answered is kept.
    """
    workers, started = workers or Workers(), time.perf_counter()
    kept, ids = read_kept(out), questions.ids
    answered = {name: line for name, line in kept.items() if line["error"] is None}
    missing = {n for n, name in enumerate(ids) if name not in answered}
    batches = plan([questions.n_frames(n) for n in range(len(ids))], model.batch_size)
    mine = share(batches, missing, workers.rank, workers.world_size)
    # Its processes start before the file is opened: its lock would live as long as they do.
    with closing(Preparer(model, questions, workers, mine)) as preparer:
        settings_hash = _claim(out, model, questions, told or {}, first=workers.rank == 0)
        strangers = kept.keys() - set(ids)
        if strangers:
            raise RunError(f"{out}: answers {min(strangers)!r}, which is not among the questions")
        # Nobody writes before everybody has read.
        workers.meet()
        tally = Tally(budget or Budget())
        tally.add(answered.values())
        with closing(AnswersFile(out, workers.rank)) as file:
            job = _Job(model, preparer, file, settings_hash, tally, max_failures_in_a_row)
            job.ask(mine, progress)
            workers.meet()
            if workers.rank == 0:
                file.finish(ids)
    workers.meet()
    return _summary(job, read_kept(out), len(ids), time.perf_counter() - started)


def _claim(
    out: Path, model: Model, questions: Questions, told: Mapping[str, Any], first: bool
) -> str:
    """Return the digest of what decides the answers; the first process also holds it to the file.

    It reads all videos once, while the first batches are prepared.
    """
    settings = {"model": dict(model.settings()), "questions": dict(questions.settings())}
    settings_hash = fingerprint(settings)
    if first:
        out.parent.mkdir(parents=True, exist_ok=True)
        heads = {"stkit_version": __version__, "settings_hash": settings_hash}
        claim_settings(out, settings, {**heads, **told})
    return settings_hash


@dataclass
class _Job:
    """What the threads of a run share; only the calling thread writes."""

    model: Model
    preparer: Preparer
    file: AnswersFile
    settings_hash: str
    tally: Tally
    max_failures_in_a_row: int
    n_asked: int = 0
    stopped: str | None = None
    _error: ValueError | None = None
    _failed_in_a_row: int = 0
    _flying: dict[Future[_Answered], int] = field(default_factory=dict)

    def ask(self, batches: Sequence[tuple[int, ...]], progress: bool) -> None:
        from tqdm import tqdm

        n = sum(map(len, batches))
        asking = ThreadPoolExecutor(self.model.concurrency, "ask")
        bar = tqdm(total=n, unit="question", disable=None if progress else True)
        try:
            for batch in batches:
                self._collect(bar, until=self.preparer.ahead - 1)
                if self.stopped is None and not self.tally.allows(sum(self._flying.values())):
                    self.stopped = "the budget is used up"
                if self.stopped is not None:
                    break
                coming = self.preparer.take()
                self._flying[asking.submit(self._answer, coming)] = len(batch)
            self._collect(bar, until=0)
            if self._error is not None:
                raise self._error
        finally:
            bar.close()
            self.preparer.cancel()
            asking.shutdown(wait=False, cancel_futures=True)
            if self._flying:
                # Left by an error or an interrupt: what is in flight must not outlive the run.
                self.model.close()
            self.preparer.close()
            asking.shutdown()

    def _answer(self, coming: Future[Prepared]) -> _Answered:
        prepared = coming.result()
        found = [] if prepared.batch is None else self.model.respond(prepared.batch)
        replies, rest = [], iter(found)
        for number in range(len(prepared.asked)):
            failure = prepared.lost.get(number)
            replies.append(next(rest) if failure is None else Reply(None, failure))
        return _Answered(prepared.asked, replies)

    def _collect(self, bar: Any, until: int) -> None:
        """Write what has come until at most so many batches are in flight."""
        while len(self._flying) > until:
            done, _ = wait(self._flying, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    answered = future.result()
                except ValueError as error:
                    # What else is in flight was paid for and is written before the run ends.
                    self._error = self._error or error
                    self.stopped = str(error)
                    del self._flying[future]
                    continue
                del self._flying[future]
                self._write(answered)
                bar.set_postfix(self.tally.shown(), refresh=False)
                bar.update(len(answered.replies))

    def _write(self, answered: _Answered) -> None:
        pairs = list(zip(answered.asked, answered.replies, strict=True))
        lines = [self._line(asked, reply) for asked, reply in pairs]
        now = round(time.time(), 3)
        timings = [
            {
                "id": asked.id,
                "latency_s": round(reply.latency_s, 4),
                "batch": len(pairs),
                "attempts": reply.attempts,
                "answered_at": now,
            }
            for asked, reply in pairs
        ]
        self.file.add(lines, timings)
        self.n_asked += len(lines)
        self.tally.add(lines)
        for reply in answered.replies:
            self._failed_in_a_row = 0 if reply.failure is None else self._failed_in_a_row + 1
            if reply.failure is not None and self._failed_in_a_row == self.max_failures_in_a_row:
                self.stopped = (
                    f"{self._failed_in_a_row} questions failed in a row, "
                    f"the last with: {reply.failure.message}"
                )

    def _line(self, asked: Asked, reply: Reply) -> dict[str, Any]:
        failure = reply.failure
        return {
            "id": asked.id,
            "response": None if reply.text is None else _writable(reply.text),
            "error": None
            if failure is None
            else {"kind": failure.kind, "message": _writable(failure.message)},
            "finish_reason": reply.finish_reason,
            "model": self.model.name,
            "settings": self.settings_hash,
            "prompt_hash": asked.prompt_hash,
            "frames_s": asked.frames_s,
            "tokens": {"input": reply.input_tokens, "output": reply.output_tokens},
            **asked.record,
        }


@dataclass(frozen=True)
class _Answered:
    asked: list[Asked]
    replies: list[Reply]


def _summary(
    job: _Job, kept: Mapping[str, Mapping[str, Any]], n_questions: int, seconds: float
) -> RunSummary:
    whole = Tally(job.tally.budget)
    whole.add(kept.values())
    return RunSummary(
        n_questions=n_questions,
        n_answered=len(kept) - whole.failures.total(),
        n_asked=job.n_asked,
        failures=dict(sorted(whole.failures.items())),
        stopped=job.stopped,
        seconds=seconds,
        input_tokens=whole.input_tokens,
        output_tokens=whole.output_tokens,
        cost=whole.cost,
    )


def _writable(text: str) -> str:
    """Return a text that UTF-8 can hold; half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()
