from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from labelling_maker import Archives, write_video

from stkit_datasets.cli import main
from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels import collecting, command, pipeline
from stkit_datasets.pseudo_labels.collecting import Place, find_videos, video_jobs
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.footage import VideoFootage, sample
from stkit_datasets.sources import open_source
from stkit_datasets.sources.base import SPLITS

pytest.importorskip("av", reason="needs the extra `video`")

SECONDS = range(0, 8000, 100)


def outcomes(out: Path) -> dict[str, dict]:
    lines = (out / "outcomes.jsonl").read_text().splitlines()
    return {own["video_id"]: own for own in map(json.loads, lines)}


def label(inputs, out, archives, *more) -> int:
    return main(
        ["pseudo-label", *map(str, inputs), "--out", str(out), *archives.arguments(), *more]
    )


@pytest.fixture
def archives(tmp_path):
    return Archives(tmp_path / "archives")


def test_plain_video_becomes_what_two_sources_load(tmp_path, archives, capsys):
    video = write_video(tmp_path / "in" / "drive.mp4", SECONDS)
    archives.add("drive", video)
    assert label([video], tmp_path / "out", archives) == 0
    labels = read_pseudo_labels(tmp_path / "out/pseudo_labels/train/drive.parquet")
    assert labels.video.path == "videos/train/drive.mov"
    assert labels.kinds == ("vehicle", "person")
    assert labels.making.backends == {"geometry": "precomputed", "semantics": "precomputed"}
    # 2 m/s to the right, 16 m away and as seen from the middle of the car's length.
    car = labels.track_index == 0
    speeds = np.diff(labels.centers_m[car, 0]) / np.diff(labels.timestamps_s[car])
    assert np.median(speeds) == pytest.approx(2.0, abs=0.1)
    for source in ("bdd100k", "custom"):
        opened = open_source(source, tmp_path / "out")
        (unit,) = opened.units("train")
        (clip,) = opened.read("train", unit).clips
        assert clip.tracks.track_ids == ("car-0", "person-1")
        assert clip.domain == "driving"
        assert clip.boxes_px is not None
        picture = next(iter(clip.frames.read(96)))
        assert picture.shape == (96, 160, 3)
        steps = np.diff(clip.tracks.centers_m[0, :, 0])
        assert np.nanmedian(steps) == pytest.approx(1.0, abs=0.1)
    said = capsys.readouterr().out
    assert "1 videos: 1 labelled; 2 tracks" in said
    assert "seconds for each 20 s of video:" in said
    assert "models 0." in said
    assert "own " in said


def test_every_video_has_a_clear_outcome_and_nothing_is_lost(tmp_path, archives, capsys):
    folder = tmp_path / "in"
    wholes = {
        "good": write_video(folder / "good.mp4", SECONDS),
        "portrait": write_video(folder / "portrait.mp4", SECONDS, (192, 320)),
        "variable": write_video(
            folder / "variable.mp4", [t + (37 * t // 100) % 60 for t in range(0, 8000, 90)]
        ),
        # Frames around the beginning, after one hour and at the end of two.
        "two-hours": write_video(
            folder / "two-hours.mp4",
            [*SECONDS, *range(3_600_000, 3_606_000, 200), *range(7_190_000, 7_198_000, 200)],
        ),
    }
    for name, video in wholes.items():
        archives.add(name, video)
    archives.add("empty", write_video(folder / "empty.mp4", SECONDS), objects=False)
    single = write_video(folder / "single.mp4", [0])
    archives.add("unknown", write_video(folder / "unknown.mp4", SECONDS))
    (archives.root / "geometry" / "unknown.npz").unlink()
    (folder / "broken.mp4").write_bytes(os.urandom(5000))
    whole = wholes["good"].read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "list.txt").write_text("# all of them\nin/gone.mp4\nin/good.mp4\n")
    assert single.exists()
    out = tmp_path / "out"
    assert label([folder, tmp_path / "list.txt"], out, archives) == 1
    found = outcomes(out)
    gone = next(name for name in found if name.startswith("in_gone"))
    kinds = {name: own["kind"] for name, own in found.items() if name != gone}
    assert kinds == {
        **dict.fromkeys(wholes, "labelled"),
        "empty": "no objects",
        "single": "too short",
        "unknown": "failed",
        "broken": "broken",
        "cut": "broken",
    }
    assert "no such video file" in found[gone]["reason"]
    assert "does not decode" in found["cut"]["reason"]
    assert "expected a precomputed archive" in found["unknown"]["reason"]
    assert found["single"]["reason"] == "1 x a single frame"
    said = capsys.readouterr().out
    assert "10 videos: 4 labelled, 1 no objects, 1 too short, 3 broken, 1 failed" in said
    assert "  empty: no objects (1 x no objects)" in said
    files = {p.stem for p in (out / "pseudo_labels/train").glob("*.parquet")}
    assert files == {*wholes, "empty", "single"}

    portrait = read_pseudo_labels(out / "pseudo_labels/train/portrait.parquet")
    assert (portrait.video.width_px, portrait.video.height_px) == (192, 320)
    assert len(portrait) > 20
    variable = read_pseudo_labels(out / "pseudo_labels/train/variable.parquet")
    real = VideoFootage(wholes["variable"]).facts().times_s
    assert np.isin(variable.frame_timestamps_s, real).all()
    assert len(variable) > 20

    long = read_pseudo_labels(out / "pseudo_labels/train/two-hours.parquet")
    assert long.video.duration_s == pytest.approx(7198, abs=2)
    assert {name[:7] for name in long.track_ids} == {"w000000", "w000180", "w000359"}
    opened = open_source("bdd100k", out)
    names = [clip.clip_id for clip in opened.read("train", "two-hours").clips]
    assert names == ["two-hours@0", "two-hours@180", "two-hours@359"]
    clips = open_source("custom", out)
    assert set(clips.units("train")) == set(wholes)


def test_a_second_run_does_only_what_is_missing(tmp_path, archives, capsys):
    for name in ("a", "b"):
        archives.add(name, write_video(tmp_path / "in" / f"{name}.mp4", SECONDS))
    out = tmp_path / "out"
    assert label([tmp_path / "in" / "a.mp4"], out, archives) == 0
    file = out / "pseudo_labels/train/a.parquet"
    before = file.stat().st_mtime_ns, file.read_bytes()
    assert label([tmp_path / "in"], out, archives) == 0
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before
    assert set(outcomes(out)) == {"a", "b"}
    assert len(open_source("custom", out).units("train")) == 2
    capsys.readouterr()
    assert label([tmp_path / "in"], out, archives) == 0
    assert "cost: nothing was left to do" in capsys.readouterr().out
    assert label([tmp_path / "in"], out, archives, "--fps", "2") == 2
    assert "made with other settings" in capsys.readouterr().err


def test_workers_change_no_byte(tmp_path, archives):
    for name in ("a", "b", "c"):
        archives.add(name, write_video(tmp_path / "in" / f"{name}.mp4", SECONDS))
    for workers in ("1", "2"):
        out = tmp_path / workers
        assert label([tmp_path / "in"], out, archives, "--workers", workers) == 0
    first, second = (
        {p.name: p.read_bytes() for p in (tmp_path / n).rglob("*") if p.is_file()} for n in "12"
    )
    assert first == second


def test_a_window_that_fails_leaves_the_others(tmp_path, archives):
    video = write_video(tmp_path / "in" / "long.mp4", range(0, 30_000, 250))
    archives.add("long", video)
    path = archives.root / "geometry" / "long.npz"
    with np.load(path) as file:
        arrays = dict(file)
    keep = arrays["timestamps_s"] < 19.9
    for name in ("timestamps_s", "depths", "world_SE3_camera", "intrinsics"):
        arrays[name] = arrays[name][keep]
    np.savez(path, **arrays)
    assert label([video], tmp_path / "out", archives) == 0
    found = outcomes(tmp_path / "out")["long"]
    assert found["kind"] == "labelled"
    assert "expected a frame at 20.000 s" in found["reason"]
    labels = read_pseudo_labels(tmp_path / "out/pseudo_labels/train/long.parquet")
    assert {name[:7] for name in labels.track_ids} == {"w000000"}
    assert labels.world_SE3_camera is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--option", "depth.x=1"], "STAGE.NAME=VALUE"),
        (["--option", "metric.x=1"], "no backend of this stage"),
        (["--option", "geometry.nothing=1"], "no option nothing"),
        (["--fps", "1"], "fps must be from 2"),
        (["--source", "simulation"], "either videos or --source"),
        (["--layout", "multisports"], "must lie below --out"),
        (["--height", "1"], "--height must be at least 2"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(tmp_path, archives, capsys, arguments, message):
    video = write_video(tmp_path / "in" / "a.mp4", [0, 100])
    archives.add("a", video)
    status = label([video], tmp_path / "out", archives, *arguments)
    assert status == 2
    assert message in capsys.readouterr().err


def test_restricted_weights_are_not_loaded_unasked(tmp_path, capsys):
    video = write_video(tmp_path / "a.mp4", [0, 100])
    arguments = ["--geometry", "monst3r", "--option", f"geometry.checkout={tmp_path}"]
    assert main(["pseudo-label", str(video), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert "add --accept-license CC-BY-NC-SA-4.0" in capsys.readouterr().err
    arguments += ["--accept-license", "CC-BY-NC-SA-4.0"]
    assert main(["pseudo-label", str(video), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert "or add --allow-unpinned" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_was_named_must_be_there(tmp_path, archives, capsys):
    (tmp_path / "empty").mkdir()
    for name, message in (("none.mp4", "expected a video"), ("empty", "no video in this folder")):
        assert label([tmp_path / name], tmp_path / "out", archives) == 2
        assert message in capsys.readouterr().err


def test_depth_without_a_scale_asks_for_one(tmp_path, archives, capsys):
    video = write_video(tmp_path / "in" / "a.mp4", SECONDS)
    archives.add("a", video)
    path = archives.root / "geometry" / "a.npz"
    with np.load(path) as file:
        arrays = {name: file[name] for name in file if name != "is_metric"}
    np.savez(path, **arrays)
    assert label([video], tmp_path / "out", archives) == 2
    assert "choose a backend for metric depth" in capsys.readouterr().err


def test_names_are_safe_and_never_shared(tmp_path):
    for name in ("a/x.mp4", "b/x.mp4", "a/x.mov", "ü b.mp4", "plain.mp4"):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    jobs = video_jobs(find_videos([tmp_path / "in"]), Place(tmp_path / "out"))
    names = [job.video_id for job in jobs]
    assert len(set(names)) == 5
    assert "plain" in names
    assert all(
        name.replace("-", "").replace("_", "").isalnum() and name.isascii() for name in names
    )
    assert all(len(name) < 120 for name in names)
    again = video_jobs(find_videos([tmp_path / "in"]), Place(tmp_path / "out"))
    assert [job.video_id for job in again] == names
    twice = find_videos([tmp_path / "in" / "plain.mp4", tmp_path / "in"])
    assert len(twice) == 5


@pytest.mark.parametrize(
    ("layout", "relative", "video_id", "labels", "domain"),
    [
        ("llava_video", "sub/a/b.mp4", "sub/a/b", "pseudo_labels/sub/a/b.parquet", "general"),
        ("multisports", "trainval/aerobic/v_1.mp4", "v_1", "pseudo_labels/aerobic/v_1.parquet",
         "sports"),
    ],
)  # fmt: skip
def test_data_sets_keep_their_own_places(tmp_path, layout, relative, video_id, labels, domain):
    video = tmp_path / relative
    video.parent.mkdir(parents=True)
    video.write_bytes(b"")
    (job,) = video_jobs(find_videos([tmp_path]), Place(tmp_path, layout, domain="general"))
    assert (job.video_id, job.path, job.domain) == (video_id, relative, domain)
    assert job.labels_path == tmp_path / labels


def test_choices_of_the_command_are_those_of_their_homes():
    assert command.MODES == pipeline.MODES
    assert command.LAYOUTS == collecting.LAYOUTS
    assert command.SPLITS == SPLITS
    assert {Place(Path(), domain=name).domain for name in command.DOMAINS} == set(command.DOMAINS)
    with pytest.raises(ConfigError, match="domain must be one of"):
        Place(Path(), domain="space")


@pytest.mark.parametrize(
    ("times_s", "frames", "windows"),
    [
        ([0.0], [0], [0]),
        (np.arange(10) / 10, [0, 2, 5, 7], [0] * 4),
        # A frame too far from any grid time is not labelled, and none is twice.
        (np.arange(6) / 2, [0, 1, 2, 3, 4, 5], [0] * 6),
        ([0.0, 0.25, 50.0, 50.25], [0, 1, 2, 3], [0, 0, 2, 2]),
        # One frame alone in a last window is not worth a window.
        ([0.0, 0.25, 20.0], [0, 1], [0, 0]),
        ([0.0, 20.0, 20.25], [0, 1, 2], [0, 1, 1]),
    ],
)
def test_frames_are_those_nearest_to_the_grid(times_s, frames, windows):
    found = sample(np.asarray(times_s, dtype=float), 4.0)
    assert found.frames.tolist() == frames
    assert found.windows.tolist() == windows
