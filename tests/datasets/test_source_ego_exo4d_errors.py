"""Broken takes end in an error that names the file, the row and the rule."""

import json

import ego_exo4d_maker as maker
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_checks import FUZZ
from text_changes import cell, check_with, draw_bytes, draw_value, no_rows, renamed

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.ego_exo4d import EgoExo4D

BODY = {"60": maker.body({f"j{i}": (2.0, 0.1 * i, 1.0) for i in range(10)})}
TEXTS = {
    maker.TAKES: json.dumps([maker.take_entry(n_frames=170)]),
    maker.SPLITS: json.dumps({"take_uid_to_split": {maker.UID: "val"}}),
    maker.TRAJECTORY: maker.trajectory_text(6.0, step_us=5000),
    maker.CALIBRATION: maker.calibration_text(),
    maker.TIMESYNC: maker.timesync_text(170),
    maker.BODIES: json.dumps(BODY),
}


def read(root):
    return EgoExo4D(root).read("validation", maker.TAKE)


def entry(**changes):
    return lambda text: json.dumps([maker.take_entry(n_frames=170, **changes)])


def joint(value):
    return json.dumps({"60": [{"annotation3D": {"nose": value}}]})


T, C, S = maker.TRAJECTORY, maker.CALIBRATION, maker.TIMESYNC
BROKEN = [
    *[(name, lambda text: None, ["found none"]) for name in (T, C, maker.SPLITS)],
    *[(name, lambda text: "", ["line 1"]) for name in (C, S)],
    (T, lambda text: "", ["cut off"]),
    (T, no_rows, ["found no row"]),
    (T, lambda text: text[:-5], ["cut off"]),
    (T, renamed("tx_world_device"), ["column 'tx_world_device'", "found 0"]),
    (T, renamed("gravity_z_world"), ["column 'gravity_z_world'", "found 0"]),
    (T, cell(9, "tx_world_device", "x"), ["line 9", "tx_world_device", "'x'"]),
    (T, cell(9, "ty_world_device", "nan"), ["line 9", "ty_world_device", "null"]),
    (T, cell(9, "tz_world_device", "1e300"), ["line 9", "tz_world_device", "finite"]),
    (T, cell(9, "tracking_timestamp_us", "5"), ["line 9", "step back"]),
    (T, cell(9, "tracking_timestamp_us", "-5"), ["line 9", "at least 0"]),
    (T, cell(9, "graph_uid", "another"), ["line 9", "one world frame"]),
    (T, cell(9, "gravity_x_world", "9.81"), ["line 9", "one direction of gravity"]),
    (T, cell(9, "gravity_z_world", "0"), ["line 9", "direction of gravity"]),
    (T, lambda text: text.replace(",1.0,0,", ",1.0,0,0,", 1), ["line 2", "whole lines"]),
    (C, no_rows, ["found no row"]),
    (C, renamed("intrinsics_7"), ["column 'intrinsics_7'", "found 0"]),
    (C, cell(2, "intrinsics_type", "FISHEYE624"), ["line 2 (cam_uid=cam01)", "KANNALABRANDTK3"]),
    (C, cell(2, "intrinsics_0", "0"), ["line 2", "intrinsics_0", "above 0"]),
    (C, cell(2, "intrinsics_5", ""), ["line 2", "intrinsics_5", "null"]),
    (C, cell(3, "cam_uid", "cam01"), ["line 3", "every camera once"]),
    (C, cell(3, "cam_uid", "../x"), ["line 3", "without '/'"]),
    (C, cell(3, "qw_world_cam", "3"), ["line 3", "quaternion"]),
    (C, cell(3, "image_width", "-1"), ["line 3", "image_width", "above 0"]),
    (S, no_rows, ["rows 3 to 174", "found 0 rows"]),
    (S, lambda text: "\n".join(text.split("\n")[:100]), ["rows 3 to 174"]),
    (S, renamed("aria01_214-1_capture_timestamp_ns"), ["aria01_214-1_capture_timestamp_ns"]),
    (S, cell(40, "aria01_214-1_capture_timestamp_ns", "7"), ["line 40", "in order"]),
    (S, cell(40, "aria01_214-1_capture_timestamp_ns", "-7"), ["line 40", "time in ns"]),
    (maker.TAKES, lambda text: text[:-9], ["complete JSON"]),
    (maker.TAKES, lambda text: "{}", ["expected a list"]),
    (maker.TAKES, lambda text: "[3]", ["take 0", "object"]),
    (maker.TAKES, entry(take_name="../../etc"), ["take 0", "take_name", "folder"]),
    (maker.TAKES, entry(parent_task_name=3), ["take 0", "parent_task_name", "str"]),
    (maker.TAKES, entry(timesync_start_idx="3"), ["timesync_start_idx", "int"]),
    (maker.TAKES, entry(timesync_end_idx=2), ["rows 3 to 2"]),
    (maker.TAKES, entry(capture={"capture_name": maker.CAPTURE}), ["capture", "cameras"]),
    (maker.TAKES, lambda text: f"[{text[1:-1]}, {text[1:-1]}]", ["take 1", "every take once"]),
    (maker.SPLITS, lambda text: "{}", ["take_uid_to_split"]),
    (maker.SPLITS, lambda text: text.replace("val", "dev"), ["train, val, test", "dev"]),
    (maker.BODIES, lambda text: text[:-1], ["complete JSON"]),
    (maker.BODIES, lambda text: text.replace('"60"', '"x"'), ["number of a frame"]),
    (maker.BODIES, lambda text: '{"60": []}', ["frame 60", "annotation3D"]),
    (maker.BODIES, lambda text: joint({"x": 1, "y": 2}), ["frame 60", "'nose'"]),
    (maker.BODIES, lambda text: joint([1, 2, 3]), ["frame 60", "'nose'"]),
]


@pytest.mark.parametrize(("name", "change", "words"), BROKEN)
def test_broken_files(tmp_path, name, change, words):
    maker.make_take(tmp_path, texts={**TEXTS, name: change(TEXTS[name])})
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert str(tmp_path) in caught.value.path
    for word in words:
        assert word in str(caught.value)


def test_another_folder(tmp_path):
    with pytest.raises(SourceError, match="takes\\.json"):
        EgoExo4D(tmp_path).units("train")


@pytest.fixture(scope="module")
def whole_take(tmp_path_factory):
    return maker.make_take(tmp_path_factory.mktemp("whole"), texts=TEXTS)


@FUZZ
@given(data=st.data(), name=st.sampled_from(list(TEXTS)))
def test_fuzz_bytes(whole_take, data, name):
    broken = draw_bytes(data, TEXTS[name])
    check_with(whole_take / name, TEXTS[name], broken, lambda: read(whole_take))


@FUZZ
@given(data=st.data(), name=st.sampled_from([T, C, S]))
def test_fuzz_values(whole_take, data, name):
    broken = draw_value(data, TEXTS[name])
    check_with(whole_take / name, TEXTS[name], broken, lambda: read(whole_take))
