from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest
from busy_log import make_busy_log

from stkit_datasets.build import BuildConfig, build
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.rows import RowConfig


def square(number: int) -> int:
    return number * number


def broken_at_three(number: int) -> int:
    if number == 3:
        raise SourceError("numbers.txt", "three is broken", "row 3")
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_local_results_come_in_order(workers: int) -> None:
    assert list(Engine(workers=workers).run(square, range(9))) == [i * i for i in range(9)]


@pytest.mark.parametrize("workers", [1, 2])
def test_local_errors_keep_their_type_and_message(workers: int) -> None:
    with pytest.raises(SourceError, match=r"numbers\.txt: row 3: three is broken"):
        list(Engine(workers=workers).run(broken_at_three, range(9)))


_WITH_WORKERS = """
import multiprocessing, sys, time
from stkit_datasets.engine import Engine
if __name__ == "__main__":
    for _ in Engine(workers=2).run(time.sleep, [0, 0, 600, 600]):
        print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_WITH_WORKERS)
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert workers
    process.kill()
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "spark"}, "engine must be one of local, ray, got 'spark'"),
        ({"workers": 0}, "workers must be at least 1, got 0"),
        ({"address": "auto"}, "an address goes with engine 'ray' only"),
    ],
)
def test_settings_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Engine(**settings)


def files(out: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("argoverse2")
    for number in range(12):
        make_busy_log(root, f"log-{number:02d}")
    return root


def settings(logs: Path, out: Path, engine: Engine) -> BuildConfig:
    options = {"cameras": ["ring_front_center"]}
    rows = RowConfig(video="none")
    return BuildConfig("argoverse2", logs, out, ("validation",), rows, options, engine)


@pytest.mark.ray
def test_ray_keeps_errors_of_bad_input(cluster, tmp_path: Path) -> None:
    broken = make_busy_log(tmp_path / "data", "log-a") / "annotations.feather"
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(SourceError, match=r"log-a.annotations\.feather"):
        build(settings(tmp_path / "data", tmp_path / "out", Engine("ray", 0)), progress=False)
    assert not (tmp_path / "out" / "argoverse2").exists()


@pytest.mark.ray
def test_a_lost_node_loses_nothing_and_changes_no_byte(cluster, logs: Path, tmp_path: Path) -> None:
    build(settings(logs, tmp_path / "local", Engine()), progress=False)
    lost = next(iter(cluster.worker_nodes))
    units = tmp_path / "ray" / ".unfinished"

    def lose_a_node() -> None:
        deadline = time.monotonic() + 120
        while len(list(units.rglob("*.parquet"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
        cluster.remove_node(lost, allow_graceful=False)

    saboteur = threading.Thread(target=lose_a_node)
    saboteur.start()
    report = build(settings(logs, tmp_path / "ray", Engine("ray", 0)), progress=False)
    saboteur.join()
    assert lost not in cluster.list_all_nodes()
    assert report.units == 12
    assert files(tmp_path / "ray") == files(tmp_path / "local")
