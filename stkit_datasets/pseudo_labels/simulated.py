"""What perfect models would return for a simulated scene: exact depth, poses and masks.

With ``degrade`` it stands in for real models where truth must be known.
"""

from __future__ import annotations

import numpy as np

from stkit_datasets import geometry as rigid
from stkit_datasets.pseudo_labels.interfaces import (
    Geometry,
    InstanceMaps,
    Maps,
    Segmentation,
    boxes_of,
)
from stkit_datasets.simulation.render import Renderer
from stkit_datasets.simulation.scenes import Scene

MIN_CELLS = 12
"""An object of which fewer cells are seen is not found."""


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
    renderer = Renderer(scene, view, height_px)
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
    t, n = len(bodies), len(scene.bodies)
    keys = bodies.astype(np.int64) + (n + 1) * np.arange(t)[:, None, None] + 1
    counts = np.bincount(keys.ravel(), minlength=t * (n + 1)).reshape(t, n + 1)[:, 1:]
    found = counts >= MIN_CELLS
    seen = np.flatnonzero(found.any(axis=0))
    number = np.full((t, n + 1), -1, dtype=np.int16)
    number[:, seen] = np.where(found[:, seen], np.arange(len(seen), dtype=np.int16), -1)
    instances: InstanceMaps = np.take_along_axis(
        number, np.where(bodies < 0, n, bodies).reshape(t, -1).astype(np.int64), axis=1
    ).reshape(bodies.shape)
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
