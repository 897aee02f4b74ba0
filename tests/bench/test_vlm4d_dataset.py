"""``load_dataset("stkit_bench", "vlm4d", data_dir=…)``, also from the repository's root."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from test_vlm4d_items import entry, synthetic, write

datasets = pytest.importorskip("datasets")

import stkit_bench  # noqa: E402  (registers "stkit_bench")
from stkit_bench.dataset import BenchRows  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)

    def call(data_dir: Path | None, **more):
        return datasets.load_dataset(
            "stkit_bench",
            "vlm4d",
            data_dir=None if data_dir is None else str(data_dir),
            cache_dir=str(tmp_path / "cache"),
            **more,
        )

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    write(folder / "real_mc.json", entry(1), entry(923, choices={"A": 1, "B": 2}, answer=2))
    write(folder / "synthetic_mc.json", synthetic(1))
    return folder


def test_both_splits_are_loaded(load, data: Path) -> None:
    rows = load(data)
    assert {name: len(split) for name, split in rows.items()} == {"real": 2, "synthetic": 1}
    first, second = rows["real"]
    assert first["id"] == "real/validation_1"
    assert first["letters"] == ["B"]
    assert first["video"] is None
    assert first["video_path"] == "videos_real/davis/camel.mp4"
    assert "A. left" in first["prompt_direct"]
    assert second["choices"] == {"A": "1", "B": "2", "C": None, "D": None}
    assert second["faults"] == ["integer_options"]
    assert second["group"] == "real_egocentric"


def test_the_name_is_ours_also_where_a_folder_has_it(
    load, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert Path(stkit_bench.__name__).is_dir()
    assert len(load(data, split="synthetic")) == 1


def test_a_video_that_arrives_and_a_file_that_changes_build_anew(load, data: Path) -> None:
    assert load(data, split="real")[0]["video"] is None
    video = data / "videos_real" / "davis" / "camel.mp4"
    video.parent.mkdir(parents=True)
    video.write_bytes(b"mp4")
    assert load(data, split="real")[0]["video"]["path"] == str(video)
    file = data / "real_mc.json"
    write(file, entry(5))
    os.utime(file, ns=(1, 1))
    assert load(data, split="real")["id"] == ["real/validation_5"]


def test_one_file_alone_is_one_split(load, data: Path) -> None:
    (data / "synthetic_mc.json").unlink()
    assert list(load(data)) == ["real"]


def test_broken_files_are_named(load, data: Path) -> None:
    write(data / "real_mc.json", entry(1, answer=None))
    with pytest.raises(Exception, match=r"real_mc\.json: item 0 .*'answer' is missing"):
        load(data)


@pytest.mark.parametrize(
    ("data_dir", "rule"), [(None, "needs data_dir"), (Path("no/such/folder"), "is not a folder")]
)
def test_the_folder_must_be_there(load, data_dir: Path | None, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        load(data_dir)


def test_a_folder_without_the_files_is_named(load, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds neither real_mc\.json"):
        load(tmp_path)


def test_the_builder_works_without_the_registration(data: Path, tmp_path: Path) -> None:
    builder = BenchRows(
        config_name="vlm4d", data_dir=str(data), cache_dir=str(tmp_path / "c"), hash="x"
    )
    builder.download_and_prepare()
    assert len(builder.as_dataset("real")) == 2


def test_official_files(load, shared_data) -> None:
    rows = load(shared_data("vlm4d"))
    assert (len(rows["real"]), len(rows["synthetic"])) == (1371, 445)
    found = {row["video_path"] for row in rows["real"] if row["video"]}
    assert len(found) == 10
