"""Scenes whose cars, van and camera are formulas."""

import numpy as np
import pytest
import vkitti2_maker as maker

from stkit_datasets.config import KinematicsConfig
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.observation import observe
from stkit_datasets.sources import open_source
from stkit_datasets.sources.vkitti2 import VirtualKitti2
from stkit_datasets.sources.vkitti2_tables import yaw_pitch_roll

UNIT = "Scene01+clone"


def read(root, unit=UNIT, split="train", **options):
    return VirtualKitti2(root, options).read(split, unit)


def up(point):
    """The published world has y down and z ahead."""
    x, y, z = point
    return [x, z, -y]


def rotation_y(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def expected_box(track, seconds, camera=0):
    """KITTI's box, its bottom in the middle, through KITTI's camera, in the published axes."""
    length, width, height = maker.SIZES_LWH_M[track]
    corners = np.array(
        [
            [x, y, z]
            for x in (-length / 2, length / 2)
            for y in (0, -height)
            for z in (-width / 2, width / 2)
        ]
    )
    turned = corners @ rotation_y(maker.ANGLES_YXZ[track][0]).T
    in_world = turned + maker.bottom_m(track, seconds)
    in_camera = (in_world - maker.camera_m(seconds, camera)) @ maker.CAMERA_R_WORLD.T
    fx, fy, cx, cy = maker.CALIBRATION
    u = cx + fx * in_camera[:, 0] / in_camera[:, 2]
    v = cy + fy * in_camera[:, 1] / in_camera[:, 2]
    return np.clip([u.min(), v.min(), u.max(), v.max()], 0, [1242, 375] * 2)


def test_tracks_stand_upright_in_a_world_with_z_up(tmp_path):
    maker.make_scene(tmp_path)
    result = read(tmp_path)
    (clip,) = result.clips
    assert result.skipped == ()
    assert (clip.source, clip.camera.name, clip.scene_id) == ("vkitti2", "Camera_0", "Scene01")
    assert (clip.clip_id, clip.domain) == (UNIT, "driving")
    assert clip.timestamps_s == pytest.approx(0.5 * np.arange(8))
    tracks = clip.tracks
    assert (tracks.track_ids, tracks.categories) == (("0", "1"), ("Car", "Van"))
    assert set(tracks.kinds) == {"vehicle"}
    for track, (_, _, height) in maker.SIZES_LWH_M.items():
        for k in range(8):
            if track == 1 and k == 2:
                continue  # frame 10, hidden
            expected = up(maker.bottom_m(track, 0.5 * k) - [0, height / 2, 0])
            assert tracks.centers_m[track, k] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(tracks.sizes_lwh_m[0, 0], maker.SIZES_LWH_M[0])
    # The car heads along y, a quarter turn to the left; the van along x.
    assert tracks.rotations_wxyz[0, 0] == pytest.approx([0.5**0.5, 0, 0, 0.5**0.5], abs=1e-9)
    assert tracks.rotations_wxyz[1, 0] == pytest.approx([1, 0, 0, 0], abs=1e-9)
    assert tracks.annotation_keys[0, :, 0].tolist() == [500_000_000 * k for k in range(8)]


def test_what_a_camera_does_not_see_is_not_annotated(tmp_path):
    maker.make_scene(tmp_path)
    van = read(tmp_path).clips[0].tracks.annotated[1]
    assert np.flatnonzero(~van).tolist() == [2]
    assert read(tmp_path, min_visible_share=0.05).clips[0].tracks.annotated[1].all()


@pytest.mark.parametrize("camera", [0, 1])
def test_boxes_are_kittis_boxes_through_kittis_camera(tmp_path, camera):
    maker.make_scene(tmp_path)
    (clip,) = read(tmp_path, cameras=[f"Camera_{camera}"]).clips
    boxes = observe(clip, KinematicsConfig()).boxes_px
    for track, k in ((0, 0), (0, 5), (1, 0), (1, 7)):
        expected = expected_box(track, 0.5 * k, camera)
        np.testing.assert_allclose(boxes[track, k], expected, atol=1e-4)


def test_both_cameras_have_clips_of_their_own(tmp_path):
    maker.make_scene(tmp_path)
    clips = read(tmp_path, cameras=["Camera_0", "Camera_1"]).clips
    assert [clip.camera.name for clip in clips] == ["Camera_0", "Camera_1"]
    only_left = maker.texts(cameras=(0,))
    maker.make_scene(tmp_path, "Scene02", files=only_left)
    result = read(tmp_path, "Scene02+clone", cameras=["Camera_0", "Camera_1"])
    assert len(result.clips) == 1
    assert result.skipped[0].reason == "the files have no such camera"


def test_angles_are_applied_roll_first_then_pitch_then_yaw():
    # Pitch a quarter turn takes ahead (x) nowhere and down (y) to left (z); yaw then takes z to x.
    (rotation,) = yaw_pitch_roll(np.array([[np.pi / 2, np.pi / 2, 0.0]]))
    assert rotation @ [1, 0, 0] == pytest.approx([0, 0, -1])
    assert rotation @ [0, 1, 0] == pytest.approx([1, 0, 0])
    angles = np.array([[0.3, -0.2, 0.1]])
    c, s = np.cos(angles[0]), np.sin(angles[0])
    pitch = np.array([[1, 0, 0], [0, c[1], -s[1]], [0, s[1], c[1]]])
    roll = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    np.testing.assert_allclose(yaw_pitch_roll(angles)[0], rotation_y(0.3) @ pitch @ roll)


def test_images_are_named_by_frame(tmp_path):
    maker.make_scene(tmp_path, image_cameras=["Camera_0"])
    frames = read(tmp_path).clips[0].frames
    folder = "Scene01/clone/frames/rgb/Camera_0"
    assert frames.names[:2] == (f"{folder}/rgb_00000.jpg", f"{folder}/rgb_00005.jpg")
    assert frames.size_px == (1242, 375)
    assert read(tmp_path, cameras=["Camera_1"]).clips[0].frames is None


def test_texts_and_images_in_the_archives_folders(tmp_path):
    maker.make_scene(tmp_path / "vkitti_2.0.3_textgt")
    (tmp_path / "vkitti_2.0.3_rgb/Scene01/clone/frames/rgb/Camera_0").mkdir(parents=True)
    clip = open_source("vkitti2", tmp_path).read("train", UNIT).clips[0]
    assert clip.frames.names[0].startswith("vkitti_2.0.3_rgb/Scene01/clone/")
    assert clip.files[0] == "vkitti_2.0.3_textgt/Scene01/clone/pose.txt"


def test_all_scenes_train_unless_held_out(tmp_path):
    for scene in ("Scene01", "Scene18"):
        for variation in ("clone", "fog"):
            maker.make_scene(tmp_path, scene, variation, files=dict.fromkeys(maker.HEADERS))
    source = VirtualKitti2(tmp_path)
    assert source.units("train") == ["Scene01+clone", "Scene18+clone"]
    assert source.units("validation") == []
    held_out = VirtualKitti2(
        tmp_path, {"validation_scenes": ["Scene18"], "variations": ["fog", "clone"]}
    )
    assert held_out.units("train") == ["Scene01+clone", "Scene01+fog"]
    assert held_out.units("validation") == ["Scene18+clone", "Scene18+fog"]
    with pytest.raises(SourceError, match="expected a scene and variation of train"):
        held_out.read("train", "Scene18+fog")


def test_index_files(tmp_path):
    maker.make_scene(tmp_path)
    names = [path.name for path in VirtualKitti2(tmp_path).index_files("train")]
    assert sorted(names) == sorted(maker.HEADERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": ["Camera_2"]}, "different names among Camera_0, Camera_1"),
        ({"variations": []}, "variations must be a list"),
        ({"variations": "clone"}, "variations must be a list"),
        ({"validation_scenes": ["Scene03"]}, "validation_scenes must be different names"),
        ({"min_visible_share": 2}, "min_visible_share"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        VirtualKitti2(tmp_path, options)
