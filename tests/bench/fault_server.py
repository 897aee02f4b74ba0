"""An OpenAI-compatible endpoint that answers from a rule and fails on purpose.

The answer to a request depends on its messages alone, so that any two runs can be compared.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

#: What can go wrong before a request is answered.
FAULTS = ("rate_limit", "server_error", "cut", "half_json", "empty_choice", "stall")


def digest(messages: Any) -> str:
    """Name a request by its messages."""
    return hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:16]


class FaultServer:
    """Serves until the ``with`` block ends.

    Args:
        faults: what happens at the first attempts of a request, by its digest; () answers at once.
        answer: the response's text by digest.
        stall_s: how long a stall lasts.
        delay_s: before every answer.
    """

    def __init__(
        self,
        faults: Callable[[str], Sequence[str]] = lambda name: (),
        answer: Callable[[str], str] = lambda name: f"The object traveled {int(name[:2], 16)} m.",
        stall_s: float = 1.5,
        delay_s: float = 0.0,
    ) -> None:
        self.faults, self.answer = faults, answer
        self.stall_s, self.delay_s = stall_s, delay_s
        self.attempts: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.keep_bodies = False
        self._lock = threading.Lock()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                owner.handle(self)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                # Clients that are killed hang up in the middle.
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def handle(self, request: Any) -> None:
        body = json.loads(request.rfile.read(int(request.headers["Content-Length"])))
        name = digest(body["messages"])
        with self._lock:
            turn = self.attempts[name]
            self.attempts[name] += 1
            self.headers.append({name.lower(): v for name, v in request.headers.items()})
            if self.keep_bodies:
                self.bodies.append(body)
        faults = self.faults(name)
        if turn < len(faults):
            self._fail(request, faults[turn])
            return
        time.sleep(self.delay_s)
        with self._lock:
            self.answered[name] += 1
        send(request, 200, completion(self.answer(name)))

    def _fail(self, request: Any, fault: str) -> None:
        if fault == "rate_limit":
            error = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
            send(request, 429, error, {"Retry-After": "1"})
        elif fault == "server_error":
            send(request, 500, {"error": {"message": "something broke"}})
        elif fault == "cut":
            text = json.dumps(completion("never seen"))
            request.send_response(200)
            request.send_header("Content-Type", "application/json")
            request.send_header("Content-Length", str(len(text)))
            request.end_headers()
            request.wfile.write(text[: len(text) // 2].encode())
            request.close_connection = True
        elif fault == "half_json":
            text = json.dumps(completion("never seen"))
            send(request, 200, text[: len(text) // 2])
        elif fault == "empty_choice":
            send(request, 200, {**completion(""), "choices": []})
        elif fault == "stall":
            time.sleep(self.stall_s)
            send(request, 200, completion("too late"))
        elif fault.isdigit():
            # The key comes back in the error, as careless servers do.
            told = f"no: {request.headers['Authorization']} {request.path}"
            send(request, int(fault), {"error": {"message": told}})
        else:
            raise ValueError(f"no such fault: {fault}")


def completion(text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "completion",
        "object": "chat.completion",
        "created": 0,
        "model": "made-up",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


def send(request: Any, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    data = (body if isinstance(body, str) else json.dumps(body)).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(data)))
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(data)
