from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from stkit_datasets import atomic

_WRITER = """
import sys, time
from pathlib import Path
from stkit_datasets import atomic
with atomic.replacing(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def interrupted_write(path: Path) -> None:
    with atomic.replacing(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt


def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.txt"
    atomic.write_text(path, "first")
    with pytest.raises(KeyboardInterrupt):
        interrupted_write(path)
    assert path.read_text() == "first"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_leftovers_of_the_dead_are_removed_and_those_of_the_living_stay(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _WRITER, str(tmp_path / "a.txt")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        atomic.remove_leftovers(tmp_path)
        assert len(list(tmp_path.iterdir())) == 1
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(list(tmp_path.iterdir())) == 1
        (tmp_path / ".notes.tmp").write_text("not ours")
        atomic.remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".notes.tmp"]
