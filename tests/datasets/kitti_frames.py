"""A KITTI tracking sequence as what perfect models would return for it.

Calibration, ego motion and boxes are real. Masks are the annotated rectangles; depth inside of them
is that of the annotated solid boxes' surfaces, and of a level road elsewhere, for the pictures come
without depth. The formats are those of the devkit of the KITTI tracking benchmark.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets import geometry as rigid
from stkit_datasets.pseudo_labels.interfaces import Geometry, Segmentation

PERIOD_S = 0.1
STRIDE = 3
CAMERA_HEIGHT_M = 1.65
EARTH_RADIUS_M = 6378137.0
CATEGORIES = {"Car": "car", "Van": "van", "Pedestrian": "person", "Cyclist": "bicycle"}


@dataclass
class Box:
    track: str
    category: str
    rectangle_px: np.ndarray
    truncated: bool
    occluded: bool  # in part, or perhaps
    size_lwh_m: np.ndarray
    center_m: np.ndarray  # in camera 2
    yaw_rad: float  # about the camera's y axis


def read_calibration(path: Path) -> dict[str, np.ndarray]:
    rows = (line.split() for line in path.read_text().splitlines() if line.strip())
    return {row[0].rstrip(":"): np.array(row[1:], dtype=float) for row in rows}


def square(matrix: np.ndarray) -> np.ndarray:
    out = np.eye(4)
    out[: matrix.shape[0], : matrix.shape[1]] = matrix
    return out


def camera_poses(folder: Path, sequence: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World (x east, y north, z up) from camera 2, its matrix, and camera 2 from camera 0."""
    calibration = read_calibration(folder / "calib" / f"{sequence}.txt")
    projection = calibration["P2"].reshape(3, 4)
    matrix = projection[:, :3]
    camera2_SE3_camera0 = np.eye(4)
    camera2_SE3_camera0[:3, 3] = np.linalg.solve(matrix, projection[:, 3])
    camera0_SE3_imu = (
        square(calibration["R0_rect"].reshape(3, 3))
        @ square(calibration["Tr_velo_to_cam"].reshape(3, 4))
        @ square(calibration["Tr_imu_to_velo"].reshape(3, 4))
    )
    oxts = np.loadtxt(folder / "oxts" / f"{sequence}.txt")[:, :6]
    latitude, longitude, altitude, roll, pitch, yaw = oxts.T
    scale = np.cos(np.radians(latitude[0]))
    x = scale * EARTH_RADIUS_M * np.radians(longitude)
    y = scale * EARTH_RADIUS_M * np.log(np.tan(np.radians(90 + latitude) / 2))
    positions = np.stack([x, y, altitude], axis=1)
    half = np.stack([roll, pitch, yaw]) / 2
    (cr, cp, cy), (sr, sp, sy) = np.cos(half), np.sin(half)
    quaternions = np.stack(
        [
            cr * cp * cy + sr * sp * sy,
            sr * cp * cy - cr * sp * sy,
            cr * sp * cy + sr * cp * sy,
            cr * cp * sy - sr * sp * cy,
        ],
        axis=1,
    )
    world_SE3_imu = rigid.se3(quaternions, positions - positions[0])
    imu_SE3_camera2 = np.linalg.inv(camera2_SE3_camera0 @ camera0_SE3_imu)
    poses = world_SE3_imu @ imu_SE3_camera2
    # The calibration's rotations are rounded to seven digits.
    left, _, right = np.linalg.svd(poses[:, :3, :3])
    poses[:, :3, :3] = left @ right
    return poses, matrix, camera2_SE3_camera0


def read_boxes(
    folder: Path, sequence: str, camera2_SE3_camera0: np.ndarray
) -> dict[int, list[Box]]:
    frames: dict[int, list[Box]] = {}
    for line in (folder / "label_02" / f"{sequence}.txt").read_text().splitlines():
        row = line.split()
        if row[2] not in CATEGORIES:
            continue
        values = np.array(row[3:17], dtype=float)
        height, width, length = values[7:10]
        center = values[10:13] - [0, height / 2, 0] + camera2_SE3_camera0[:3, 3]
        box = Box(
            track=f"{row[2].lower()}-{row[1]}",
            category=CATEGORIES[row[2]],
            rectangle_px=values[3:7],
            truncated=values[0] > 0,
            occluded=values[1] > 0,
            size_lwh_m=np.array([length, width, height]),
            center_m=center,
            yaw_rad=float(values[13]),
        )
        frames.setdefault(int(row[0]), []).append(box)
    return frames


def surface_depths(box: Box, rays: np.ndarray) -> np.ndarray:
    """Depth at which (…, 3) rays of depth 1 enter a box; infinite where they miss (slab test)."""
    cos, sin = np.cos(box.yaw_rad), np.sin(box.yaw_rad)
    axes = np.array([[cos, 0, -sin], [sin, 0, cos], [0, 1, 0]])  # length, width, height
    start, along = -axes @ box.center_m, rays @ axes.T
    with np.errstate(divide="ignore", invalid="ignore"):
        first = (-box.size_lwh_m / 2 - start) / along
        second = (box.size_lwh_m / 2 - start) / along
    enter = np.fmin(first, second).max(axis=-1)
    leave = np.fmax(first, second).min(axis=-1)
    return np.where((enter <= leave) & (enter > 0), enter, np.inf)


def perfect_models(
    folder: Path, sequence: str, frames: list[int], size_px: tuple[int, int]
) -> tuple[Geometry, Segmentation, dict[int, list[Box]]]:
    width, height = size_px
    poses, matrix, camera2_SE3_camera0 = camera_poses(folder, sequence)
    boxes = read_boxes(folder, sequence, camera2_SE3_camera0)
    names = sorted({(box.track, box.category) for frame in frames for box in boxes[frame]})
    index = {track: i for i, (track, _) in enumerate(names)}
    u = np.arange(width // STRIDE) + 0.5
    v = np.arange(height // STRIDE) + 0.5
    u, v = np.meshgrid(u * width / len(u), v * height / len(v))
    rays = np.stack([u, v, np.ones_like(u)], axis=-1) @ np.linalg.inv(matrix).T
    with np.errstate(divide="ignore"):
        road = np.where(rays[..., 1] > 1e-3, CAMERA_HEIGHT_M / rays[..., 1], np.inf)
    depths = np.tile(road, (len(frames), 1, 1))
    instances = np.full(depths.shape, -1, dtype=np.int16)
    boxes_px = np.full((len(names), len(frames), 4), np.nan)
    for k, frame in enumerate(frames):
        for box in sorted(boxes[frame], key=lambda box: -box.center_m[2]):
            x0, y0, x1, y1 = box.rectangle_px
            inside = (u >= x0) & (u < x1) & (v >= y0) & (v < y1)
            depths[k][inside] = np.minimum(surface_depths(box, rays[inside]), road[inside])
            instances[k][inside] = index[box.track]
            boxes_px[index[box.track], k] = box.rectangle_px
    sure = np.where(np.isfinite(boxes_px[..., 0]), 0.9, np.nan)
    geometry = Geometry(
        depths=depths.astype(np.float32),
        world_SE3_camera=poses[frames],
        intrinsics=np.tile(matrix, (len(frames), 1, 1)),
        width_px=width,
        height_px=height,
        is_metric=True,
    )
    segmentation = Segmentation(
        object_ids=tuple(track for track, _ in names),
        categories=tuple(category for _, category in names),
        instances=instances,
        boxes_px=boxes_px,
        box_confidences=sure,
        text_confidences=sure.copy(),
        width_px=width,
        height_px=height,
    )
    return geometry, segmentation, boxes
