import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stkit_datasets.video.overlay import (
    OUTLINE_RGB,
    default_thickness_px,
    draw_boxes,
    draw_boxes_on_planes,
    yuv_of,
)
from stkit_datasets.video.palette import COLORS, PALETTE
from stkit_datasets.video.pictures import split_planes

SIGNS = {(200, 200, 200): ".", OUTLINE_RGB: "o", PALETTE["yellow"]: "Y", PALETTE["red"]: "R"}


def grey(height=20, width=20):
    return np.full((height, width, 3), 200, np.uint8)


def drawn(boxes, colors=("yellow",), size=20):
    frame = grey(size, size)
    draw_boxes(frame, np.array(boxes, float), colors, thickness_px=2)
    return ["".join(SIGNS[tuple(pixel)] for pixel in row) for row in frame.tolist()]


def test_a_box_is_a_band_around_its_rectangle_between_two_dark_lines():
    assert drawn([[6, 8, 14, 12]]) == [
        "....................",
        "....................",
        "....................",
        "....................",
        "....................",
        "...oooooooooooooo...",
        "...oYYYYYYYYYYYYo...",
        "...oYYYYYYYYYYYYo...",
        "...oYYooooooooYYo...",
        "...oYYo......oYYo...",
        "...oYYo......oYYo...",
        "...oYYooooooooYYo...",
        "...oYYYYYYYYYYYYo...",
        "...oYYYYYYYYYYYYo...",
        "...oooooooooooooo...",
        "....................",
        "....................",
        "....................",
        "....................",
        "....................",
    ]


def test_edges_are_rounded_outward_to_even_pixels():
    assert drawn([[7.9, 8.1, 12.2, 11.9]]) == drawn([[6, 8, 14, 12]])


def test_a_box_beyond_the_picture_is_closed_along_its_border():
    rows = drawn([[-30, -5, 8, 500]])
    assert rows[0] == rows[1] == "YYYYYYYYYYo........."
    assert rows[2] == "YYooooooYYo........."
    assert rows[10] == "YYo....oYYo........."
    assert rows[17] == "YYooooooYYo........."
    assert rows[18:] == rows[:2]


@pytest.mark.parametrize(
    "box",
    [
        [np.nan, 4, 10, 10],
        [4, 4, 10, np.nan],
        [np.nan] * 4,
        [10, 4, 4, 10],
        [4, 10, 10, 4],
        [4, 4, 4, 10],
        [20, 4, 40, 10],
        [-9, 4, 0, 10],
        [math.inf, 4, math.inf, 10],
    ],
)
def test_a_box_that_is_not_visible_or_has_no_area_inside_draws_nothing(box):
    assert set("".join(drawn([box]))) == {"."}


def test_infinite_corners_mean_the_border():
    inf = math.inf
    assert drawn([[-inf, -inf, inf, inf]]) == drawn([[0, 0, 20, 20]])


def test_a_later_box_lies_on_top():
    rows = drawn([[6, 8, 14, 12], [6, 8, 14, 12]], ["yellow", "red"])
    assert set("".join(rows)) == {".", "o", "R"}


@pytest.mark.parametrize(("height_px", "expected"), [(20, 2), (240, 2), (480, 4), (900, 8)])
def test_thickness_grows_with_the_height(height_px, expected):
    assert default_thickness_px(height_px) == expected


@pytest.mark.parametrize(
    ("boxes", "colors", "thickness", "message"),
    [
        (np.zeros((1, 5)), ["red"], 2, r"expected \(K, 4\) boxes, got \(1, 5\)"),
        (np.zeros((2, 4)), ["red"], 2, "2 boxes need as many colours, got 1"),
        (np.zeros((1, 4)), ["teal"], 2, "unknown colour 'teal'"),
        (np.zeros((1, 4)), ["red"], 0, "at least 1, got 0"),
    ],
)
def test_wrong_arguments_are_refused(boxes, colors, thickness, message):
    with pytest.raises(ValueError, match=message):
        draw_boxes(grey(), boxes, colors, thickness)
    with pytest.raises(ValueError, match=message):
        draw_boxes_on_planes(np.zeros((30, 20), np.uint8), boxes, colors, thickness)


def test_an_odd_band_is_refused_on_planes():
    with pytest.raises(ValueError, match="even on 4:2:0 planes, got 3"):
        draw_boxes_on_planes(np.zeros((30, 20), np.uint8), np.zeros((0, 4)), [], 3)


def test_a_frame_of_floats_is_refused():
    with pytest.raises(ValueError, match="float64"):
        draw_boxes(np.zeros((20, 20, 3)), np.zeros((0, 4)), [])


any_boxes = hnp.arrays(
    np.float64, st.tuples(st.integers(0, 4), st.just(4)), elements=st.floats(width=64)
)


@given(any_boxes, st.integers(1, 9), st.integers(1, 33), st.integers(1, 33))
@example(np.array([[1e308, -1e308, np.inf, np.nan]]), 2, 20, 20)
@example(np.array([[-1e308, -1e308, 1e308, 1e308]]), 2, 20, 20)
def test_any_floats_are_drawn_or_left_out_without_an_error(boxes, thickness_px, height, width):
    frame = grey(height, width)
    draw_boxes(frame, boxes, ["yellow"] * len(boxes), thickness_px)
    assert {tuple(pixel) for pixel in frame.reshape(-1, 3).tolist()} <= set(SIGNS)


near = st.floats(-10, 50)


@given(
    hnp.arrays(np.float64, st.tuples(st.integers(0, 3), st.just(4)), elements=near),
    st.sampled_from(COLORS),
)
def test_planes_show_the_colour_at_the_same_pixels_as_rgb(boxes, color):
    frame = grey(36, 40)
    planes = np.full((54, 40), 128, np.uint8)
    draw_boxes(frame, boxes, [color] * len(boxes), 4)
    draw_boxes_on_planes(planes, boxes, [color] * len(boxes), 4)
    luma, chroma_u, chroma_v = split_planes(planes)
    y, u, v = yuv_of(PALETTE[color])
    in_color = (frame == PALETTE[color]).all(-1)
    np.testing.assert_array_equal(luma == y, in_color)
    covered = in_color[::2, ::2]
    assert (chroma_u[covered] == u).all()
    assert (chroma_v[covered] == v).all()


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (81, 90, 240)),
        ((0, 255, 0), (145, 54, 34)),
        ((0, 0, 255), (41, 240, 110)),
    ],
)
def test_yuv_is_that_of_bt601(rgb, yuv):
    assert yuv_of(rgb) == yuv
