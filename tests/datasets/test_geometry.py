from __future__ import annotations

import math

import numpy as np
import pytest
import toy
from hypothesis import given
from hypothesis import strategies as st

from stkit_datasets import geometry

QUARTER_TURN = np.array([math.sqrt(0.5), 0, 0, math.sqrt(0.5)])  # about z, x to y


def project(center: tuple[float, float, float], size: tuple[float, float, float]):
    corners = geometry.box_corners_m(
        np.array([[center]], dtype=float),
        np.array([[size]], dtype=float),
        np.array([[[1.0, 0, 0, 0]]]),
    )
    return geometry.project_boxes(
        corners, toy.looking_along_x(1, height_m=0.0), toy.INTRINSICS, 640, 360
    )


def test_rotation_of_a_quarter_turn() -> None:
    rotated = geometry.rotation_matrices(QUARTER_TURN) @ np.array([1.0, 0, 0])
    assert rotated == pytest.approx([0, 1, 0])


def test_a_long_quaternion_is_the_same_rotation() -> None:
    assert geometry.rotation_matrices(3 * QUARTER_TURN) == pytest.approx(
        geometry.rotation_matrices(QUARTER_TURN)
    )


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_rotation_quaternions_undo_rotation_matrices(quaternion: list[float]) -> None:
    if np.linalg.norm(quaternion) < 1e-2:
        return
    rotation = geometry.rotation_matrices(np.array(quaternion))
    back = geometry.rotation_quaternions(rotation)
    assert back[0] >= 0
    assert np.linalg.norm(back) == pytest.approx(1)
    assert geometry.rotation_matrices(back) == pytest.approx(rotation, abs=1e-9)


def test_rotation_quaternion_of_half_a_turn() -> None:
    half_turns = np.array([np.diag([1.0, -1, -1]), np.diag([-1.0, 1, -1]), np.diag([-1.0, -1, 1])])
    assert geometry.rotation_quaternions(half_turns) == pytest.approx(np.eye(4)[1:])


def test_quaternion_product_applies_the_right_factor_first() -> None:
    about_x = np.array([math.sqrt(0.5), math.sqrt(0.5), 0, 0])
    both = geometry.rotation_matrices(geometry.quaternion_product(QUARTER_TURN, about_x))
    one_by_one = geometry.rotation_matrices(QUARTER_TURN) @ geometry.rotation_matrices(about_x)
    assert both == pytest.approx(one_by_one)


def test_slerp_takes_the_shorter_arc_at_constant_rate() -> None:
    start = np.array([1.0, 0, 0, 0])
    half = geometry.slerp(start, -QUARTER_TURN, np.array(1 / 3))
    expected = [math.cos(math.radians(15)), 0, 0, math.sin(math.radians(15))]
    assert half == pytest.approx(expected)
    assert geometry.slerp(start, start, np.array(0.3)) == pytest.approx(start)


@given(
    st.lists(st.floats(-1, 1), min_size=4, max_size=4),
    st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=3),
)
def test_inverse_undoes_a_pose(quaternion: list[float], translation: list[float]) -> None:
    if np.linalg.norm(quaternion) < 1e-2:
        return
    pose = geometry.se3(np.array(quaternion), np.array(translation))
    assert geometry.inverse(pose) @ pose == pytest.approx(np.eye(4), abs=1e-9)


def test_transform_points_moves_every_point() -> None:
    pose = geometry.se3(QUARTER_TURN, np.array([10.0, 0, 0]))
    assert geometry.transform_points(pose, np.array([[1.0, 0, 0], [0, 2, 0]])) == pytest.approx(
        np.array([[10, 1, 0], [8, 0, 0]])
    )


def test_box_in_front_by_hand() -> None:
    # 10 m ahead, 2 m long: its near face at 9 m spans y +-1 and z +-0.5.
    seen = project((10, 0, 0), (2, 2, 1))
    half_w, half_h = 500 * 1 / 9, 500 * 0.5 / 9
    assert seen.visible.all()
    assert seen.boxes_px[0, 0] == pytest.approx(
        [320 - half_w, 180 - half_h, 320 + half_w, 180 + half_h]
    )
    assert seen.depths_m[0, 0] == pytest.approx(10)


def test_left_in_the_world_is_left_in_the_image() -> None:
    box = project((10, 3, 0), (1, 1, 1)).boxes_px[0, 0]
    assert box[2] < 320


@pytest.mark.parametrize("center", [(-10, 0, 0), (10, 50, 0), (10, 0, 40), (-3, 1, 0)])
def test_behind_or_outside_is_not_visible(center: tuple[float, float, float]) -> None:
    seen = project(center, (2, 2, 2))
    assert not seen.visible.any()
    assert np.isnan(seen.boxes_px).all()


def test_box_at_the_border_is_cut() -> None:
    box = project((10, -6.4, 0), (0.2, 2, 1)).boxes_px[0, 0]
    assert box[2] == 640
    assert box[0] == pytest.approx(320 + 500 * 5.4 / 10.1)


def test_box_across_the_near_plane_is_never_mirrored() -> None:
    # From 2 m behind the camera to 4 m ahead, all of it to the right: it must fill the right side.
    seen = project((1, -2, 0), (6, 2, 2))
    box = seen.boxes_px[0, 0]
    assert seen.visible.all()
    assert box[0] == pytest.approx(320 + 500 * 1 / 4)
    assert (box[1], box[2], box[3]) == (0, 640, 360)


def test_fisheye_agrees_with_the_pinhole_near_the_axis() -> None:
    points = np.array([[0.001, -0.002, 1.0], [0.0, 0.0, 2.0]])
    pinhole = geometry.CAMERA_MODELS["pinhole"](points, toy.INTRINSICS, ())
    fisheye = geometry.CAMERA_MODELS["fisheye"](points, toy.INTRINSICS, (0.1, 0.0, 0.0, 0.0))
    assert fisheye == pytest.approx(pinhole, abs=1e-5)


def test_fisheye_by_hand() -> None:
    # 45 degrees off axis: theta = pi/4, scaled by 1 + k1 theta^2.
    theta = math.pi / 4
    pixel = geometry.CAMERA_MODELS["fisheye"](np.array([[1.0, 0.0, 1.0]]), toy.INTRINSICS, (0.1,))
    assert pixel[0] == pytest.approx([320 + 500 * theta * (1 + 0.1 * theta**2), 180])


FISHEYE = geometry.CAMERA_MODELS["fisheye"]


@pytest.mark.parametrize("lens", [(0.05, 0.02, -0.02, 0.003), (-0.2,), (-0.05, -0.1, 0.05, -0.03)])
def test_fisheye_never_folds_back(lens: tuple[float, ...]) -> None:
    angles = np.radians(np.linspace(0, 179, 400))
    for direction in ([1, 0], [0, -1], [0.6, 0.8]):
        points = np.cos(angles)[:, None] * [0, 0, 1.0]
        points[:, :2] = np.sin(angles)[:, None] * np.array(direction)
        pixels = FISHEYE(points, toy.INTRINSICS, lens)
        out = np.linalg.norm(pixels - toy.INTRINSICS[:2, 2], axis=1)
        assert (np.diff(out) > 0).all()


def test_a_box_beyond_a_fisheye_lens_is_not_visible() -> None:
    # 80 degrees to the left: the bare polynomial, 1.4 - 0.5 * 1.4^3, would bring it near the axis.
    corners = geometry.box_corners_m(
        np.array([[[1.0, 5.7, 0.0]]]), np.array([[[0.5, 0.5, 0.5]]]), np.array([[[1.0, 0, 0, 0]]])
    )
    pose = toy.looking_along_x(1, height_m=0.0)
    theta = math.atan2(5.7, 1.0)
    assert abs(theta * (1 - 0.5 * theta**2)) < 0.6
    seen = geometry.project_boxes(corners, pose, toy.INTRINSICS, 520, 360, "fisheye", (-0.5,))
    assert not seen.visible.any()


BROWN = geometry.CAMERA_MODELS["brown"]
WIDE_LENS = (-0.356123, 0.172545, -0.00213, 0.000464, -0.05231)


def test_brown_by_hand() -> None:
    # x = 0.5, y = 0.25: r2 = 0.3125, radial = 1 + 0.2 r2 - 0.1 r2^2 + 0.4 r2^3.
    radial = 1 + 0.2 * 0.3125 - 0.1 * 0.09765625 + 0.4 * 0.030517578125
    x = 0.5 * radial + 2 * 0.01 * 0.125 + 0.02 * (0.3125 + 0.5)
    y = 0.25 * radial + 0.01 * (0.3125 + 0.125) + 2 * 0.02 * 0.125
    pixel = BROWN(np.array([[1.0, 0.5, 2.0]]), toy.INTRINSICS, (0.2, -0.1, 0.01, 0.02, 0.4))
    assert pixel[0] == pytest.approx([320 + 500 * x, 180 + 500 * y])


def test_brown_without_distortion_is_the_pinhole() -> None:
    points = np.array([[3.0, -2.0, 1.0], [0.0, 0.0, 2.0]])
    pinhole = geometry.CAMERA_MODELS["pinhole"](points, toy.INTRINSICS, ())
    assert pytest.approx(pinhole) == BROWN(points, toy.INTRINSICS, (0.0,) * 5)


@pytest.mark.parametrize("lens", [WIDE_LENS, (0.04, -0.33, 0.001, -0.002, 0.0), (-0.3,)])
def test_brown_never_folds_back(lens: tuple[float, ...]) -> None:
    tangents = np.concatenate([np.linspace(0, 2.99, 300), np.geomspace(3, 1000, 50)])
    for direction in ([1, 0], [0, -1], [0.6, 0.8], [-0.8, 0.6]):
        points = np.ones((len(tangents), 3))
        points[:, :2] = tangents[:, None] * np.array(direction)
        out = np.linalg.norm(BROWN(points, toy.INTRINSICS, lens) - toy.INTRINSICS[:2, 2], axis=1)
        assert (np.diff(out) > 0).all()


def test_a_box_beyond_the_lens_is_not_visible() -> None:
    # 3 m ahead and 7 m to the left: 67 degrees off axis. The bare polynomial turns negative there
    # and would mirror the box to the other side of the image.
    corners = geometry.box_corners_m(
        np.array([[[3.0, 7.0, 0.0]]]), np.array([[[2.0, 2.0, 2.0]]]), np.array([[[1.0, 0, 0, 0]]])
    )
    pose = toy.looking_along_x(1, height_m=0.0)
    seen = geometry.project_boxes(corners, pose, toy.INTRINSICS, 640, 360, "brown", WIDE_LENS)
    assert not seen.visible.any()


def test_unannotated_frames_are_not_visible() -> None:
    corners = np.full((1, 2, 8, 3), np.nan)
    seen = geometry.project_boxes(corners, toy.looking_along_x(2), toy.INTRINSICS, 640, 360)
    assert not seen.visible.any()
