"""Single calls to the language model that reads: JSON modes, replies checked, kept once valid."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from stkit_datasets.model_clients.base import Failure, Reply, Request

from .cache import ReadingCache
from .llm_prompts import Prompt
from .replies import ReplyError, fields_of

__all__ = ["Calls", "Endpoint", "Outcome"]

#: From the strictest to what every endpoint takes.
_MODES = ("json_schema", "json_object", "text")


class Endpoint(Protocol):
    """What is needed of :class:`stkit_datasets.model_clients.openai_endpoint.OpenAIEndpoint`."""

    def prepare(self, requests: Sequence[Any]) -> list[dict[str, Any]]:
        """Return the bodies of requests."""

    def respond(self, prepared: Sequence[dict[str, Any]]) -> list[Reply]:
        """Send them."""

    def close(self) -> None:
        """Cut what is in flight."""


@dataclass
class Outcome:
    """What came of one response: a valid reply, or why there is none."""

    reply: str | None = None
    failure: Failure | None = None
    n_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def add(self, reply: Reply) -> None:
        """Count one call."""
        self.n_calls += 1
        self.input_tokens += reply.input_tokens or 0
        self.output_tokens += reply.output_tokens or 0


class Calls:
    """Asks about one response at a time; safe to use from several threads.

    Args:
        endpoint: who is asked.
        model: under which name its replies are kept.
        cache: where they are kept.
        replies: how often a response is put to it until its reply is valid.
    """

    def __init__(self, endpoint: Endpoint, model: str, cache: ReadingCache, replies: int) -> None:
        self._endpoint, self._model, self._cache = endpoint, model, cache
        self._replies = replies
        self._lock = threading.Lock()
        self._mode = 0

    def ask(self, prompt: Prompt, response: str) -> Outcome:
        """Put a response to the model until its reply is valid, and keep that reply."""
        outcome, rule = Outcome(), ""
        messages = prompt.messages(response)
        for _ in range(self._replies):
            reply = self._reply(prompt, messages, outcome)
            if reply.text is None:
                outcome.failure = reply.failure
                return outcome
            try:
                fields_of(prompt.task, reply.text)
            except ReplyError as error:
                rule = str(error)
                messages = [
                    *prompt.messages(response),
                    {"role": "assistant", "content": reply.text},
                    {"role": "user", "content": f"That was not valid: {rule}. Reply again."},
                ]
                continue
            self._cache.put(self._model, prompt.fingerprint, response, reply.text)
            outcome.reply = reply.text
            return outcome
        outcome.failure = Failure("invalid_reply", f"no valid reply: {rule}")
        return outcome

    def _reply(
        self,
        prompt: Prompt,
        messages: Sequence[Mapping[str, str]],
        outcome: Outcome,
    ) -> Reply:
        """Ask in the strictest JSON mode that the endpoint is not known to refuse."""
        (body,) = self._endpoint.prepare([Request("", ())])
        mode = self._mode
        while True:
            asked = {**body, "messages": list(messages), **_format(_MODES[mode], prompt)}
            (reply,) = self._endpoint.respond([asked])
            outcome.add(reply)
            if not _refuses_format(reply) or mode + 1 == len(_MODES):
                break
            mode += 1
        if reply.failure is None:
            with self._lock:
                self._mode = max(self._mode, mode)
        return reply


def _format(mode: str, prompt: Prompt) -> dict[str, Any]:
    if mode == "json_schema":
        schema = {"name": prompt.task, "strict": True, "schema": dict(prompt.schema)}
        return {"response_format": {"type": mode, "json_schema": schema}}
    return {"response_format": {"type": mode}} if mode == "json_object" else {}


def _refuses_format(reply: Reply) -> bool:
    """Whether the endpoint rejects the request itself, as those do that know no such mode."""
    failure = reply.failure
    return failure is not None and failure.kind == "refused" and "status 4" in failure.message
