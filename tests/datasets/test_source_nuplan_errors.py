"""Broken databases end in an error that names the file, the row and the rule."""

import pickle
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import nuplan_maker as maker
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_checks import FUZZ, valid_or_source_error

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.nuplan import NuPlan

SCENE = maker.scene_token(0).hex()
UNIT = f"{maker.LOG}+{SCENE}"
BOX = maker.box_token(6, "car").hex()
ONE_BOX = f"WHERE token = x'{BOX}'"
ONE_IMAGE = f"WHERE token = x'{maker.token(6, 1_000_002).hex()}'"
FRONT = f"WHERE token = x'{maker.token(2, 0).hex()}'"
POSE_OF_IMAGE = f"WHERE token = x'{maker.token(1, 1_000_002).hex()}'"


def read(root):
    return NuPlan(root).read("validation", UNIT)


def pickled(column, value):
    return f"UPDATE camera SET {column} = x'{pickle.dumps(value).hex()}' {FRONT}"


BROKEN = [
    *(
        (f"DROP TABLE {table}", [f"expected a table '{table}'"])
        for table in ("camera", "category", "ego_pose", "image", "lidar_box", "lidar_pc", "track")
    ),
    ("ALTER TABLE lidar_box RENAME COLUMN x TO east", ["table lidar_box", "found no x"]),
    ("DROP TABLE track; CREATE VIEW track AS SELECT * FROM category", ["table 'track'"]),
    (f"UPDATE lidar_box SET x = NULL {ONE_BOX}", ["lidar_box row", BOX, "column 'x'", "number"]),
    (f"UPDATE lidar_box SET x = 'far' {ONE_BOX}", [BOX, "column 'x'", "number"]),
    (f"UPDATE lidar_box SET z = 9e999 {ONE_BOX}", [BOX, "column 'z'", "finite"]),
    (f"UPDATE lidar_box SET z = 1e300 {ONE_BOX}", [BOX, "column 'z'", "1e+300"]),
    (f"UPDATE lidar_box SET length = 0 {ONE_BOX}", [BOX, "column 'length'", "above 0"]),
    (f"UPDATE lidar_box SET height = -1 {ONE_BOX}", [BOX, "column 'height'", "above 0"]),
    (f"UPDATE lidar_box SET track_token = 5 {ONE_BOX}", [BOX, "column 'track'", "token"]),
    (f"UPDATE lidar_box SET track_token = x'cc' {ONE_BOX}", [BOX, "'category'", "no row"]),
    ("UPDATE track SET category_token = x'cc'", ["lidar_box row 0", "'category'", "no row"]),
    ("UPDATE category SET name = NULL", ["lidar_box row 0", "'category'", "c.name"]),
    (
        f"UPDATE lidar_box SET lidar_pc_token = x'{maker.token(4, 5).hex()}' {ONE_BOX}",
        ["lidar_box row", "one annotation per track and time"],
    ),
    ("UPDATE lidar_pc SET timestamp = NULL", ["lidar_pc row 0", "timestamp", "integer"]),
    ("UPDATE lidar_pc SET timestamp = 'noon'", ["lidar_pc row 0", "timestamp", "integer"]),
    ("UPDATE lidar_pc SET timestamp = 7", ["lidar_pc row 1", "every time once"]),
    ("UPDATE lidar_pc SET timestamp = timestamp - 2000000000000000", ["row 0", "at least 0"]),
    (
        f"UPDATE lidar_pc SET timestamp = {2**62} WHERE token = x'{maker.token(4, 80).hex()}'",
        ["lidar_pc row 80", "microseconds"],
    ),
    (
        "UPDATE lidar_pc SET timestamp = timestamp + 900000000000 "
        f"WHERE token = x'{maker.token(4, 80).hex()}'",
        ["lidar_pc", "span"],
    ),
    ("UPDATE camera SET channel = 'CAM_F0'", ["camera", "expected one camera 'CAM_F0'"]),
    (f"UPDATE camera SET channel = 5, width = 'wide' {FRONT}", ["camera row 0", "'width'"]),
    (f"UPDATE camera SET width = 0 {FRONT}", ["CAM_F0", "'width'", "above 0"]),
    (f"UPDATE camera SET height = 1.5 {FRONT}", ["CAM_F0", "whole pixels"]),
    (f"UPDATE camera SET intrinsic = NULL {FRONT}", ["CAM_F0", "'intrinsic'", "blob"]),
    (f"UPDATE camera SET intrinsic = '[1]' {FRONT}", ["CAM_F0", "'intrinsic'", "blob"]),
    (f"UPDATE camera SET rotation = x'80' {FRONT}", ["CAM_F0", "'rotation'", "broken"]),
    (pickled("rotation", [0.0, 0.0, 0.0, 0.0]), ["CAM_F0", "'rotation'", "length 1"]),
    (pickled("rotation", [1.0, 0.0, 0.0]), ["CAM_F0", "'rotation'", "4 numbers"]),
    (pickled("translation", [1.0, "up", 0.0]), ["CAM_F0", "'translation'", "3 numbers"]),
    (pickled("translation", [1.0, float("nan"), 0.0]), ["'translation'", "3 numbers"]),
    (pickled("translation", [10**400, 0, 0]), ["'translation'", "3 numbers"]),
    (pickled("translation", 5.0), ["'translation'", "3 numbers"]),
    (pickled("intrinsic", [1.0] * 9), ["'intrinsic'", "3 x 3 numbers"]),
    (pickled("intrinsic", [[0.0] * 3] * 3), ["'intrinsic'", "focal lengths"]),
    (pickled("distortion", [0.1] * 4), ["'distortion'", "5 numbers"]),
    (pickled("distortion", np.zeros(5)), ["'distortion'", "_reconstruct"]),
    (pickled("distortion", print), ["'distortion'", "print, which is not read"]),
    (f"UPDATE image SET filename_jpg = NULL {ONE_IMAGE}", ["image row", "filename"]),
    (f"UPDATE image SET filename_jpg = '' {ONE_IMAGE}", ["image row", "sensor_blobs"]),
    (f"UPDATE image SET filename_jpg = '/etc/x' {ONE_IMAGE}", ["image row", "sensor_blobs"]),
    (f"UPDATE image SET filename_jpg = 'a/../../x' {ONE_IMAGE}", ["image row", "sensor_blobs"]),
    (f"UPDATE image SET ego_pose_token = x'cc' {ONE_IMAGE}", ["image row", "'qw'", "no row"]),
    (f"UPDATE image SET camera_token = 'x' {ONE_IMAGE}", ["image row", "'camera'", "token"]),
    (f"UPDATE image SET timestamp = timestamp + 100000 {ONE_IMAGE}", ["one image a camera"]),
    (f"UPDATE ego_pose SET qw = 0, qz = 0 {POSE_OF_IMAGE}", ["image row", "quaternion"]),
    (f"UPDATE ego_pose SET x = NULL {POSE_OF_IMAGE}", ["image row", "'x'", "number"]),
    ("DELETE FROM scene", ["table scene", "no row"]),
    ("UPDATE scene SET token = 5", ["scene row 0", "token"]),
    ("UPDATE scene SET token = x'cc'", [f"scene '{SCENE}'"]),
]


@pytest.mark.parametrize(("change", "words"), BROKEN)
def test_broken_tables(tmp_path, change, words):
    path = maker.make_log(tmp_path, change=change)
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert caught.value.path == str(path)
    for word in words:
        assert word in str(caught.value)


@dataclass
class Whole:
    root: Path
    path: Path
    content: bytes = field(repr=False)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    path = maker.make_log(root, n_sweeps=61)
    return Whole(root, path, path.read_bytes())


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.1, 0.5, 0.9])
def test_truncated_files(whole, kept):
    root, path, data = whole.root, whole.path, whole.content
    path.write_bytes(data[: int(len(data) * kept)])
    try:
        assert NuPlan(root).units("validation") in ([maker.LOG], [UNIT])
        with pytest.raises(SourceError) as caught:
            read(root)
    finally:
        path.write_bytes(data)
    assert caught.value.path == str(path)


def test_a_broken_database_is_a_unit_that_says_so(tmp_path):
    maker.make_log(tmp_path)
    path = maker.make_log(tmp_path, maker.OTHER_LOG)
    path.write_bytes(b"no database")
    source = NuPlan(tmp_path)
    assert source.units("validation") == [UNIT, maker.OTHER_LOG]
    with pytest.raises(SourceError, match="file is not a database"):
        source.read("validation", maker.OTHER_LOG)


@pytest.mark.parametrize("unit", [maker.LOG, f"{maker.LOG}+", f"{maker.LOG}+zz", "nothing", "../x"])
def test_an_unknown_unit(tmp_path, unit):
    maker.make_log(tmp_path)
    with pytest.raises(SourceError, match=r"expected a (scene|database)"):
        NuPlan(tmp_path).read("validation", unit)


# ---- fuzz ----------------------------------------------------------------------------------------


@FUZZ
@given(data=st.data())
def test_fuzz_bytes(whole, data):
    root, path, content = whole.root, whole.path, whole.content
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 30))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(broken)))
    path.write_bytes(broken[:cut])
    try:
        valid_or_source_error(lambda: read(root))
    finally:
        path.write_bytes(content)


COLUMNS = [
    (table, column)
    for table, columns in {
        "lidar_box": "token lidar_pc_token track_token x z length yaw",
        "lidar_pc": "token scene_token timestamp",
        "ego_pose": "token qw z",
        "image": "token ego_pose_token camera_token filename_jpg timestamp",
        "camera": "token channel translation rotation intrinsic distortion width",
        "track": "token category_token",
        "category": "token name",
        "scene": "token",
    }.items()
    for column in columns.split()
]
ANY_VALUE = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=10),
)


@FUZZ
@given(place=st.sampled_from(COLUMNS), value=ANY_VALUE, row=st.integers(0, 5))
def test_fuzz_values(whole, place, value, row):
    root, path, content = whole.root, whole.path, whole.content
    table, column = place
    connection = sqlite3.connect(path)
    try:
        connection.execute(
            f"UPDATE OR IGNORE {table} SET {column} = ? WHERE rowid = "
            f"(SELECT rowid FROM {table} LIMIT 1 OFFSET ?)",
            (value, row),
        )
        connection.commit()
    except (sqlite3.Error, UnicodeEncodeError):
        pass  # the database refuses the value itself
    finally:
        connection.close()
    try:
        valid_or_source_error(lambda: read(root))
    finally:
        path.write_bytes(content)
