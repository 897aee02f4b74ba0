"""Which bodies a camera could have annotated: near enough, and not behind the scenery."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry
from stkit_datasets.simulation.scenes import Scene, View

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

RANGE_M = 90.0
"""Bodies farther than this from the camera are not annotated."""
_HIDING_KINDS = ("building", "hedge", "stand")
_MIN_SEEN = 0.4
_INNER = 0.8


def annotated(scene: Scene, view: View) -> BoolArray:
    """Return (N, T) true where the body is in range and at least 40 % of it is not hidden.

    Only scenery counts: bodies that hide each other are the business of whoever uses the boxes.
    """
    positions = geometry.inverse(view.camera_SE3_world)[:, :3, 3]
    offsets = scene.centers_m[..., :2] - positions[:, :2]
    out = np.hypot(offsets[..., 0], offsets[..., 1]) <= RANGE_M
    if view.mounted_on is not None:
        out[view.mounted_on] = False
    corners = geometry.box_corners_m(
        scene.centers_m,
        np.broadcast_to(_INNER * scene.sizes_lwh_m[:, None], scene.centers_m.shape),
        scene.rotations_wxyz,
    )
    targets = np.concatenate([corners, scene.centers_m[:, :, None]], axis=2)
    hidden = np.zeros(targets.shape[:3], dtype=bool)
    for prop in scene.props:
        if prop.kind in _HIDING_KINDS:
            center = np.array([*prop.center_m, prop.base_m + prop.size_lwh_m[2] / 2])
            hidden |= _blocked(
                positions, targets, center, np.asarray(prop.size_lwh_m), prop.heading_rad
            )
    return np.asarray(out & ((~hidden).mean(axis=2) >= _MIN_SEEN))


def _blocked(
    starts_m: FloatArray,
    ends_m: FloatArray,
    center_m: FloatArray,
    size_m: FloatArray,
    heading_rad: float,
) -> BoolArray:
    """Whether the lines from (T, 3) to (N, T, P, 3) cross a box (the slab test)."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    to_box = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
    start = (starts_m - center_m) @ to_box.T
    way = (ends_m - starts_m[:, None]) @ to_box.T
    way = np.where(np.abs(way) < 1e-9, 1e-9, way)
    start = start[:, None]
    first = (-size_m / 2 - start) / way
    second = (size_m / 2 - start) / way
    enter = np.minimum(first, second).max(axis=-1)
    leave = np.maximum(first, second).min(axis=-1)
    return np.asarray((enter < leave) & (leave > 0.0) & (enter < 1.0))
