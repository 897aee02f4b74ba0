"""An OpenAI-compatible endpoint that reads responses from a table, and fails as it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from fault_server import completion, send

#: Returns a reply's text, or a status and an error's message, for a request's body.
Answer = Callable[[dict[str, Any]], "str | tuple[int, str]"]


class ReadingServer:
    """Serves until the ``with`` block ends; keeps every body and every header it was sent."""

    def __init__(self, answer: Answer) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        lock, owner = threading.Lock(), self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    owner.bodies.append(body)
                    owner.headers.append({k.lower(): v for k, v in self.headers.items()})
                found = answer(body)
                if isinstance(found, str):
                    send(self, 200, completion(found))
                else:
                    send(self, found[0], {"error": {"message": found[1]}})

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> ReadingServer:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def said(body: dict[str, Any]) -> str:
    """The response that a request asks about: the last text that came before any correction."""
    users = [m["content"] for m in body["messages"] if m["role"] == "user"]
    return next(text for text in reversed(users) if not text.startswith("That was not valid"))


def from_table(table: dict[str, dict[str, Any]]) -> Answer:
    return lambda body: json.dumps(table[said(body)])
