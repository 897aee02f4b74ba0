import json
import math
from dataclasses import fields, replace

import numpy as np
import pseudo_maker as maker
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.files import (
    arrow_schema,
    read_pseudo_labels,
    write_pseudo_labels,
)
from stkit_datasets.pseudo_labels.schema import METADATA_KEY, LabelledVideo, Making, PseudoLabels


def assert_same(found, expected):
    for entry in fields(PseudoLabels):
        one, other = getattr(found, entry.name), getattr(expected, entry.name)
        if isinstance(other, np.ndarray):
            np.testing.assert_array_equal(one, other, err_msg=entry.name)
        else:
            assert one == other, entry.name


@pytest.mark.parametrize(
    "made",
    [
        maker.labels(),
        maker.labels("sport/v_1", "sports", path="trainval/sport/v_1.mp4"),
        maker.labels(intrinsics=None, world_SE3_camera=None, making=Making(), scale_sigma=0.0),
        maker.labels(times_s=[0.0, 0.033366, 7.5]),
        maker.without_objects(),
    ],
)
def test_what_is_written_is_read(tmp_path, made):
    path = maker.write(tmp_path, made)
    assert path == tmp_path / f"{made.video.video_id}.parquet"
    assert_same(read_pseudo_labels(path), made)


def test_same_labels_same_bytes_and_nothing_else_is_left(tmp_path):
    first = maker.write(tmp_path / "a", maker.labels()).read_bytes()
    second = maker.write(tmp_path / "b", maker.labels())
    maker.write(tmp_path / "b", maker.labels())
    assert second.read_bytes() == first
    assert [path.name for path in second.parent.iterdir()] == ["v1.parquet"]


def test_the_columns_are_those_of_the_documented_schema(tmp_path):
    table = pq.read_table(maker.write(tmp_path, maker.labels()))
    assert table.schema.equals(arrow_schema())
    row = table.slice(21, 1).to_pylist()[0]
    assert row == {
        "video_id": "v1",
        "track_id": "walker",
        "category": "person",
        "kind": "person",
        "timestamp_s": 0.5,
        "x_m": 5.0,
        "y_m": 0.5,
        "z_m": 0.9,
        "sigma_m": 0.1,
        "x0_px": 200.0,
        "y0_px": 51.0,
        "x1_px": 220.0,
        "y1_px": 101.0,
        "box_confidence": 0.8,
        "text_confidence": None,
        "point_count": 20,
        **dict.fromkeys(("length_m", "width_m", "height_m", "yaw_rad")),
    }


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = maker.write(tmp_path, maker.labels())
    whole = path.read_bytes()
    with pytest.raises(TypeError, match="JSON value"):
        write_pseudo_labels(path, maker.labels(making=Making(settings={"x": object()})))
    assert path.read_bytes() == whole


def changed(name, row, value):
    array = getattr(maker.labels(), name).copy()
    array[row] = value
    return {name: array}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (changed("centers_m", 3, np.nan), r"row 3 \(track_id=car, timestamp_s=1.5\): centers_m"),
        (changed("centers_m", 3, 1e12), "centers_m must be finite"),
        (changed("sigmas_m", 25, -0.1), r"row 25 \(track_id=walker.*sigmas_m must be at least 0"),
        (changed("sigmas_m", 25, np.nan), "sigmas_m"),
        (changed("boxes_px", (2, 2), 0), "boxes_px must be x0 < x1"),
        (changed("boxes_px", (2, 2), np.nan), "boxes_px .* or null altogether"),
        (changed("box_confidences", 0, 1.5), "box_confidences must lie from 0 to 1"),
        (changed("point_counts", 0, -2), "point_counts must be at least 0"),
        (changed("sizes_lwh_m", (1, 1), 0.0), "sizes_lwh_m must be above 0"),
        (changed("yaws_rad", 1, 7.0), "yaws_rad must lie"),
        (changed("timestamps_s", 1, 0.25), "timestamps_s must be one of frame_timestamps_s"),
        (changed("timestamps_s", 1, 0.0), "timestamps_s must be sorted by track, then time"),
        (changed("track_index", 0, 1), "sorted by track"),
        (changed("track_index", slice(20, None), 0), "track_index must hold each of 0 to 1"),
        (changed("frame_timestamps_s", 0, 0.5), "frame_timestamps_s must increase"),
        (changed("frame_timestamps_s", 0, -1.0), "frame_timestamps_s must be times from 0"),
        (changed("world_SE3_camera", (4, 0, 0), 2.0), "world_SE3_camera: pose 4 is not rigid"),
        ({"world_SE3_camera": np.eye(4)[None]}, "world_SE3_camera must be finite"),
        ({"intrinsics": np.zeros((3, 3))}, "intrinsics"),
        ({"scale_sigma": -0.1}, "scale_sigma"),
        ({"track_ids": ("walker", "car")}, "track_ids must be sorted"),
        ({"track_ids": ("", "car")}, "not empty"),
        ({"kinds": ("vehicle", "dog")}, "kinds must be among vehicle, person, other"),
        ({"categories": ("car",)}, "must have 2 entries"),
        ({"categories": ("car", "")}, "categories must not be empty"),
        ({"sigmas_m": np.zeros(3)}, r"sigmas_m must be \(40,\) numbers"),
        ({"point_counts": np.zeros(40)}, r"point_counts must be \(40,\) integers"),
    ],
)
def test_labels_are_checked_when_they_are_made(changes, message):
    with pytest.raises(ValueError, match=message):
        maker.labels(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": "../v"}, "video_id must be a relative path"),
        ({"path": "/v.mp4"}, "path must be a relative path"),
        ({"path": "a\\v.mp4"}, "path must be a relative path"),
        ({"video_id": ""}, "video_id"),
        ({"width_px": 0}, "width_px must be a whole number"),
        ({"height_px": 1.5}, "height_px must be a whole number"),
        ({"fps": math.nan}, "fps must be a number above 0"),
        ({"duration_s": "10"}, "duration_s must be a number above 0"),
        ({"domain": "cooking"}, "domain must be one of driving, sports, general"),
    ],
)
def test_the_video_is_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(maker.labels().video, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"backends": {"geometry": 1}},
        {"dropped": {"rules": -1}},
        {"dropped": {"rules": True}},
        {"likelihoods": {"id": 1.5}},
        {"settings": []},
        {"filters_passed": ["rules"]},
    ],
)
def test_the_making_is_checked(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        Making(**changes)


# ---- broken files -------------------------------------------------------------------------------


def rewritten(tmp_path, change_table=lambda t: t, change_metadata=lambda m: m):
    path = maker.write(tmp_path, maker.labels())
    table = pq.read_table(path)
    metadata = json.loads(table.schema.metadata[METADATA_KEY.encode()])
    table = change_table(table)
    changed_metadata = change_metadata(metadata)
    text = changed_metadata if isinstance(changed_metadata, str) else json.dumps(changed_metadata)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text}), path)
    return path


def with_column(name, values):
    def change(table):
        return table.set_column(table.column_names.index(name), name, values)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["sigma_m"]), "column 'sigma_m': .*found 0"),
        (with_column("x_m", pa.array(["1"] * 40)), "column 'x_m': .*type number, got string"),
        (with_column("x_m", pa.array([None] * 40, pa.float64())), "column 'x_m': .*got null"),
        (with_column("x_m", pa.array([math.inf] * 40)), "column 'x_m': .*finite"),
        (with_column("point_count", pa.array([-3] * 40)), "column 'point_count': .*at least 0"),
        (with_column("video_id", pa.array(["v2"] * 40)), "column 'video_id': expected 'v1'"),
        (with_column("kind", pa.array(["x"] * 40)), "kinds must be among"),
        (with_column("category", pa.array(["a", "b"] * 20)), "expected one category a track"),
        (with_column("sigma_m", pa.array([-1.0] * 40)), "row 0 .*sigmas_m must be at least 0"),
        (lambda t: t.take(list(range(39, -1, -1))), "sorted by track"),
    ],
)
def test_broken_columns(tmp_path, change, message):
    path = rewritten(tmp_path, change)
    with pytest.raises(SourceError, match=rf"v1\.parquet: .*{message}"):
        read_pseudo_labels(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: "{", "expected JSON"),
        (lambda m: [1], "version 1, got None"),
        (lambda m: m | {METADATA_KEY: 2}, "version 1, got 2"),
        (lambda m: {k: v for k, v in m.items() if k != "video"}, "differs in video"),
        (lambda m: m | {"more": 1}, "differs in more"),
        (lambda m: m | {"video": {}}, "'video' must hold"),
        (lambda m: m | {"making": None}, "'making' must hold"),
        (lambda m: m | {"frame_timestamps_s": [[0], [0, 1]]}, "array of numbers"),
        (lambda m: m | {"frame_timestamps_s": ["a"]}, "array of numbers"),
        (lambda m: m | {"scale_sigma": None}, "scale_sigma must be a number"),
        (lambda m: m | {"intrinsics": [[1, 2], [3, 4]]}, "intrinsics"),
    ],
)
def test_broken_metadata(tmp_path, change, message):
    path = rewritten(tmp_path, change_metadata=change)
    with pytest.raises(SourceError, match=rf"v1\.parquet: .*{message}"):
        read_pseudo_labels(path)


def test_a_file_of_something_else(tmp_path):
    path = tmp_path / "v1.parquet"
    with pytest.raises(SourceError, match="found none"):
        read_pseudo_labels(path)
    path.write_bytes(b"")
    with pytest.raises(SourceError, match="complete Parquet file"):
        read_pseudo_labels(path)
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(SourceError, match="metadata 'stkit_pseudo_labels': expected metadata"):
        read_pseudo_labels(path)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_fuzz(tmp_path, data):
    path = maker.write(tmp_path, maker.labels())
    broken = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(broken[: data.draw(st.none() | st.integers(0, len(broken)))])
    try:
        found = read_pseudo_labels(path)
    except SourceError:
        return
    assert isinstance(found.video, LabelledVideo)
    assert np.isfinite(found.centers_m).all()
