"""A language model as the reader, the papers' method, through any OpenAI-compatible endpoint.

The model is shown the response alone, after a task's system prompt and a few examples, and replies
in JSON. What it could not be asked, or did not reply to validly, is a failure of the reader and
not a wrong answer: such a response has a reading whose reason is ``reader_failed``, which scores
set apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from stkit_bench.judging import READER_FAILED
from stkit_datasets.model_clients.base import Failure

from .cache import ReadingCache
from .llm_calls import Calls, Endpoint, Outcome
from .llm_prompts import load_prompts
from .question import parse_question
from .replies import ReplyError, fields_of, reading_of
from .result import Reading, Reason, unreadable

if TYPE_CHECKING:
    from stkit_bench.run.budget import Budget, Tally
    from stkit_datasets.model_clients.endpoint_errors import Retries

__all__ = ["LlmReader", "LlmReaderConfig", "LlmReport"]

_FAILED = Reading(reason=READER_FAILED)


@dataclass(frozen=True)
class LlmReaderConfig:
    """How responses are read.

    Attributes:
        model: the endpoint's name of the model.
        cache: the folder of the cache (see :class:`stkit_bench.reading.cache.ReadingCache`).
        base_url: such as ``http://localhost:8000/v1``; None is OpenAI's own.
        key_variable: the environment variable that holds the key.
        prompts: a folder of prompts in the place of the package's own.
        concurrency: requests in flight.
        timeout_s: of one attempt.
        retries: when the endpoint is asked again after an error; None for its defaults.
        temperature: None leaves it to the endpoint, as models that reason demand.
        max_new_tokens: of a reply, with whatever the model thinks before it.
        replies: how often a response is put to the model until its reply is valid.
        budget: what the calls of this reader may use in all; None is no limit.
        max_failures_in_a_row: after so many nothing more is asked.
        extra: more fields of every request.
        progress: show a bar with the tokens used, where there is a terminal.
    """

    model: str
    cache: Path
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    prompts: Path | None = None
    concurrency: int = 8
    timeout_s: float = 120.0
    retries: Retries | None = None
    temperature: float | None = 0.0
    max_new_tokens: int = 2048
    replies: int = 3
    budget: Budget | None = None
    max_failures_in_a_row: int = 20
    extra: Mapping[str, Any] = field(default_factory=dict)
    progress: bool = False

    def __post_init__(self) -> None:
        for name in ("replies", "concurrency", "max_failures_in_a_row"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass
class LlmReport:
    """What a reader did so far.

    Attributes:
        n_calls: replies that were waited for; 0 where everything was in the cache.
        n_cached: responses found in the cache.
        n_read: responses read by the model.
        failures: responses that could not be read, by kind.
        told: one message of each kind.
        input_tokens: read by the model.
        output_tokens: written by it.
    """

    n_calls: int = 0
    n_cached: int = 0
    n_read: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    told: dict[str, str] = field(default_factory=dict)
    input_tokens: int = 0
    output_tokens: int = 0


class _Key(NamedTuple):
    task: str
    response: str


class LlmReader:
    """Reads responses with a language model; a response is asked about once, ever.

    Args:
        config: how.
        endpoint: who is asked; by default an ``OpenAIEndpoint``, opened when it is first needed.

    Raises:
        PromptError: a prompt is missing or breaks a rule.
        CacheError: the cache cannot be used.
    """

    def __init__(self, config: LlmReaderConfig, endpoint: Endpoint | None = None) -> None:
        self._config = config
        self._prompts = load_prompts(config.prompts)
        self._cache = ReadingCache(config.cache)
        self._endpoint = endpoint
        self._calls: Calls | None = None
        self.report = LlmReport()

    @property
    def name(self) -> str:
        """What readings are filed under."""
        return f"llm:{self._config.model}"

    def describe(self) -> dict[str, Any]:
        """Return what decides the readings, as plain values that JSON can hold; never a key."""
        prompts = {task: prompt.fingerprint for task, prompt in self._prompts.items()}
        return {"name": "llm", "model": self._config.model, "prompts": prompts}

    def read(
        self,
        tasks: Sequence[str],
        responses: Sequence[str | None],
        questions: Sequence[str | None],
    ) -> list[Reading | None]:
        """Return one reading per response: None for None, ``reader_failed`` where reading failed.

        Args:
            tasks: of :data:`stkit_datasets.tasks.names.TASKS`.
            responses: free text; None where there is none, which is not asked about.
            questions: what was asked. Used after the model has replied, and never shown to it.

        Raises:
            ModelError: the endpoint refuses the key or does not know the model. What was read so
                far is in the cache.
        """
        keys = [
            None if response is None or not response.strip() else _Key(task, _sendable(response))
            for task, response in zip(tasks, responses, strict=True)
        ]
        replies = self._replies(list(dict.fromkeys(key for key in keys if key is not None)))
        found: list[Reading | None] = []
        for key, response, question in zip(keys, responses, questions, strict=True):
            if key is None:
                found.append(None if response is None else unreadable(Reason.EMPTY))
            elif key in replies:
                found.append(reading_of(key.task, replies[key], parse_question(question)))
            else:
                found.append(_FAILED)
        return found

    def close(self) -> None:
        """Close the endpoint and the cache."""
        if self._endpoint is not None:
            self._endpoint.close()
        self._cache.close()

    def _replies(self, keys: Sequence[_Key]) -> dict[_Key, str]:
        found: dict[_Key, str] = {}
        missing = []
        for key in keys:
            reply = self._cached(key)
            if reply is None:
                missing.append(key)
            else:
                found[key] = reply
        self.report.n_cached += len(found)
        if missing:
            found.update(self._asked(missing))
        return found

    def _cached(self, key: _Key) -> str | None:
        prompt = self._prompts[key.task]
        reply = self._cache.get(self._config.model, prompt.fingerprint, key.response)
        if reply is None:
            return None
        try:
            fields_of(key.task, reply)
        except ReplyError:
            return None
        return reply

    def _asked(self, keys: Sequence[_Key]) -> dict[_Key, str]:
        from tqdm import tqdm

        from stkit_bench.run.budget import Budget, Tally

        calls = self._open()
        tally = Tally(self._config.budget or Budget())
        tally.input_tokens, tally.output_tokens = (
            self.report.input_tokens,
            self.report.output_tokens,
        )
        found: dict[_Key, str] = {}
        waiting, in_a_row, stopped = list(reversed(keys)), 0, ""
        flying: dict[Future[Outcome], _Key] = {}
        shown = None if self._config.progress else True
        with (
            tqdm(total=len(keys), unit="response", disable=shown) as bar,
            ThreadPoolExecutor(self._config.concurrency, "read") as pool,
        ):
            while waiting or flying:
                while waiting and len(flying) < self._config.concurrency and not stopped:
                    if not tally.allows(len(flying)):
                        stopped = "budget"
                        break
                    key = waiting.pop()
                    prompt = self._prompts[key.task]
                    flying[pool.submit(calls.ask, prompt, key.response)] = key
                if stopped and not flying:
                    break
                done, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in done:
                    key = flying.pop(future)
                    outcome = future.result()
                    self._count(outcome, tally)
                    bar.set_postfix(tally.shown(), refresh=False)
                    bar.update()
                    if outcome.reply is not None:
                        found[key], in_a_row = outcome.reply, 0
                        continue
                    in_a_row += 1
                    if in_a_row >= self._config.max_failures_in_a_row:
                        stopped = "stopped"
        if waiting:
            told = {
                "budget": "the budget is used up",
                "stopped": f"{in_a_row} responses failed in a row",
            }
            for _ in waiting:
                self._count(Outcome(failure=Failure(stopped, told[stopped])), tally)
        return found

    def _count(self, outcome: Outcome, tally: Tally) -> None:
        report, failure = self.report, outcome.failure
        tokens = {"input": outcome.input_tokens, "output": outcome.output_tokens}
        told = None if failure is None else {"kind": failure.kind}
        tally.add([{"tokens": tokens, "error": told}])
        report.n_calls += outcome.n_calls
        report.input_tokens += outcome.input_tokens
        report.output_tokens += outcome.output_tokens
        if failure is None:
            report.n_read += 1
        else:
            report.failures[failure.kind] += 1
            report.told.setdefault(failure.kind, failure.message)

    def _open(self) -> Calls:
        if self._calls is None:
            endpoint = self._endpoint = self._endpoint or _endpoint(self._config)
            config = self._config
            self._calls = Calls(endpoint, config.model, self._cache, config.replies)
        return self._calls


def _endpoint(config: LlmReaderConfig) -> Endpoint:
    from stkit_datasets.model_clients.endpoint_errors import Retries
    from stkit_datasets.model_clients.openai_endpoint import EndpointConfig, OpenAIEndpoint

    return OpenAIEndpoint(
        EndpointConfig(
            model=config.model,
            base_url=config.base_url,
            key_variable=config.key_variable,
            max_new_tokens=config.max_new_tokens,
            temperature=config.temperature,
            extra=config.extra,
            concurrency=config.concurrency,
            timeout_s=config.timeout_s,
            retries=config.retries or Retries(),
        )
    )


def _sendable(text: str) -> str:
    # Half of a surrogate pair, from broken JSON, is no text that can be sent.
    return text.encode("utf-8", "replace").decode()
