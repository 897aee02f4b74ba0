"""Models behind any endpoint that speaks OpenAI's chat completions.

GPT, Gemini's compatible endpoint, vLLM, SGLang and ``transformers serve`` among them. The client
library's own retries are off: what is asked again, and when, is decided here and counted.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stkit_datasets.model_clients.base import Failure, ModelError, Reply, Request, VideoPart
from stkit_datasets.model_clients.endpoint_errors import Problem, Retries, Secret, of_status
from stkit_datasets.model_clients.jpeg import data_urls
from stkit_datasets.model_clients.loop_thread import LoopThread

__all__ = ["EndpointConfig", "OpenAIEndpoint", "chat_messages"]

_DETAILS = ("auto", "low", "high")
#: Endpoints without accounts ignore the key, but the client insists on one.
_NO_KEY = "none"


@dataclass(frozen=True)
class EndpointConfig:
    """How an endpoint is asked.

    Attributes:
        model: the endpoint's name of the model.
        base_url: such as ``http://localhost:8000/v1``; None is OpenAI's own.
        key_variable: the environment variable that holds the key; needed for OpenAI's own.
        max_new_tokens: of a response.
        temperature: None leaves it to the endpoint, as models that reason demand.
        seed: sent where given.
        tokens_field: ``max_tokens`` or ``max_completion_tokens``; by default the former for a
            given ``base_url`` and the latter for OpenAI's own.
        detail: of images: ``auto``, ``low`` or ``high``; None does not send it.
        max_side_px: frames are scaled down to it.
        jpeg_quality: 1 to 95.
        extra: more fields of the request.
        concurrency: requests in flight.
        timeout_s: of one attempt, from its start to the last byte.
        retries: when a question is asked again.
    """

    model: str
    base_url: str | None = None
    key_variable: str = "OPENAI_API_KEY"
    max_new_tokens: int = 256
    temperature: float | None = 0.0
    seed: int | None = None
    tokens_field: str | None = None
    detail: str | None = None
    max_side_px: int | None = None
    jpeg_quality: int = 90
    extra: Mapping[str, Any] = field(default_factory=dict)
    concurrency: int = 8
    timeout_s: float = 120.0
    retries: Retries = field(default_factory=Retries)

    def __post_init__(self) -> None:
        if self.base_url is not None:
            _check_url(self.base_url)
        if self.detail is not None and self.detail not in _DETAILS:
            raise ValueError(f"detail must be one of {', '.join(_DETAILS)}, got {self.detail!r}")
        for name in ("max_new_tokens", "concurrency", "jpeg_quality"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s must be above 0, got {self.timeout_s:g}")


class OpenAIEndpoint:
    """One model of one endpoint.

    Raises:
        ModelError: the client library is missing, or the key where one is needed.
    """

    batch_size = 1
    sees_video = True
    computes_here = False

    def __init__(self, config: EndpointConfig) -> None:
        try:
            import openai
        except ImportError as error:
            raise ModelError(
                'an endpoint needs the openai client: pip install ".[models]" in a clone of STKit'
            ) from error
        self._openai = openai
        self._config = config
        self._secret = _key(config)
        self._loop = LoopThread()
        self._client = openai.AsyncOpenAI(
            api_key=self._secret.reveal(),
            base_url=config.base_url or "https://api.openai.com/v1",
            max_retries=0,
            timeout=config.timeout_s,
        )

    @property
    def name(self) -> str:
        """The endpoint's name of the model."""
        return self._config.model

    @property
    def concurrency(self) -> int:
        """Requests in flight."""
        return self._config.concurrency

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the answers; the address is told, but may change between runs."""
        config = self._config
        return {
            "kind": "openai",
            "name": config.model,
            "max_new_tokens": config.max_new_tokens,
            "temperature": config.temperature,
            "seed": config.seed,
            "detail": config.detail,
            "max_side_px": config.max_side_px,
            "jpeg_quality": config.jpeg_quality,
            "extra": dict(config.extra),
        }

    def prepare(self, requests: Sequence[Request]) -> list[dict[str, Any]]:
        """Return the bodies of the requests, frames as JPEG."""
        return [self._body(request) for request in requests]

    def respond(self, prepared: Sequence[dict[str, Any]]) -> list[Reply]:
        """Ask, and ask again where that may help."""
        return [self._loop.run(self._ask(body)) for body in prepared]

    def close(self) -> None:
        """Cut what is in flight."""
        self._loop.stop()

    def __repr__(self) -> str:
        return f"OpenAIEndpoint({self._config.model!r})"

    def _body(self, request: Request) -> dict[str, Any]:
        config = self._config
        default = "max_completion_tokens" if config.base_url is None else "max_tokens"
        body: dict[str, Any] = {
            "model": config.model,
            "messages": chat_messages(request, config),
            config.tokens_field or default: config.max_new_tokens,
        }
        if config.temperature is not None:
            body["temperature"] = config.temperature
        if config.seed is not None:
            body["seed"] = config.seed
        return body

    async def _ask(self, body: dict[str, Any]) -> Reply:
        retries, started = self._config.retries, time.perf_counter()
        for attempt in range(1, retries.attempts + 1):
            found = await self._attempt(body)
            if isinstance(found, Problem) and found.fatal:
                raise ModelError(found.message)
            if isinstance(found, Problem) and found.retry and attempt < retries.attempts:
                await asyncio.sleep(retries.wait_s(attempt, found.wait_s))
                continue
            elapsed = time.perf_counter() - started
            if isinstance(found, Problem):
                failure = Failure(found.kind, found.message)
                return Reply(None, failure, latency_s=elapsed, attempts=attempt)
            return Reply(**found, latency_s=elapsed, attempts=attempt)
        raise AssertionError("a question is asked at least once")

    async def _attempt(self, body: dict[str, Any]) -> Problem | dict[str, Any]:
        """Ask once. No exception of the client leaves here: theirs hold requests and headers."""
        openai, timeout_s = self._openai, self._config.timeout_s
        asked = self._client.chat.completions.with_raw_response.create(
            **body, extra_body=dict(self._config.extra)
        )
        try:
            # The client's own limit starts anew with every byte; this one does not.
            raw = await asyncio.wait_for(asked, timeout_s)
            text: str = raw.text
        except (openai.APITimeoutError, TimeoutError):
            return Problem("timeout", f"no answer within {timeout_s:g} s")
        except openai.APIStatusError as error:
            status, headers = error.status_code, error.response.headers
            try:
                told = error.response.text
            except Exception as unreadable:  # noqa: BLE001 - whatever cut the body short
                told = type(unreadable).__name__
            return of_status(status, told, headers, self._secret)
        except openai.APIConnectionError as error:
            cause = type(error.__cause__ or error).__name__
            return Problem("connection", f"the connection failed: {cause}")
        except openai.OpenAIError as error:
            return Problem("invalid", f"not a completion: {type(error).__name__}")
        return self._read(text)

    def _read(self, text: str) -> Problem | dict[str, Any]:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            return Problem("invalid", f"the answer is not JSON, {len(text)} characters")
        choices = data.get("choices") if isinstance(data, dict) else None
        if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
            kind = "empty" if choices == [] else "invalid"
            return Problem(kind, "the answer holds no choice")
        message, reason = choices[0].get("message"), choices[0].get("finish_reason")
        content = _text(message if isinstance(message, dict) else {})
        if not content:
            return _without_text(reason)
        usage = data.get("usage") if isinstance(data.get("usage"), dict) else {}
        return {
            "text": self._secret.without(content),
            "finish_reason": reason if isinstance(reason, str) else None,
            "input_tokens": _count(usage, "prompt_tokens"),
            "output_tokens": _count(usage, "completion_tokens"),
        }


def chat_messages(request: Request, config: EndpointConfig) -> list[dict[str, Any]]:
    """Return a request in the form of chat completions, every frame an image."""
    return [
        {
            "role": turn.role,
            "content": [item for part in turn.parts for item in _items(part, config)],
        }
        if turn.role == "user"
        else {"role": turn.role, "content": "".join(p for p in turn.parts if isinstance(p, str))}
        for turn in request.turns
    ]


def _items(part: str | VideoPart, config: EndpointConfig) -> list[dict[str, Any]]:
    if isinstance(part, str):
        return [{"type": "text", "text": part}]
    detail = {} if config.detail is None else {"detail": config.detail}
    return [
        {"type": "image_url", "image_url": {"url": url, **detail}}
        for url in data_urls(part.frames, config.max_side_px, config.jpeg_quality)
    ]


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        texts = [item.get("text") for item in content if isinstance(item, dict)]
        content = "".join(text for text in texts if isinstance(text, str))
    if not isinstance(content, str) or not content.strip():
        # A model that declines says so here; that is an answer, if not one that scores.
        content = message.get("refusal")
    return content.strip() if isinstance(content, str) else ""


def _without_text(reason: Any) -> Problem:
    if reason == "length":
        told = "no text within the allowed tokens; raise --max-new-tokens"
        return Problem("empty", told, retry=False)
    if reason == "content_filter":
        return Problem("refused", "held back by the endpoint's content filter", retry=False)
    return Problem("empty", "the answer holds no text")


def _count(usage: Mapping[str, Any], name: str) -> int | None:
    value = usage.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _key(config: EndpointConfig) -> Secret:
    value = os.environ.get(config.key_variable, "").strip()
    if value:
        return Secret(value)
    if config.base_url is None:
        raise ModelError(f"set the environment variable {config.key_variable} to the API key")
    return Secret(_NO_KEY)


def _check_url(url: str) -> None:
    """Refuse an address that may hold a key, without repeating it."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("base_url must be an http or https address such as http://localhost/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError(
            "base_url must hold no user, password or query: a key is read from the environment "
            "variable that --api-key-env names"
        )
