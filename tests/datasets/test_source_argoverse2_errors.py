"""Broken logs end in an error that names the file, the row and the rule."""

import argoverse2_maker as maker
import numpy as np
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.argoverse2 import Argoverse2
from stkit_datasets.sources.base import UnitResult

ANNOTATIONS = "annotations.feather"
POSES = "city_SE3_egovehicle.feather"
INTRINSICS = "calibration/intrinsics.feather"
SENSORS = "calibration/egovehicle_SE3_sensor.feather"
SWEEPS = maker.START_NS + 100_000_000 * np.arange(36)
POSE_TIMES = maker.START_NS - 50_000_000 + 10_000_000 * np.arange(380)
TABLES = {
    ANNOTATIONS: maker.annotations_table(SWEEPS),
    POSES: maker.ego_poses_table(POSE_TIMES),
    INTRINSICS: maker.intrinsics_table(),
    SENSORS: maker.sensor_poses_table(),
}


def read(root):
    return Argoverse2(root).read("validation", maker.LOG)


def with_value(table, column, row, value):
    """Return the table with one value replaced."""
    values = table[column].to_pylist()
    values[row] = value
    field = table.schema.get_field_index(column)
    return table.set_column(field, column, pa.array(values, table.schema.field(column).type))


def with_type(table, column, dtype):
    field = table.schema.get_field_index(column)
    return table.set_column(field, column, table[column].cast(dtype, safe=False))


def zeros(table, columns):
    for column in columns.split():
        field = table.schema.get_field_index(column)
        zero = pa.array([0] * table.num_rows, table.schema.field(column).type)
        table = table.set_column(field, column, zero)
    return table


BROKEN = [
    (ANNOTATIONS, lambda t: None, ["found none"]),
    (POSES, lambda t: None, ["found none"]),
    (INTRINSICS, lambda t: None, ["found none"]),
    (SENSORS, lambda t: None, ["found none"]),
    (ANNOTATIONS, lambda t: t.drop_columns("tx_m"), ["column 'tx_m'", "found 0"]),
    (ANNOTATIONS, lambda t: t.append_column("tx_m", t["tx_m"]), ["column 'tx_m'", "found 2"]),
    (ANNOTATIONS, lambda t: with_type(t, "tx_m", pa.string()), ["column 'tx_m'", "number"]),
    (ANNOTATIONS, lambda t: with_type(t, "timestamp_ns", pa.float64()), ["integer", "double"]),
    (ANNOTATIONS, lambda t: with_value(t, "tx_m", 5, float("nan")), ["row 5", "walker", "tx_m"]),
    (ANNOTATIONS, lambda t: with_value(t, "ty_m", 4, float("inf")), ["row 4", "car", "finite"]),
    (ANNOTATIONS, lambda t: with_value(t, "tz_m", 4, 1e300), ["row 4", "tz_m", "1e+300"]),
    (ANNOTATIONS, lambda t: with_value(t, "tz_m", 4, None), ["row 4", "null"]),
    (ANNOTATIONS, lambda t: with_value(t, "track_uuid", 4, None), ["row 4", "null"]),
    (ANNOTATIONS, lambda t: with_value(t, "length_m", 7, 0.0), ["row 7", "length_m", "above 0"]),
    (ANNOTATIONS, lambda t: with_value(t, "width_m", 7, -2.0), ["row 7", "width_m", "above 0"]),
    (ANNOTATIONS, lambda t: with_value(t, "qw", 0, 0.0), ["row 0", "quaternion", "length 1"]),
    (ANNOTATIONS, lambda t: with_value(t, "timestamp_ns", 0, -5), ["row 0", "at least 0"]),
    (
        ANNOTATIONS,  # row 6 is the car again, given the time of row 4, the car one sweep before
        lambda t: with_value(t, "timestamp_ns", 6, int(SWEEPS[2])),
        ["row 6", "track_uuid=car", "second one"],
    ),
    (
        ANNOTATIONS,
        lambda t: with_value(t, "timestamp_ns", 6, int(SWEEPS[0])),
        ["row 6", "track_uuid=car", "order of time"],
    ),
    (
        ANNOTATIONS,
        lambda t: with_value(t, "timestamp_ns", 71, int(SWEEPS[35]) + 5_000_000),
        [POSES, f"timestamp_ns={int(SWEEPS[35]) + 5_000_000}", "ego pose"],
    ),
    (POSES, lambda t: t.slice(20), [f"timestamp_ns={int(SWEEPS[0])}", "2 of 36"]),
    (POSES, lambda t: t.slice(0, 0), ["found no row"]),
    (POSES, lambda t: with_value(t, "timestamp_ns", 9, POSE_TIMES[8]), ["row 9", "order of time"]),
    (POSES, lambda t: with_value(t, "timestamp_ns", 9, POSE_TIMES[3]), ["row 9", "order of time"]),
    (POSES, lambda t: with_value(t, "qw", 3, 0.0), ["row 3", "quaternion"]),
    (POSES, lambda t: with_value(t, "tx_m", 3, float("nan")), ["row 3", "tx_m"]),
    (INTRINSICS, lambda t: zeros(t, "fx_px fy_px cx_px cy_px"), ["row 0", "fx_px", "above 0"]),
    (INTRINSICS, lambda t: zeros(t, "width_px height_px"), ["row 0", "width_px", "above 0"]),
    (INTRINSICS, lambda t: t.slice(1), ["ring_front_center", "found 0"]),
    (INTRINSICS, lambda t: pa.concat_tables([t, t.slice(0, 1)]), ["ring_front_center", "found 2"]),
    (INTRINSICS, lambda t: with_type(t, "width_px", pa.string()), ["width_px", "integer"]),
    (SENSORS, lambda t: zeros(t, "qw qx qy qz"), ["row 0", "ring_front_center", "quaternion"]),
    (SENSORS, lambda t: t.slice(2), ["ring_front_center", "found 0"]),
]


@pytest.mark.parametrize(("name", "change", "words"), BROKEN)
def test_broken_tables(tmp_path, name, change, words):
    maker.make_log(tmp_path, tables={name: change(TABLES[name])})
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    if POSES not in words:
        assert caught.value.path.endswith(name)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("name", list(TABLES))
@pytest.mark.parametrize("kept", [0.0, 0.1, 0.5, 0.99])
def test_truncated_files(tmp_path, name, kept):
    path = maker.make_log(tmp_path) / name
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(SourceError, match="complete Feather") as caught:
        read(tmp_path)
    assert caught.value.path == str(path)


def test_a_folder_in_place_of_a_file(tmp_path):
    log = maker.make_log(tmp_path, tables={POSES: None})
    (log / POSES).mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        read(tmp_path)


def test_an_unknown_log(tmp_path):
    maker.make_log(tmp_path)
    with pytest.raises(SourceError, match="nothing-here"):
        Argoverse2(tmp_path).read("validation", "nothing-here")


@pytest.mark.parametrize("name", ["front.jpg", "-5.jpg", "99999999999999999999.jpg"])
def test_an_image_whose_name_is_no_time(tmp_path, name):
    log = maker.make_log(tmp_path)
    folder = log / "sensors/cameras/ring_front_left"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(b"")
    with pytest.raises(SourceError, match="timestamp in ns"):
        read(tmp_path)


def test_sweeps_years_apart_do_not_fill_the_memory(tmp_path):
    far = np.append(SWEEPS, SWEEPS[-1] + 10**14)
    tables = {
        ANNOTATIONS: maker.annotations_table(far),
        POSES: maker.ego_poses_table(np.union1d(POSE_TIMES, far)),
    }
    maker.make_log(tmp_path, tables=tables)
    with pytest.raises(SourceError, match="span"):
        read(tmp_path)


# ---- fuzz: a documented error or a valid result, never anything else -----------------------------

FUZZ = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def valid_or_source_error(root):
    try:
        result = read(root)
    except SourceError:
        return
    assert isinstance(result, UnitResult)
    for clip in result.clips:
        tracks = clip.tracks
        assert np.isfinite(clip.camera_SE3_world).all()
        assert np.isfinite(tracks.sizes_lwh_m[tracks.annotated]).all()
        assert np.isfinite(tracks.rotations_wxyz[tracks.annotated]).all()
        assert np.abs(tracks.centers_m[tracks.annotated]).max(initial=0) < 1e10


@pytest.fixture(scope="module")
def whole_log(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    log = maker.make_log(root, n_sweeps=30)
    return root, log, {name: (log / name).read_bytes() for name in TABLES}


@FUZZ
@given(data=st.data(), name=st.sampled_from(list(TABLES)))
def test_fuzz_bytes(whole_log, data, name):
    root, log, files = whole_log
    broken = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(broken)))
    (log / name).write_bytes(broken[:cut])
    try:
        valid_or_source_error(root)
    finally:
        (log / name).write_bytes(files[name])


ANY_NUMBER = st.floats() | st.sampled_from([0.0, -1.0, 1e308, 5e-324, float("nan"), None])


@FUZZ
@given(data=st.data(), name=st.sampled_from(list(TABLES)))
def test_fuzz_values(whole_log, data, name):
    root, log, files = whole_log
    table = pyarrow.feather.read_table(pa.BufferReader(files[name]))
    column = data.draw(st.sampled_from(table.column_names))
    row = data.draw(st.integers(0, table.num_rows - 1))
    dtype = table.schema.field(column).type
    if pa.types.is_string(dtype):
        value = data.draw(st.none() | st.text(max_size=8))
    elif pa.types.is_integer(dtype):
        top = 2**16 - 1 if pa.types.is_uint16(dtype) else 2**63 - 1
        value = data.draw(st.none() | st.integers(0 if top < 2**20 else -top, top))
    else:
        value = data.draw(ANY_NUMBER)
    changed = with_value(table, column, row, value)
    pyarrow.feather.write_feather(changed, log / name, compression="uncompressed")
    try:
        valid_or_source_error(root)
    finally:
        (log / name).write_bytes(files[name])
