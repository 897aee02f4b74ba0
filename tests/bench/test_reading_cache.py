"""The cache of readings: atomic, shared by processes, and clear about a broken file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stkit_bench.reading.cache import CacheError, ReadingCache

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from pathlib import Path
from stkit_bench.reading.cache import ReadingCache
cache = ReadingCache(Path(sys.argv[1]))
for n in range(100):
    cache.put("m", "p", f"shared {n}", sys.argv[2])
    cache.put("m", "p", f"{sys.argv[2]} {n}", "own")
"""


def test_a_reply_is_found_by_model_prompt_and_response(tmp_path):
    cache = ReadingCache(tmp_path / "new" / "folder")
    cache.put("m", "p", "ten metres", "a")
    assert cache.get("m", "p", "ten metres") == "a"
    for key in (("n", "p", "ten metres"), ("m", "q", "ten metres"), ("m", "p", "ten metres ")):
        assert cache.get(*key) is None


def test_it_is_there_for_the_next_process_and_the_first_reply_stays(tmp_path):
    first = ReadingCache(tmp_path)
    first.put("m", "p", "r", "a")
    first.put("m", "p", "r", "b")
    # Not closed: what was put is on disk already.
    assert ReadingCache(tmp_path).get("m", "p", "r") == "a"
    assert len(first) == 1


def test_several_processes_write_at_once(tmp_path):
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    running = [
        subprocess.Popen([*command, name], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]
    for process in running:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    cache = ReadingCache(tmp_path)
    assert len(cache) == 100 + 3 * 100
    assert {cache.get("m", "p", f"shared {n}") for n in range(100)} <= {"a", "b", "c"}


def test_half_a_surrogate_pair_is_kept(tmp_path):
    cache = ReadingCache(tmp_path)
    cache.put("m", "p", "ten \ud800", "a \udc00")
    assert cache.get("m", "p", "ten \ud800") == "a ?"


def test_another_file_in_its_place_is_named(tmp_path):
    path = ReadingCache(tmp_path).path
    for name in tmp_path.iterdir():
        name.unlink()
    path.write_text("this is no database, whatever it is called " * 50)
    with pytest.raises(CacheError, match=path.name):
        ReadingCache(tmp_path)
