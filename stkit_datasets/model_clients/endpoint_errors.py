"""What an endpoint's errors mean, how long to wait before asking again, and what must not be told.

Nothing here imports the client library: errors are known by their status and the text they carry.
"""

from __future__ import annotations

import base64
import datetime
import email.utils
import json
import random
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Problem", "Retries", "Secret", "of_status", "retry_after_s"]

_RETRIED = frozenset({408, 409, 425, 429})
_FATAL = {401: "refuses the key", 403: "does not allow this", 404: "does not know this"}
_NO_CREDIT = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
_MESSAGE_CHARACTERS = 300
_SHORTEST_KEY = 8
_TOKENS = re.compile(r"(?i)(bearer\s+|\bsk-|\bapi[_-]?key[=:]\s*)[\w\-.~+/=]{6,}")
_LEFT_OUT = "[left out]"


@dataclass(frozen=True)
class Problem:
    """An attempt without an answer.

    Attributes:
        kind: as in :class:`stkit_datasets.model_clients.base.Failure`.
        retry: whether asking again may help.
        fatal: whether no other question can be answered either.
        wait_s: how long the server asks to wait, None where it does not say.
    """

    kind: str
    message: str
    retry: bool = True
    fatal: bool = False
    wait_s: float | None = None


@dataclass(frozen=True)
class Retries:
    """When a failed question is asked again: exponential backoff with full jitter.

    Attributes:
        attempts: how often a question is asked at most.
        first_s: upper end of the first wait; it doubles with each.
        longest_s: upper end of any wait. A server that asks for more is waited for no longer.
    """

    attempts: int = 6
    first_s: float = 1.0
    longest_s: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"attempts must be at least 1, got {self.attempts}")
        if not 0 <= self.first_s <= self.longest_s:
            raise ValueError(
                f"waits must be from 0 up, got {self.first_s:g} to {self.longest_s:g} s"
            )

    def wait_s(self, attempt: int, asked_s: float | None = None) -> float:
        """Return the seconds to wait after this many attempts, at least what the server asks."""
        spread = min(self.longest_s, self.first_s * 2.0 ** (attempt - 1))
        # Full jitter: many clients that failed together do not come back together.
        drawn = random.uniform(0, spread)
        return drawn if asked_s is None else min(self.longest_s, max(asked_s, 0.0)) + drawn / 4


def of_status(status: int, body: str, headers: Mapping[str, str], secret: Secret) -> Problem:
    """Return what an HTTP status other than success means."""
    message = f"status {status}: {secret.left_out(_told(body))}"
    if status == 429 and any(word in body for word in _NO_CREDIT):
        return Problem("rate_limit", f"the account has no credit left: {message}", False, True)
    if status in _FATAL:
        return Problem("refused", f"the endpoint {_FATAL[status]}: {message}", False, True)
    if status in _RETRIED or status >= 500:
        kind = "rate_limit" if status == 429 else "timeout" if status == 408 else "server"
        return Problem(kind, message, wait_s=retry_after_s(headers))
    return Problem("refused", message, retry=False)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return what ``Retry-After`` asks for: seconds or a date (RFC 9110, 10.2.3); None without."""
    millis = headers.get("retry-after-ms")
    if millis is not None and re.fullmatch(r"\d+(\.\d+)?", millis.strip()):
        return float(millis) / 1000
    text = (headers.get("retry-after") or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


class Secret:
    """A key that can be handed to a client and never shows: not in a repr, not in a text."""

    __slots__ = ("_forms", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        encoded = base64.b64encode(value.encode()).decode()
        forms = {value, urllib.parse.quote(value, safe=""), json.dumps(value)[1:-1], encoded}
        # "none" and "EMPTY", which servers without accounts are given, are no secrets but words.
        secret = len(value) >= _SHORTEST_KEY
        self._forms = tuple(sorted(forms, key=len, reverse=True)) if secret else ()

    def reveal(self) -> str:
        """Return the key, for the client alone."""
        return self._value

    def left_out(self, text: str) -> str:
        """Return a text without the key and without what looks like one."""
        for form in self._forms:
            text = text.replace(form, _LEFT_OUT)
        return _TOKENS.sub(_LEFT_OUT, text)

    def without(self, text: str) -> str:
        """Return a text without the key itself, and otherwise untouched."""
        for form in self._forms:
            text = text.replace(form, _LEFT_OUT)
        return text

    def __repr__(self) -> str:
        return "Secret()"

    def __reduce__(self) -> str:
        raise TypeError("a key is not pickled")


def _told(body: str) -> str:
    """Return what a server's error says, shortened."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict):
        error = data.get("error", data.get("detail", data.get("message")))
        inner = error.get("message") if isinstance(error, dict) else error
        body = inner if isinstance(inner, str) else body
    text = " ".join(body.split())
    return text if len(text) <= _MESSAGE_CHARACTERS else text[: _MESSAGE_CHARACTERS - 1] + "…"
