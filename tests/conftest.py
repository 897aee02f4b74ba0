"""Shared fixtures: real files where a machine has them, the rule for when not, a Ray cluster."""

from __future__ import annotations

import os
import runpy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Here and in every process that a test starts, see tests/cpu_torchvision/sitecustomize.py.
_START_UP = str(REPOSITORY / "tests" / "cpu_torchvision")
os.environ["PYTHONPATH"] = os.pathsep.join(
    path for path in (_START_UP, os.environ.get("PYTHONPATH")) if path
)
runpy.run_path(os.path.join(_START_UP, "sitecustomize.py"))


@pytest.fixture(scope="session")
def shared_data() -> Callable[[str], Path]:
    """Return a function that maps a relative path to a real file or folder, or skips the test.

    The root is ``$STKIT_TEST_DATA`` or, when that is unset, ``../shared/data`` beside the
    repository. Where the environment variable ``CI`` is set, a missing file is a failure.
    """
    root = Path(os.environ.get("STKIT_TEST_DATA") or REPOSITORY.parent / "shared" / "data")

    def locate(relative: str) -> Path:
        path = root / relative
        if not path.exists():
            reason = f"test data {relative!r} not found (set STKIT_TEST_DATA to the folder with it)"
            if os.environ.get("CI"):
                pytest.fail(reason)
            pytest.skip(reason)
        return path

    return locate


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Start a Ray cluster of three nodes with one CPU each, of which a module may lose some."""
    ray = pytest.importorskip("ray", reason="needs the extra `ray`")
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster
    ray.shutdown()
    cluster.shutdown()
