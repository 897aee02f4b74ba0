import pickle

import argoverse2_maker as maker
import numpy as np
import pyarrow.feather
import pytest

from stkit_datasets import geometry
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.argoverse2 import RING_CAMERAS, Argoverse2
from stkit_datasets.sources.argoverse2_tables import KINDS

VAL_LOG = "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"
TRAIN_LOG = "adcf7d18-0510-35b0-a2fa-b4cea13a6d76"


def read(root, split="validation", log=maker.LOG, **options):
    return Argoverse2(root, options).read(split, log)


@pytest.fixture(scope="module")
def real_log(shared_data):
    root = shared_data("argoverse2")
    shared_data(f"argoverse2/val/{VAL_LOG}")
    return root, read(root, log=VAL_LOG)


def raw(path):
    return pyarrow.feather.read_table(path, memory_map=False).to_pandas()


# ---- real log -----------------------------------------------------------------------------------


def test_real_log_gives_a_clip_for_each_ring_camera(real_log):
    _, result = real_log
    assert [clip.camera.name for clip in result.clips] == list(RING_CAMERAS)
    assert result.skipped == ()
    for clip in result.clips:
        assert (clip.clip_id, clip.scene_id) == (VAL_LOG, VAL_LOG)
        assert clip.tracks.n_frames == 32
        assert len(clip.tracks) == 114
        assert clip.frames is None
        assert clip.files == (
            f"val/{VAL_LOG}/annotations.feather",
            f"val/{VAL_LOG}/city_SE3_egovehicle.feather",
        )


def test_real_centers_agree_with_the_raw_files(real_log):
    """Every centre recomputed row by row from the raw tables, without the package's geometry."""
    root, result = real_log
    boxes = raw(root / "val" / VAL_LOG / "annotations.feather")
    poses = raw(root / "val" / VAL_LOG / "city_SE3_egovehicle.feather").set_index("timestamp_ns")
    clip = result.clips[0]
    grid_ns = clip.start_ns + np.round(clip.timestamps_s * 1e9).astype(np.int64)
    first_ns = boxes.timestamp_ns.min()
    checked = 0
    by_key = boxes.set_index(["track_uuid", "timestamp_ns"])
    for i, track in enumerate(clip.tracks.track_ids):
        for j, stamp in enumerate(grid_ns):
            assert abs(stamp - first_ns - 500_000_000 * j) <= 10_000_000
            if (track, stamp) not in by_key.index:
                assert np.isnan(clip.tracks.centers_m[i, j]).all()
                continue
            box, pose = by_key.loc[(track, stamp)], poses.loc[stamp]
            w, v = pose.qw, np.array([pose.qx, pose.qy, pose.qz])
            p = np.array([box.tx_m, box.ty_m, box.tz_m])
            # Rodrigues' form of a quaternion's rotation.
            turned = p + 2 * w * np.cross(v, p) + 2 * np.cross(v, np.cross(v, p))
            expected = turned + np.array([pose.tx_m, pose.ty_m, pose.tz_m])
            np.testing.assert_allclose(clip.tracks.centers_m[i, j], expected, atol=1e-7)
            assert clip.tracks.sizes_lwh_m[i, j].tolist() == [
                box.length_m,
                box.width_m,
                box.height_m,
            ]
            assert clip.tracks.annotation_keys[i, j].tolist() == [stamp, -1]
            checked += 1
    assert checked == clip.tracks.annotated.sum() > 2000


def test_real_boxes_project_around_their_centers(real_log):
    """Pixels of centres by hand from the raw calibration lie inside the projected boxes."""
    root, result = real_log
    log = root / "val" / VAL_LOG
    intrinsics = raw(log / "calibration/intrinsics.feather").set_index("sensor_name")
    sensors = raw(log / "calibration/egovehicle_SE3_sensor.feather").set_index("sensor_name")
    poses = raw(log / "city_SE3_egovehicle.feather").set_index("timestamp_ns")

    def rotate_back(row, p):
        w, v = row.qw, -np.array([row.qx, row.qy, row.qz])
        return p + 2 * w * np.cross(v, p) + 2 * np.cross(v, np.cross(v, p))

    checked = 0
    for clip in result.clips:
        camera = clip.camera
        lens, mount = intrinsics.loc[camera.name], sensors.loc[camera.name]
        assert (camera.width_px, camera.height_px) == (lens.width_px, lens.height_px)
        boxes = geometry.project_boxes(
            clip.tracks.corners_m,
            clip.camera_SE3_world,
            camera.intrinsics,
            camera.width_px,
            camera.height_px,
        )
        for i, j in np.argwhere(boxes.visible)[::7]:
            stamp = clip.start_ns + round(clip.timestamps_s[j] * 1e9)
            pose = poses.loc[stamp]
            ego = rotate_back(pose, clip.tracks.centers_m[i, j] - [pose.tx_m, pose.ty_m, pose.tz_m])
            x, y, z = rotate_back(mount, ego - [mount.tx_m, mount.ty_m, mount.tz_m])
            assert boxes.depths_m[i, j] == pytest.approx(z, abs=1e-6)
            u, v = lens.fx_px * x / z + lens.cx_px, lens.fy_px * y / z + lens.cy_px
            if z > 5 and 0 < u < camera.width_px and 0 < v < camera.height_px:
                x0, y0, x1, y1 = boxes.boxes_px[i, j]
                assert x0 <= u <= x1
                assert y0 <= v <= y1
                checked += 1
    assert checked > 100


def test_real_log_without_calibration_names_the_missing_file(shared_data):
    root = shared_data(f"argoverse2/train/{TRAIN_LOG}").parents[1]
    with pytest.raises(SourceError, match=r"calibration/intrinsics\.feather.*found none"):
        read(root, "train", TRAIN_LOG)


def test_real_log_without_poses_names_the_missing_file(shared_data):
    root = shared_data("argoverse2_incomplete")
    source = Argoverse2(root)
    (log,) = source.units("validation")
    with pytest.raises(SourceError, match=r"city_SE3_egovehicle\.feather.*found none"):
        source.read("validation", log)


# ---- the outcome on logs with a known world ----------------------------------------------------


def test_tracks_follow_the_known_world(tmp_path):
    maker.make_log(tmp_path)
    result = read(tmp_path)
    assert len(result.clips) == len(RING_CAMERAS)
    clip = result.clips[0]
    tracks = clip.tracks
    assert tracks.track_ids == ("car", "walker")
    assert tracks.kinds == ("vehicle", "person")
    assert tracks.categories == ("REGULAR_VEHICLE", "PEDESTRIAN")
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(8), atol=1e-12)
    for i, track in enumerate(tracks.track_ids):
        expected = maker.position_m(track, clip.timestamps_s)
        np.testing.assert_allclose(tracks.centers_m[i], expected, atol=1e-9)
        np.testing.assert_allclose(tracks.sizes_lwh_m[i], [maker.SIZES_LWH_M[track]] * 8)
        # Objects keep their heading in the city while the ego car turns.
        np.testing.assert_allclose(np.abs(tracks.rotations_wxyz[i, :, 0]), 1.0, atol=1e-12)


def test_grid_times_between_sweeps_are_interpolated(tmp_path):
    # Sweeps every 90 ms: t = 0.5 s lies 40 ms after one sweep and 50 ms before the next.
    maker.make_log(tmp_path, n_sweeps=40, sweep_step_ns=90_000_000)
    clip = read(tmp_path).clips[0]
    np.testing.assert_allclose(
        clip.tracks.centers_m[0], maker.position_m("car", clip.timestamps_s), atol=1e-9
    )
    keys = clip.tracks.annotation_keys[0, 1] - maker.START_NS
    assert keys.tolist() == [450_000_000, 540_000_000]


def test_camera_pose_without_images_is_at_the_grid_time(tmp_path):
    maker.make_log(tmp_path)
    clip = read(tmp_path, cameras=["ring_front_left"]).clips[0]
    check_camera_at(clip, clip.timestamps_s)


def check_camera_at(clip, seconds):
    """The camera sits 1.5 m above the ego car and looks along its heading."""
    position = maker.ego_position_m(seconds) + np.array([0, 0, 1.5])
    yaw = maker.ego_yaw_rad(seconds)
    ahead = np.stack([np.cos(yaw), np.sin(yaw), 0 * yaw], axis=-1)
    for where, depth in ((position, 0.0), (position + 7 * ahead, 7.0)):
        in_camera = geometry.transform_points(clip.camera_SE3_world, where[:, None])[:, 0]
        np.testing.assert_allclose(in_camera, [[0, 0, depth]] * len(in_camera), atol=1e-8)


def test_frames_are_the_nearest_images_and_poses_their_exposures(tmp_path):
    maker.make_log(tmp_path, image_cameras=["ring_front_left"])
    result = read(tmp_path, cameras=["ring_front_left", "ring_front_right"])
    with_images, without = result.clips
    assert without.frames is None
    # Images lie at 20 ms + 50 ms k: the nearest to 0.5 s k comes 20 ms after it.
    stamps = maker.START_NS + 20_000_000 + 500_000_000 * np.arange(8)
    folder = f"val/{maker.LOG}/sensors/cameras/ring_front_left"
    assert with_images.frames.names == tuple(f"{folder}/{stamp}.jpg" for stamp in stamps)
    check_camera_at(with_images, with_images.timestamps_s + 0.02)
    # The second image is the 11th of the log: shade 50.
    frames = list(with_images.frames.read(None))
    assert len(frames) == 8
    assert abs(int(frames[1].mean()) - 50) <= 2


def test_image_poses_are_interpolated_when_the_table_has_none_at_the_exposure(tmp_path):
    sweeps = maker.START_NS + 100_000_000 * np.arange(36)
    maker.make_log(
        tmp_path,
        image_cameras=["ring_front_left"],
        tables={
            "city_SE3_egovehicle.feather": maker.ego_poses_table(
                np.append(sweeps, sweeps[-1] + 100_000_000)
            )
        },
    )
    (clip,) = read(tmp_path, cameras=["ring_front_left"]).clips
    check_camera_at(clip, clip.timestamps_s + 0.02)


def test_missing_images_leave_the_longest_run(tmp_path):
    log = maker.make_log(tmp_path, image_cameras=["ring_front_left"], n_sweeps=61)
    folder = log / "sensors/cameras/ring_front_left"
    for image in folder.iterdir():  # nothing within 50 ms of t = 1.5 s
        if abs(int(image.stem) - maker.START_NS - 1_500_000_000) <= 80_000_000:
            image.unlink()
    clip, whole = read(tmp_path, cameras=["ring_front_left", "ring_front_right"]).clips
    assert whole.tracks.n_frames == 13
    assert clip.tracks.n_frames == len(clip.frames) == 9  # t = 2.0 … 6.0 s
    assert clip.start_ns == maker.START_NS + 2_000_000_000
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(9))
    np.testing.assert_allclose(
        clip.tracks.centers_m[0], maker.position_m("car", clip.timestamps_s + 2.0), atol=1e-9
    )


def test_a_camera_with_too_few_images_is_skipped_and_said(tmp_path):
    log = maker.make_log(tmp_path, image_cameras=["ring_front_left"])
    folder = log / "sensors/cameras/ring_front_left"
    for image in folder.iterdir():
        image.unlink()
    (folder / ".DS_Store").write_bytes(b"")
    result = read(tmp_path, cameras=["ring_front_left", "ring_front_right"])
    assert [clip.camera.name for clip in result.clips] == ["ring_front_right"]
    assert result.skipped[0].what == f"{maker.LOG} ring_front_left"


def test_long_logs_are_cut_into_windows(tmp_path):
    maker.make_log(tmp_path, n_sweeps=241)  # 24 s: 49 grid frames, 40 and 9
    first, second = read(tmp_path, cameras=["ring_front_left"]).clips
    assert (first.clip_id, second.clip_id) == (f"{maker.LOG}@0", f"{maker.LOG}@1")
    assert first.scene_id == second.scene_id == maker.LOG
    assert (first.tracks.n_frames, second.tracks.n_frames) == (40, 9)
    assert second.timestamps_s[0] == 0
    assert second.start_ns == maker.START_NS + 20_000_000_000
    np.testing.assert_allclose(
        second.tracks.centers_m[0], maker.position_m("car", 20 + second.timestamps_s), atol=1e-8
    )


def test_short_and_empty_logs_are_skipped_and_said(tmp_path):
    maker.make_log(tmp_path, log="short", n_sweeps=20)
    empty = maker.annotations_table([])
    maker.make_log(tmp_path, log="empty", tables={"annotations.feather": empty})
    for log, reason in (("short", "4 frames"), ("empty", "no annotations")):
        result = read(tmp_path, log=log)
        assert result.clips == ()
        assert reason in result.skipped[-1].reason


def test_rows_of_different_tracks_come_in_any_order(tmp_path):
    maker.make_log(tmp_path)
    expected = read(tmp_path).clips[0].tracks
    table = pyarrow.feather.read_table(tmp_path / "val" / maker.LOG / "annotations.feather")
    by_track = table.sort_by([("track_uuid", "descending"), ("timestamp_ns", "ascending")])
    maker.make_log(tmp_path, log="by_track", tables={"annotations.feather": by_track})
    got = read(tmp_path, log="by_track").clips[0].tracks
    assert got.track_ids == expected.track_ids
    np.testing.assert_array_equal(got.centers_m, expected.centers_m)


def test_a_track_of_two_categories_is_left_out_and_said(tmp_path):
    table = maker.annotations_table(maker.START_NS + 100_000_000 * np.arange(36))
    categories = table["category"].to_pylist()
    categories[20] = "BUS"
    mixed = table.set_column(2, "category", [categories])
    maker.make_log(tmp_path, tables={"annotations.feather": mixed})
    result = read(tmp_path)
    assert result.clips[0].tracks.track_ids == ("walker",)
    assert result.skipped[0].what == f"{maker.LOG} track car"


def test_a_category_never_seen_is_other(tmp_path):
    table = maker.annotations_table(maker.START_NS + 100_000_000 * np.arange(36))
    renamed = table.set_column(2, "category", [["HOVERCRAFT", "STROLLER"] * 36])
    maker.make_log(tmp_path, tables={"annotations.feather": renamed})
    assert read(tmp_path).clips[0].tracks.kinds == ("other", "other")


def test_kinds():
    assert KINDS["SCHOOL_BUS"] == "vehicle"
    assert KINDS["WHEELED_RIDER"] == "person"
    assert "BOLLARD" not in KINDS


# ---- the folder ---------------------------------------------------------------------------------


def test_units_and_index_files(tmp_path):
    maker.make_log(tmp_path, log="b", cameras=())
    maker.make_log(tmp_path, log="a")
    (tmp_path / "val" / ".cache").mkdir()
    (tmp_path / "val" / "notes.txt").write_text("")
    source = Argoverse2(tmp_path)
    assert source.units("validation") == ["a", "b"]
    assert source.units("train") == []
    files = [path.relative_to(tmp_path).as_posix() for path in source.index_files("validation")]
    assert len(files) == 8
    assert files[0] == "val/a/annotations.feather"
    assert not [name for name in files if name.endswith(".jpg")]


def test_the_folder_above_sensor_is_found(tmp_path):
    maker.make_log(tmp_path / "sensor")
    clip = read(tmp_path).clips[0]
    assert clip.files[0] == f"sensor/val/{maker.LOG}/annotations.feather"


@pytest.mark.parametrize("wrong", ["nowhere", "", f"val/{maker.LOG}", "val"])
def test_a_wrong_data_dir_says_what_is_expected(tmp_path, wrong):
    if wrong:
        maker.make_log(tmp_path)
    with pytest.raises(SourceError, match="train and val") as caught:
        Argoverse2(tmp_path / wrong).units("validation")
    assert str(tmp_path / wrong) in str(caught.value)


def test_an_unknown_split_lists_the_splits(tmp_path):
    with pytest.raises(ConfigError, match="train, validation"):
        Argoverse2(tmp_path).units("test")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": ["front"]}, "ring_front_center"),
        ({"cameras": "ring_front_left"}, "list of names"),
        ({"cameras": []}, "list of names"),
        ({"cameras": ["ring_front_left"] * 2}, "different names"),
        ({"cameras": [["ring_front_left"]]}, "different names"),
        ({"camera": ["ring_front_left"]}, "unknown option 'camera'"),
        ({"image_tolerance_s": -0.1}, "image_tolerance_s"),
        ({"image_tolerance_s": "0.1"}, "must be a number"),
        ({"snap_s": 0.3}, "snap_s"),
        ({"max_gap_s": float("nan")}, "max_gap_s"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        Argoverse2(tmp_path, options)


def test_a_source_can_be_pickled(tmp_path):
    maker.make_log(tmp_path)
    copied = pickle.dumps(Argoverse2(tmp_path, {"cameras": ["ring_side_left"]}))
    source = pickle.loads(copied)  # noqa: S301
    assert [c.camera.name for c in source.read("validation", maker.LOG).clips] == ["ring_side_left"]
