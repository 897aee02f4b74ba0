"""Broken segments end in an error that names the file, the row and the rule."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import waymo_maker as maker
from hypothesis import given
from hypothesis import strategies as st
from source_checks import FUZZ, valid_or_source_error
from test_source_argoverse2_errors import with_type, with_value

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.parquet import ParquetBlobs
from stkit_datasets.sources.waymo import Waymo

POSES, BOXES, CALIBRATION = "vehicle_pose", "lidar_box", "camera_calibration"
IMAGES = "camera_image"
TIMES = maker.stamps(31)
TABLES = {
    POSES: maker.poses_table(TIMES),
    BOXES: maker.boxes_table(TIMES),
    CALIBRATION: maker.calibration_table(),
    IMAGES: maker.images_table(TIMES),
}
X = f"{maker.BOX}box.center.x"
HEADING = f"{maker.BOX}box.heading"
LENGTH = f"{maker.BOX}box.size.x"
TYPE = f"{maker.BOX}type"
OBJECT = "key.laser_object_id"
FOCAL = f"{maker.CALIBRATION}intrinsic.f_u"
K1 = f"{maker.CALIBRATION}intrinsic.k1"
WIDTH = f"{maker.CALIBRATION}width"
EXTRINSIC = f"{maker.CALIBRATION}extrinsic.transform"
TURNED = np.eye(4)
TURNED[0, 0] = -1  # a mirror
SCALED = np.diag([2.0, 2.0, 2.0, 1.0])
SHEARED = np.eye(4)
SHEARED[3] = [0, 0, 1, 1]
FAR = np.eye(4)
FAR[0, 3] = float("inf")


def read(root):
    return Waymo(root).read("validation", maker.SEGMENT)


def matrix(table, column, row, value):
    return with_value(table, column, row, np.asarray(value).ravel().tolist())


def lists(table, column, value):
    field = table.schema.get_field_index(column)
    return table.set_column(field, column, pa.array([value] * len(table), pa.list_(pa.float64())))


BROKEN = [
    (POSES, lambda t: None, ["found none"]),
    (BOXES, lambda t: None, ["found none"]),
    (CALIBRATION, lambda t: None, ["found none"]),
    (POSES, lambda t: t.drop_columns(maker.POSE), [maker.POSE, "found 0"]),
    (POSES, lambda t: t.slice(0, 0), ["no row"]),
    (POSES, lambda t: lists(t, maker.POSE, [1.0] * 15), ["row 0", maker.POSE, "16 numbers"]),
    (POSES, lambda t: with_type(t, maker.TIME, pa.float64()), [maker.TIME, "integer", "double"]),
    (POSES, lambda t: with_value(t, maker.POSE, 3, None), ["row 3", maker.POSE, "16 numbers"]),
    (POSES, lambda t: with_value(t, maker.POSE, 3, [None] * 16), ["row 3", "rigid"]),
    (POSES, lambda t: matrix(t, maker.POSE, 3, TURNED), ["row 3", "rigid"]),
    (POSES, lambda t: matrix(t, maker.POSE, 3, SCALED), ["row 3", "rigid"]),
    (POSES, lambda t: matrix(t, maker.POSE, 3, SHEARED), ["row 3", "rigid"]),
    (POSES, lambda t: matrix(t, maker.POSE, 3, FAR), ["row 3", "rigid"]),
    (POSES, lambda t: with_value(t, maker.TIME, 3, int(TIMES[2])), ["row 3", "every frame once"]),
    (POSES, lambda t: with_value(t, maker.TIME, 3, -5), ["row 3", "at least 0"]),
    (POSES, lambda t: with_value(t, maker.TIME, 3, 2**62), ["row 3", "microseconds"]),
    (POSES, lambda t: with_value(t, maker.TIME, 30, int(TIMES[0]) + 10**11), ["span"]),
    (POSES, lambda t: t.slice(1), [f"{maker.TIME}={TIMES[0]}", "vehicle pose at every frame"]),
    (BOXES, lambda t: t.drop_columns(X), [X, "found 0"]),
    (BOXES, lambda t: t.append_column(X, t[X]), [X, "found 2"]),
    (BOXES, lambda t: with_type(t, X, pa.string()), [X, "number", "string"]),
    (BOXES, lambda t: with_type(t, TYPE, pa.float64()), [TYPE, "integer"]),
    (BOXES, lambda t: with_value(t, X, 5, float("nan")), ["row 5", "walker", X]),
    (BOXES, lambda t: with_value(t, X, 4, 1e300), ["row 4", "car", "1e+300"]),
    (BOXES, lambda t: with_value(t, X, 4, None), ["row 4", "car", "null"]),
    (BOXES, lambda t: with_value(t, HEADING, 4, float("inf")), ["row 4", HEADING, "finite"]),
    (BOXES, lambda t: with_value(t, TYPE, 4, None), ["row 4", TYPE, "null"]),
    (BOXES, lambda t: with_value(t, OBJECT, 4, None), ["row 4", OBJECT, "null"]),
    (BOXES, lambda t: with_value(t, LENGTH, 7, 0.0), ["row 7", LENGTH, "above 0"]),
    (BOXES, lambda t: with_value(t, OBJECT, 6, "walker"), ["walker", "one annotation per track"]),
    (CALIBRATION, lambda t: t.slice(1), ["expected a camera FRONT", "FRONT_LEFT"]),
    (CALIBRATION, lambda t: with_value(t, maker.CAMERA, 1, 1), ["row 1", "every camera once"]),
    (CALIBRATION, lambda t: with_value(t, maker.CAMERA, 1, 6), ["row 1", "from 0 to 5, got 6"]),
    (CALIBRATION, lambda t: with_type(t, maker.CAMERA, pa.float32()), [maker.CAMERA, "integer"]),
    (CALIBRATION, lambda t: with_value(t, FOCAL, 2, 0.0), ["row 2", FOCAL, "above 0"]),
    (CALIBRATION, lambda t: with_value(t, K1, 2, float("nan")), ["row 2", K1, "finite"]),
    (CALIBRATION, lambda t: with_value(t, WIDTH, 0, -1), ["row 0", WIDTH, "above 0"]),
    (CALIBRATION, lambda t: matrix(t, EXTRINSIC, 1, SCALED), ["row 1", EXTRINSIC, "rigid"]),
    (IMAGES, lambda t: t.drop_columns(maker.IMAGE_POSE), [maker.IMAGE_POSE, "found 0"]),
    (IMAGES, lambda t: matrix(t, maker.IMAGE_POSE, 9, SCALED), ["row 9", "rigid"]),
    (IMAGES, lambda t: with_value(t, maker.CAMERA, 1, 1), ["row 1", "one image a camera"]),
]


@pytest.mark.parametrize(("component", "change", "words"), BROKEN)
def test_broken_tables(tmp_path, component, change, words):
    maker.make_segment(tmp_path, tables={**TABLES, component: change(TABLES[component])})
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert caught.value.path.endswith(f"{component}/{maker.SEGMENT}.parquet")
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(maker.IMAGE), "CameraImageComponent"),
        (lambda t: with_type(t, maker.IMAGE, pa.large_string()), "column of bytes"),
        (lambda t: with_value(t, maker.IMAGE, 0, None), "row 0, .*got null"),
    ],
)
def test_broken_pictures_are_named_when_they_are_read(tmp_path, change, message):
    plain = TABLES[IMAGES].set_column(3, maker.IMAGE, pa.array([b"jpeg"] * len(TABLES[IMAGES])))
    maker.make_segment(tmp_path, tables={IMAGES: change(plain)})
    frames = read(tmp_path).clips[0].frames
    with pytest.raises(SourceError, match=message) as caught:
        list(frames.read())
    assert caught.value.path.endswith(f"{IMAGES}/{maker.SEGMENT}.parquet")


def test_rows_of_bytes_come_in_the_order_asked_for(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table({"data": [bytes([i]) for i in range(40)]})
    pa.parquet.write_table(table, path, row_group_size=7)
    blobs = ParquetBlobs(path, "data", [30, 2, 39, 0])
    assert list(blobs) == list(blobs) == [b"\x1e", b"\x02", b"\x27", b"\x00"]


@pytest.mark.parametrize("component", list(TABLES))
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files(tmp_path, component, kept):
    path = maker.make_segment(tmp_path) / component / f"{maker.SEGMENT}.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SourceError, match="complete Parquet") as caught:
        read(tmp_path)
    assert caught.value.path == str(path)


def test_a_folder_in_place_of_a_file(tmp_path):
    folder = maker.make_segment(tmp_path, tables={POSES: None})
    (folder / POSES / f"{maker.SEGMENT}.parquet").mkdir(parents=True)
    with pytest.raises(SourceError, match="complete Parquet"):
        read(tmp_path)


# ---- fuzz ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    folder = maker.make_segment(root, tables=TABLES)
    paths = {name: folder / name / f"{maker.SEGMENT}.parquet" for name in TABLES}
    return root, paths


@FUZZ
@given(data=st.data(), component=st.sampled_from(list(TABLES)))
def test_fuzz_bytes(whole, data, component):
    root, paths = whole
    content = paths[component].read_bytes()
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(broken)))
    paths[component].write_bytes(broken[:cut])
    try:
        valid_or_source_error(lambda: read(root))
    finally:
        paths[component].write_bytes(content)


ANY_NUMBER = st.floats() | st.sampled_from([0.0, -1.0, 1e308, 5e-324, float("nan"), None])


@FUZZ
@given(data=st.data(), component=st.sampled_from(list(TABLES)))
def test_fuzz_values(whole, data, component):
    root, paths = whole
    table = TABLES[component]
    column = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    dtype = table.schema.field(column).type
    if pa.types.is_string(dtype):
        value = data.draw(st.none() | st.text(max_size=8))
    elif pa.types.is_integer(dtype):
        top = 2 ** (dtype.bit_width - 1) - 1
        value = data.draw(st.none() | st.integers(-top, top))
    elif pa.types.is_binary(dtype):
        value = data.draw(st.none() | st.binary(max_size=8))
    elif pa.types.is_fixed_size_list(dtype):
        value = data.draw(st.none() | st.lists(ANY_NUMBER, min_size=16, max_size=16))
    else:
        value = data.draw(ANY_NUMBER)
    pa.parquet.write_table(with_value(table, column, row, value), paths[component])
    try:
        valid_or_source_error(lambda: read(root))
    finally:
        pa.parquet.write_table(table, paths[component])
