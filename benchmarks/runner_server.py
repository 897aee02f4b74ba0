"""Runs of 1,400 simulated questions against a server that fails, for ``bench_runner.py``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from fault_server import FAULTS, FaultServer

from stkit_bench.files import read_table, write_selected
from stkit_bench.run.answers_file import read_kept
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.selection import select
from stkit_bench.selection.candidates import COLUMNS
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.rows import RowConfig

REPOSITORY = Path(__file__).resolve().parents[1]
PER_TASK = 200
SCENES = 72
QUICK_FAULTS = tuple(fault for fault in FAULTS if fault != "stall")


def bench(folder: Path) -> Path:
    """Build 1,400 simulated questions with boxes drawn, or take those that are there."""
    path = folder / "bench.parquet"
    if path.exists():
        return path
    build(
        BuildConfig(
            source="simulation",
            data_dir=None,
            out=folder / "rows",
            splits=("validation",),
            rows=RowConfig(video="overlay"),
            source_options={
                "n_validation_scenes": SCENES,
                "n_train_scenes": 0,
                "duration_s": 10.0,
                "width_px": 640,
                "height_px": 360,
            },
        ),
        progress=False,
    )
    selection = select(read_table(folder / "rows", COLUMNS), PER_TASK)
    write_selected(folder / "rows", path, frozenset(selection.ids))
    return path


# --- 1,400 questions -------------------------------------------------------------------------


def command(rows: Path, out: Path, url: str, name: str, more: Sequence[str]) -> list[str]:
    """Return the command that asks all questions of a server."""
    asked = [sys.executable, "-m", "stkit_bench.cli", "run", "--model", f"openai:{name}"]
    asked += ["--base-url", url, "--data", str(rows), "--out", str(out), "--no-progress"]
    return [*asked, "--max-frames", "4", "--max-side", "112", "--max-new-tokens", "16", *more]


def start(asked: list[str]) -> subprocess.Popen[bytes]:
    """Start it."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "sk-none-needed"}
    return subprocess.Popen(asked, cwd=REPOSITORY, env=environment)


def killed(asked: list[str], out: Path, kills: int, n: int) -> int:
    """Run to the end with so many kills on the way, spread over the questions."""
    done = 0
    for number in range(kills):
        goal = n * (number + 1) // (kills + 2)
        process = start(asked)
        while process.poll() is None and count(out) < goal:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.wait()
    start(asked).wait()
    return done


def count(path: Path) -> int:
    """Count the lines of a file."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def full(folder: Path, kills: int, url: str | None, name: str, concurrency: int) -> None:
    """Ask all questions, undisturbed and with kills."""
    rows = bench(folder)
    n = len(RowsFile(rows))
    tag = f"{os.getpid()}"
    calm, torn = folder / f"calm-{tag}.jsonl", folder / f"torn-{tag}.jsonl"
    more = ["--concurrency", str(concurrency)]
    kinds: dict[str, Sequence[str]] = {}
    server = FaultServer(lambda key: kinds.get(key, ()))
    with server:
        address = url or server.url
        print("server:", url or "a stand-in that answers from a rule")
        started = time.perf_counter()
        start(command(rows, calm, address, name, more)).wait()
        seconds = time.perf_counter() - started
        print(f"undisturbed: {count(calm)} of {n} lines in {seconds:.1f} s")
        names = list(server.attempts)
        if url is None:
            kinds |= {k: [QUICK_FAULTS[i % 5]] for i, k in enumerate(names) if i % 4 == 0}
            server.attempts.clear()
            server.answered.clear()
        started = time.perf_counter()
        times = killed(command(rows, torn, address, name, more), torn, kills, n)
        print(f"killed {times} times: {count(torn)} lines, {time.perf_counter() - started:.1f} s")
    failed = [line for line in read_kept(torn).values() if line["error"] is not None]
    print("failures in the file:", len(failed))
    print("the same answers file:", calm.read_bytes() == torn.read_bytes())
    if url is None:
        twice = sum(server.answered.values()) - len(server.answered)
        print(
            f"faults met: {len(kinds)}; answers that a kill lost on the way: {twice} "
            f"(at most {concurrency} a kill)"
        )
    else:
        differing = [
            key
            for key, line in read_kept(calm).items()
            if line["response"] != read_kept(torn)[key]["response"]
        ]
        print("responses that differ:", json.dumps(differing[:5]))


# --- a server that stalls --------------------------------------------------------------------


class Late:
    """Answers every sixth question late, so many times."""

    def __init__(self, times: int) -> None:
        self.times = times
        self._faults: dict[str, Sequence[str]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str) -> Sequence[str]:
        """Return what goes wrong with a request."""
        with self._lock:
            late = ["stall"] * self.times if len(self._faults) % 6 == 0 else []
            return self._faults.setdefault(key, late)


def stall(folder: Path, stall_s: float) -> None:
    """Ask a server that stalls, with three settings, and ask again what failed."""
    rows, n = bench(folder), 48
    for more, times in (
        ([], 1),
        (["--timeout", "20"], 1),
        (["--timeout", "20", "--attempts", "2"], 2),
    ):
        out = folder / f"stall-{time.time_ns()}.jsonl"
        with FaultServer(Late(times), stall_s=stall_s) as server:
            asked = [*command(rows, out, server.url, "stand-in", more), "--limit", str(n)]
            for turn in (" ".join(more) or "default settings", "   again"):
                started, before = time.perf_counter(), server.attempts.total()
                start(asked).wait()
                kept = read_kept(out).values()
                print(
                    f"{turn}: {len(kept)} of {n} lines, "
                    f"{sum(line['error'] is not None for line in kept)} failures, "
                    f"{server.attempts.total() - before} requests, "
                    f"{time.perf_counter() - started:.1f} s"
                )
