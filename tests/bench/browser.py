"""A page in a real headless Chromium: a probe beside it reports what the page turned out to be."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--disable-sync", "--window-size=1400,1000", "--remote-debugging-port=0"),
)


@dataclass
class Seen:
    """What the page turned out to be in the browser, and every path that was asked for."""

    found: dict[str, Any]
    requests: list[str]


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        path = shutil.which(name)
        if path:
            return path
    reason = "no Chromium on the PATH (Debian: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def probe(page: Path, html: str) -> Seen:
    """Open ``html``, which frames ``/page`` and posts what it found to ``/found``."""
    command = chromium()
    answers: queue.Queue[dict[str, Any]] = queue.Queue()
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            body = page.read_bytes() if self.path == "/page" else html.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            answers.put(json.loads(self.rfile.read(length)))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with contextlib.ExitStack() as stack:
        stack.callback(server.server_close)
        stack.callback(server.shutdown)
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        where = (f"--user-data-dir={profile}", f"http://127.0.0.1:{server.server_port}/")
        browser = subprocess.Popen(
            [command, *_FLAGS, *where], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        stack.callback(browser.wait, 20)
        stack.callback(browser.terminate)
        try:
            found = answers.get(timeout=60)
        except queue.Empty:
            pytest.fail(f"the browser did not report within 60 s; it asked for {requests}")
        return Seen(found, requests)
