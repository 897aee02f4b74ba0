"""Broken scenes end in an error that names the file, the row and the rule."""

import pytest
import text_changes
import vkitti2_maker as maker
from hypothesis import given
from hypothesis import strategies as st
from source_checks import FUZZ
from text_changes import check_with, draw_bytes, draw_value, no_rows, renamed, without

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.vkitti2 import VirtualKitti2

UNIT = "Scene01+clone"
TEXTS = maker.texts()


def read(root):
    return VirtualKitti2(root).read("train", UNIT)


def cell(line, column, value):
    return text_changes.cell(line, column, value, " ")


P, B, N, K, E = "pose.txt", "bbox.txt", "info.txt", "intrinsic.txt", "extrinsic.txt"
BROKEN = [
    *[(name, lambda text: None, ["found none"]) for name in TEXTS],
    *[(name, lambda text: "", ["line 1", "names of the columns"]) for name in TEXTS],
    (P, renamed("world_space_Z"), ["column 'world_space_Z'", "found 0"]),
    (P, cell(9, "world_space_X", "x"), ["line 9", "world_space_X"]),
    (P, cell(10, "world_space_X", "nan"), ["line 10 (frame=2, cameraID=0, trackID=0)", "null"]),
    (P, cell(10, "world_space_X", "1e300"), ["line 10", "finite"]),
    (P, cell(10, "height", "0"), ["line 10", "height", "above 0"]),
    (P, cell(10, "frame", "-3"), ["line 10", "number of a frame"]),
    (P, cell(10, "frame", "99999999999"), ["line 10", "number of a frame"]),
    (P, cell(10, "trackID", "7"), ["line 10", "trackID of info.txt"]),
    (P, cell(10, "trackID", "1"), ["line 11", "second one"]),
    (P, lambda text: text[:-9], ["whole lines of 19 values"]),
    (B, renamed("occupancy_ratio"), ["column 'occupancy_ratio'", "found 0"]),
    (B, cell(10, "occupancy_ratio", "1.5"), ["line 10", "share from 0 to 1"]),
    (B, without(10), ["line 10 (frame=2, cameraID=0, trackID=0)", "row of bbox.txt"]),
    (N, cell(3, "trackID", "0"), ["line 3", "every track once"]),
    (N, cell(3, "label", ""), ["line 3", "null"]),
    (K, no_rows, ["camera 0", "found none"]),
    (K, cell(4, "K[0,0]", "0"), ["line 4", "K[0,0]", "above 0"]),
    (K, cell(4, "K[0,2]", "600"), ["line 4", "one calibration"]),
    (E, cell(4, "r1,1", "3"), ["line 4 (frame=1, cameraID=0)", "rigid"]),
    (E, cell(4, "t3", "nan"), ["line 4", "t3", "null"]),
    (E, cell(4, "frame", "0"), ["line 4", "every time once"]),
]


@pytest.mark.parametrize(("name", "change", "words"), BROKEN)
def test_broken_files(tmp_path, name, change, words):
    maker.make_scene(tmp_path, files={name: change(TEXTS[name])})
    with pytest.raises(SourceError) as caught:
        read(tmp_path)
    assert caught.value.path.endswith(P if "row of bbox.txt" in words else name)
    for word in words:
        assert word in str(caught.value)


def test_no_camera_is_skipped(tmp_path):
    maker.make_scene(tmp_path, files={E: no_rows(TEXTS[E])})
    assert [skipped.reason for skipped in read(tmp_path).skipped] == [
        "the files have no such camera"
    ]


def test_another_folder(tmp_path):
    with pytest.raises(SourceError, match="Scene01, Scene02"):
        VirtualKitti2(tmp_path).units("train")


@pytest.fixture(scope="module")
def whole_scene(tmp_path_factory):
    return maker.make_scene(tmp_path_factory.mktemp("whole"))


@FUZZ
@given(data=st.data(), name=st.sampled_from(list(TEXTS)), draw=st.sampled_from([0, 1]))
def test_fuzz(whole_scene, data, name, draw):
    text = TEXTS[name]
    broken = draw_value(data, text, " ") if draw else draw_bytes(data, text)
    path = whole_scene / "Scene01" / "clone" / name
    check_with(path, text, broken, lambda: read(whole_scene))
