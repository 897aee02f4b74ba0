from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import datasets
import pytest
from busy_log import make_busy_log
from datasets import load_dataset

import stkit_datasets  # noqa: F401  (registers "stkit")
from stkit_datasets.stkit import Stkit
from stkit_datasets.video.encode import decode_mp4

CAMERA = {"cameras": ["ring_front_center"]}


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("argoverse2")
    for name in ("log-a", "log-b", "log-c"):
        make_busy_log(root, name, image_cameras=["ring_front_center"])
    make_busy_log(root, "log-t", split="train", image_cameras=["ring_front_center"])
    return root


@pytest.fixture
def load(data_dir: Path, tmp_path: Path):
    def call(split: str | None = "validation", **more):
        settings = {"video": "none", "cache_dir": str(tmp_path), "data_dir": str(data_dir)}
        return load_dataset("stkit", "argoverse2", split=split, **{**settings, **more})

    return call


def test_literal_name_loads_the_rows(load) -> None:
    rows = load()
    assert len(rows) > 20
    assert set(rows["split"]) == {"validation"}
    assert rows.features["video"] == datasets.Video(decode=False)


def test_all_splits_come_as_a_dict(load) -> None:
    rows = load(split=None)
    assert list(rows) == ["train", "validation"]
    assert set(rows["train"]["scene_id"]) == {"log-t"}


def test_splits_of_a_source_without_files_are_told_apart(tmp_path: Path) -> None:
    scenes = {"n_train_scenes": 1, "n_validation_scenes": 1, "duration_s": 6.0}
    call = {"video": "none", "cache_dir": str(tmp_path), "source_options": scenes}
    first = load_dataset("stkit", "simulation", split="train", **call)
    both = load_dataset("stkit", "simulation", **call)
    assert both["train"]["id"] == first["id"]
    assert set(both["validation"]["split"]) == {"validation"}


def test_streamed_rows_do_not_follow_a_change_of_folder(
    load, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_dir.parent)
    rows = load(data_dir=data_dir.name, streaming=True)
    monkeypatch.chdir(tmp_path)
    assert next(iter(rows))["id"] == load()[0]["id"]


def test_the_users_own_folder_is_found(
    load, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(data_dir.parent))
    assert load(data_dir=f"~/{data_dir.name}")["id"] == load()["id"]


@pytest.mark.parametrize(
    ("instruction", "share"), [("validation[:50%]", 0.5), ("train+validation", None)]
)
def test_split_instructions(load, instruction: str, share: float | None) -> None:
    rows, validation = load(split=instruction), load()
    if share:
        assert len(rows) == pytest.approx(share * len(validation), abs=1)
    else:
        assert len(rows) == len(validation) + len(load(split="train"))


def test_asking_for_one_split_does_not_read_the_other(load, data_dir: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    make_busy_log(root, "log-a")
    (root / "train" / "log-t").mkdir(parents=True)
    assert len(load(data_dir=str(root))) > 0
    with pytest.raises(ValueError, match="log-t"):
        load(split="train", data_dir=str(root))


def test_streaming_gives_the_same_rows(load) -> None:
    assert list(load(streaming=True)) == load().to_list()


def test_processes_do_not_change_the_rows(load, tmp_path: Path) -> None:
    other = load(num_proc=2, cache_dir=str(tmp_path / "other"))
    assert other.to_list() == load().to_list()


def test_second_load_is_a_cache_hit_and_a_changed_file_is_not(load, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    folder = make_busy_log(root, "log-a")
    first = load(data_dir=str(root))
    assert load(data_dir=str(root)).cache_files == first.cache_files
    annotations = folder / "annotations.feather"
    status = annotations.stat()
    os.utime(annotations, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert load(data_dir=str(root)).cache_files != first.cache_files


def test_other_settings_are_other_rows(load) -> None:
    assert set(load()["id"]).isdisjoint(load(seed=1)["id"])


def test_overlay_is_the_default_and_plays(load) -> None:
    row = load(video="overlay", source_options=CAMERA)[0]
    frames = decode_mp4(row["video"]["bytes"])
    assert len(frames) == len(row["timestamps_s"]) == len(row["frames"])
    assert row["frames"][0].startswith("val/log-a/sensors/cameras/ring_front_center/")


def test_raw_video_differs_from_overlay(load) -> None:
    overlay, raw = (load(video=mode, source_options=CAMERA)[0] for mode in ("overlay", "raw"))
    assert overlay["id"] == raw["id"]
    assert overlay["video"]["bytes"] != raw["video"]["bytes"]


def test_patch_free_form(data_dir: Path, tmp_path: Path, load) -> None:
    builder = Stkit(
        config_name="argoverse2", data_dir=str(data_dir), video="none", cache_dir=str(tmp_path)
    )
    builder.download_and_prepare()
    assert builder.as_dataset("validation").to_list() == load().to_list()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        (None, {}, "unknown config 'default'; name a source, one of argoverse2"),
        ("nuscene", {}, "'nuscene' not found"),
        ("argoverse2", {"data_dir": None}, "needs data_dir"),
        ("argoverse2", {"video": "gif"}, "video must be one of overlay, raw, none, got 'gif'"),
        ("argoverse2", {"on_error": "no"}, "on_error must be one of raise, skip, got 'no'"),
        ("argoverse2", {"seed": "7"}, "seed must be a whole number, got '7'"),
        ("argoverse2", {"data_dir": 7}, "data_dir must be a path, got 7"),
        ("argoverse2", {"split": "test"}, "unknown split 'test', expected one of train, valid"),
        ("argoverse2", {"speed": 1}, "speed"),
        ("argoverse2", {"source_options": {"camera": 1}}, "camera"),
        ("nuscenes", {}, "expected the nuScenes data folder"),
    ],
)
def test_wrong_calls_say_what_is_expected(
    data_dir: Path, tmp_path: Path, name: str | None, settings: dict, message: str
) -> None:
    call = {"data_dir": str(data_dir), "cache_dir": str(tmp_path), "split": "validation"}
    with pytest.raises(ValueError, match=message):
        load_dataset("stkit", name, **{**call, **settings})


def broken(tmp_path: Path) -> Path:
    root = tmp_path / "broken"
    make_busy_log(root, "log-a")
    path = make_busy_log(root, "log-b") / "annotations.feather"
    path.write_bytes(path.read_bytes()[:-50])
    return root


def test_a_broken_log_is_an_error_that_names_the_file(load, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"log-b.annotations\.feather"):
        load(data_dir=str(broken(tmp_path)))


def test_a_broken_log_can_be_skipped(load, tmp_path: Path, caplog) -> None:
    rows = load(data_dir=str(broken(tmp_path)), on_error="skip")
    assert set(rows["scene_id"]) == {"log-a"}
    assert "skipped log-b" in caplog.text


def test_a_split_without_a_question_says_so(load, tmp_path: Path) -> None:
    root = tmp_path / "broken"
    path = make_busy_log(root, "log-a") / "annotations.feather"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"the 1 scenes of split 'validation'.*gave no question"):
        load(data_dir=str(root), on_error="skip")


_SCRIPT = """
import sys
{imports}
data_dir, cache_dir = sys.argv[1:]
rows = load_dataset("stkit", "argoverse2", data_dir=data_dir, cache_dir=cache_dir,
                    split="validation", video="none")
print(len(rows), rows[0]["id"])
"""


@pytest.mark.parametrize(
    "imports",
    [
        "import stkit_datasets\nfrom datasets import load_dataset",
        "from datasets import load_dataset\nimport stkit_datasets",
    ],
)
def test_name_is_known_in_either_import_order(
    imports: str, data_dir: Path, tmp_path: Path, load
) -> None:
    script = _SCRIPT.format(imports=imports)
    done = subprocess.run(
        [sys.executable, "-c", script, str(data_dir), str(tmp_path / "cache")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        check=True,
    )
    rows = load()
    assert done.stdout.split() == [str(len(rows)), rows[0]["id"]]


def test_opt_out_leaves_datasets_alone(tmp_path: Path) -> None:
    script = (
        "import stkit_datasets, datasets.load as l\n"
        "print(hasattr(l.dataset_module_factory, '_stkit_wrapped'))"
    )
    for value, expected in (("1", "False"), ("", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={**os.environ, "STKIT_NO_REGISTRATION": value},
            check=True,
        )
        assert done.stdout.strip() == expected
