"""What the boxes of a row are called, by hand."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import material
import pytest

from stkit_datasets.video.encode import encode_mp4
from trainers.box_captions import PROMPT, caption
from trainers.samples import read_sample

NO_NUMBERS = [float("nan")] * 4
ROW = {
    "width": 800,
    "objects": [
        {
            "color": "red",
            "category": "car",
            "boxes": [[0, 5, 40, 9], NO_NUMBERS, [780, 5, 900, 9]],
        },
        {"color": "blue", "category": "person", "boxes": [[390, 0, 409, 9]] * 3},
    ],
}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ([0, 1, 2], "Boxes: blue person: d d d; red car: a x h"),
        ([0, 2], "Boxes: blue person: d d; red car: a h"),
    ],
)
def test_boxes_are_named_in_the_order_of_their_colours(kept: list[int], expected: str) -> None:
    assert caption(ROW, kept) == expected


def test_a_row_is_read_with_the_caption_of_the_frames_that_are_shown() -> None:
    video = {"bytes": encode_mp4(material.pictures(6, 1), Fraction(2)), "path": None}
    sample = read_sample(material.row(3, video=video), "stkit_boxes", Path(), max_frames=2)
    asked, answered = (message["content"][-1]["text"] for message in sample.messages)
    assert asked == PROMPT
    assert answered == "Boxes: red car: c c"
    assert sample.videos[0].shape[0] == 2
