"""What a source gives: tracks on a time grid, a camera, and where the frames are. Arrays only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry

Domain = Literal["driving", "sports", "general"]
Kind = Literal["vehicle", "person", "other"]
KINDS: tuple[Kind, ...] = ("vehicle", "person", "other")

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Frames(Protocol):
    """The pictures of one clip, in order, readable again and again.

    Implementations stand in ``stkit_datasets.video.frames``.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """One name a frame, relative to the data folder; of a video ``clip.mp4#t=3.500``."""
        ...

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the source pictures, upright; box coordinates refer to it."""
        ...

    def __len__(self) -> int: ...

    def read(self, height_px: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame as (H, W, 3) RGB, at most ``height_px`` high, of even size."""
        ...

    def read_planes(self, height_px: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame as (3 H / 2, W) YUV 4:2:0 planes of the same size."""
        ...


@dataclass(frozen=True, eq=False)
class Camera:
    """A calibrated camera, x right, y down, z forward (OpenCV axes).

    Attributes:
        name: the source's own name of the camera.
        width_px: image width.
        height_px: image height.
        intrinsics: (3, 3) matrix in pixels.
        model: how a direction becomes a pixel; see ``geometry.project_points``.
        distortion: the coefficients of the model, empty for ``pinhole``.
    """

    name: str
    width_px: int
    height_px: int
    intrinsics: FloatArray
    model: str = "pinhole"
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        intrinsics = np.asarray(self.intrinsics, dtype=np.float64)
        if intrinsics.shape != (3, 3) or not np.isfinite(intrinsics).all():
            raise ValueError(f"camera {self.name!r}: intrinsics must be a finite (3, 3) matrix")
        if not (intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0):
            raise ValueError(
                f"camera {self.name!r}: focal lengths must be positive, got "
                f"fx={intrinsics[0, 0]:g}, fy={intrinsics[1, 1]:g}"
            )
        if self.width_px < 1 or self.height_px < 1:
            raise ValueError(
                f"camera {self.name!r}: image size must be positive, got "
                f"{self.width_px}x{self.height_px}"
            )
        if self.model not in geometry.CAMERA_MODELS:
            raise ValueError(
                f"camera {self.name!r}: model {self.model!r} is not one of "
                f"{', '.join(geometry.CAMERA_MODELS)}"
            )
        object.__setattr__(self, "intrinsics", intrinsics)


@dataclass(frozen=True, eq=False)
class Tracks:
    """N objects through T grid frames, in one fixed world frame with z up.

    Attributes:
        track_ids: N names, unique, the source's own.
        categories: N categories, the source's own words.
        kinds: N of ``vehicle``, ``person``, ``other``; decides the speed gate.
        centers_m: (N, T, 3) box centres in the world frame; NaN where not annotated.
        sizes_lwh_m: (N, T, 3) length (x), width (y), height (z) of the box; NaN where unknown.
        rotations_wxyz: (N, T, 4) unit quaternions, world from object; NaN where unknown.
        annotation_keys: (N, T, K) the upstream tokens (str) or timestamps (int64) that each centre
            was computed from; "" or -1 where there is none. K is 2 where centres may be
            interpolated between two annotations.
        sigmas_m: (N, T) standard deviation of each centre along any one axis, NaN where unknown;
            None for annotated sources, whose centres are taken as they are.
        scale_sigma: standard deviation of the one factor that all centres of the clip may be wrong
            by, such as that of a depth fitted to metres; 0 where ``sigmas_m`` is None.
    """

    track_ids: tuple[str, ...]
    categories: tuple[str, ...]
    kinds: tuple[Kind, ...]
    centers_m: FloatArray
    sizes_lwh_m: FloatArray
    rotations_wxyz: FloatArray
    annotation_keys: NDArray[Any]
    sigmas_m: FloatArray | None = None
    scale_sigma: float = 0.0

    def __post_init__(self) -> None:
        n = len(self.track_ids)
        if len(set(self.track_ids)) != n:
            raise ValueError("track_ids must be unique")
        if self.centers_m.ndim != 3 or self.centers_m.shape[2] != 3:
            raise ValueError(f"centers_m must be (N, T, 3), got {self.centers_m.shape}")
        t = self.centers_m.shape[1]
        for name, shape in (
            ("centers_m", (n, t, 3)),
            ("sizes_lwh_m", (n, t, 3)),
            ("rotations_wxyz", (n, t, 4)),
        ):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must be {shape}, got {getattr(self, name).shape}")
        if self.annotation_keys.shape[:2] != (n, t) or self.annotation_keys.ndim != 3:
            raise ValueError(
                f"annotation_keys must be ({n}, {t}, K), got {self.annotation_keys.shape}"
            )
        if self.sigmas_m is not None and self.sigmas_m.shape != (n, t):
            raise ValueError(f"sigmas_m must be ({n}, {t}), got {self.sigmas_m.shape}")
        if not 0 <= self.scale_sigma < float("inf"):
            raise ValueError(f"scale_sigma must be at least 0, got {self.scale_sigma:g}")
        if len(self.categories) != n or len(self.kinds) != n:
            raise ValueError(f"categories and kinds must have {n} entries, one a track")
        unknown = set(self.kinds) - set(KINDS)
        if unknown:
            raise ValueError(f"kinds must be among {', '.join(KINDS)}, got {sorted(unknown)}")

    def __len__(self) -> int:
        return len(self.track_ids)

    @property
    def n_frames(self) -> int:
        """T, the number of grid frames."""
        return int(self.centers_m.shape[1])

    @cached_property
    def annotated(self) -> BoolArray:
        """(N, T) true where the object has a centre."""
        return np.asarray(np.isfinite(self.centers_m).all(axis=2))

    @cached_property
    def corners_m(self) -> FloatArray:
        """(N, T, 8, 3) box corners in the world frame; computed once for all cameras."""
        return geometry.box_corners_m(self.centers_m, self.sizes_lwh_m, self.rotations_wxyz)

    def window(self, start: int, stop: int) -> Tracks:
        """Return frames ``start`` to ``stop`` (exclusive), without tracks that are empty there."""
        keep = np.flatnonzero(self.annotated[:, start:stop].any(axis=1))
        return Tracks(
            track_ids=tuple(self.track_ids[i] for i in keep),
            categories=tuple(self.categories[i] for i in keep),
            kinds=tuple(self.kinds[i] for i in keep),
            centers_m=self.centers_m[keep, start:stop],
            sizes_lwh_m=self.sizes_lwh_m[keep, start:stop],
            rotations_wxyz=self.rotations_wxyz[keep, start:stop],
            annotation_keys=self.annotation_keys[keep, start:stop],
            sigmas_m=None if self.sigmas_m is None else self.sigmas_m[keep, start:stop],
            scale_sigma=self.scale_sigma,
        )


@dataclass(frozen=True, eq=False)
class Clip:
    """One camera's video of at most 20 s on a grid of 0.5 s, with the tracks around it.

    Attributes:
        source: the name of the source, e.g. ``nuscenes``.
        split: ``train`` or ``validation``.
        clip_id: the scene, log or take, with ``@k`` appended for its k-th window when it is
            longer than one clip; the same for all its cameras.
        scene_id: the scene, log or take itself: what train and benchmark must not share.
        camera: the camera and its calibration.
        timestamps_s: (T,) seconds since the clip's first frame, the source's real ones.
        tracks: the objects, T frames each.
        frames: where the pixels are; None when the source has no images at all.
        files: the annotation files that the tracks were read from, relative to the data folder.
        domain: ``driving``, ``sports`` or ``general``; sports has no direction questions.
        camera_SE3_world: (T, 4, 4) world to camera at each frame's exposure; None when the
            source gives image boxes instead.
        boxes_px: (N, T, 4) image boxes x0, y0, x1, y1 given by the source itself, NaN where not
            visible; None when boxes are projected from 3D.
        start_ns: the first frame's time stamp on the source's own clock, for the audit.
        images_expected: where images would be, for the error when ``frames`` is None.
        notes: what else the source has to say of the clip, for people.
    """

    source: str
    split: str
    clip_id: str
    scene_id: str
    camera: Camera
    timestamps_s: FloatArray
    tracks: Tracks
    frames: Frames | None
    files: tuple[str, ...]
    domain: Domain = "driving"
    camera_SE3_world: FloatArray | None = None
    boxes_px: FloatArray | None = None
    start_ns: int = 0
    images_expected: str = ""
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        t = self.tracks.n_frames
        if self.timestamps_s.shape != (t,):
            raise ValueError(f"timestamps_s must be ({t},), got {self.timestamps_s.shape}")
        if t > 1 and not (np.diff(self.timestamps_s) > 0).all():
            raise ValueError("timestamps_s must increase")
        if (self.camera_SE3_world is None) == (self.boxes_px is None):
            raise ValueError("give exactly one of camera_SE3_world and boxes_px")
        if self.camera_SE3_world is not None and self.camera_SE3_world.shape != (t, 4, 4):
            raise ValueError(
                f"camera_SE3_world must be ({t}, 4, 4), got {self.camera_SE3_world.shape}"
            )
        if self.boxes_px is not None and self.boxes_px.shape != (len(self.tracks), t, 4):
            raise ValueError(
                f"boxes_px must be ({len(self.tracks)}, {t}, 4), got {self.boxes_px.shape}"
            )
        if self.frames is not None and len(self.frames) != t:
            raise ValueError(f"frames must have {t} entries, got {len(self.frames)}")
