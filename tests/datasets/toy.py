"""Small clips with motion that is worked out by hand, for the tests."""

from __future__ import annotations

import numpy as np

from stkit_datasets import geometry
from stkit_datasets.clip import Camera, Clip, Tracks

INTRINSICS = np.array([[500.0, 0.0, 320.0], [0.0, 500.0, 180.0], [0.0, 0.0, 1.0]])


def camera(width_px: int = 640, height_px: int = 360) -> Camera:
    return Camera("front", width_px, height_px, INTRINSICS)


def looking_along_x(n_frames: int, height_m: float = 1.5) -> np.ndarray:
    """World to camera poses of a camera at the origin that looks along the world's x axis."""
    world_R_camera = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    world_SE3_camera = np.eye(4)
    world_SE3_camera[:3, :3] = world_R_camera
    world_SE3_camera[2, 3] = height_m
    return np.repeat(geometry.inverse(world_SE3_camera)[None], n_frames, axis=0)


def tracks(
    centers_m: np.ndarray,
    kinds: tuple[str, ...] | None = None,
    size_lwh_m: tuple[float, float, float] = (4.0, 2.0, 1.5),
) -> Tracks:
    """Tracks with unrotated boxes of one size from (N, T, 3) centres, NaN where not annotated."""
    n, t = centers_m.shape[:2]
    absent = np.isnan(centers_m).any(axis=2, keepdims=True)
    keys = np.array([[[f"t{i}-{k}"] for k in range(t)] for i in range(n)], dtype=object)
    keys[absent] = ""
    return Tracks(
        track_ids=tuple(f"t{i}" for i in range(n)),
        categories=tuple("car" for _ in range(n)),
        kinds=kinds or tuple("vehicle" for _ in range(n)),  # type: ignore[arg-type]
        centers_m=centers_m,
        sizes_lwh_m=np.where(absent, np.nan, np.broadcast_to(size_lwh_m, (n, t, 3))),
        rotations_wxyz=np.where(absent, np.nan, np.broadcast_to([1.0, 0, 0, 0], (n, t, 4))),
        annotation_keys=keys,
    )


def clip(
    centers_m: np.ndarray,
    kinds: tuple[str, ...] | None = None,
    *,
    domain: str = "driving",
    size_lwh_m: tuple[float, float, float] = (4.0, 2.0, 1.5),
    clip_id: str = "toy",
) -> Clip:
    t = centers_m.shape[1]
    return Clip(
        source="toy",
        split="train",
        clip_id=clip_id,
        scene_id=clip_id,
        camera=camera(),
        timestamps_s=0.5 * np.arange(t),
        tracks=tracks(centers_m, kinds, size_lwh_m),
        frames=None,
        files=("tracks.json",),
        domain=domain,  # type: ignore[arg-type]
        camera_SE3_world=looking_along_x(t),
    )


def straight(
    start_m: tuple[float, float, float], velocity_mps: tuple[float, float, float], n_frames: int
) -> np.ndarray:
    """(T, 3) centres of an object at constant velocity, one every 0.5 s."""
    return np.array(start_m) + 0.5 * np.arange(n_frames)[:, None] * np.array(velocity_mps)
