"""Which way is up, from the ground and the cameras of a reconstruction. Numpy only.

The ground is looked for as the plane that most points in the lower part of the pictures lie near,
among the planes that are level to within some degrees for the mean camera. Where no plane holds
enough of them, the camera is taken to be level on average, as dashboard and tripod cameras are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stkit_datasets import geometry as rigid
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, Geometry


@dataclass(frozen=True)
class GravityConfig:
    """How up is found.

    Attributes:
        lower_share: this share of each picture, from below, is searched for ground.
        max_points: points used in all.
        hypotheses: planes through three points that are tried.
        tolerance: a point this far from a plane, as a share of its depth, still lies on it.
        max_tilt_deg: a plane that is tilted more against the mean camera is no ground.
        min_share: a plane with a smaller share of the points is not believed.
    """

    lower_share: float = 0.5
    max_points: int = 2000
    hypotheses: int = 200
    tolerance: float = 0.03
    max_tilt_deg: float = 25.0
    min_share: float = 0.35


@dataclass(frozen=True, eq=False)
class Up:
    """The direction against gravity.

    Attributes:
        up: (3,) unit vector in the world frame of the reconstruction.
        found_by: ``backend``, ``ground`` or ``camera``.
        ground_share: share of the searched points that lie on the ground plane.
    """

    up: FloatArray
    found_by: Literal["backend", "ground", "camera"]
    ground_share: float = 0.0


def estimate_up(
    geometry: Geometry, excluded: BoolArray | None = None, config: GravityConfig | None = None
) -> Up:
    """Find up in a reconstruction.

    Args:
        geometry: the reconstruction, of any unit.
        excluded: (T, h, w) cells that are not ground (objects), at any resolution.
        config: how.
    """
    config = GravityConfig() if config is None else config
    if geometry.up is not None:
        return Up(geometry.up, "backend")
    ups = -geometry.world_SE3_camera[:, :3, 1]
    mean = ups.mean(axis=0)
    length = float(np.linalg.norm(mean))
    camera_up = mean / length if length > 1e-6 else ups[0]
    points, depths = _low_points(geometry, excluded, config)
    if len(points) < 50:
        return Up(camera_up, "camera")
    plane, share = _likeliest_plane(points, depths, camera_up, config)
    if plane is None or share < config.min_share:
        return Up(camera_up, "camera", share)
    return Up(plane, "ground", share)


def aligned(geometry: Geometry, up: FloatArray) -> Geometry:
    """Return the same reconstruction in a world whose z axis points along ``up``."""
    turned_SE3_world = np.eye(4)
    turned_SE3_world[:3, :3] = rotation_to_z(up)
    poses = turned_SE3_world @ geometry.world_SE3_camera
    return replace(geometry, world_SE3_camera=poses, up=np.array([0.0, 0.0, 1.0]))


def rotation_to_z(up: FloatArray) -> FloatArray:
    """Return the (3, 3) rotation that takes ``up`` to the z axis and keeps x as far as it can."""
    x = np.array([1.0, 0.0, 0.0]) if abs(up[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    x = x - (x @ up) * up
    x /= np.linalg.norm(x)
    return np.stack([x, np.cross(up, x), up])


def _low_points(
    geometry: Geometry, excluded: BoolArray | None, config: GravityConfig
) -> tuple[FloatArray, FloatArray]:
    t, h, w = geometry.depths.shape
    top = int(h * (1 - config.lower_share))
    frames = np.unique(np.linspace(0, t - 1, min(t, 10)).astype(int))
    each = max(1, config.max_points // len(frames))
    stride = max(1, int(np.ceil(np.sqrt((h - top) * w / each))))
    f, i, j = np.meshgrid(
        frames, np.arange(top, h, stride), np.arange(stride // 2, w, stride), indexing="ij"
    )
    depths = geometry.depths[f, i, j].astype(np.float64)
    known = np.isfinite(depths) & (depths > 0)
    if excluded is not None:
        own_h, own_w = excluded.shape[1:]
        rows, columns = (i + 0.5) * own_h / h, (j + 0.5) * own_w / w
        known &= ~excluded[f, rows.astype(int), columns.astype(int)]
    f, i, j, depths = f[known], i[known], j[known], depths[known]
    pixels = np.stack(
        [(j + 0.5) * (geometry.width_px / w), (i + 0.5) * (geometry.height_px / h)], axis=1
    )
    return points_in_world(geometry, f, pixels, depths), depths


def points_in_world(
    geometry: Geometry, frames: np.ndarray, pixels: FloatArray, depths: FloatArray
) -> FloatArray:
    """Take (P, 2) pixels of (P,) frames at (P,) depths to (P, 3) points of the world."""
    matrices = geometry.intrinsics[frames]
    x = (pixels[:, 0] - matrices[:, 0, 2]) / matrices[:, 0, 0]
    y = (pixels[:, 1] - matrices[:, 1, 2]) / matrices[:, 1, 1]
    in_camera = np.stack([x, y, np.ones_like(x)], axis=1) * depths[:, None]
    return rigid.transform_points(geometry.world_SE3_camera[frames], in_camera[:, None])[:, 0]


def _likeliest_plane(
    points: FloatArray, depths: FloatArray, camera_up: FloatArray, config: GravityConfig
) -> tuple[FloatArray | None, float]:
    rng = np.random.default_rng(0)
    three = points[rng.integers(len(points), size=(config.hypotheses, 3))]
    normals = np.cross(three[:, 1] - three[:, 0], three[:, 2] - three[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    normals = normals[lengths > 0] / lengths[lengths > 0, None]
    normals *= np.where(normals @ camera_up < 0, -1.0, 1.0)[:, None]
    anchors = three[lengths > 0, 0]
    level = normals @ camera_up >= np.cos(np.radians(config.max_tilt_deg))
    normals, anchors = normals[level], anchors[level]
    if not len(normals):
        return None, 0.0
    offsets = (normals * anchors).sum(axis=1)
    limits = config.tolerance * depths
    near = np.abs(points @ normals.T - offsets) <= limits[:, None]
    best = int(near.sum(axis=0).argmax())
    on, normal = near[:, best], normals[best]
    for _ in range(3):
        # Far points err more: each counts by its tolerance.
        weights = np.where(on, 1.0 / limits, 0.0)
        center = (points * weights[:, None]).sum(axis=0) / weights.sum()
        _, _, axes = np.linalg.svd((points - center)[on] * weights[on, None], full_matrices=False)
        normal = axes[2] if axes[2] @ camera_up >= 0 else -axes[2]
        on = np.abs((points - center) @ normal) <= limits
        if on.sum() < 3:
            return None, 0.0
    tilted = normal @ camera_up < np.cos(np.radians(config.max_tilt_deg))
    return (None, 0.0) if tilted else (normal, float(on.mean()))
