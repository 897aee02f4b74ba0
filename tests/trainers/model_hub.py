"""The simulated Hub of ``tests/datasets/fake_hub.py``, for models: weights go by Git LFS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import fake_hub
import pytest
from fake_hub import TOKEN, FakeHub, running_hub

__all__ = ["TOKEN", "FakeHub", "commits", "model_hub"]


def _preupload(hub: FakeHub, body: bytes, name: str) -> tuple[int, object]:
    return 200, {
        "files": [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(".safetensors") else "regular",
                "shouldIgnore": False,
            }
            for file in json.loads(body)["files"]
        ]
    }


_REPOSITORY = r"([\w-]+/[\w-]+)"
_ROUTES = (
    (rf"GET /api/models/{_REPOSITORY}(?:/revision/main)?", fake_hub._info),
    (rf"GET /api/models/{_REPOSITORY}/tree/\w+", fake_hub._tree),
    (rf"POST /api/models/{_REPOSITORY}/preupload/main", _preupload),
    (rf"POST /{_REPOSITORY}\.git/info/lfs/objects/batch", fake_hub._batch),
    (rf"POST /api/models/{_REPOSITORY}/commit/main", fake_hub._commit),
)


@contextmanager
def model_hub(patch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """Run one that the Hub's client takes for the real one."""
    from huggingface_hub import constants

    patch.setattr(fake_hub, "_ROUTES", (*_ROUTES, *fake_hub._ROUTES))
    # The simulation speaks Git LFS, the way that every client falls back on.
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setenv("HF_TOKEN", TOKEN)
    with running_hub() as running:
        patch.setattr(constants, "ENDPOINT", running.address)
        yield running


def commits(hub: FakeHub) -> int:
    return sum("/commit/" in path for _, path in hub.requests)
