"""Runs killed at random times; benchmarks/kill_builds.py does many more, and clusters."""

from __future__ import annotations

from pathlib import Path

from export_maker import make_built
from kill_runs import EXPORT, LOCAL, kill_and_resume, make_logs


def test_a_build_with_workers_survives_kills_at_random_times(tmp_path: Path) -> None:
    logs = make_logs(tmp_path / "logs", 8)
    tally = kill_and_resume(LOCAL, logs, tmp_path, 2)
    assert tally.same_bytes == tally.kills == 2


def test_an_export_survives_kills_at_random_times(tmp_path: Path) -> None:
    tally = kill_and_resume(EXPORT, make_built(tmp_path / "data"), tmp_path, 2)
    assert tally.same_bytes == tally.kills == 2
