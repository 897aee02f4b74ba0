"""Sequences whose car, person and camera are formulas."""

import gta_maker as maker
import numpy as np
import pytest

from stkit_datasets.config import KinematicsConfig
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.observation import observe
from stkit_datasets.sources import open_source
from stkit_datasets.sources.gta import Gta

# The grid of 0.5 s is 7.5 frames; each time is moved to a frame, and keeps that one's time.
FRAMES = np.array([1, 8, 16, 23, 31, 38, 46, 53, 61, 68])


def read(root, split="train", unit=maker.SEQUENCE):
    return Gta(root).read(split, unit)


def frames_of(clip):
    return np.rint((clip.start_ns / 1e9 + clip.timestamps_s) * 15).astype(int)


def expected_box(instance, frame):
    """Project a model's corners by the published matrices, as OpenGL does."""
    ends = maker.ENDS_M[instance]
    corners = np.array([[a[0], b[1], c[2]] for a in ends for b in ends for c in ends])
    pose = np.linalg.inv(maker.world_SE3_camera(frame)) @ maker.world_SE3_model(instance, frame)
    x, y, z = (corners @ pose[:3, :3].T + pose[:3, 3]).T
    u = (1 + maker.FOCAL[0] * x / -z) * 1920 / 2
    v = (1 - maker.FOCAL[1] * y / -z) * 1080 / 2
    return np.clip([u.min(), v.min(), u.max(), v.max()], 0, [1920, 1080] * 2)


def test_tracks_in_a_world_with_z_up(tmp_path):
    maker.make_sequence(tmp_path)
    result = read(tmp_path)
    (clip,) = result.clips
    assert result.skipped == ()
    assert (clip.source, clip.clip_id, clip.split) == ("gta", "001", "train")
    frames = frames_of(clip)
    assert np.abs(frames - FRAMES).max() <= 1
    assert (clip.start_ns / 1e9 + clip.timestamps_s) * 15 == pytest.approx(frames, abs=1e-6)
    assert np.abs(clip.timestamps_s - 0.5 * np.arange(10)).max() <= 1 / 30 + 1e-9
    tracks = clip.tracks
    assert tracks.track_ids == ("person-41", "car-300")
    assert (tracks.categories, tracks.kinds) == (("person", "car"), ("person", "vehicle"))
    for track, instance in enumerate((41, 300)):
        for k, frame in enumerate(frames):
            x, y, z = maker.middle_m(instance, frame)
            assert tracks.centers_m[track, k] == pytest.approx([x, -z, y], abs=1e-8)
    assert tracks.sizes_lwh_m[1, 0] == pytest.approx([4.5, 2.0, 1.4])
    # The car heads along y, a quarter turn to the left; the person along x.
    assert tracks.rotations_wxyz[1, 3] == pytest.approx([0.5**0.5, 0, 0, 0.5**0.5], abs=1e-8)
    assert np.abs(tracks.rotations_wxyz[0, 3]) == pytest.approx([1, 0, 0, 0], abs=1e-8)


def test_boxes_are_those_of_the_published_matrices(tmp_path):
    maker.make_sequence(tmp_path)
    (clip,) = read(tmp_path).clips
    boxes = observe(clip, KinematicsConfig()).boxes_px
    frames = frames_of(clip)
    for track, instance in enumerate((41, 300)):
        for k in (0, 1):
            expected = expected_box(instance, frames[k])
            np.testing.assert_allclose(boxes[track, k], expected, atol=1e-6)


@pytest.mark.parametrize(
    "options", [{"on_rows": True}, {"instance_first": True}, {"camera_header": False}]
)
def test_other_ways_to_write_the_same(tmp_path, options):
    plain = read(maker.make_sequence(tmp_path / "plain")).clips[0]
    if not options.pop("camera_header", True):
        options["camera"] = maker.camera_text(range(1, 71), header=False)
    other = read(maker.make_sequence(tmp_path / "other", **options)).clips[0]
    assert other.tracks.track_ids == plain.tracks.track_ids
    np.testing.assert_allclose(other.tracks.centers_m, plain.tracks.centers_m, atol=1e-9)
    np.testing.assert_allclose(other.camera_SE3_world, plain.camera_SE3_world, atol=1e-9)


def test_small_instance_numbers_follow_the_documented_order(tmp_path):
    classes = {300: 24, 41: 20}
    boxes = {
        frame: maker.boxes_text(frame, classes=classes)
        .replace("24,300", "24,3", 1)
        .replace("20,41", "20,4", 1)
        for frame in range(1, 71)
    }
    clip = read(maker.make_sequence(tmp_path, boxes=boxes)).clips[0]
    assert clip.tracks.track_ids == ("person-4", "car-3")


def test_a_frame_without_boxes_has_no_annotation(tmp_path):
    frames = frames_of(read(maker.make_sequence(tmp_path / "a")).clips[0])
    clip = read(maker.make_sequence(tmp_path / "b", boxes={int(frames[3]): None})).clips[0]
    assert np.flatnonzero(~clip.tracks.annotated[0]).tolist() == [3]


def test_where_the_game_zooms_the_camera_is_not_used(tmp_path):
    text = maker.camera_text(
        range(1, 71), focal=lambda frame: (2.4, 4.2) if frame > 40 else maker.FOCAL
    )
    clip = read(maker.make_sequence(tmp_path, camera=text)).clips[0]
    assert frames_of(clip).max() <= 40
    assert clip.camera.intrinsics[0, 0] == pytest.approx(1.2 * 960)
    assert clip.camera.intrinsics[1, 1] == pytest.approx(2.1 * 540)


def test_images_are_named_by_frame(tmp_path):
    clip = read(maker.make_sequence(tmp_path, images=True)).clips[0]
    frame = frames_of(clip)[1]
    assert clip.frames.names[1] == f"train/img/001/001_{frame:05d}.jpg"
    assert clip.frames.size_px == (1920, 1080)
    assert read(maker.make_sequence(tmp_path / "none")).clips[0].frames is None


def test_splits_are_the_folders(tmp_path):
    maker.make_sequence(tmp_path)
    source = open_source("gta", tmp_path)
    assert source.units("train") == ["001"]
    assert source.units("validation") == []
    maker.make_sequence(tmp_path, split="val")
    assert source.read("validation", "001").clips[0].files[0] == "val/camera/001.csv"
    names = [path.name for path in source.index_files("validation")]
    assert names[:2] == ["001.csv", "001_00001.csv"]
    assert len(names) == 71
    with pytest.raises(SourceError, match=r"expected 009\.csv"):
        source.read("train", "009")
    with pytest.raises(ConfigError, match="split must be"):
        source.units("test")


def test_a_sequence_without_boxes_is_skipped(tmp_path):
    maker.make_sequence(tmp_path, boxes=dict.fromkeys(range(1, 71)))
    with pytest.raises(SourceError, match="a file of boxes a frame"):
        read(tmp_path)
    (tmp_path / "train/bb/001").mkdir(parents=True)
    assert [skipped.reason for skipped in read(tmp_path).skipped] == ["no annotations"]
