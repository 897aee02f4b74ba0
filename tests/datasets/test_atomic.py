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


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", b""),
        (b"whole\n", b"whole\n"),
        (b"whole\nhal", b"whole\n"),
        (b"hal", b""),
        (b"whole\n" + b"h" * 200_000, b"whole\n"),
        (b"h" * 200_000, b""),
    ],
)
def test_half_of_a_last_line_is_cut(tmp_path: Path, content: bytes, expected: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with path.open("rb+") as file:
        atomic.cut_half_line(file.fileno())
    assert path.read_bytes() == expected
