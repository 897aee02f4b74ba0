import pickle
import sqlite3

import argoverse2_maker as world
import numpy as np
import nuplan_maker as maker
import pytest

from stkit_datasets import geometry
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources import open_source
from stkit_datasets.sources.nuplan import CAMERAS, NuPlan, validation_logs

UNIT = f"{maker.LOG}+{maker.scene_token(0).hex()}"


def read(root, unit=UNIT, **options):
    return NuPlan(root, options).read("validation", unit)


# ---- the outcome on a log with a known world -----------------------------------------------------


def test_tracks_follow_the_known_world(tmp_path):
    maker.make_log(tmp_path)
    result = read(tmp_path)
    clip = result.clips[0]
    tracks = clip.tracks
    assert [clip.camera.name for clip in result.clips] == ["CAM_F0", "CAM_L0"]
    assert tracks.track_ids == ("aa" * 8, "bb" * 8)
    assert tracks.kinds == ("vehicle", "person")
    assert tracks.categories == ("vehicle", "pedestrian")
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(9), atol=1e-12)
    for i, track in enumerate(maker.TRACKS):
        expected = maker.ORIGIN_M + world.position_m(track, clip.timestamps_s)
        np.testing.assert_allclose(tracks.centers_m[i], expected, atol=1e-8)
        np.testing.assert_allclose(tracks.sizes_lwh_m[i], [world.SIZES_LWH_M[track]] * 9)
    # The car's box looks where it drives.
    forward = geometry.rotation_matrices(tracks.rotations_wxyz[0])[:, :, 0]
    np.testing.assert_allclose(forward, [[0.6, 0.8, 0.0]] * 9, atol=1e-12)


def test_the_scene_and_where_it_came_from(tmp_path):
    maker.make_log(tmp_path)
    clip = read(tmp_path).clips[0]
    assert (clip.source, clip.split) == ("nuplan", "validation")
    assert (clip.clip_id, clip.scene_id) == (UNIT, maker.LOG)
    assert clip.files == (f"splits/val/{maker.LOG}.db",)
    assert clip.start_ns == maker.START_US * 1000


def test_annotation_keys_are_the_tokens_of_the_boxes(tmp_path):
    maker.make_log(tmp_path)
    keys = read(tmp_path).clips[0].tracks.annotation_keys
    assert keys[0, 3].tolist() == [maker.box_token(30, "car").hex(), ""]
    assert keys[1, 8].tolist() == [maker.box_token(80, "walker").hex(), ""]


def test_grid_times_between_sweeps_are_interpolated(tmp_path):
    # Sweeps every 70 ms: t = 0.5 s snaps to one at 0.49 s, t = 1.5 s lies between two.
    maker.make_log(tmp_path, sweep_step_us=70_000, n_sweeps=60)
    tracks = read(tmp_path).clips[0].tracks
    assert tracks.annotation_keys[0, 1].tolist() == [maker.box_token(7, "car").hex(), ""]
    assert tracks.annotation_keys[0, 3].tolist() == [
        maker.box_token(21, "car").hex(),
        maker.box_token(22, "car").hex(),
    ]
    expected = maker.ORIGIN_M + world.position_m("car", 1.5)
    np.testing.assert_allclose(tracks.centers_m[0, 3], expected, atol=1e-8)


def test_camera_poses_are_those_of_the_nearest_images(tmp_path):
    """The camera stands 1.5 m above the ego car of the image's time, and looks along it."""
    maker.make_log(tmp_path)
    clip = read(tmp_path).clips[0]
    world_SE3_camera = geometry.inverse(clip.camera_SE3_world)
    seconds = clip.timestamps_s + 0.02  # images come 20 ms after the grid times
    expected = maker.ORIGIN_M + world.ego_position_m(seconds) + [0, 0, 1.5]
    np.testing.assert_allclose(world_SE3_camera[:, :3, 3], expected, atol=1e-8)
    yaw = world.ego_yaw_rad(seconds)
    ahead = np.stack([np.cos(yaw), np.sin(yaw), 0 * yaw], axis=1)
    np.testing.assert_allclose(world_SE3_camera[:, :3, 2], ahead, atol=1e-12)
    np.testing.assert_allclose(world_SE3_camera[:, :3, 1], [[0, 0, -1]] * 9, atol=1e-12)


def test_a_point_lands_on_the_pixel_worked_out_by_hand(tmp_path):
    maker.make_log(tmp_path)
    camera = read(tmp_path).clips[0].camera
    assert (camera.model, camera.distortion) == ("brown", maker.LENS)
    # x = 0.4, y = 0: r2 = 0.16.
    k1, k2, p1, p2, k3 = maker.LENS
    x = 0.4 * (1 + k1 * 0.16 + k2 * 0.16**2 + k3 * 0.16**3) + p2 * 3 * 0.16
    project = geometry.CAMERA_MODELS[camera.model]
    pixel = project(np.array([[4.0, 0.0, 10.0]]), camera.intrinsics, camera.distortion)
    assert pixel[0] == pytest.approx([80 + 130 * x, 60 + 130 * p1 * 0.16])


def test_a_lens_without_distortion_is_a_pinhole(tmp_path):
    maker.make_log(tmp_path, distortion=(0.0,) * 5)
    assert read(tmp_path).clips[0].camera.model == "pinhole"


def test_images_are_named_by_the_database(tmp_path):
    maker.make_log(tmp_path)
    frames = read(tmp_path).clips[1].frames
    assert frames.size_px == maker.SIZE_PX
    assert len(frames) == 9
    first = f"sensor_blobs/{maker.LOG}/CAM_L0/{maker.token(6, 2_000_000).hex()}.jpg"
    assert frames.names[0] == first
    assert frames.names[1].endswith(f"{maker.token(6, 2_000_005).hex()}.jpg")


def test_pictures_are_read_from_sensor_blobs(tmp_path):
    image = pytest.importorskip("PIL.Image")
    maker.make_log(tmp_path / "nuplan-v1.1")
    frames = read(tmp_path).clips[0].frames
    for shade, name in enumerate(frames.names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.new("RGB", maker.SIZE_PX, (20 * shade,) * 3).save(tmp_path / name)
    means = [picture.mean() for picture in frames.read()]
    np.testing.assert_allclose(means, 20 * np.arange(9), atol=2)


def test_a_run_without_images_ends_the_clip(tmp_path):
    gone = maker.START_US + 2_900_000
    cut = f"DELETE FROM image WHERE timestamp > {gone} AND camera_token = x'{'02' + 14 * '0'}'"
    maker.make_log(tmp_path, change=cut)
    first, second = read(tmp_path).clips
    assert (first.tracks.n_frames, second.tracks.n_frames) == (6, 9)


def test_cameras_without_images_or_calibration_are_said(tmp_path):
    maker.make_log(tmp_path, change="DELETE FROM image")
    result = read(tmp_path, cameras=["CAM_F0", "CAM_B0"])
    assert result.clips == ()
    assert [(entry.what, entry.reason) for entry in result.skipped] == [
        (f"{UNIT} CAM_B0", "camera is not in the database"),
        (f"{UNIT} CAM_F0", "only 0 frames in a row have an image and an ego pose"),
    ]


def test_a_short_scene_gives_no_clip(tmp_path):
    maker.make_log(tmp_path, n_sweeps=31)
    result = read(tmp_path)
    assert result.clips == ()
    assert "4 frames on the grid" in result.skipped[-1].reason


def test_a_scene_longer_than_a_clip_is_cut(tmp_path):
    maker.make_log(tmp_path, n_sweeps=500, cameras=("CAM_F0",))
    clips = read(tmp_path).clips
    assert [clip.clip_id for clip in clips] == [f"{UNIT}@0", f"{UNIT}@1"]
    assert [clip.tracks.n_frames for clip in clips] == [40, 10]


def test_a_scene_holds_its_own_sweeps_only(tmp_path):
    maker.make_log(tmp_path, n_scenes=2, cameras=("CAM_F0",))
    clip = read(tmp_path, f"{maker.LOG}+{maker.scene_token(1).hex()}").clips[0]
    assert clip.start_ns == (maker.START_US + 81 * 50_000) * 1000
    expected = maker.ORIGIN_M + world.position_m("car", 81 * 0.05 + clip.timestamps_s)
    np.testing.assert_allclose(clip.tracks.centers_m[0], expected, atol=1e-8)


def test_a_scene_without_sweeps_is_said(tmp_path):
    maker.make_log(tmp_path, change="DELETE FROM lidar_pc")
    assert read(tmp_path).skipped[0].reason == "no annotations"


def test_a_category_never_seen_is_other(tmp_path):
    maker.make_log(tmp_path, change="UPDATE category SET name = 'hovercraft'")
    assert read(tmp_path).clips[0].tracks.kinds == ("other", "other")


# ---- the folder ----------------------------------------------------------------------------------


def test_units_are_the_scenes_of_the_official_validation_logs(tmp_path):
    maker.make_log(tmp_path, maker.OTHER_LOG, "splits/trainval", n_scenes=2)
    maker.make_log(tmp_path)
    maker.make_log(tmp_path, folder="splits/mini")
    maker.make_log(tmp_path, maker.TRAIN_LOG, "splits/trainval")
    source = NuPlan(tmp_path)
    scenes = [maker.scene_token(i).hex() for i in range(2)]
    assert source.units("validation") == [
        f"{maker.LOG}+{scenes[0]}",
        f"{maker.OTHER_LOG}+{scenes[0]}",
        f"{maker.OTHER_LOG}+{scenes[1]}",
    ]
    files = [path.relative_to(tmp_path).as_posix() for path in source.index_files("validation")]
    assert files == [f"splits/mini/{maker.LOG}.db", f"splits/trainval/{maker.OTHER_LOG}.db"]


def test_nuplan_is_never_in_training(tmp_path):
    maker.make_log(tmp_path, maker.TRAIN_LOG)
    source = open_source("nuplan", tmp_path)
    assert list(source.units("train")) == []
    assert list(source.index_files("train")) == []
    for split in ("train", "validation"):
        with pytest.raises(SourceError, match=maker.TRAIN_LOG):
            source.read(split, f"{maker.TRAIN_LOG}+{maker.scene_token(0).hex()}")


def test_the_official_list():
    logs = validation_logs()
    assert len(logs) == 1381
    assert maker.LOG in logs
    assert maker.TRAIN_LOG not in logs


@pytest.mark.parametrize("above", [".", "nuplan-v1.1", "dataset/nuplan-v1.1"])
@pytest.mark.parametrize("folder", ["splits/val", "data/cache/val"])
def test_the_folders_of_the_archives_are_found(tmp_path, above, folder):
    maker.make_log(tmp_path / above, folder=folder)
    clip = read(tmp_path).clips[0]
    assert (tmp_path / clip.files[0]).is_file()
    assert "sensor_blobs" in clip.frames.names[0]


def test_a_wrong_data_dir_says_what_is_expected(tmp_path):
    with pytest.raises(SourceError, match=r"splits/<any>/<log>\.db") as caught:
        NuPlan(tmp_path).units("validation")
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_split_lists_the_splits(tmp_path):
    with pytest.raises(ConfigError, match="train, validation"):
        NuPlan(tmp_path).units("test")


def test_nothing_is_written_beside_a_database(tmp_path):
    path = maker.make_log(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        assert len(read(tmp_path).clips) == 2
        assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    finally:
        path.parent.chmod(0o755)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": ["front"]}, "CAM_F0"),
        ({"cameras": "CAM_F0"}, "list of names"),
        ({"cameras": []}, "list of names"),
        ({"cameras": ["CAM_F0"] * 2}, "different names"),
        ({"allow_train": True}, "unknown option 'allow_train'"),
        ({"image_tolerance_s": 0.4}, "image_tolerance_s"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        NuPlan(tmp_path, options)


def test_a_source_can_be_pickled(tmp_path):
    maker.make_log(tmp_path, cameras=CAMERAS)
    copied = pickle.dumps(NuPlan(tmp_path, {"cameras": ["CAM_B0"]}))
    source = pickle.loads(copied)  # noqa: S301
    assert [clip.camera.name for clip in source.read("validation", UNIT).clips] == ["CAM_B0"]
