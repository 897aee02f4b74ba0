"""A run that is killed again and again ends in the file of one that is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run_rows
from fault_server import FAULTS, FaultServer

from stkit_bench.run.answers_file import read_kept

pytest.importorskip("openai", reason='needs openai: pip install ".[models]" in a clone of STKit')

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 4
QUICK_FAULTS = tuple(fault for fault in FAULTS if fault != "stall")
CLIPS = [f"clip{n}" for n in range(6)]


def command(rows: Path, out: Path, url: str) -> list[str]:
    asked = [sys.executable, "-m", "stkit_bench.cli", "run", "--model", "openai:made-up"]
    asked += ["--base-url", url, "--data", str(rows), "--out", str(out), "--no-progress"]
    return [*asked, "--max-frames", "2", "--max-side", "64", "--timeout", "5"]


def start(asked: list[str]) -> subprocess.Popen[bytes]:
    quiet = {**os.environ, "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "sk-nothing-to-see"}
    return subprocess.Popen(
        asked, cwd=REPOSITORY, env=quiet, stdout=subprocess.DEVNULL, preexec_fn=_heed_interrupts
    )


def _heed_interrupts() -> None:
    # A shell starts what runs in its background with interrupts ignored, and children inherit it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def kill_after_some_answers(asked: list[str], out: Path, n_bytes: int) -> bool:
    """Start a run and kill it when its file has grown; False when it ended before."""
    process, before = start(asked), size(out)
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if size(out) >= before + n_bytes:
            process.send_signal(signal.SIGKILL)
            process.wait(20)
            return True
        time.sleep(0.002)
    assert process.wait(20) == 0
    return False


def test_a_killed_run_ends_in_the_same_file_and_repeats_no_answer(tmp_path: Path) -> None:
    rows = run_rows.write(tmp_path / "rows.parquet", names=CLIPS)
    whole, killed = tmp_path / "whole.jsonl", tmp_path / "killed.jsonl"
    with FaultServer() as server:
        assert start(command(rows, whole, server.url)).wait(60) == 0
        names = list(server.attempts)
    faults = {
        name: [kind] for name, kind in zip(names[::3], QUICK_FAULTS * len(names), strict=False)
    }
    kills = 0
    with FaultServer(lambda name: faults.get(name, ()), delay_s=0.1) as server:
        for number in range(KILLS):
            kills += kill_after_some_answers(
                command(rows, killed, server.url), killed, 1500 + 400 * number
            )
        kept = len(read_kept(killed))
        # As a power cut would leave it: half a line at the end.
        with killed.open("ab") as file:
            file.write(b'{"id": "half a li')
        asked_before = server.attempts.total()
        assert start(command(rows, killed, server.url)).wait(60) == 0
        last = server.attempts.total() - asked_before
    assert kills == KILLS
    assert 0 < kept < len(names)
    assert killed.read_bytes() == whole.read_bytes()
    # The last run asked what was missing, and again only what failed once.
    assert len(names) - kept <= last <= len(names) - kept + len(faults)
    # What was in flight at a kill was answered, but never written: at most eight a kill.
    assert sum(server.answered.values()) - len(names) <= 8 * KILLS


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_told_to_stop_can_be_taken_up(tmp_path: Path, stop: signal.Signals) -> None:
    rows = run_rows.write(tmp_path / "rows.parquet", names=CLIPS[:2])
    out = tmp_path / "a.jsonl"
    with FaultServer(delay_s=0.3) as server:
        process = start([*command(rows, out, server.url), "--concurrency", "2"])
        while size(out) == 0 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(stop)
        assert process.wait(20) != 0
        assert 0 < len(read_kept(out)) < 12
        assert start(command(rows, out, server.url)).wait(60) == 0
    assert len(read_kept(out)) == 12
