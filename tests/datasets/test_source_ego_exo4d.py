"""Takes whose path is a formula, and the real trajectory whose length its own summary states."""

import json
import math
import pickle
import re
import shutil

import ego_exo4d_maker as maker
import numpy as np
import pytest

from stkit_datasets.config import KinematicsConfig
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.observation import observe
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.sources import open_source
from stkit_datasets.sources.ego_exo4d import EgoExo4D
from stkit_datasets.sources.ego_exo4d_tables import read_trajectory

MIDDLE_BELOW_M = 1.75 / 2 - 0.12
X_HALF_TURN = np.diag([1.0, -1.0, -1.0])


def read(root, unit=maker.TAKE, split="validation", **options):
    return EgoExo4D(root, options).read(split, unit)


def expected_pixel(camera, point):
    """Kannala-Brandt by hand for cameras that look along +y or -y."""
    (cx, cy, cz), _ = maker.CAMERAS[camera]
    sign = 1 if camera == "cam01" else -1
    right, down, ahead = sign * (point[0] - cx), cz - point[2], sign * (point[1] - cy)
    radius = math.hypot(right, down)
    theta = math.atan2(radius, ahead)
    k = maker.LENS[4:]
    bent = theta * (1 + sum(k[i] * theta ** (2 * i + 2) for i in range(4)))
    return 320 + 300 * bent * right / radius, 240 + 300 * bent * down / radius


def expected_box(camera, point):
    """Bounds of a solid of 0.5 x 0.5 x 1.75 m whose top is 0.12 m above a point."""
    x, y, z = point
    corners = [
        expected_pixel(camera, (x + dx, y + dy, top))
        for dx in (-0.25, 0.25)
        for dy in (-0.25, 0.25)
        for top in (z + 0.12, z + 0.12 - 1.75)
    ]
    return [*np.min(corners, axis=0), *np.max(corners, axis=0)]


# ---- the real trajectory ------------------------------------------------------------------------


def test_the_path_is_as_long_as_its_own_summary_states(shared_data):
    folder = shared_data("ego_exo4d/takes/aria_mps_sample/trajectory")
    stated = re.search(r"total length: ([\d.]+)m", (folder / "summary.json").read_text())
    trajectory = read_trajectory(folder / "closed_loop_trajectory.csv")
    assert len(trajectory.timestamps_ns) == 11_517
    assert float(stated[1]) == 7.67
    assert round(trajectory.length_m(), 2) == float(stated[1])


def test_the_real_trajectory_gives_a_clip(shared_data, tmp_path):
    sample = shared_data("ego_exo4d/takes/aria_mps_sample/trajectory/closed_loop_trajectory.csv")
    maker.make_take(tmp_path, texts={maker.TIMESYNC: None})
    shutil.copyfile(sample, tmp_path / maker.TRAJECTORY)
    clips = read(tmp_path).clips
    assert [clip.camera.name for clip in clips] == ["cam01", "cam02"]
    tracks = clips[0].tracks
    assert tracks.n_frames == 23  # 11.395 s
    assert tracks.annotated.all()
    # On the grid of 0.5 s corners are cut, so that the distance asked for is a little shorter.
    steps = np.linalg.norm(np.diff(tracks.centers_m[0], axis=0), axis=1)
    assert steps.sum() == pytest.approx(7.51, abs=0.02)


def test_an_older_file_without_geodetic_poses(shared_data):
    path = shared_data("ego_exo4d/closed_loop_trajectory_geo_missing.csv")
    trajectory = read_trajectory(path)
    assert len(trajectory.timestamps_ns) == 199
    assert trajectory.positions_m[0] == pytest.approx([0.000292, -0.006405, 0.000467])


# ---- takes whose path is a formula --------------------------------------------------------------


def test_the_wearer_is_tracked_by_the_path_of_the_glasses(tmp_path):
    maker.make_take(tmp_path)
    result = read(tmp_path)
    assert result.skipped == ()
    clip = result.clips[0]
    assert [c.camera.name for c in result.clips] == ["cam01", "cam02"]
    assert (clip.domain, clip.split, clip.scene_id) == ("sports", "validation", maker.TAKE)
    assert (clip.tracks.track_ids, clip.tracks.kinds) == (("wearer",), ("person",))
    assert clip.files == (maker.TRAJECTORY, maker.CALIBRATION)
    # The grid is laid over the frames: from 0.1 s on, as far as frame 169, 5.63 s later.
    assert clip.start_ns == (maker.START_US + 100_000) * 1000
    assert clip.timestamps_s == pytest.approx(0.5 * np.arange(12))
    seconds = 0.1 + 0.5 * np.arange(12)
    middle = maker.position_m(seconds) - [0, 0, MIDDLE_BELOW_M]
    np.testing.assert_allclose(clip.tracks.centers_m[0], middle, atol=1e-8)
    keys = clip.tracks.annotation_keys[0]
    assert keys[:, 0].tolist() == [(maker.START_US + round(s * 1e6)) * 1000 for s in seconds]
    assert (keys[:, 1] == -1).all()


def test_boxes_are_the_solid_through_the_fisheye_lens(tmp_path):
    maker.make_take(tmp_path)
    for clip in read(tmp_path).clips:
        boxes = observe(clip, KinematicsConfig()).boxes_px[0]
        for k in (0, 4, 9):
            expected = expected_box(clip.camera.name, maker.position_m(0.1 + 0.5 * k))
            cut = np.clip(expected, 0, [*maker.SIZE_PX] * 2)
            np.testing.assert_allclose(boxes[k], cut, atol=1e-5)


def test_gravity_decides_what_is_up(tmp_path):
    # The file's world hangs upside down: everything is as it was.
    texts = {
        maker.TRAJECTORY: maker.trajectory_text(6.0, to_file=X_HALF_TURN),
        maker.CALIBRATION: maker.calibration_text(to_file=X_HALF_TURN),
    }
    upright = read(maker.make_take(tmp_path / "a")).clips
    turned = read(maker.make_take(tmp_path / "b", texts=texts)).clips
    for one, other in zip(upright, turned, strict=True):
        heights = other.tracks.centers_m[..., 2]
        assert heights == pytest.approx(np.full(heights.shape, 1.6 - MIDDLE_BELOW_M))
        np.testing.assert_allclose(
            observe(one, KinematicsConfig()).boxes_px,
            observe(other, KinematicsConfig()).boxes_px,
            atol=1e-5,
        )


def test_a_tilted_world_is_set_upright(tmp_path):
    tilt = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    maker.make_take(tmp_path, texts={maker.TRAJECTORY: maker.trajectory_text(6.0, to_file=tilt)})
    centers = read(tmp_path).clips[0].tracks.centers_m[0]
    assert centers[:, 2] == pytest.approx(np.full(12, 1.6 - MIDDLE_BELOW_M), abs=1e-6)
    path = maker.position_m(0.1 + 0.5 * np.arange(12))
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(centers, axis=0), axis=1),
        np.linalg.norm(np.diff(path, axis=0), axis=1),
        atol=1e-6,
    )


def test_frames_are_named_by_their_time_in_the_video(tmp_path):
    maker.make_take(tmp_path)
    folder = tmp_path / f"takes/{maker.TAKE}/frame_aligned_videos"
    folder.mkdir()
    (folder / "cam01.mp4").touch()
    with_video, without = read(tmp_path).clips
    assert with_video.frames.names[:3] == tuple(
        f"takes/{maker.TAKE}/frame_aligned_videos/cam01.mp4#t={t}"
        for t in ("0.000", "0.500", "1.000")
    )
    assert without.frames is None
    assert without.images_expected.endswith("frame_aligned_videos/cam02.mp4")


def test_downscaled_videos_scale_the_camera(tmp_path):
    av = pytest.importorskip("av")
    maker.make_take(tmp_path)
    path = tmp_path / f"takes/{maker.TAKE}/frame_aligned_videos/downscaled/448/cam01.mp4"
    path.parent.mkdir(parents=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((120, 160, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (full,) = (c for c in read(tmp_path).clips if c.camera.name == "cam01")
    (small,) = (c for c in read(tmp_path, downscaled=True).clips if c.camera.name == "cam01")
    assert (small.camera.width_px, small.camera.height_px) == small.frames.size_px == (160, 120)
    boxes = [observe(clip, KinematicsConfig()).boxes_px for clip in (full, small)]
    np.testing.assert_allclose(boxes[0] / 4, boxes[1], atol=1e-9)


def test_frames_that_begin_before_the_trajectory(tmp_path):
    # Poses begin 0.55 s into the video, that is with frame 17, at 0.567 s.
    head, *rows = maker.trajectory_text(6.0).split("\n")
    maker.make_take(tmp_path, texts={maker.TRAJECTORY: "\n".join([head, *rows[650:]])})
    folder = tmp_path / f"takes/{maker.TAKE}/frame_aligned_videos"
    folder.mkdir()
    (folder / "cam01.mp4").touch()
    clip = read(tmp_path).clips[0]
    assert clip.frames.names[0].endswith("cam01.mp4#t=0.567")
    assert clip.tracks.centers_m[0, 0, 0] == pytest.approx(1.2 * (0.1 + 17 / 30), abs=1e-3)


def test_a_row_without_a_time_has_no_frame(tmp_path):
    texts = {maker.TIMESYNC: maker.timesync_text(170, missing=range(70, 80))}
    maker.make_take(tmp_path, texts=texts)
    result = read(tmp_path)
    # The frame of 2.5 s is among the missing: what follows it is longer than what comes before.
    assert result.clips[0].timestamps_s == pytest.approx(0.5 * np.arange(6))
    assert result.clips[0].start_ns == (maker.START_US + 3_100_000) * 1000


def test_without_times_of_frames_there_are_boxes_but_no_pictures(tmp_path):
    maker.make_take(tmp_path, texts={maker.TIMESYNC: None})
    clip = read(tmp_path).clips[0]
    assert clip.frames is None
    assert clip.start_ns == maker.START_US * 1000
    assert clip.tracks.n_frames == 13


def test_long_takes_are_cut_into_windows_of_20_s(tmp_path):
    maker.make_take(
        tmp_path,
        duration_s=46.0,
        n_frames=1370,
        texts={maker.TRAJECTORY: maker.trajectory_text(46.0, step_us=5000)},
    )
    clips = [clip for clip in read(tmp_path).clips if clip.camera.name == "cam01"]
    assert [clip.clip_id for clip in clips] == [f"{maker.TAKE}@{k}" for k in range(3)]
    assert [clip.tracks.n_frames for clip in clips] == [40, 40, 12]


def test_a_gap_in_the_trajectory_is_not_bridged(tmp_path):
    head, *rows = maker.trajectory_text(6.0).split("\n")
    maker.make_take(
        tmp_path, texts={maker.TRAJECTORY: "\n".join([head, *rows[:2400], *rows[2800:]])}
    )
    annotated = read(tmp_path).clips[0].tracks.annotated[0]
    assert np.flatnonzero(~annotated).tolist() == [5]  # 2.6 s


def test_an_annotated_body_gives_the_box_of_its_frame(tmp_path):
    x, y, z = maker.position_m(0.1 + 2.0)
    joints = {f"joint{i}": (x + 0.1 * i, y, z - 0.1 * i) for i in range(10)}
    maker.make_take(tmp_path, bodies={"61": maker.body(joints)})  # the grid's frame is 60
    clip = read(tmp_path).clips[0]
    assert clip.camera_SE3_world is None
    assert clip.files[-1] == maker.BODIES
    corners = [
        expected_pixel("cam01", (px + dx, py + dy, pz + dz))
        for px, py, pz in joints.values()
        for dx in (-0.12, 0.12)
        for dy in (-0.12, 0.12)
        for dz in (-0.12, 0.12)
    ]
    expected = [*np.min(corners, axis=0), *np.max(corners, axis=0)]
    np.testing.assert_allclose(clip.boxes_px[0, 4], expected, atol=1e-5)
    neighbour = expected_box("cam01", maker.position_m(0.1 + 2.5))
    np.testing.assert_allclose(clip.boxes_px[0, 5], np.clip(neighbour, 0, [*maker.SIZE_PX] * 2))
    # The path is that of the glasses whatever the boxes are.
    plain = read(maker.make_take(tmp_path / "plain")).clips[0]
    assert (plain.tracks.centers_m == clip.tracks.centers_m).all()


@pytest.mark.parametrize(
    ("frame", "count", "views"),
    [("63", 10, 4), ("60", 7, 4), ("60", 10, 2)],
    ids=["too far", "too few joints", "too few views"],
)
def test_a_body_that_is_not_taken(tmp_path, frame, count, views):
    x, y, z = maker.position_m(2.1)
    joints = {f"joint{i}": (x + 0.1 * i, y, z - 0.1 * i) for i in range(count)}
    maker.make_take(tmp_path, bodies={frame: maker.body(joints, views)})
    assert read(tmp_path).clips[0].boxes_px is None


# ---- which takes, which cameras -----------------------------------------------------------------


def test_units_follow_the_official_splits(tmp_path):
    names = ["a_dance_1", "b_soccer_2", "c_soccer_3", "d_cooking_4", "e_not_here_5"]
    entries = [maker.take_entry(name, f"uid-{name}") for name in names]
    split = dict(zip(names, ("train", "val", "test", "train", "train"), strict=True))
    splits = {"take_uid_to_split": {f"uid-{name}": split[name] for name in names}}
    maker.make_take(tmp_path, entries=entries, texts={maker.SPLITS: json.dumps(splits)})
    for name in names[:4]:
        (tmp_path / "takes" / name).mkdir()
    source = open_source("ego_exo4d", tmp_path)
    assert source.units("train") == ["a_dance_1", "d_cooking_4"]
    assert source.units("validation") == ["b_soccer_2"]
    with pytest.raises(SourceError, match="expected a take of validation"):
        source.read("validation", "a_dance_1")


def test_other_activities_are_skipped_unless_asked_for(tmp_path):
    entries = [maker.take_entry(task="Bike Repair", n_frames=170)]
    maker.make_take(tmp_path, entries=entries)
    result = read(tmp_path)
    assert result.clips == ()
    assert [(s.what, s.reason) for s in result.skipped] == [(maker.TAKE, "its task is Bike Repair")]
    assert len(read(tmp_path, tasks=["Bike Repair"]).clips) == 2


@pytest.mark.parametrize(
    ("videos", "count"), [(["aria01", "aria02"], 2), (["cam01"], 0), (["aria02", "cam01"], 1)]
)
def test_the_glasses_of_a_take_are_those_with_a_video(tmp_path, videos, count):
    aligned = {name: {} for name in videos}
    entry = maker.take_entry(n_frames=170, frame_aligned_videos=aligned)
    entry["capture"]["cameras"].append({"cam_id": "aria02", "is_ego": True})
    other = maker.take_entry("other_take_1", "uid-other", capture=None)  # no matter here
    times = maker.timesync_text(170).replace("aria01", "aria02")
    splits = json.dumps({"take_uid_to_split": {maker.UID: "val", "uid-other": "val"}})
    texts = {maker.TIMESYNC: times, maker.SPLITS: splits}
    result = read(maker.make_take(tmp_path, entries=[other, entry], texts=texts))
    assert bool(result.clips) == (count == 1)
    reasons = [skipped.reason for skipped in result.skipped]
    assert reasons == ([] if count == 1 else [f"{count} pairs of Aria glasses, expected one"])
    (tmp_path / "takes/other_take_1").mkdir()
    assert len(list(EgoExo4D(tmp_path).index_files("validation"))) == 5
    with pytest.raises(SourceError, match=r"take 0 \(other_take_1\).*capture"):
        read(tmp_path, "other_take_1")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"world": "another"}, "world frame"), ({"stationary": "0,90"}, "part of its video")],
)
def test_cameras_that_cannot_be_used(tmp_path, changes, reason):
    texts = {maker.CALIBRATION: maker.calibration_text(**changes)}
    result = read(maker.make_take(tmp_path, texts=texts))
    assert result.clips == ()
    assert [s.what for s in result.skipped] == [f"{maker.TAKE} cam01", f"{maker.TAKE} cam02"]
    assert all(reason in s.reason for s in result.skipped)


def test_index_files(tmp_path):
    maker.make_take(tmp_path, bodies={})
    found = [
        p.relative_to(tmp_path).as_posix() for p in EgoExo4D(tmp_path).index_files("validation")
    ]
    tables = {maker.TRAJECTORY, maker.CALIBRATION, maker.TIMESYNC}
    assert len(found) == 6
    assert set(found) == {maker.TAKES, maker.SPLITS, maker.BODIES, *tables}


def test_the_source_travels_without_its_tables(tmp_path):
    source = EgoExo4D(maker.make_take(tmp_path))
    before = source.read("validation", maker.TAKE)
    copy = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert "_takes" not in vars(copy)
    assert len(copy.read("validation", maker.TAKE).clips) == len(before.clips)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": "Soccer"}, "tasks must be a list"),
        ({"tasks": []}, "tasks must be a list"),
        ({"person_size_lwh_m": [1, 2]}, "three lengths"),
        ({"person_size_lwh_m": [1, 2, 0]}, "three lengths"),
        ({"crown_m": 2.0}, "crown_m"),
        ({"joint_radius_m": 0}, "joint_radius_m"),
        ({"camera": ["cam01"]}, "unknown option 'camera'"),
    ],
)
def test_options_out_of_range(tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        EgoExo4D(tmp_path, options)


def test_rows_have_no_direction_questions(tmp_path):
    maker.make_take(tmp_path)
    clip = read(tmp_path).clips[0]
    tasks = {row["task"] for row in clip_rows(clip, RowConfig(video="none")).table.to_pylist()}
    assert {"traveled_distance", "traveling_speed"} <= tasks
    assert not {task for task in tasks if "direction" in task}
