"""What the models behind pseudo-labels return, and how they are asked. Numpy only.

Pictures are upright. All pixel numbers (boxes, intrinsics) refer to the picture at its full size,
``width_px`` by ``height_px``, counted from its upper left corner, so that the middle of the first
pixel is (0.5, 0.5). Maps (depth, confidence, instances) cover the whole picture at a resolution of
their own: cell (row i, column j) of an (h, w) map is the part of the picture around the pixel
``((j + 0.5) * width_px / w, (i + 0.5) * height_px / h)``. Camera axes are x right, y down,
z forward (OpenCV).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
Maps = NDArray[np.float32]
InstanceMaps = NDArray[np.int16]
UInt8Array = NDArray[np.uint8]

PROMPTS = (
    *("bus", "car", "vehicle", "human", "automobile"),
    *("person", "animal", "bicycle", "motorcycle", "truck"),
)
"""What is looked for [P2 A.1]."""

_POSE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class VideoClip:
    """The frames that backends are given: T pictures of one video.

    Attributes:
        images: (T, H, W, 3) uint8 RGB, upright; may be smaller than the video.
        timestamps_s: (T,) seconds since the video's first frame, increasing.
        width_px: width of the upright video at its full size.
        height_px: its height.

    Raises:
        ValueError: a shape or the order is wrong.
    """

    images: UInt8Array
    timestamps_s: FloatArray
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        images = self.images
        if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8 or not images.size:
            raise ValueError(f"images must be (T, H, W, 3) uint8, got {images.shape}")
        if self.timestamps_s.shape != (len(images),):
            raise ValueError(
                f"timestamps_s must be ({len(images)},), got {self.timestamps_s.shape}"
            )
        if not (np.diff(self.timestamps_s) > 0).all():
            raise ValueError("timestamps_s must increase")
        _check_size(self.width_px, self.height_px)

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True, eq=False)
class Geometry:
    """Depth and camera of T frames, in one unit of length for the whole clip.

    Attributes:
        depths: (T, h, w) float32 along the optical axis (not along the ray), in metres if
            ``is_metric``, else in the clip's own unit. NaN, 0 or less where unknown, inf in
            the sky.
        world_SE3_camera: (T, 4, 4) camera to world, translations in the same unit. The world does
            not move; its axes are free unless ``up`` is given.
        intrinsics: (T, 3, 3) pinhole matrices in pixels of the picture at its full size.
        width_px: width of the picture at its full size.
        height_px: its height.
        is_metric: whether the unit is the metre.
        confidences: (T, h, w) float32, at least 0, weights in any unit; or None.
        up: (3,) unit vector against gravity in the world frame, where the backend knows it.

    Raises:
        ValueError: a shape is wrong, a pose is not rigid, a focal length is not positive.
    """

    depths: Maps
    world_SE3_camera: FloatArray
    intrinsics: FloatArray
    width_px: int
    height_px: int
    is_metric: bool = False
    confidences: Maps | None = None
    up: FloatArray | None = None

    def __post_init__(self) -> None:
        t = _check_maps("depths", self.depths, "f")
        if self.world_SE3_camera.shape != (t, 4, 4):
            raise ValueError(
                f"world_SE3_camera must be ({t}, 4, 4), got {self.world_SE3_camera.shape}"
            )
        _check_rigid(self.world_SE3_camera)
        if self.intrinsics.shape != (t, 3, 3) or not np.isfinite(self.intrinsics).all():
            raise ValueError(f"intrinsics must be finite ({t}, 3, 3), got {self.intrinsics.shape}")
        if not (self.intrinsics[:, [0, 1], [0, 1]] > 0).all():
            raise ValueError("intrinsics must have positive focal lengths")
        if self.confidences is not None and self.confidences.shape != self.depths.shape:
            raise ValueError(
                f"confidences must be {self.depths.shape}, got {self.confidences.shape}"
            )
        if self.up is not None and (
            self.up.shape != (3,) or not abs(np.linalg.norm(self.up) - 1) < _POSE_TOLERANCE
        ):
            raise ValueError(f"up must be a unit vector (3,), got {self.up!r}")
        _check_size(self.width_px, self.height_px)

    def __len__(self) -> int:
        return len(self.depths)


@dataclass(frozen=True, eq=False)
class MetricDepth:
    """Depth in metres at some of the clip's frames, to fix the scale of a ``Geometry``.

    Attributes:
        frames: (K,) which of the clip's frames, increasing.
        depths_m: (K, h, w) float32 along the optical axis in metres; NaN, 0 or less where
            unknown, inf in the sky. The resolution may differ from that of the geometry.
        confidences: (K, h, w) float32 weights, at least 0; or None.
        focal_px: (K,) focal lengths the backend estimated itself, in pixels of the picture at its
            full size; or None. Such a depth is scaled to the geometry's focal length.
    """

    frames: IntArray
    depths_m: Maps
    confidences: Maps | None = None
    focal_px: FloatArray | None = None

    def __post_init__(self) -> None:
        k = _check_maps("depths_m", self.depths_m, "f")
        if self.frames.shape != (k,) or self.frames.dtype.kind != "i":
            raise ValueError(f"frames must be ({k},) integers, got {self.frames.shape}")
        if not (np.diff(self.frames) > 0).all() or (self.frames < 0).any():
            raise ValueError(f"frames must increase from 0 on, got {self.frames.tolist()}")
        if self.confidences is not None and self.confidences.shape != self.depths_m.shape:
            raise ValueError(
                f"confidences must be {self.depths_m.shape}, got {self.confidences.shape}"
            )
        if self.focal_px is not None and (
            self.focal_px.shape != (k,) or not (self.focal_px > 0).all()
        ):
            raise ValueError(f"focal_px must be ({k},) positive numbers, got {self.focal_px!r}")


@dataclass(frozen=True, eq=False)
class Segmentation:
    """N objects found and followed through T frames.

    Attributes:
        object_ids: N names, unique. An object keeps its name through the clip.
        categories: N categories: the prompt that the object matched.
        instances: (T, h, w) int16 index into ``object_ids`` of the object seen in each cell, -1
            where none is. ``instance_map`` makes one frame's from masks that overlap.
        boxes_px: (N, T, 4) x0, y0, x1, y1 in pixels of the picture at its full size; NaN where the
            object is not seen.
        box_confidences: (N, T) of the detector, 0 to 1; NaN where unknown.
        text_confidences: (N, T) of the match with the prompt, 0 to 1; NaN where unknown. Frames
            between detections, through which a mask was only followed, take those of the last
            detection.
        width_px: width of the picture at its full size.
        height_px: its height.

    Raises:
        ValueError: a shape or a range is wrong.
    """

    object_ids: tuple[str, ...]
    categories: tuple[str, ...]
    instances: InstanceMaps
    boxes_px: FloatArray
    box_confidences: FloatArray
    text_confidences: FloatArray
    width_px: int
    height_px: int

    def __post_init__(self) -> None:
        n, t = len(self.object_ids), _check_maps("instances", self.instances, "i")
        if len(set(self.object_ids)) != n or not all(self.object_ids):
            raise ValueError("object_ids must be unique and not empty")
        if len(self.categories) != n or not all(self.categories):
            raise ValueError(f"categories must be {n} names, got {self.categories}")
        if self.instances.min() < -1 or self.instances.max() >= n:
            raise ValueError(f"instances must lie from -1 to {n - 1}")
        for name, shape in (
            ("boxes_px", (n, t, 4)),
            ("box_confidences", (n, t)),
            ("text_confidences", (n, t)),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, got {getattr(self, name).shape}")
        for name in ("box_confidences", "text_confidences"):
            values = getattr(self, name)
            if not (((values >= 0) & (values <= 1)) | np.isnan(values)).all():
                raise ValueError(f"{name} must lie from 0 to 1")
        boxes = self.boxes_px
        given = np.isfinite(boxes).all(axis=2)
        right = (boxes[..., 2:] > boxes[..., :2]).all(axis=2)
        if not (np.where(given, right, np.isnan(boxes).all(axis=2))).all():
            raise ValueError("boxes_px must be x0 < x1 and y0 < y1, or NaN altogether")
        _check_size(self.width_px, self.height_px)

    def __len__(self) -> int:
        return len(self.object_ids)


class GeometryBackend(Protocol):
    """Video to depth, poses and intrinsics."""

    @property
    def name(self) -> str:
        """Name and revision, kept in the files, e.g. ``depth_anything_3@1a2b3c4``."""
        ...

    def estimate(self, clip: VideoClip) -> Geometry:
        """Return the geometry of all T frames."""
        ...


class MetricBackend(Protocol):
    """Single pictures to depth in metres."""

    @property
    def name(self) -> str:
        """Name and revision."""
        ...

    def estimate(self, clip: VideoClip, geometry: Geometry) -> MetricDepth:
        """Return metric depth at frames of its choice; ``geometry`` gives the intrinsics."""
        ...


class SemanticsBackend(Protocol):
    """Video and prompts to objects with masks."""

    @property
    def name(self) -> str:
        """Name and revision."""
        ...

    def find(self, clip: VideoClip, prompts: Sequence[str] = PROMPTS) -> Segmentation:
        """Return the objects that match a prompt; none at all is no error."""
        ...


class VlmJudge(Protocol):
    """A vision-language model that answers yes or no."""

    @property
    def name(self) -> str:
        """Name and revision."""
        ...

    def ask(self, images: UInt8Array, question: str) -> str:
        """Answer a question about (T, H, W, 3) RGB frames with the boxes drawn on them."""
        ...


def instance_map(masks: BoolArray, scores: FloatArray | None = None) -> InstanceMaps:
    """Join (K, h, w) masks of one frame into one (h, w) map of indices; -1 where none is.

    Where masks overlap, the one with the higher of the (K,) scores wins; without scores, the
    smaller mask, which is usually what lies in front.
    """
    if masks.ndim != 3:
        raise ValueError(f"masks must be (K, h, w), got {masks.shape}")
    if scores is None:
        scores = -masks.sum(axis=(1, 2)).astype(np.float64)
    out: InstanceMaps = np.full(masks.shape[1:], -1, dtype=np.int16)
    for index in np.argsort(scores, kind="stable"):
        out[masks[index]] = index
    return out


def boxes_of(instances: InstanceMaps, n_objects: int, width_px: int, height_px: int) -> FloatArray:
    """Return the (N, T, 4) boxes around each object's cells, NaN where it has none."""
    t, h, w = instances.shape
    frames, rows, columns = np.nonzero(instances >= 0)
    objects = instances[frames, rows, columns].astype(np.int64)
    low = np.full((n_objects, t, 2), np.inf)
    high = np.full((n_objects, t, 2), -np.inf)
    cells = np.stack([columns, rows], axis=1).astype(np.float64)
    np.minimum.at(low, (objects, frames), cells)
    np.maximum.at(high, (objects, frames), cells + 1)
    boxes = np.concatenate([low, high], axis=2)
    boxes *= np.array([width_px / w, height_px / h, width_px / w, height_px / h])
    return np.where(np.isfinite(boxes), boxes, np.nan)


def _check_maps(name: str, maps: NDArray[np.generic], kind: str) -> int:
    if maps.ndim != 3 or maps.dtype.kind != kind or not maps.size:
        what = "integers" if kind == "i" else "numbers"
        raise ValueError(f"{name} must be (T, h, w) {what}, got {maps.shape} {maps.dtype}")
    return len(maps)


def _check_size(width_px: int, height_px: int) -> None:
    if width_px < 1 or height_px < 1:
        raise ValueError(f"the picture's size must be positive, got {width_px}x{height_px}")


def _check_rigid(poses: FloatArray) -> None:
    rotations = poses[:, :3, :3]
    off = np.abs(rotations @ np.swapaxes(rotations, 1, 2) - np.eye(3)).max(axis=(1, 2))
    rigid = np.isfinite(poses).all(axis=(1, 2)) & (off <= _POSE_TOLERANCE)
    rigid &= np.linalg.det(np.where(np.isfinite(rotations), rotations, 0.0)) > 0
    rigid &= (np.abs(poses[:, 3] - [0, 0, 0, 1]) <= _POSE_TOLERANCE).all(axis=1)
    if not rigid.all():
        raise ValueError(f"world_SE3_camera: pose {int(np.argmin(rigid))} is not rigid")
