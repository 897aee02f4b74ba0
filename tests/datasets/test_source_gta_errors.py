"""Broken sequences end in an error that names the file, the row and the rule."""

import gta_maker as maker
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_checks import FUZZ
from text_changes import cell, check_with, draw_bytes, draw_value, no_rows

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.gta import Gta

CAMERA = maker.camera_text(range(1, 41))
BOXES = maker.boxes_text(1)
CAMERA_FILE, BOXES_FILE = "train/camera/001.csv", "train/bb/001/001_00001.csv"


def read(root):
    return Gta(root).read("train", maker.SEQUENCE)


BROKEN_CAMERAS = [
    (no_rows, ["found no row"]),
    (lambda text: "", ["found no row"]),
    (lambda text: text[:-40], ["whole lines of 33 values"]),
    (cell(5, 0, "x"), ["line 5", "column 'frame'"]),
    (cell(5, 0, "-1"), ["line 5", "number of a frame"]),
    (cell(5, 0, "2"), ["line 5 (frame=2)", "every time once"]),
    (cell(5, 1, "0"), ["line 5", "focal lengths"]),
    (cell(5, 20, "nan"), ["line 5", "view[0,3]", "null"]),
    (cell(5, 17, "3"), ["line 5", "rigid"]),
    (cell(5, 20, "1e300"), ["line 5", "view[0,3]", "finite"]),
]
BROKEN_BOXES = [
    (lambda text: text[:-40], ["whole lines of 28 values"]),
    (cell(1, 0, "99"), ["line 1", "one column of classes"]),
    (cell(2, 0, "2.5"), ["line 2", "class or instance"]),
    (cell(2, 6, "9"), ["line 2", "least x, y, z"]),
    (cell(2, 12, "9"), ["line 2", "rigid"]),
    (cell(2, 15, ""), ["line 2", "matrix[0,3]", "null"]),
    (lambda text: text + text, ["line 4 (file=001_00001.csv)", "second one"]),
]


@pytest.mark.parametrize(("change", "words"), BROKEN_CAMERAS)
def test_broken_camera_files(tmp_path, change, words):
    maker.make_sequence(tmp_path, n_frames=40)
    (tmp_path / CAMERA_FILE).write_text(change(CAMERA))
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert caught.value.path.endswith(CAMERA_FILE)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(("change", "words"), BROKEN_BOXES)
def test_broken_files_of_boxes(tmp_path, change, words):
    maker.make_sequence(tmp_path, n_frames=40)
    (tmp_path / BOXES_FILE).write_text(change(BOXES))
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert str(tmp_path / "train/bb/001") in caught.value.path
    for word in words:
        assert word in str(caught.value)


def test_another_folder(tmp_path):
    with pytest.raises(SourceError, match="train and val"):
        Gta(tmp_path).units("train")


@pytest.fixture(scope="module")
def whole_sequence(tmp_path_factory):
    return maker.make_sequence(tmp_path_factory.mktemp("whole"), n_frames=40)


@FUZZ
@given(data=st.data(), name=st.sampled_from([CAMERA_FILE, BOXES_FILE]), values=st.booleans())
def test_fuzz(whole_sequence, data, name, values):
    text, first_line = {CAMERA_FILE: (CAMERA, 2), BOXES_FILE: (BOXES, 1)}[name]
    broken = draw_value(data, text, first_line=first_line) if values else draw_bytes(data, text)
    check_with(whole_sequence / name, text, broken, lambda: read(whole_sequence))
