from __future__ import annotations

from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stkit_bench.files import FileError
from stkit_bench.overlap import OverlapError, assert_disjoint, scenes


def table(*names: str) -> pa.Table:
    """Rows of scenes written ``source/scene``."""
    source, scene = zip(*(name.split("/") for name in names), strict=True)
    return pa.table({"source": source, "scene_id": scene, "video": [b"never read"] * len(names)})


def test_disjoint_sets_pass() -> None:
    assert_disjoint(table("nuscenes/a", "nuscenes/a"), table("nuscenes/b", "argoverse2/a"))


def test_shared_scenes_are_named() -> None:
    bench = table("nuscenes/a", "nuscenes/b", "argoverse2/c", "nuplan/d")
    with pytest.raises(OverlapError, match=r"share 2 scenes: argoverse2/c, nuscenes/b$"):
        assert_disjoint(bench, table("nuscenes/b", "nuscenes/x", "argoverse2/c"))


def test_many_shared_scenes_are_counted() -> None:
    rows = table(*(f"nuscenes/{number:03d}" for number in range(25)))
    with pytest.raises(OverlapError, match=r"share 25 scenes: nuscenes/000, .* and 5 more$"):
        assert_disjoint(rows, rows)


def test_nuplan_is_never_trained_on() -> None:
    with pytest.raises(OverlapError, match=r"nuplan must never be .* holds 1 scene: nuplan/x"):
        assert_disjoint(table("nuscenes/a"), table("nuplan/x"))


def test_folders_files_and_datasets_give_the_same(tmp_path: Path) -> None:
    rows = table("nuscenes/a", "custom/b", "nuscenes/a")
    (tmp_path / "deep" / "er").mkdir(parents=True)
    pq.write_table(rows.slice(0, 1), tmp_path / "one.parquet")
    pq.write_table(rows.slice(1), tmp_path / "deep" / "er" / "two.parquet")
    (tmp_path / ".unfinished").mkdir()
    pq.write_table(table("nuscenes/never"), tmp_path / ".unfinished" / "x.parquet")
    expected = {("nuscenes", "a"), ("custom", "b")}
    assert scenes(tmp_path) == scenes(rows) == expected
    assert scenes(datasets.Dataset(rows)) == expected
    assert scenes(tmp_path / "one.parquet") == {("nuscenes", "a")}


def test_errors_name_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"holds no \*\.parquet"):
        scenes(tmp_path)
    path = tmp_path / "x.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(FileError, match=r"x\.parquet: cannot be read as Parquet"):
        scenes(tmp_path)
    pq.write_table(pa.table({"source": ["a"]}), path)
    with pytest.raises(FileError, match=r"x\.parquet: expected the columns source, scene_id"):
        scenes(tmp_path)
    pq.write_table(pa.table({"source": ["a"], "scene_id": pa.nulls(1, pa.string())}), path)
    with pytest.raises(FileError, match=r"x\.parquet: every row needs a source and a scene_id"):
        scenes(tmp_path)
    with pytest.raises(FileError, match=r"none\.parquet: cannot be read"):
        scenes(tmp_path / "none.parquet")


def test_a_training_set_is_named_in_the_error(tmp_path: Path) -> None:
    pq.write_table(table("nuscenes/a"), tmp_path / "rows.parquet")
    with pytest.raises(OverlapError, match=r"rows\.parquet: the training set and the bench share"):
        assert_disjoint(table("nuscenes/a"), tmp_path / "rows.parquet")
