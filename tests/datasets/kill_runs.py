"""Builds and exports in processes of their own, killed with all their workers at random times."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from busy_log import make_busy_log

_BEGIN = """
import sys
from pathlib import Path
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.engine import Engine
from stkit_datasets.export import ExportConfig, export
from stkit_datasets.rows import RowConfig
if __name__ == "__main__":
    source, out = map(Path, sys.argv[1:3])
    print("begins", flush=True)
"""
_BUILD = """
    build(BuildConfig("argoverse2", source, out, ("validation",), RowConfig(video="none"),
                      {"cameras": ["ring_front_center"]}, ENGINE, shard_bytes=30_000),
          progress=False)
"""
LOCAL = _BEGIN + _BUILD.replace("ENGINE", "Engine(workers=2)")
RAY = _BEGIN + _BUILD.replace("ENGINE", 'Engine("ray", 0, sys.argv[3])')
EXPORT = (
    _BEGIN
    + """
    export(ExportConfig(source, out, shard_bytes=20_000), progress=False)
"""
)


@dataclass
class Tally:
    """How many runs were killed, how many of them before they had ended, and what came after."""

    kills: int = 0
    unfinished: int = 0
    same_bytes: int = 0


def make_logs(root: Path, n: int) -> Path:
    """Write small logs to build from."""
    for number in range(n):
        make_busy_log(root, f"log-{number:02d}")
    return root


def files(folder: Path) -> dict[str, bytes]:
    """All files, hidden ones too."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(code: str, *arguments: object, kill_after_s: float | None = None) -> float:
    """Run to the end, or kill after a while, counted from when the work begins; seconds it took.

    Raises:
        RuntimeError: a run that nobody killed failed.
    """
    command = [sys.executable, "-c", code, *map(str, arguments)]
    if code is LOCAL:
        # Worker processes start by importing the main module, which so must be a file.
        script = Path(arguments[1]).parent / "run_local.py"
        script.write_text(code)
        command[1:3] = [str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        started = time.monotonic()
        if kill_after_s is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(kill_after_s)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        errors = process.stderr.read().decode()
        process.wait()
    if process.returncode and kill_after_s is None:
        raise RuntimeError(errors[-3000:])
    return time.monotonic() - started


def kill_and_resume(
    code: str,
    source: Path,
    folder: Path,
    kills: int,
    *arguments: object,
    seed: int = 0,
    most_in_a_row: int = 2,
    done: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Kill runs at random times, each up to a few times before it may end, and compare bytes.

    Args:
        code: what to run on ``source`` and an output folder.
        source: what it reads.
        folder: where to write.
        kills: how many kills there are to be.
        arguments: further arguments of the code.
        seed: of the times.
        most_in_a_row: kills of the same output before it is finished.
        done: called after every comparison.
    """
    random_times = random.Random(seed)
    whole_s = run(code, source, folder / "whole", *arguments)
    expected = files(folder / "whole")
    tally = Tally()
    while tally.kills < kills:
        out = folder / "killed"
        rounds = min(random_times.randint(1, most_in_a_row), kills - tally.kills)
        for _ in range(rounds):
            run(code, source, out, *arguments, kill_after_s=random_times.uniform(0, whole_s))
            tally.kills += 1
            tally.unfinished += not out.exists() or files(out) != expected
        run(code, source, out, *arguments)
        if files(out) != expected:
            raise AssertionError(f"other bytes after kill {tally.kills}: {sorted(files(out))}")
        tally.same_bytes += rounds
        shutil.rmtree(out)
        done(tally)
    return tally
