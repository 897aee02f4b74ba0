from __future__ import annotations

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from bench_maker import make_bench, make_roots
from datasets import load_dataset

import stkit_bench  # noqa: F401 - makes the name known
from stkit_bench.dataset import BenchRows
from stkit_bench.views import view
from stkit_datasets.schema import features


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bench")
    make_bench(make_roots(root / "official"), root / "bench", per_task=2)
    return root / "bench"


@pytest.fixture
def load(bench: Path, tmp_path: Path):
    def load(*args, **more):
        settings = {"data_dir": str(bench), "cache_dir": str(tmp_path), **more}
        return load_dataset("stkit_bench", *args, **settings)

    return load


def stored(bench: Path, source: str = "*") -> list[dict]:
    return [r for path in sorted(bench.glob(f"{source}/*.parquet"))
            for r in pq.read_table(path).to_pylist()]  # fmt: skip


def test_without_a_name_all_sources_come(bench: Path, load) -> None:
    found = load()
    assert list(found) == ["test"]
    assert found["test"].features == features()
    assert found["test"].to_list() == stored(bench)
    assert set(found["test"]["source"]) == {"argoverse2", "simulation"}
    assert load("all", split="test").to_list() == stored(bench)


def test_one_source_by_name(bench: Path, load) -> None:
    rows = load("argoverse2", split="test")
    assert rows.to_list() == stored(bench, "argoverse2")


def test_views(bench: Path, load) -> None:
    rows = load(split="test", fps=0.5, paraphrased=True)
    assert rows["prompt"] == [view(row, 0.5, True)["prompt"] for row in stored(bench)]
    assert set(rows["fps"]) == {0.5}
    assert load(split="test")["fps"] != rows["fps"]


def test_streaming_and_num_proc_give_the_same(bench: Path, load) -> None:
    streamed = list(load("simulation", split="test", streaming=True, fps=1))
    assert streamed == load("simulation", split="test", fps=1).to_list()
    assert load(split="test", num_proc=2)["id"] == [row["id"] for row in stored(bench)]


def test_the_class_itself_needs_no_name(bench: Path, tmp_path: Path) -> None:
    builder = BenchRows(data_dir=str(bench), cache_dir=str(tmp_path), config_name="simulation")
    builder.download_and_prepare()
    assert builder.as_dataset(split="test").num_rows == len(stored(bench, "simulation"))


def test_a_changed_file_is_never_a_stale_hit(bench: Path, load, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bench, copy)
    before = load("simulation", split="test", data_dir=str(copy))
    (path,) = (copy / "simulation").glob("*.parquet")
    pq.write_table(pq.read_table(path).slice(1), path)
    os.utime(path, ns=(1, 1))
    after = load("simulation", split="test", data_dir=str(copy))
    assert after["id"] == before["id"][1:]


@pytest.mark.parametrize(
    ("args", "more", "message"),
    [
        (("nuplan",), {}, r"nuplan/test-\*-of-\*.parquet; it holds argoverse2, simulation"),
        (("kitti",), {}, "kitti"),
        ((), {"fps": 3}, "fps must be one of 2, 1, 0.5, 0.25, got 3"),
        ((), {"wording_path": "nowhere.json"}, "nowhere.json"),
        ((), {"data_dir": "nowhere"}, "nowhere: expected .* it is no built bench"),
        ((), {"data_dir": None}, "needs data_dir"),
    ],
)
def test_errors_name_what_is_wrong(load, args: tuple, more: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(*args, **more)


def test_a_broken_shard_is_named(bench: Path, load, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bench, copy)
    (path,) = (copy / "simulation").glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=path.name):
        load("simulation", split="test", data_dir=str(copy))
