"""The nuScenes index on disk: made once, shared, and made anew whenever it must be."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stkit_datasets.errors import SourceError
from stkit_datasets.sources import nuscenes_cache
from stkit_datasets.sources.nuscenes import NuScenes

sys.path.append(str(Path(__file__).parent))
from nuscenes_tables_maker import write_release

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path) -> Path:
    write_release(tmp_path / "nuscenes", "v1.0-trainval", ["scene-0001"], sweeps=False)
    return tmp_path / "nuscenes"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def builds(monkeypatch) -> list[Path]:
    """The version folders whose tables were parsed."""
    parsed: list[Path] = []
    original = nuscenes_cache.build_tables

    def count(version_dir: Path):
        parsed.append(version_dir)
        return original(version_dir)

    monkeypatch.setattr(nuscenes_cache, "build_tables", count)
    return parsed


def centers(root: Path) -> np.ndarray:
    return NuScenes(root).read("train", "scene-0001").clips[0].tracks.centers_m


def indexes(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.index"))


def test_tables_are_parsed_once(root, cache, builds):
    first, again = centers(root), centers(root)
    assert len(builds) == 1
    assert np.array_equal(first, again, equal_nan=True)
    assert len(indexes(cache)) == 1
    assert not [path for path in cache.iterdir() if path.name.startswith(".")]


def test_a_changed_table_is_read_anew(root, cache, builds):
    before = centers(root)
    path = root / "v1.0-trainval" / "sample_annotation.json"
    rows = json.loads(path.read_text())
    for row in rows:
        row["translation"][0] += 1.0
    path.write_text(json.dumps(rows))
    after = centers(root)
    assert len(builds) == 2
    np.testing.assert_allclose(after, before + np.array([1.0, 0.0, 0.0]))
    assert len(indexes(cache)) == 1, "the index of the former tables must not stay"


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_index_is_made_anew(root, cache, builds, caplog, damage):
    before = centers(root)
    (path,) = indexes(cache)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes({"flip": bytes(data), "cut": bytes(data[:-9]), "empty": b""}[damage])
    assert np.array_equal(before, centers(root), equal_nan=True)
    assert len(builds) == 2
    assert "damaged" in caplog.text
    centers(root)
    assert len(builds) == 2


def test_without_a_writable_cache_the_index_stays_in_memory(root, tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path / "file" / "cache"))
    source = NuScenes(root)
    assert len(source.read("train", "scene-0001").clips) == 6
    assert "STKIT_CACHE" in caplog.text


def test_a_failed_write_leaves_nothing(root, cache, monkeypatch, caplog):
    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    assert centers(root).shape[1] == 40
    assert "No space left" in caplog.text
    assert not indexes(cache)
    assert not [path for path in cache.iterdir() if path.suffix != ".lock"]


def test_broken_tables_are_parsed_once_and_leave_no_index(root, cache, builds):
    path = root / "v1.0-trainval" / "ego_pose.json"
    path.write_bytes(path.read_bytes()[:1000])
    source = NuScenes(root)
    for _ in range(3):
        with pytest.raises(SourceError, match=r"ego_pose\.json"):
            source.read("train", "scene-0001")
    assert len(builds) == 1
    assert not indexes(cache)


def test_a_pickled_source_is_small_and_reads(root, cache):
    source = NuScenes(root, {"cameras": "CAM_BACK"})
    source.read("train", "scene-0001")
    data = pickle.dumps(source)
    assert len(data) < 2000
    (clip,) = pickle.loads(data).read("train", "scene-0001").clips  # noqa: S301
    assert clip.camera.name == "CAM_BACK"


def test_builders_at_the_same_time_agree(root, cache):
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from stkit_datasets.sources.nuscenes import NuScenes\n"
        "clips = NuScenes(Path(sys.argv[1])).read('train', 'scene-0001').clips\n"
        "print(len(clips), sum(int(clip.tracks.annotated.sum()) for clip in clips))\n"
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root)],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            text=True,
        )
        for _ in range(4)
    ]
    outputs = {job.communicate(timeout=60)[0] for job in jobs}
    assert [job.returncode for job in jobs] == [0] * 4
    assert len(outputs) == 1
    assert len(indexes(cache)) == 1
