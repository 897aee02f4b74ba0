"""A simulation of the Hub's upload endpoints on this machine: what arrives is kept in a dict.

It knows the requests that ``create_repo`` and an upload by Git LFS make, and nothing else.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "hf_not_a_real_token_0123456789"


class FakeHub:
    """The state of the simulated Hub.

    Attributes:
        repositories: name -> whether it is private.
        files: path -> content of the one repository.
        objects: content by its SHA-256, as LFS keeps it.
        requests: method and path of all requests.
        fail: path part -> status to answer with, once for every entry of its list.
    """

    def __init__(self) -> None:
        self.address = ""
        self.repositories: dict[str, bool] = {}
        self.files: dict[str, bytes] = {}
        self.objects: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.fail: dict[str, list[int]] = {}


@contextmanager
def running_hub() -> Iterator[FakeHub]:
    hub = FakeHub()

    class Handler(_Handler):
        state = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    state: FakeHub
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def _answer(self, method: str) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        self.state.requests.append((method, path))
        for part, statuses in self.state.fail.items():
            if part in path and statuses:
                return self._send(statuses.pop(0), {"error": "simulated"})
        allowed = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if not allowed and not path.startswith("/lfs/"):
            return self._send(401, {"error": f"no such token: {self.headers['Authorization']}"})
        for pattern, handle in _ROUTES:
            match = re.fullmatch(pattern, f"{method} {path}")
            if match:
                return self._send(*handle(self.state, body, *match.groups()))
        return self._send(404, {"error": f"not simulated: {method} {path}"})

    def _send(self, status: int, content: object) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def _create(hub: FakeHub, body: bytes) -> tuple[int, object]:
    asked = json.loads(body)
    name = f"{asked['organization']}/{asked['name']}"
    address = {"url": f"{hub.address}/datasets/{name}", "name": name, "id": name}
    if name in hub.repositories:
        return 409, address | {"error": "exists"}
    hub.repositories[name] = asked.get("private") or asked.get("visibility") == "private"
    return 200, address


def _info(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    if name not in hub.repositories:
        return 404, {"error": "Repository not found"}
    siblings = [{"rfilename": path} for path in hub.files]
    return 200, {"id": name, "sha": "0" * 40, "siblings": siblings, "private": False, "tags": [],
                 "downloads": 0, "likes": 0, "disabled": False, "gated": False}  # fmt: skip


def _tree(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    return 200, [
        {"type": "file", "path": path, "size": len(content), "oid": "0" * 40}
        for path, content in hub.files.items()
    ]


def _preupload(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    files = json.loads(body)["files"]
    return 200, {
        "files": [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".parquet") else "regular",
                "shouldIgnore": False,
            }
            for file in files
        ]
    }


def _batch(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    objects = []
    for asked in json.loads(body)["objects"]:
        answer = dict(asked)
        if asked["oid"] not in hub.objects:  # an upload that was cut off is not sent twice
            answer["actions"] = {"upload": {"href": f"{hub.address}/lfs/{asked['oid']}"}}
        objects.append(answer)
    return 200, {"transfer": "basic", "objects": objects}


def _store(hub: FakeHub, body: bytes, oid: str) -> tuple[int, object]:
    hub.objects[oid] = body
    return 200, {}


def _commit(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    for line in body.splitlines():
        entry = json.loads(line)
        value = entry["value"]
        if entry["key"] == "file":
            hub.files[value["path"]] = base64.b64decode(value["content"])
        elif entry["key"] == "lfsFile":
            hub.files[value["path"]] = hub.objects[value["oid"]]
        elif entry["key"] == "deletedFile":
            del hub.files[value["path"]]
    address = f"{hub.address}/datasets/{name}/commit/{'0' * 40}"
    return 200, {"commitUrl": address, "commitOid": "0" * 40, "success": True}


_REPOSITORY = r"([\w-]+/[\w-]+)"
_ROUTES = (
    (r"POST /api/repos/create", _create),
    (r"POST /api/validate-yaml", lambda hub, body: (200, {"errors": [], "warnings": []})),
    (rf"GET /api/datasets/{_REPOSITORY}(?:/revision/main)?", _info),
    (rf"GET /api/datasets/{_REPOSITORY}/tree/\w+", _tree),
    (rf"POST /api/datasets/{_REPOSITORY}/preupload/main", _preupload),
    (rf"POST /datasets/{_REPOSITORY}\.git/info/lfs/objects/batch", _batch),
    (r"PUT /lfs/(\w+)", _store),
    (rf"POST /api/datasets/{_REPOSITORY}/commit/main", _commit),
)
