"""nuScenes to clips: against the raw tables, the official devkit's values, and made tables."""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from stkit_datasets.clip import Clip
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.nuscenes import NuScenes
from stkit_datasets.sources.nuscenes_index import CAMERAS
from stkit_datasets.sources.nuscenes_splits import assign, official_lists
from stkit_datasets.velocity import central_velocities_mps

sys.path.append(str(Path(__file__).parent))
from nuscenes_tables_maker import write_release

GOLDEN = json.loads(
    (Path(__file__).parents[1] / "golden" / "nuscenes.json").read_text(encoding="utf-8")
)["annotations"]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path_factory.getbasetemp() / "nuscenes-cache"))


@pytest.fixture
def sample_dir(shared_data) -> Path:
    return shared_data("nuscenes")


@pytest.fixture
def raw(sample_dir):
    """The sample's tables as plain dictionaries by token."""
    folder = sample_dir / "v1.0-mini"
    return {
        path.stem: {row["token"]: row for row in json.loads(path.read_text(encoding="utf-8"))}
        for path in folder.glob("*.json")
    }


def clips_of(source: NuScenes) -> list[Clip]:
    return [
        clip
        for split in ("train", "validation")
        for unit in source.units(split)
        for clip in source.read(split, unit).clips
    ]


def test_units_are_the_official_mini_splits(sample_dir):
    source = NuScenes(sample_dir)
    assert source.units("validation") == ["scene-0103"]
    assert source.units("train") == [
        f"scene-{number}" for number in ("0061", "0655", "0796", "1077", "1100")
    ]
    assert source.unlisted() == []


def test_clips_of_the_sample(sample_dir):
    source = NuScenes(sample_dir)
    result = source.read("validation", "scene-0103")
    assert [clip.camera.name for clip in result.clips] == list(CAMERAS)
    assert not result.skipped
    assert len({id(clip.tracks) for clip in result.clips}) == 1
    assert {clip.clip_id for clip in result.clips} == {"scene-0103"}
    first = result.clips[0]
    assert (first.camera.width_px, first.camera.height_px) == (1600, 900)
    assert first.files[0] == "v1.0-mini/sample_annotation.json"
    assert all((source.data_dir / name).is_file() for name in first.files)
    # 0655 has 41 keyframes, and images of its front camera only.
    result = source.read("train", "scene-0655")
    assert [(clip.camera.name, clip.tracks.n_frames) for clip in result.clips] == [
        ("CAM_FRONT", 40)
    ]
    assert {skipped.what for skipped in result.skipped} == {
        f"scene-0655 {name}" for name in CAMERAS[1:]
    }
    # 0061 has images of its first keyframe only, 1077 has none.
    for scene in ("scene-0061", "scene-1077"):
        result = source.read("train", scene)
        assert not result.clips
        assert len(result.skipped) == 6


def test_every_box_is_the_raw_annotation(sample_dir, raw):
    clips = clips_of(NuScenes(sample_dir, {"cameras": "CAM_FRONT"}))
    seen = 0
    for clip in clips:
        tracks = clip.tracks
        for n, t in zip(*np.nonzero(tracks.annotation_keys[..., 0] != ""), strict=True):
            row = raw["sample_annotation"][tracks.annotation_keys[n, t, 0]]
            assert tracks.track_ids[n] == row["instance_token"]
            width, length, height = row["size"]
            assert tracks.centers_m[n, t].tolist() == row["translation"]
            assert tracks.sizes_lwh_m[n, t].tolist() == [length, width, height]
            np.testing.assert_allclose(tracks.rotations_wxyz[n, t], row["rotation"], atol=1e-12)
            sample = raw["sample"][row["sample_token"]]
            time_us = clip.start_ns / 1000 + clip.timestamps_s[t] * 1e6
            assert round(time_us) == sample["timestamp"]
            category = raw["category"][raw["instance"][row["instance_token"]]["category_token"]]
            assert tracks.categories[n] == category["name"]
            seen += 1
        assert (tracks.annotated == (tracks.annotation_keys[..., 0] != "")).all()
    tokens = defaultdict(set)
    for row in raw["sample_annotation"].values():
        scene = raw["scene"][raw["sample"][row["sample_token"]]["scene_token"]]["name"]
        tokens[scene].add(row["token"])
    # Its 41st keyframe is beyond the clip.
    (last,) = (s["last_sample_token"] for s in raw["scene"].values() if s["name"] == "scene-0655")
    beyond = sum(row["sample_token"] == last for row in raw["sample_annotation"].values())
    assert seen == len(tokens["scene-0103"]) + len(tokens["scene-0655"]) - beyond


def rotate(quaternion, point):
    """Rotate by q v q*, written out without the package's own geometry."""
    w, u = quaternion[0], np.array(quaternion[1:])
    return point + 2 * np.cross(u, np.cross(u, point) + w * point)


def test_camera_poses_are_each_images_own(sample_dir, raw):
    clips = {
        clip.camera.name: clip
        for clip in NuScenes(sample_dir).read("validation", "scene-0103").clips
    }
    point = np.array([612.0, 1641.0, 1.0])
    for row in raw["sample_data"].values():
        channel = row["filename"].split("/")[1]
        scene = raw["scene"][raw["sample"][row["sample_token"]]["scene_token"]]["name"]
        if not row["is_key_frame"] or channel not in CAMERAS or scene != "scene-0103":
            continue
        clip = clips[channel]
        t = clip.frames.names.index(row["filename"])
        sensor = raw["calibrated_sensor"][row["calibrated_sensor_token"]]
        ego = raw["ego_pose"][row["ego_pose_token"]]
        ours = (clip.camera_SE3_world[t] @ [*point, 1.0])[:3]
        back = rotate(sensor["rotation"], ours) + sensor["translation"]
        back = rotate(ego["rotation"], back) + ego["translation"]
        np.testing.assert_allclose(back, point, atol=1e-6)
        assert clip.camera.intrinsics.tolist() == sensor["camera_intrinsic"]


def test_positions_velocities_and_pixels_are_the_devkits(sample_dir):
    seen_positions = seen_pixels = 0
    for clip in clips_of(NuScenes(sample_dir)):
        absolute_us = clip.start_ns // 1000 + np.rint(clip.timestamps_s * 1e6)
        devkit_velocities = central_velocities_mps(clip.tracks.centers_m, 1e-6 * absolute_us)
        velocities = central_velocities_mps(clip.tracks.centers_m, clip.timestamps_s)
        for n, t in zip(*np.nonzero(clip.tracks.annotated), strict=True):
            golden = GOLDEN.get(clip.tracks.annotation_keys[n, t, 0])
            if golden is None:
                continue
            center = clip.tracks.centers_m[n, t]
            np.testing.assert_allclose(center, golden["center_m"], rtol=0, atol=1e-6)
            seen_positions += 1
            if t + 1 < clip.tracks.n_frames:
                expected = golden["velocity_mps"] or [math.nan] * 3
                # The devkit subtracts absolute seconds, which are good to 0.24 us only.
                np.testing.assert_allclose(velocities[n, t], expected, rtol=1e-6, atol=1e-6)
                np.testing.assert_allclose(devkit_velocities[n, t], expected, rtol=0, atol=2e-9)
            if clip.camera.name in golden["pixel_and_depth"]:
                u, v, depth = golden["pixel_and_depth"][clip.camera.name]
                x, y, z = (clip.camera_SE3_world[t] @ [*center, 1.0])[:3]
                pixel = clip.camera.intrinsics @ [x / z, y / z, 1.0]
                np.testing.assert_allclose([*pixel[:2], z], [u, v, depth], rtol=0, atol=1e-6)
                seen_pixels += 1
    assert seen_positions > 40
    assert seen_pixels > 25


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made") / "nuscenes"
    write_release(root, "v1.0-trainval", ["scene-0001", "scene-0003", "scene-9999"])
    return root


def test_made_release_with_sweeps(made):
    source = NuScenes(made)
    assert source.units("train") == ["scene-0001"]
    assert source.units("validation") == ["scene-0003"]
    result = source.read("train", "scene-0001")
    assert [clip.camera.name for clip in result.clips] == list(CAMERAS)
    rows = json.loads((made / "v1.0-trainval" / "sample_annotation.json").read_text())
    boxes = {row["token"]: row["translation"] for row in rows}
    tracks = result.clips[0].tracks
    assert tracks.kinds.count("other") > 0
    for n, t in zip(*np.nonzero(tracks.annotated), strict=True):
        assert boxes[tracks.annotation_keys[n, t, 0]] == tracks.centers_m[n, t].tolist()
    for clip in result.clips:
        assert all(name.startswith(f"samples/{clip.camera.name}/") for name in clip.frames.names)
        assert clip.timestamps_s[0] == 0


def test_kinds_come_from_the_category(made):
    tracks = NuScenes(made).read("train", "scene-0001").clips[0].tracks
    expected = {
        "vehicle.car": "vehicle",
        "human.pedestrian.adult": "person",
        "movable_object.trafficcone": "other",
        "animal": "other",
    }
    assert dict(zip(tracks.categories, tracks.kinds, strict=True)) == expected


def test_scenes_of_no_list_are_named(made, tmp_path, caplog):
    source = NuScenes(made)
    source.units("train")
    assert "scene-9999" in caplog.text
    assert source.unlisted() == ["scene-9999"]
    lists = tmp_path / "splits.json"
    lists.write_text(json.dumps({"train": ["scene-0003"], "validation": ["scene-9999"]}))
    source = NuScenes(made, {"split_file": str(lists)})
    assert source.units("validation") == ["scene-9999"]
    assert source.units("train") == ["scene-0003"]
    assert source.unlisted() == ["scene-0001"]
    assert len(source.read("validation", "scene-9999").clips) == 6


def test_no_scene_of_a_list_is_an_error(tmp_path):
    write_release(tmp_path / "n", "v1.0-trainval", ["scene-9999"], sweeps=False)
    with pytest.raises(SourceError, match=r"scene\.json.*split_file.*scene-9999"):
        NuScenes(tmp_path / "n").units("train")


def test_version_folder_is_found(made, tmp_path):
    direct = NuScenes(made / "v1.0-trainval")
    assert direct.data_dir == made.resolve()
    a, b = (
        source.read("train", "scene-0001").clips[0]
        for source in (direct, NuScenes(made, {"version": "v1.0-trainval"}))
    )
    assert (a.files, a.frames.names) == (b.files, b.frames.names)
    for version in ("v1.0-mini", "v1.0-test", "v1.0-trainval"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "scene.json").write_text("[]")
    assert NuScenes(tmp_path).version_dir.name == "v1.0-trainval"
    assert NuScenes(tmp_path, {"version": "v1.0-mini"}).version_dir.name == "v1.0-mini"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"colour": 1}, "unknown option colour; known: version, cameras, split_file"),
        ({"version": "v2"}, "holds no version 'v2', only: v1.0-trainval"),
        ({"version": 1}, "version must be a folder name, got 1"),
        ({"cameras": "CAM_FRONT,LIDAR_TOP"}, "cameras must be one or more of CAM_FRONT, "),
        ({"cameras": []}, "cameras must be one or more of"),
        ({"cameras": [3]}, "cameras must be one or more of"),
        ({"split_file": "/no/such.json"}, r"split_file .*such\.json: must be a JSON object"),
        ({"split_file": 4}, "split_file must be a path"),
    ],
)
def test_wrong_options(made, options, match):
    with pytest.raises(ConfigError, match=match):
        NuScenes(made, options)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("[1]", "must be a JSON object"),
        ('{"test": []}', "must be a JSON object"),
        ('{"train": "scene-0001"}', "'train' is not a list of names"),
        ('{"train": ["a"], "validation": ["a"]}', "'a' stands in both"),
    ],
)
def test_wrong_split_file(made, tmp_path, text, match):
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=match):
        NuScenes(made, {"split_file": path})


def test_wrong_data_dir_and_split_and_unit(made, tmp_path):
    with pytest.raises(SourceError, match=r"holds v1\.0-trainval or v1\.0-mini"):
        NuScenes(tmp_path)
    with pytest.raises(SourceError, match="no such folder"):
        NuScenes(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="train, validation"):
        NuScenes(made).units("val")
    with pytest.raises(SourceError, match="'scene-0003' is not in split 'train'"):
        NuScenes(made).read("train", "scene-0003")


def test_cameras_come_in_fixed_order(made):
    source = NuScenes(made, {"cameras": ["CAM_BACK", "CAM_FRONT"]})
    clips = source.read("train", "scene-0001").clips
    assert [clip.camera.name for clip in clips] == ["CAM_FRONT", "CAM_BACK"]


def test_official_lists():
    sizes = {name: len(names) for name, names in official_lists().items()}
    assert sizes == {"train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2}
    # 0796 is a validation scene, but a training scene of v1.0-mini.
    names = ["scene-0796", "scene-0103", "scene-0001", "scene-0077", "scene-1"]
    assert list(assign("v1.0-mini", names).values()) == [
        "train", "validation", "train", "test", None
    ]  # fmt: skip
    assert assign("v1.0-trainval", names[:1]) == {"scene-0796": "validation"}
