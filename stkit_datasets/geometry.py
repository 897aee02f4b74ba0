"""Rigid motions, boxes and cameras. Arrays in, arrays out; numpy only.

Poses are named ``dst_SE3_src``: (..., 4, 4) matrices that take points of frame ``src`` to ``dst``.
Quaternions are (w, x, y, z). Object axes: x forward, y left, z up. Camera axes: x right, y down,
z forward.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NEAR_PLANE_M = 0.1
"""Nothing nearer to the camera than this is projected."""

# The corners of a unit box and the pairs of corners that an edge joins.
_CORNER_SIGNS = np.array(
    [[x, y, z] for x in (0.5, -0.5) for y in (0.5, -0.5) for z in (0.5, -0.5)], dtype=np.float64
)
_EDGES = np.array([(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1])


def rotation_matrices(rotations_wxyz: FloatArray) -> FloatArray:
    """Turn (..., 4) quaternions into (..., 3, 3) matrices; lengths other than 1 are divided out."""
    q = rotations_wxyz / np.linalg.norm(rotations_wxyz, axis=-1, keepdims=True)
    w, x, y, z = np.moveaxis(q, -1, 0)
    out = np.empty((*q.shape[:-1], 3, 3))
    out[..., 0, 0] = 1 - 2 * (y * y + z * z)
    out[..., 0, 1] = 2 * (x * y - z * w)
    out[..., 0, 2] = 2 * (x * z + y * w)
    out[..., 1, 0] = 2 * (x * y + z * w)
    out[..., 1, 1] = 1 - 2 * (x * x + z * z)
    out[..., 1, 2] = 2 * (y * z - x * w)
    out[..., 2, 0] = 2 * (x * z - y * w)
    out[..., 2, 1] = 2 * (y * z + x * w)
    out[..., 2, 2] = 1 - 2 * (x * x + y * y)
    return out


def rotation_quaternions(rotations: FloatArray) -> FloatArray:
    """Turn (..., 3, 3) rotation matrices into (..., 4) unit quaternions, w not negative.

    Of the four ways to divide, each matrix takes the one with the largest divisor.
    """
    transposed = np.swapaxes(rotations, -1, -2)
    odd, even = rotations - transposed, rotations + transposed
    wx, wy, wz = odd[..., 2, 1], odd[..., 0, 2], odd[..., 1, 0]
    xy, xz, yz = even[..., 0, 1], even[..., 0, 2], even[..., 1, 2]
    diagonal = np.diagonal(rotations, axis1=-2, axis2=-1)
    trace = diagonal.sum(axis=-1, keepdims=True)
    # Four times the squares of w, x, y, z; odd and even hold four times the mixed products.
    squares = np.concatenate([1 + trace, 1 + 2 * diagonal - trace], axis=-1)
    w2, x2, y2, z2 = np.moveaxis(squares, -1, 0)
    rows = [[w2, wx, wy, wz], [wx, x2, xy, xz], [wy, xy, y2, yz], [wz, xz, yz, z2]]
    products = np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)
    best = np.argmax(squares, axis=-1)
    out: FloatArray = np.take_along_axis(products, best[..., None, None], axis=-2)[..., 0, :]
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    return np.where(out[..., :1] < 0, -out, out)


def quaternion_product(left_wxyz: FloatArray, right_wxyz: FloatArray) -> FloatArray:
    """Multiply (..., 4) quaternions: the rotation ``right`` first, then ``left``."""
    w0, x0, y0, z0 = np.moveaxis(left_wxyz, -1, 0)
    w1, x1, y1, z1 = np.moveaxis(right_wxyz, -1, 0)
    return np.stack(
        [
            w0 * w1 - x0 * x1 - y0 * y1 - z0 * z1,
            w0 * x1 + x0 * w1 + y0 * z1 - z0 * y1,
            w0 * y1 - x0 * z1 + y0 * w1 + z0 * x1,
            w0 * z1 + x0 * y1 - y0 * x1 + z0 * w1,
        ],
        axis=-1,
    )


def slerp(start_wxyz: FloatArray, end_wxyz: FloatArray, weight: FloatArray) -> FloatArray:
    """Interpolate (..., 4) unit quaternions along the shorter arc; ``weight`` (...,) in 0 to 1."""
    dot = np.sum(start_wxyz * end_wxyz, axis=-1)
    end = np.where(dot[..., None] < 0, -end_wxyz, end_wxyz)
    angle = np.arccos(np.clip(np.abs(dot), 0.0, 1.0))
    sine = np.sin(angle)
    # For nearly equal rotations the arc is a line and the sine below would divide by zero.
    line = sine < 1e-9
    safe = np.where(line, 1.0, sine)
    a = np.where(line, 1 - weight, np.sin((1 - weight) * angle) / safe)
    b = np.where(line, weight, np.sin(weight * angle) / safe)
    out: FloatArray = a[..., None] * start_wxyz + b[..., None] * end
    out /= np.linalg.norm(out, axis=-1, keepdims=True)
    return out


def se3(rotations_wxyz: FloatArray, translations_m: FloatArray) -> FloatArray:
    """Build (..., 4, 4) poses from (..., 4) quaternions and (..., 3) translations."""
    out = np.zeros((*translations_m.shape[:-1], 4, 4))
    out[..., :3, :3] = rotation_matrices(rotations_wxyz)
    out[..., :3, 3] = translations_m
    out[..., 3, 3] = 1.0
    return out


def inverse(dst_SE3_src: FloatArray) -> FloatArray:
    """Return ``src_SE3_dst`` for (..., 4, 4) rigid poses."""
    rotation_t = np.swapaxes(dst_SE3_src[..., :3, :3], -1, -2)
    out = np.zeros_like(dst_SE3_src)
    out[..., :3, :3] = rotation_t
    out[..., :3, 3] = -(rotation_t @ dst_SE3_src[..., :3, 3:4])[..., 0]
    out[..., 3, 3] = 1.0
    return out


def transform_points(dst_SE3_src: FloatArray, points_src_m: FloatArray) -> FloatArray:
    """Take points (..., P, 3) from ``src`` to ``dst`` with poses (..., 4, 4)."""
    rotation_t = np.swapaxes(dst_SE3_src[..., :3, :3], -1, -2)
    out: FloatArray = points_src_m @ rotation_t + dst_SE3_src[..., None, :3, 3]
    return out


def box_corners_m(
    centers_m: FloatArray, sizes_lwh_m: FloatArray, rotations_wxyz: FloatArray
) -> FloatArray:
    """Return the (..., 8, 3) corners of boxes with (..., 3) centres and sizes."""
    offsets = _CORNER_SIGNS * sizes_lwh_m[..., None, :]
    rotation_t = np.swapaxes(rotation_matrices(rotations_wxyz), -1, -2)
    out: FloatArray = offsets @ rotation_t + centers_m[..., None, :]
    return out


def _project_pinhole(
    points_m: FloatArray, intrinsics: FloatArray, distortion: tuple[float, ...]
) -> FloatArray:
    return points_m[..., :2] / points_m[..., 2:] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]


def _monotone_limit(*coefficients: float) -> float:
    """Up to which r the distorted r (1 + k1 r² + k2 r⁴ + …) grows; infinite when it always does."""
    slope = [(2 * power + 1) * k for power, k in enumerate(coefficients, start=1)]
    roots = np.roots([*reversed(slope), 1.0])
    squares = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(np.sqrt(squares.min())) if len(squares) else float("inf")


def _project_fisheye(
    points_m: FloatArray, intrinsics: FloatArray, distortion: tuple[float, ...]
) -> FloatArray:
    radius = np.hypot(points_m[..., 0], points_m[..., 1])
    theta = np.arctan2(radius, points_m[..., 2])
    # As for ``brown``: beyond the angle to which the polynomial grows, the picture goes on in
    # proportion, so that what the lens cannot see stays outside.
    square = np.minimum(theta, _monotone_limit(*distortion)) ** 2
    scale = np.ones_like(theta)
    for power, k in enumerate(distortion, start=1):
        scale = scale + k * square**power
    on_axis = radius < 1e-12
    factor = np.where(on_axis, 0.0, theta * scale / np.where(on_axis, 1.0, radius))
    out: FloatArray = (
        points_m[..., :2] * factor[..., None] * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
    )
    return out


def _project_brown(
    points_m: FloatArray, intrinsics: FloatArray, distortion: tuple[float, ...]
) -> FloatArray:
    k1, k2, p1, p2, k3 = (*distortion, 0.0, 0.0, 0.0, 0.0, 0.0)[:5]
    points = points_m[..., :2] / points_m[..., 2:]
    radius = np.hypot(points[..., 0], points[..., 1])
    # The polynomial describes the lens where it grows. Beyond, it would fold what the lens cannot
    # see back into the image, so there the picture goes on in proportion, ever farther out.
    beyond = np.maximum(radius / _monotone_limit(k1, k2, k3), 1.0)[..., None]
    x, y = np.moveaxis(points / beyond, -1, 0)
    square = x * x + y * y
    radial = 1 + square * (k1 + square * (k2 + square * k3))
    distorted = np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
    out: FloatArray = distorted * beyond * intrinsics[[0, 1], [0, 1]] + intrinsics[:2, 2]
    return out


CAMERA_MODELS: dict[str, Callable[[FloatArray, FloatArray, tuple[float, ...]], FloatArray]] = {
    "pinhole": _project_pinhole,
    "fisheye": _project_fisheye,
    "brown": _project_brown,
}
"""``pinhole`` without distortion; ``fisheye`` is Kannala-Brandt with k1…k4, as in OpenCV; ``brown``
is radial-tangential (Brown-Conrady) with k1, k2, p1, p2, k3, as in OpenCV."""


class ProjectedBoxes(NamedTuple):
    """Boxes in one camera's image, N objects in T frames.

    Attributes:
        boxes_px: (N, T, 4) x0, y0, x1, y1, cut at the image's edge; NaN where not visible.
        depths_m: (N, T) depth of the box centre along the optical axis; NaN where not annotated.
        visible: (N, T) in front of the camera and inside the image.
    """

    boxes_px: FloatArray
    depths_m: FloatArray
    visible: BoolArray


def project_boxes(
    corners_m: FloatArray,
    camera_SE3_world: FloatArray,
    intrinsics: FloatArray,
    width_px: int,
    height_px: int,
    model: str = "pinhole",
    distortion: tuple[float, ...] = (),
) -> ProjectedBoxes:
    """Project (N, T, 8, 3) world corners into T images and cut them at the image's edge.

    A box that reaches behind the camera is cut at the near plane first, so that its visible part
    is exact and never mirrored. A box whose cut rectangle has no area is not visible.

    Args:
        corners_m: world corners; NaN where not annotated.
        camera_SE3_world: (T, 4, 4) world to camera; NaN where the pose is unknown.
        intrinsics: (3, 3) in pixels.
        width_px: image width.
        height_px: image height.
        model: a key of ``CAMERA_MODELS``.
        distortion: the model's coefficients.
    """
    n, t = corners_m.shape[:2]
    # Frame by frame the corners of all boxes are one long matrix: far faster to multiply than a
    # small one for each box.
    by_frame = np.moveaxis(corners_m, 0, 1).reshape(t, n * 8, 3)
    points = transform_points(camera_SE3_world, by_frame).reshape(t, n, 8, 3).swapaxes(0, 1)
    depths = points[..., 2]
    in_front = depths > NEAR_PLANE_M  # false for NaN
    some = in_front.any(axis=2)
    boxes = np.full((n, t, 4), np.nan)
    rows, frames = np.nonzero(some)
    corners = points[rows, frames]
    whole = in_front[rows, frames].all(axis=1)
    project = CAMERA_MODELS[model]
    if whole.any():
        pixels = project(corners[whole], intrinsics, distortion)
        boxes[rows[whole], frames[whole]] = np.concatenate(
            [pixels.min(axis=1), pixels.max(axis=1)], axis=1
        )
    if not whole.all():
        crossing = ~whole
        boxes[rows[crossing], frames[crossing]] = _project_crossing(
            corners[crossing], project, intrinsics, distortion
        )
    boxes[..., [0, 2]] = np.clip(boxes[..., [0, 2]], 0.0, width_px)
    boxes[..., [1, 3]] = np.clip(boxes[..., [1, 3]], 0.0, height_px)
    visible = (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])
    boxes[~visible] = np.nan
    return ProjectedBoxes(boxes, depths.mean(axis=2), visible)


def cut_at_edge(boxes_px: FloatArray, width_px: int, height_px: int) -> FloatArray:
    """Cut (..., 4) boxes at the image's edge, as projected ones are; NaN where nothing is left."""
    edge_px = np.array([width_px, height_px, width_px, height_px], dtype=np.float64)
    boxes_px = np.clip(boxes_px, 0.0, edge_px)
    inside = (boxes_px[..., 2:] > boxes_px[..., :2]).all(axis=-1, keepdims=True)
    return np.where(inside, boxes_px, np.nan)


def _project_crossing(
    corners_m: FloatArray,
    project: Callable[[FloatArray, FloatArray, tuple[float, ...]], FloatArray],
    intrinsics: FloatArray,
    distortion: tuple[float, ...],
) -> FloatArray:
    """Image bounds of boxes (M, 8, 3) in camera axes that cross the near plane."""
    start, end = corners_m[:, _EDGES[:, 0]], corners_m[:, _EDGES[:, 1]]
    z0, z1 = start[..., 2], end[..., 2]
    cut = (z0 > NEAR_PLANE_M) != (z1 > NEAR_PLANE_M)
    weight = np.where(cut, (NEAR_PLANE_M - z0) / np.where(cut, z1 - z0, 1.0), 0.0)
    points = np.concatenate([corners_m, start + weight[..., None] * (end - start)], axis=1)
    keep = np.concatenate([corners_m[..., 2] > NEAR_PLANE_M, cut], axis=1)
    points = np.where(keep[..., None], points, [0.0, 0.0, 1.0])
    pixels = project(points, intrinsics, distortion)
    low = np.where(keep[..., None], pixels, np.inf).min(axis=1)
    high = np.where(keep[..., None], pixels, -np.inf).max(axis=1)
    return np.concatenate([low, high], axis=1)
