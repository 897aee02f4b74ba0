import json
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stkit_datasets import geometry
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.custom import Custom

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "custom-source.md"
# Looks along world y from 1.6 m above the origin.
POSE = [[1, 0, 0, 0], [0, 0, -1, 1.6], [0, 1, 0, 0], [0, 0, 0, 1]]


def clip_record(**changes):
    record = {
        "clip_id": "c",
        "split": "train",
        "scene_id": "s",
        "domain": "driving",
        "width_px": 640,
        "height_px": 480,
        "fps": 10,
        "n_frames": 41,
        "fx_px": 500,
        "fy_px": 500,
        "cx_px": 320,
        "cy_px": 240,
        "camera_SE3_world": [POSE],
    }
    return {k: v for k, v in (record | changes).items() if v is not None}


def track_rows(n=41, step_s=0.1, **changes):
    """A car 20 m ahead that drives right at 3 m/s."""
    rows = []
    for k in range(n):
        row = {
            "clip_id": "c",
            "track_id": "a",
            "timestamp_s": k * step_s,
            "category": "car",
            "kind": "vehicle",
            "x_m": -4 + 3 * k * step_s,
            "y_m": 20.0,
            "z_m": 0.8,
            "length_m": 4.0,
            "width_m": 1.8,
            "height_m": 1.6,
            "yaw_rad": 0.0,
        }
        rows.append({k: v for k, v in (row | changes).items() if v is not None})
    return rows


def write(folder, clips, rows, form="jsonl"):
    folder.mkdir(exist_ok=True)
    for stem, records in (("clips", clips), ("tracks", rows)):
        if form == "parquet":
            pa.parquet.write_table(pa.Table.from_pylist(records), folder / f"{stem}.parquet")
        else:
            text = "".join(json.dumps(record) + "\n" for record in records)
            (folder / f"{stem}.jsonl").write_text(text)
    return folder


def read(folder, unit="c", split="train", **options):
    return Custom(folder, options).read(split, unit)


def read_all(folder):
    source = Custom(folder)
    return [source.read("train", unit) for unit in source.units("train") or ["c"]]


# ---- the outcome --------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_clip_with_intrinsics_and_a_pose(tmp_path, form):
    write(tmp_path, [clip_record(video="a.mp4")], track_rows(), form)
    (clip,) = read(tmp_path).clips
    assert (clip.clip_id, clip.scene_id, clip.split, clip.domain) == ("c", "s", "train", "driving")
    assert clip.files == (f"clips.{form}", f"tracks.{form}")
    np.testing.assert_allclose(clip.timestamps_s, 0.5 * np.arange(9))
    assert (clip.tracks.track_ids, clip.tracks.categories, clip.tracks.kinds) == (
        ("a",),
        ("car",),
        ("vehicle",),
    )
    expected = np.stack([-4 + 3 * clip.timestamps_s, np.full(9, 20.0), np.full(9, 0.8)], axis=1)
    np.testing.assert_allclose(clip.tracks.centers_m[0], expected)
    assert clip.tracks.annotation_keys[0, 1].tolist() == [500_000_000, -1]
    assert clip.boxes_px is None
    assert clip.frames.names[1] == "a.mp4#t=0.500"
    boxes = geometry.project_boxes(
        clip.tracks.corners_m, clip.camera_SE3_world, clip.camera.intrinsics, 640, 480
    )
    # At t = 0 the near face, 19.1 m away, spans x from -6 to -2 m and z from 0 to 1.6 m.
    near = 500 / 19.1
    expected_px = [320 - 6 * near, 240, 320 - 2 * 500 / 20.9, 240 + 1.6 * near]
    np.testing.assert_allclose(boxes.boxes_px[0, 0], expected_px)


def test_world_SE3_camera_is_the_same_pose_inverted(tmp_path):
    write(tmp_path / "a", [clip_record()], track_rows())
    back = np.linalg.inv(np.array(POSE)).tolist()
    moving = clip_record(camera_SE3_world=None, world_SE3_camera=[back] * 41)
    write(tmp_path / "b", [moving], track_rows())
    poses = [read(tmp_path / name).clips[0].camera_SE3_world for name in "ab"]
    np.testing.assert_allclose(poses[0], poses[1], atol=1e-12)


def test_a_moving_camera_takes_the_pose_of_the_frame_shown(tmp_path):
    poses = np.tile(np.array(POSE, dtype=float), (41, 1, 1))
    poses[:, 0, 3] = np.arange(41)
    write(tmp_path, [clip_record(camera_SE3_world=poses.tolist())], track_rows())
    (clip,) = read(tmp_path).clips
    assert clip.camera_SE3_world[:, 0, 3].tolist() == [0, 5, 10, 15, 20, 25, 30, 35, 40]


def test_boxes_of_the_table_are_taken_and_interpolated(tmp_path):
    rows = track_rows(n=38, step_s=0.11)
    for k, row in enumerate(rows):
        row |= {"x0_px": 10.0 * k, "y0_px": 50, "x1_px": 10.0 * k + 300, "y1_px": 80}
    for name in ("x0_px", "y0_px", "x1_px", "y1_px"):
        rows[22][name] = None
    bare = clip_record(camera_SE3_world=None, fx_px=None, fy_px=None, cx_px=None, cy_px=None)
    write(tmp_path, [bare], rows)
    (clip,) = read(tmp_path).clips
    assert clip.camera_SE3_world is None
    assert clip.notes == {"intrinsics": "not given"}
    # t = 0.5 s lies 6/11 of the way from row 4 (0.44 s) to row 5.
    np.testing.assert_allclose(clip.boxes_px[0, 1], [40 + 60 / 11, 50, 340 + 60 / 11, 80])
    # t = 2.5 s lies between row 22, which has no box, and row 23: annotated, but not visible.
    assert np.isnan(clip.boxes_px[0]).any(axis=1).tolist() == [k == 5 for k in range(9)]
    assert clip.tracks.annotated.all()


def test_boxes_are_cut_at_the_edge_and_those_outside_are_not_visible(tmp_path):
    box = {"x0_px": 600, "y0_px": -20, "x1_px": 700, "y1_px": 80}
    rows = [row | box for row in track_rows()]
    rows[5] |= {"x0_px": 650}
    rows[10] |= dict.fromkeys(box)
    write(tmp_path, [clip_record()], rows)
    boxes = read(tmp_path).clips[0].boxes_px[0]
    assert boxes[0].tolist() == [600, 0, 640, 80]
    assert np.isnan(boxes[1]).all()
    assert np.isnan(boxes[2]).all()
    assert boxes[3].tolist() == [600, 0, 640, 80]


def test_uncertainties_come_with_the_centres(tmp_path):
    rows = track_rows(n=21, step_s=0.2)
    for k, row in enumerate(rows):
        row["uncertainty_m"] = 0.1 * k
    (clip,) = read(write(tmp_path / "a", [clip_record()], rows)).clips
    # t = 0.5 s lies half way between rows 2 and 3.
    np.testing.assert_allclose(clip.tracks.sigmas_m[0], 0.25 * np.arange(9))
    rows[2]["uncertainty_m"] = None
    (clip,) = read(write(tmp_path / "b", [clip_record()], rows)).clips
    assert np.isnan(clip.tracks.sigmas_m[0]).tolist() == [False, True] + [False] * 7
    (clip,) = read(write(tmp_path / "c", [clip_record()], track_rows())).clips
    assert clip.tracks.sigmas_m is None


def test_images_instead_of_a_video(tmp_path):
    times = [0.0, 0.1, 0.47, 0.56, 1.0, 1.5, 2.0, 2.5]
    names = [f"frames/{k}.png" for k in range(len(times))]
    record = clip_record(fps=None, n_frames=None, timestamps_s=times, frames=names)
    write(tmp_path, [record], track_rows())
    (clip,) = read(tmp_path).clips
    # 0.5 s: the image at 0.47 s is 30 ms away, nearer than the one at 0.56 s.
    assert clip.frames.names == tuple(f"frames/{k}.png" for k in (0, 2, 4, 5, 6, 7))


def test_a_frame_missing_in_the_video_leaves_the_longest_run(tmp_path):
    times = [0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0]
    record = clip_record(fps=None, n_frames=None, timestamps_s=times)
    write(tmp_path, [record], track_rows())
    (clip,) = read(tmp_path).clips
    assert clip.start_ns == 2_000_000_000
    assert clip.tracks.n_frames == 5
    assert clip.tracks.centers_m[0, 0, 0] == pytest.approx(2.0)


def test_a_long_recording_is_cut(tmp_path):
    write(tmp_path, [clip_record(n_frames=241)], track_rows(n=241))
    first, second = read(tmp_path).clips
    assert (first.clip_id, second.clip_id, second.scene_id) == ("c@0", "c@1", "s")
    assert (first.tracks.n_frames, second.tracks.n_frames) == (40, 9)


@pytest.mark.parametrize(
    ("clip", "rows", "reason"),
    [
        ({}, [{"clip_id": "other"}], "no tracks"),
        ({}, [{"timestamp_s": 0.3}], "no annotation lies at a time of the grid"),
        ({"n_frames": 12}, [{}], "3 frames on the grid"),
        ({"fps": 1, "n_frames": 9}, [{}], "only 1 times of the grid"),
    ],
)
def test_what_gives_no_clip_is_said(tmp_path, clip, rows, reason):
    rows = [track_rows(n=1, **row)[0] for row in rows]
    write(tmp_path, [clip_record(**clip), clip_record(clip_id="other")], rows)
    result = read(tmp_path)
    assert result.clips == ()
    assert reason in result.skipped[0].reason


def test_units_of_a_split_and_pickling(tmp_path):
    clips = [clip_record(clip_id=c, split=s) for c, s in (("b", "train"), ("a", "train"))]
    clips.append(clip_record(clip_id="v", split="validation"))
    write(tmp_path, clips, track_rows(clip_id="a"))
    source = Custom(tmp_path)
    assert source.units("train") == ["a", "b"]
    assert source.units("validation") == ["v"]
    assert [path.name for path in source.index_files("train")] == ["clips.jsonl", "tracks.jsonl"]
    assert len(source.read("train", "a").clips) == 1
    copied = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert "_tracks" not in vars(copied)
    assert copied.units("train") == ["a", "b"]


def test_columns_of_ones_own_are_passed_over(tmp_path):
    write(tmp_path, [clip_record(x_weather="rain")], track_rows(x_note={"any": 1}))
    assert len(read(tmp_path).clips) == 1


def test_parquet_columns_of_nulls_are_no_columns(tmp_path):
    rows = [row | {"confidence": None, "x0_px": None} for row in track_rows()]
    write(tmp_path, [clip_record()], rows, "parquet")
    assert read(tmp_path).clips[0].boxes_px is None


def test_the_script_in_the_document_writes_a_readable_folder(tmp_path, monkeypatch):
    (script,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text("utf-8"), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(script, str(DOCUMENT), "exec"), {})
    (clip,) = read(tmp_path / "my-data", "walk").clips
    assert clip.tracks.n_frames == 20
    steps = np.linalg.norm(np.diff(clip.tracks.centers_m[0], axis=0), axis=1)
    np.testing.assert_allclose(steps, 0.75)
    boxes = geometry.project_boxes(
        clip.tracks.corners_m, clip.camera_SE3_world, clip.camera.intrinsics, 1280, 720
    )
    assert boxes.visible.all()


# ---- what is wrong is named ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": "val"}, ["split", "train, validation", "'val'"]),
        ({"domain": "cooking"}, ["driving, sports"]),
        ({"scene_id": None}, ["scene_id"]),
        ({"clip_id": "../c"}, ["clip_id", "letters"]),
        ({"width_px": 0}, ["width_px", "whole number"]),
        ({"width_px": 640.0}, ["width_px", "whole number"]),
        ({"fx_px": 0}, ["focal lengths must be positive"]),
        ({"fx_px": "500"}, ["fx_px", "'500'"]),
        ({"fx_px": None}, ["all of fx_px, fy_px, cx_px, cy_px"]),
        ({"model": "panorama"}, ["pinhole, fisheye"]),
        ({"distortion": [0.1]}, ["no distortion for pinhole"]),
        ({"fps": 0}, ["fps above 0"]),
        ({"fps": True}, ["fps"]),
        ({"fps": None}, ["either timestamps_s"]),
        ({"n_frames": 10**9}, ["n_frames"]),
        ({"timestamps_s": [0, 1]}, ["either timestamps_s"]),
        ({"fps": None, "timestamps_s": [0, 0.2, 0.1]}, ["in order", "entry 2", "0.1 after 0.2"]),
        ({"fps": None, "timestamps_s": [0, "1"]}, ["n finite numbers"]),
        ({"fps": None, "timestamps_s": []}, ["frame times"]),
        ({"fps": None, "timestamps_s": [-1, 0]}, ["from 0 to"]),
        ({"fps": None, "timestamps_s": [0, 9e5]}, ["span"]),
        ({"video": "a.mp4", "frames": ["b.jpg"]}, ["video or frames, got both"]),
        ({"video": "../a.mp4"}, ["inside the data folder"]),
        ({"video": "/a.mp4"}, ["inside the data folder"]),
        ({"frames": ["b.jpg"]}, ["a time for each of the 1 frames", "41"]),
        ({"frames": "b.jpg"}, ["list of texts"]),
        ({"camera_SE3_world": POSE}, ["n x 4 x 4"]),
        ({"camera_SE3_world": [POSE] * 3}, ["41 frames", "got 3"]),
        ({"camera_SE3_world": [np.zeros((4, 4)).tolist()]}, ["pose 0"]),
        ({"camera_SE3_world": [np.diag([1, 1, -1, 1]).tolist()]}, ["pose 0"]),
        ({"world_SE3_camera": [POSE]}, ["got both"]),
        ({"camera_SE3_world": None}, ["image boxes", "a pose"]),
        ({"focal": 3}, ["unknown 'focal'", "x_"]),
    ],
)
def test_broken_clips(tmp_path, changes, words):
    write(tmp_path, [clip_record(**changes)], track_rows())
    with pytest.raises(SourceError) as caught:
        read_all(tmp_path)
    for word in [*words, "clips.jsonl", "line 1"]:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"clip_id": "d"}, ["clip_id=d", "expected a clip_id of clips.jsonl"]),
        ({"track_id": None}, ["'track_id'"]),
        ({"track_id": 7}, ["track_id", "string", "7"]),
        ({"x_m": "1"}, ["x_m", "number"]),
        ({"x_m": True}, ["x_m", "number"]),
        ({"x_m": 1e30}, ["column 'x_m'", "1e+30"]),
        ({"x_m": 10**400}, ["column 'x_m'", "inf"]),
        ({"timestamp_s": -0.1}, ["column 'timestamp_s'", "from 0"]),
        ({"timestamp_s": 1.7e9}, ["timestamp_s"]),
        ({"timestamp_s": 0.2}, ["second one", "track_id=a"]),
        ({"timestamp_s": 0.05}, ["order of time"]),
        ({"category": "bus"}, ["one category a track", "'car'", "'bus'"]),
        ({"kind": "person"}, ["one kind a track"]),
        ({"length_m": 0}, ["column 'length_m'", "above 0"]),
        ({"length_m": None}, ["all of length_m, width_m, height_m"]),
        ({"yaw_rad": None}, ["rotation"]),
        ({"length_m": None, "width_m": None, "height_m": None}, ["image boxes"]),
        ({"qw": 1}, ["all of qw, qx, qy, qz"]),
        ({"qw": 1, "qx": 0, "qy": 0, "qz": 0}, ["got both"]),
        ({"yaw_rad": None, "qw": 0, "qx": 0, "qy": 0, "qz": 0}, ["quaternion", "length 0"]),
        ({"x0_px": 1}, ["all of x0_px"]),
        ({"x0_px": 9, "y0_px": 1, "x1_px": 2, "y1_px": 3}, ["x0_px < x1_px"]),
        ({"confidence": 1.5}, ["confidence", "from 0 to 1"]),
        ({"uncertainty_m": -1}, ["uncertainty_m", "at least 0"]),
        ({"lenght_m": 4}, ["unknown 'lenght_m'"]),
    ],
)
def test_broken_tracks(tmp_path, changes, words):
    rows = track_rows()
    rows[3] = track_rows(n=4, **changes)[3]
    write(tmp_path, [clip_record()], rows)
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    for word in [*words, "tracks.jsonl", "line 4"]:
        assert word in str(caught.value)


def test_an_unknown_kind(tmp_path):
    write(tmp_path, [clip_record()], track_rows(kind="dog"))
    with pytest.raises(SourceError, match=r"tracks.jsonl: line 1 .*vehicle, person, other"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("stem", "text", "words"),
    [
        ("clips", "{", ["line 1", "JSON"]),
        ("clips", "[1]", ["line 1", "object"]),
        ("clips", '{"clip_id": NaN}', ["line 1", "NaN", "null"]),
        ("tracks", "\n\n{'a'}", ["line 3", "JSON"]),
        ("tracks", "\xff", ["line 1"]),
        ("tracks", "[" * 100_000, ["line 1"]),
    ],
)
def test_broken_lines(tmp_path, stem, text, words):
    write(tmp_path, [clip_record()], track_rows())
    (tmp_path / f"{stem}.jsonl").write_bytes(text.encode("latin-1"))
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    for word in [*words, f"{stem}.jsonl"]:
        assert word in str(caught.value)


def test_two_clips_of_one_name(tmp_path):
    write(tmp_path, [clip_record(), clip_record()], track_rows())
    with pytest.raises(SourceError, match=r"line 2 .*line 1 has it"):
        Custom(tmp_path).units("train")


@pytest.mark.parametrize("stem", ["clips", "tracks"])
def test_a_missing_table(tmp_path, stem):
    write(tmp_path, [clip_record()], track_rows())
    (tmp_path / f"{stem}.jsonl").unlink()
    with pytest.raises(SourceError, match=f"either {stem}.jsonl or {stem}.parquet.*neither"):
        read(tmp_path)


def test_both_forms_of_a_table(tmp_path):
    write(tmp_path, [clip_record()], track_rows())
    write(tmp_path, [clip_record()], track_rows(), "parquet")
    with pytest.raises(SourceError, match="both"):
        read(tmp_path)


def test_broken_parquet(tmp_path):
    write(tmp_path, [clip_record()], track_rows(), "parquet")
    path = tmp_path / "tracks.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(SourceError, match=r"tracks\.parquet: expected a complete Parquet"):
        read(tmp_path)
    rows = [row | {"x_m": str(row["x_m"])} for row in track_rows()]
    write(tmp_path, [clip_record()], rows, "parquet")
    with pytest.raises(SourceError, match=r"tracks\.parquet: column 'x_m': .*type number"):
        read(tmp_path)
    rows = track_rows()
    rows[3]["x_m"] = float("nan")
    write(tmp_path, [clip_record()], rows, "parquet")
    with pytest.raises(SourceError, match=r"tracks\.parquet: row 3 .*column 'x_m'.*finite"):
        read(tmp_path)


def test_a_unit_of_another_split(tmp_path):
    write(tmp_path, [clip_record()], track_rows())
    with pytest.raises(SourceError, match="expected split 'validation'"):
        read(tmp_path, split="validation")
    with pytest.raises(SourceError, match="'nothing'"):
        read(tmp_path, "nothing")
    with pytest.raises(ConfigError, match="train, validation"):
        Custom(tmp_path).units("test")
    with pytest.raises(ConfigError, match="custom: unknown option 'fps'"):
        Custom(tmp_path, {"fps": 2})


# ---- fuzz ---------------------------------------------------------------------------------------

FUZZ = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=20,
)


def valid_or_source_error(folder):
    try:
        results = read_all(folder)
    except SourceError:
        return
    for result in results:
        for clip in result.clips:
            assert np.isfinite(clip.tracks.centers_m[clip.tracks.annotated]).all()


@FUZZ
@given(
    clip=st.dictionaries(
        st.sampled_from([*clip_record(), "timestamps_s", "video", "frames", "distortion", "model"]),
        ANYTHING,
        max_size=2,
    ),
    row=st.dictionaries(
        st.sampled_from([*track_rows(1)[0], "qw", "x0_px", "confidence"]), ANYTHING, max_size=2
    ),
)
def test_fuzz_values(tmp_path, clip, row):
    rows = track_rows()
    rows[7] |= row
    write(tmp_path, [clip_record() | clip], rows)
    valid_or_source_error(tmp_path)


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@FUZZ
@given(data=st.data(), stem=st.sampled_from(["clips", "tracks"]))
def test_fuzz_bytes(tmp_path, form, data, stem):
    path = write(tmp_path, [clip_record()], track_rows(n=9, step_s=0.5), form) / f"{stem}.{form}"
    broken = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(broken[: data.draw(st.none() | st.integers(0, len(broken)))])
    valid_or_source_error(tmp_path)
