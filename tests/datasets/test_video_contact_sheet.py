import io

import numpy as np
import pytest
from PIL import Image

from stkit_datasets.video.contact_sheet import contact_sheet
from stkit_datasets.video.frames import ArrayFrames
from stkit_datasets.video.palette import PALETTE


@pytest.fixture
def frames():
    return ArrayFrames([np.full((100, 200, 3), 20 * k, np.uint8) for k in range(11)])


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_first_and_last_are_shown_and_the_rest_spread_evenly(frames):
    sheet = opened(contact_sheet(frames, count=3, columns=2, tile_height_px=50))
    assert sheet.shape == (2 * 54 + 4, 2 * 104 + 4, 3)
    assert [int(sheet[y, x, 0]) for y, x in [(30, 50), (30, 160), (80, 50)]] == [0, 100, 200]
    assert int(sheet[80, 160, 0]) == 24


def test_boxes_are_scaled_to_the_tile(frames):
    boxes = np.full((11, 4), np.nan)
    boxes[0] = [40, 40, 120, 80]
    sheet = opened(contact_sheet(frames, [(boxes, "red")], count=2, tile_height_px=50))
    assert tuple(sheet[4 + 20 - 1, 4 + 40]) == PALETTE["red"]
    assert (sheet[4:54, 108:208] == 200).all()


def test_a_short_clip_is_shown_once_each_and_jpeg_is_written(frames):
    clip = ArrayFrames([np.zeros((20, 20, 3), np.uint8)] * 2)
    data = contact_sheet(clip, count=8, labels=["0.0 s", "0.5 s"], image_format="jpeg")
    assert data[:3] == b"\xff\xd8\xff"
    assert opened(data).shape == (28, 52, 3)
    assert opened(data)[4:24, 4:24].max() > 150


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"count": 0}, "at least 1, got 0"),
        ({"labels": ["a"]}, "11 frames need as many labels, got 1"),
        ({"boxes": [(np.zeros((3, 4)), "red")]}, r"red boxes are \(3, 4\), expected \(11, 4\)"),
    ],
)
def test_wrong_arguments_are_refused(frames, arguments, rule):
    with pytest.raises(ValueError, match=rule):
        contact_sheet(frames, **arguments)
