"""What perfect models would return for a simulated scene: exact depth, poses and masks.

With ``degrade`` it stands in for real models where truth must be known.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from stkit_datasets import geometry as rigid
from stkit_datasets.pseudo_labels.interfaces import (
    FloatArray,
    Geometry,
    InstanceMaps,
    Maps,
    Segmentation,
    UInt8Array,
    boxes_of,
)
from stkit_datasets.simulation.render import Renderer
from stkit_datasets.simulation.scenes import GRID_STEP_S, Scene

MIN_CELLS = 12
"""An object of which fewer cells are seen is not found."""


class _Colourless(Renderer):
    """Depth and bodies alone: colours would cost most of the time."""

    def rgb(self, frame: int) -> UInt8Array:
        """Draw nothing."""
        return np.empty((0, 0, 3), dtype=np.uint8)


def at_rate(scene: Scene, fps: float) -> tuple[Scene, FloatArray]:
    """Play a scene at a higher rate than the grid of questions, through the same positions.

    Between two times of the grid bodies and cameras move on the cubic through the four times
    around them.

    Args:
        scene: on the grid of 0.5 s. Its ``timestamps_s`` hold only there.
        fps: a multiple of 2.

    Returns:
        The scene and its (T,) times in seconds.

    Raises:
        ValueError: the rate is no multiple of the grid's.
    """
    parts = fps * GRID_STEP_S
    if parts < 1 or parts != round(parts):
        raise ValueError(f"fps must be a multiple of {1 / GRID_STEP_S:g}, got {fps:g}")
    if parts == 1:
        return scene, scene.timestamps_s
    n = round(parts)
    views = tuple(
        replace(view, camera_SE3_world=rigid.inverse(_poses(rigid.inverse(pose), n)))
        for view in scene.views
        for pose in [view.camera_SE3_world]
    )
    dense = replace(
        scene,
        centers_m=np.swapaxes(_between(np.swapaxes(scene.centers_m, 0, 1), n), 0, 1),
        headings_rad=_between(scene.headings_rad.T, n).T,
        distances_m=_between(scene.distances_m.T, n).T,
        views=views,
    )
    return dense, np.arange(dense.centers_m.shape[1]) / fps


def _between(values: FloatArray, n: int) -> FloatArray:
    """(n (T - 1) + 1, …) values along the first axis, from (T, …), by Catmull and Rom's cubic."""
    first, last = 2 * values[:1] - values[1:2], 2 * values[-1:] - values[-2:-1]
    around = np.concatenate([first, values, last])
    a, b, c, d = around[:-3], around[1:-2], around[2:-1], around[3:]
    out = np.empty((n * (len(values) - 1) + 1, *values.shape[1:]))
    out[::n] = values
    for k in range(1, n):
        x = k / n
        cubic = (c - a) * x + (2 * a - 5 * b + 4 * c - d) * x**2 + (3 * b - a - 3 * c + d) * x**3
        out[k::n] = b + cubic / 2
    return out


def _poses(world_SE3_camera: FloatArray, n: int) -> FloatArray:
    """The same for (T, 4, 4) poses: cubic in the place, the shorter way round in the rotation."""
    out = _between(world_SE3_camera, n)
    # Between two rotations that differ little the nearest to their cubic is a rotation between.
    left, _, right = np.linalg.svd(out[:, :3, :3])
    out[:, :3, :3] = left @ right
    out[:, 3] = [0, 0, 0, 1]
    return out


def exact(
    scene: Scene, view: int, height_px: int = 360, depth_stride: int = 2
) -> tuple[Geometry, Segmentation]:
    """Render one camera of a scene to metric geometry and masks.

    Objects are named after their category and body, as the simulation source names its tracks.

    Args:
        scene: the scene.
        view: index of its camera.
        height_px: height of the masks.
        depth_stride: the depth maps are coarser by this factor.
    """
    renderer = _Colourless(scene, view, height_px)
    depths: list[Maps] = []
    bodies: list[InstanceMaps] = []
    for frame in range(len(renderer)):
        rendering = renderer.render(frame)
        at = slice(depth_stride // 2, None, depth_stride)
        depths.append(rendering.depth_m[at, at].astype(np.float32))
        bodies.append(rendering.instance_ids.astype(np.int16))
    camera = scene.views[view].camera
    geometry = Geometry(
        depths=np.stack(depths),
        world_SE3_camera=rigid.inverse(scene.views[view].camera_SE3_world),
        intrinsics=np.tile(camera.intrinsics, (len(depths), 1, 1)),
        width_px=camera.width_px,
        height_px=camera.height_px,
        is_metric=True,
    )
    return geometry, _segmentation(scene, np.stack(bodies), camera.width_px, camera.height_px)


def _segmentation(
    scene: Scene, bodies: InstanceMaps, width_px: int, height_px: int
) -> Segmentation:
    n = len(scene.bodies)
    counts = np.stack([np.bincount(frame.ravel() + 1, minlength=n + 1)[1:] for frame in bodies])
    found = counts >= MIN_CELLS
    seen = np.flatnonzero(found.any(axis=0))
    # Last comes what is seen where there is no body, under index -1.
    number = np.full((len(bodies), n + 1), -1, dtype=np.int16)
    number[:, seen] = np.where(found[:, seen], np.arange(len(seen), dtype=np.int16), -1)
    instances = np.stack([own[frame] for own, frame in zip(number, bodies, strict=True)])
    categories = tuple(scene.bodies[i].model.category for i in seen)
    boxes = boxes_of(instances, len(seen), width_px, height_px)
    sure = np.where(np.isfinite(boxes[..., 0]), 0.9, np.nan)
    return Segmentation(
        object_ids=tuple(f"{name}-{i}" for name, i in zip(categories, seen, strict=True)),
        categories=categories,
        instances=instances,
        boxes_px=boxes,
        box_confidences=sure,
        text_confidences=sure.copy(),
        width_px=width_px,
        height_px=height_px,
    )
