import pickle

import argoverse2_maker as world
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import waymo_maker as maker

from stkit_datasets import geometry, resample
from stkit_datasets.errors import ConfigError, SourceError, StkitError
from stkit_datasets.sources import open_source
from stkit_datasets.sources.waymo import Waymo
from stkit_datasets.sources.waymo_tables import read_vehicle_poses

TIMES = maker.stamps(41)


def read(root, split="validation", unit=maker.SEGMENT, **options):
    return Waymo(root, options).read(split, unit)


# ---- the real file -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_poses(shared_data):
    path = shared_data(f"waymo/vehicle_pose/{maker.SEGMENT}.parquet")
    rows = pa.parquet.read_table(path).to_pylist()
    return read_vehicle_poses(path), rows


def test_real_poses_agree_with_the_raw_rows(real_poses):
    poses, rows = real_poses
    assert len(rows) == 199
    assert poses.timestamps_ns.tolist() == [row[maker.TIME] * 1000 for row in rows]
    for row, pose in zip(rows, poses.world_SE3_vehicle, strict=True):
        values = row[maker.POSE]
        assert pose[:3, 3].tolist() == [values[3], values[7], values[11]]
        assert pose[0, :3].tolist() == values[:3]
        # x forward, y left, z up: the drive is on the ground, so z stays within 5 degrees of up.
        assert pose[2, 2] > np.cos(np.radians(5))


def test_the_real_car_drives_where_it_looks(real_poses):
    """Steps between poses point along the poses' own x axis: the matrices are not transposed."""
    poses = real_poses[0].world_SE3_vehicle
    steps = np.diff(poses[:, :3, 3], axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    ahead = np.einsum("ij,ij->i", steps, poses[:-1, :3, 0]) / np.maximum(lengths, 1e-9)
    assert (lengths > 0.1).sum() == 40  # it stops after 4 s
    assert ahead[lengths > 0.1].min() > 0.98


def test_the_real_grid_has_forty_frames(real_poses):
    poses, _ = real_poses
    grid_ns = poses.grid(resample.DEFAULT_GRID)
    assert len(grid_ns) == 40
    assert set(grid_ns.tolist()) <= set(poses.timestamps_ns.tolist())
    np.testing.assert_allclose(np.diff(grid_ns) / 1e9, 0.5, atol=0.011)


# ---- the outcome on segments with a known world --------------------------------------------------


def test_tracks_follow_the_known_world(tmp_path):
    maker.make_segment(tmp_path)
    result = read(tmp_path)
    clip = result.clips[0]
    tracks = clip.tracks
    assert [clip.camera.name for clip in result.clips] == list(maker.CAMERAS)
    assert result.skipped == ()
    assert tracks.track_ids == ("car", "walker")
    assert tracks.kinds == ("vehicle", "person")
    assert tracks.categories == ("vehicle", "pedestrian")
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(9), atol=1e-12)
    for i, track in enumerate(tracks.track_ids):
        expected = world.position_m(track, clip.timestamps_s)
        np.testing.assert_allclose(tracks.centers_m[i], expected, atol=1e-9)
        np.testing.assert_allclose(tracks.sizes_lwh_m[i], [world.SIZES_LWH_M[track]] * 9)
    forward = geometry.rotation_matrices(tracks.rotations_wxyz[0])[:, :, 0]
    np.testing.assert_allclose(forward, [[0.6, 0.8, 0.0]] * 9, atol=1e-12)


def test_the_segment_and_where_it_came_from(tmp_path):
    maker.make_segment(tmp_path)
    clip = read(tmp_path).clips[0]
    assert (clip.source, clip.split) == ("waymo", "validation")
    assert (clip.clip_id, clip.scene_id) == (maker.SEGMENT, maker.SEGMENT)
    assert clip.files == (
        f"validation/lidar_box/{maker.SEGMENT}.parquet",
        f"validation/vehicle_pose/{maker.SEGMENT}.parquet",
    )
    assert clip.start_ns == maker.START_US * 1000
    keys = clip.tracks.annotation_keys[0, 2]
    assert keys.tolist() == [(maker.START_US + 1_000_000) * 1000, -1]


def test_grid_times_between_frames_are_interpolated(tmp_path):
    # Frames every 90 ms: t = 0.5 s lies 40 ms after one and 50 ms before the next.
    times = maker.stamps(45, 90_000)
    tables = {"vehicle_pose": maker.poses_table(times), "lidar_box": maker.boxes_table(times)}
    maker.make_segment(tmp_path, tables={**tables, "camera_image": None})
    clip = read(tmp_path).clips[0]
    expected = world.position_m("car", clip.timestamps_s)
    np.testing.assert_allclose(clip.tracks.centers_m[0], expected, atol=1e-9)
    keys = clip.tracks.annotation_keys[0, 1] - maker.START_US * 1000
    assert keys.tolist() == [450_000_000, 540_000_000]
    # Without images the camera stands where the car is at the grid time itself.
    check_camera_poses(clip, clip.timestamps_s)


def check_camera_poses(clip, seconds):
    """The camera stands 1.5 m ahead of and 2 m above the ego car and looks along it."""
    world_SE3_camera = geometry.inverse(clip.camera_SE3_world)
    yaw = world.ego_yaw_rad(seconds)
    ahead = np.stack([np.cos(yaw), np.sin(yaw), 0 * yaw], axis=1)
    expected = world.ego_position_m(seconds) + 1.5 * ahead + [0, 0, 2.0]
    np.testing.assert_allclose(world_SE3_camera[:, :3, 3], expected, atol=1e-9)
    np.testing.assert_allclose(world_SE3_camera[:, :3, 2], ahead, atol=1e-9)
    np.testing.assert_allclose(world_SE3_camera[:, :3, 1], [[0, 0, -1]] * len(yaw), atol=1e-12)


def test_camera_poses_are_those_of_the_exposures(tmp_path):
    maker.make_segment(tmp_path)
    clip = read(tmp_path).clips[0]
    check_camera_poses(clip, clip.timestamps_s + maker.IMAGE_DELAY_US / 1e6)


def test_a_point_ahead_and_to_the_left_lands_left_of_the_middle(tmp_path):
    maker.make_segment(tmp_path)
    clip = read(tmp_path).clips[0]
    camera = clip.camera
    assert (camera.width_px, camera.height_px) == maker.SIZE_PX
    assert (camera.model, camera.distortion) == ("brown", (0.04, -0.33, 0.001, -0.002, 0.01))
    # 10 m ahead of the first camera, 4 m to its left, 3 m up: x = -0.4, y = -0.3, r2 = 0.25.
    seconds = maker.IMAGE_DELAY_US / 1e6
    yaw = float(world.ego_yaw_rad(seconds))
    c, s = np.cos(yaw), np.sin(yaw)
    point = world.ego_position_m(seconds) + np.array([11.5 * c - 4 * s, 11.5 * s + 4 * c, 5])
    in_camera = geometry.transform_points(clip.camera_SE3_world[0], point[None])
    np.testing.assert_allclose(in_camera, [[-4.0, -3.0, 10.0]], atol=1e-9)
    radial = 1 + 0.04 * 0.25 - 0.33 * 0.25**2 + 0.01 * 0.25**3
    x = -0.4 * radial + 2 * 0.001 * 0.12 - 0.002 * (0.25 + 2 * 0.16)
    y = -0.3 * radial + 0.001 * (0.25 + 2 * 0.09) - 2 * 0.002 * 0.12
    pixel = geometry.CAMERA_MODELS["brown"](in_camera, camera.intrinsics, camera.distortion)
    assert pixel[0] == pytest.approx([80 + 130 * x, 60 + 130 * y])


def test_without_images_there_are_no_frames(tmp_path):
    maker.make_segment(tmp_path, tables={"camera_image": None})
    clips = read(tmp_path).clips
    assert [clip.frames for clip in clips] == [None] * 5


def test_frames_are_named_by_file_camera_and_time(tmp_path):
    maker.make_segment(tmp_path)
    frames = read(tmp_path).clips[3].frames
    prefix = f"validation/camera_image/{maker.SEGMENT}.parquet#SIDE_LEFT"
    assert frames.names[0] == f"{prefix}/{maker.START_US}"
    assert frames.names[8] == f"{prefix}/{maker.START_US + 4_000_000}"
    assert frames.size_px == maker.SIZE_PX


@pytest.mark.parametrize("order", ["by frame", "backwards"])
def test_pictures_are_read_from_the_table(tmp_path, order):
    pytest.importorskip("PIL.Image")
    folder = maker.make_segment(tmp_path)
    pictures = [maker.jpeg(5 * frame + 40 * camera) for frame in range(41) for camera in range(2)]
    table = maker.images_table(TIMES, ("FRONT", "SIDE_LEFT"), pictures)
    if order == "backwards":
        table = table.take(list(reversed(range(len(table)))))
    path = folder / "camera_image" / f"{maker.SEGMENT}.parquet"
    pa.parquet.write_table(table, path, row_group_size=13)
    clip = read(tmp_path, cameras=["SIDE_LEFT"]).clips[0]
    for _ in range(2):
        means = [picture.mean() for picture in clip.frames.read()]
        np.testing.assert_allclose(means, 40 + 25 * np.arange(9), atol=2)


def test_a_broken_picture_names_its_frame(tmp_path):
    pytest.importorskip("av")
    maker.make_segment(tmp_path)
    with pytest.raises(StkitError, match=rf"parquet#FRONT/{maker.START_US}: .*cut short"):
        list(read(tmp_path).clips[0].frames.read())


def test_names_instead_of_numbers_and_single_precision_are_read(tmp_path):
    """The files in the repository of the data set's own code are written so."""

    def older(table):
        for field, name in enumerate(table.column_names):
            if name == maker.CAMERA:
                words = [maker.CAMERAS[number - 1] for number in table[name].to_pylist()]
                table = table.set_column(field, name, pa.array(words))
            elif name.endswith("transform"):
                values = pa.array(table[name].to_pylist(), pa.list_(pa.float32(), 16))
                table = table.set_column(field, name, values)
        return table

    tables = {
        "vehicle_pose": older(maker.poses_table(TIMES)),
        "camera_calibration": older(maker.calibration_table()),
        "camera_image": older(maker.images_table(TIMES)),
    }
    maker.make_segment(tmp_path, tables=tables)
    clip = read(tmp_path).clips[1]
    assert clip.camera.name == "FRONT_LEFT"
    expected = world.position_m("car", clip.timestamps_s)
    np.testing.assert_allclose(clip.tracks.centers_m[0], expected, atol=1e-4)


def test_an_object_of_two_types_is_left_out_and_said(tmp_path):
    boxes = maker.boxes_table(TIMES)
    name = f"{maker.BOX}type"
    types = boxes[name].to_pylist()
    types[20] = 4
    mixed = boxes.set_column(boxes.schema.get_field_index(name), name, pa.array(types, pa.int8()))
    maker.make_segment(tmp_path, tables={"lidar_box": mixed})
    result = read(tmp_path)
    assert result.clips[0].tracks.track_ids == ("walker",)
    assert result.skipped[0].what == f"{maker.SEGMENT} track car"


@pytest.mark.parametrize(
    ("number", "category", "kind"),
    [
        (0, "unknown", "other"),
        (1, "vehicle", "vehicle"),
        (2, "pedestrian", "person"),
        (3, "sign", "other"),
        (4, "cyclist", "person"),
        (9, "type_9", "other"),
        (-1, "type_-1", "other"),
    ],
)
def test_types(tmp_path, number, category, kind):
    boxes = maker.boxes_table(TIMES)
    name = f"{maker.BOX}type"
    types = pa.array([number] * len(boxes), pa.int8())
    boxes = boxes.set_column(boxes.schema.get_field_index(name), name, types)
    maker.make_segment(tmp_path, tables={"lidar_box": boxes})
    tracks = read(tmp_path).clips[0].tracks
    assert (tracks.categories[0], tracks.kinds[0]) == (category, kind)


def test_frames_without_boxes_stay_on_the_grid(tmp_path):
    maker.make_segment(tmp_path, tables={"lidar_box": maker.boxes_table(TIMES[10:])})
    tracks = read(tmp_path).clips[0].tracks
    assert tracks.annotated[0].tolist() == [False] * 2 + [True] * 7


def test_a_segment_without_boxes_has_no_tracks(tmp_path):
    maker.make_segment(tmp_path, tables={"lidar_box": maker.boxes_table(TIMES[:0])})
    assert len(read(tmp_path).clips[0].tracks) == 0


# ---- the folder ----------------------------------------------------------------------------------


def test_units_and_index_files(tmp_path):
    for segment in ("b", "a"):
        maker.make_segment(tmp_path, segment, "training", n_frames=5)
    maker.make_segment(tmp_path, "c", n_frames=5, tables={"camera_image": None})
    source = open_source("waymo", tmp_path)
    assert list(source.units("train")) == ["a", "b"]
    assert list(source.units("validation")) == ["c"]
    files = [path.relative_to(tmp_path).as_posix() for path in source.index_files("validation")]
    assert files == [
        f"validation/{component}/c.parquet"
        for component in ("vehicle_pose", "lidar_box", "camera_calibration")
    ]
    assert len(list(source.index_files("train"))) == 8


def test_a_split_that_is_not_on_disk_has_no_units(tmp_path):
    maker.make_segment(tmp_path, n_frames=5)
    assert Waymo(tmp_path).units("train") == []


def test_a_split_without_boxes_says_which_components_it_needs(tmp_path):
    maker.make_segment(tmp_path, tables={"lidar_box": None})
    with pytest.raises(SourceError, match="found no lidar_box"):
        Waymo(tmp_path).units("validation")


def test_a_wrong_data_dir_says_what_is_expected(tmp_path):
    with pytest.raises(SourceError, match="training and validation") as caught:
        Waymo(tmp_path).units("validation")
    assert str(tmp_path) in str(caught.value)


def test_an_unknown_split_lists_the_splits(tmp_path):
    with pytest.raises(ConfigError, match="train, validation"):
        Waymo(tmp_path).units("testing")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cameras": ["CAM_F0"]}, "FRONT, FRONT_LEFT"),
        ({"cameras": "FRONT"}, "list of names"),
        ({"cameras": ["FRONT"] * 2}, "different names"),
        ({"camera": ["FRONT"]}, "unknown option 'camera'"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        Waymo(tmp_path, options)


def test_a_source_and_its_clips_can_be_pickled(tmp_path):
    maker.make_segment(tmp_path)
    copied = pickle.dumps(Waymo(tmp_path, {"cameras": ["SIDE_RIGHT"]}))
    source = pickle.loads(copied)  # noqa: S301
    (clip,) = source.read("validation", maker.SEGMENT).clips
    assert clip.camera.name == "SIDE_RIGHT"
    assert pickle.loads(pickle.dumps(clip.frames)).names == clip.frames.names  # noqa: S301
