"""What a pseudo-label file holds: the tracks that were estimated for one video.

The published form of the schema is docs/pseudo-labels.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.clip import KINDS, Domain, FloatArray, Kind

SCHEMA_VERSION = 1
METADATA_KEY = "stkit_pseudo_labels"
"""The key of the version in a file's metadata, and of the metadata in the Parquet file."""

MAX_MAGNITUDE = 1e9
MAX_TIME_S = 1e6
_POSE_TOLERANCE = 1e-3
_VIDEO_ID = re.compile(r"[^/\\\0]+(/[^/\\\0]+)*")

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class LabelledVideo:
    """Which video was labelled.

    Attributes:
        video_id: the video's name in its data set, without its suffix; the file is
            ``<video_id>.parquet``. May hold ``/`` where the data set has folders.
        path: the video, relative to the data folder, with ``/``.
        width_px: width of the upright picture, which boxes and intrinsics refer to.
        height_px: its height.
        fps: frames per second of the video, not of the labels.
        duration_s: its length.
        domain: ``driving``, ``sports`` (no questions on direction) or ``general``.
    """

    video_id: str
    path: str
    width_px: int
    height_px: int
    fps: float
    duration_s: float
    domain: Domain

    def __post_init__(self) -> None:
        for name in ("video_id", "path"):
            value = getattr(self, name)
            parts = PurePosixPath(value).parts if isinstance(value, str) else ()
            if not parts or not _VIDEO_ID.fullmatch(value) or {".", ".."} & {*value.split("/")}:
                raise ValueError(f"{name} must be a relative path with '/', got {value!r}")
        for name in ("width_px", "height_px"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= 100_000:
                raise ValueError(f"{name} must be a whole number from 1 to 100000, got {value!r}")
        for name in ("fps", "duration_s"):
            value = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 < value <= MAX_TIME_S:
                raise ValueError(f"{name} must be a number above 0, got {value!r}")
        if self.domain not in get_args(Domain):
            raise ValueError(
                f"domain must be one of {', '.join(get_args(Domain))}, got {self.domain!r}"
            )


@dataclass(frozen=True)
class Making:
    """How the labels came about. Kept for people and reports; no reader decides by it.

    Attributes:
        backends: stage -> name and revision of what ran, e.g. ``{"geometry": "monst3r@1a2b3c4"}``.
        settings: every setting used, as JSON values.
        filters_passed: the filters that the tracks of this file went through, in order.
        dropped: what each filter left out -> how many, e.g. ``{"rules: z_score": 12}``.
        likelihoods: row id -> likelihood of its answer, min-max normalised within its task.
    """

    backends: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    filters_passed: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    likelihoods: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[object], bool]] = {
            "backends": lambda value: isinstance(value, str),
            "settings": lambda value: True,
            "dropped": lambda value: _is_number(value, int, math.inf),
            "likelihoods": lambda value: _is_number(value, int | float, 1.0),
        }
        for name, fits in checks.items():
            values = getattr(self, name)
            if not isinstance(values, Mapping) or not all(
                isinstance(key, str) and fits(value) for key, value in values.items()
            ):
                raise ValueError(f"{name} must map names to values of its kind, got {values!r}")
        if not isinstance(self.filters_passed, tuple) or not all(
            isinstance(name, str) for name in self.filters_passed
        ):
            raise ValueError(f"filters_passed must be names, got {self.filters_passed!r}")


@dataclass(frozen=True, eq=False)
class PseudoLabels:
    """The tracks of one video: R rows, each one of N tracks in one of F frames.

    The world frame is metric and does not move; its z axis points up (against gravity), its
    origin and the direction of x are the maker's choice. Rows are sorted by track, then by time.

    Attributes:
        video: which video.
        frame_timestamps_s: (F,) times of all frames that were labelled, with objects or without,
            increasing, in seconds since the video's start.
        track_ids: N names, unique and sorted.
        categories: N categories, in the maker's words.
        kinds: N of ``vehicle``, ``person``, ``other``; decides the speed gate.
        track_index: (R,) the track of each row.
        timestamps_s: (R,) its time, one of ``frame_timestamps_s``.
        centers_m: (R, 3) centre of the object in the world frame.
        sigmas_m: (R,) standard deviation of the centre along any one axis, without what is due to
            the clip's scale; where it differs between axes, the root of their mean square.
        boxes_px: (R, 4) x0, y0, x1, y1 in pixels of the upright picture; NaN where not visible.
        box_confidences: (R,) of the detector, 0 to 1; NaN where unknown.
        text_confidences: (R,) of the match with the prompt, 0 to 1; NaN where unknown.
        point_counts: (R,) points that the centre was computed from; -1 where unknown.
        sizes_lwh_m: (R, 3) length, width, height; NaN where unknown.
        yaws_rad: (R,) rotation about z, counter-clockwise from above; NaN where unknown.
        scale_sigma: standard deviation of the one factor that all centres may be wrong by.
        intrinsics: (3, 3) in pixels, or None.
        world_SE3_camera: (F, 4, 4) camera to world at each labelled frame, camera axes x right,
            y down, z forward; or None.
        making: how the labels came about.

    Raises:
        ValueError: a shape, a range or the order is wrong; the message names the field and row.
    """

    video: LabelledVideo
    frame_timestamps_s: FloatArray
    track_ids: tuple[str, ...]
    categories: tuple[str, ...]
    kinds: tuple[Kind, ...]
    track_index: IntArray
    timestamps_s: FloatArray
    centers_m: FloatArray
    sigmas_m: FloatArray
    boxes_px: FloatArray
    box_confidences: FloatArray
    text_confidences: FloatArray
    point_counts: IntArray
    sizes_lwh_m: FloatArray
    yaws_rad: FloatArray
    scale_sigma: float = 0.0
    intrinsics: FloatArray | None = None
    world_SE3_camera: FloatArray | None = None
    making: Making = field(default_factory=Making)

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_tracks()
        self._check_frames()
        self._check_rows()
        self._check_camera()

    def __len__(self) -> int:
        return len(self.track_index)

    def _check_shapes(self) -> None:
        r = len(self.track_index)
        shapes: dict[str, tuple[int, ...]] = {
            **dict.fromkeys(("track_index", "timestamps_s", "sigmas_m", "yaws_rad"), (r,)),
            **dict.fromkeys(("box_confidences", "text_confidences", "point_counts"), (r,)),
            **dict.fromkeys(("centers_m", "sizes_lwh_m"), (r, 3)),
            "boxes_px": (r, 4),
        }
        for name, shape in shapes.items():
            value = getattr(self, name)
            kind = "i" if name in ("track_index", "point_counts") else "f"
            if value.shape != shape or value.dtype.kind != kind:
                raise ValueError(
                    f"{name} must be {shape} {'integers' if kind == 'i' else 'numbers'}, "
                    f"got {value.shape} {value.dtype}"
                )

    def _check_tracks(self) -> None:
        n = len(self.track_ids)
        if list(self.track_ids) != sorted(set(self.track_ids)) or not all(self.track_ids):
            raise ValueError("track_ids must be sorted, unique and not empty")
        if len(self.categories) != n or len(self.kinds) != n:
            raise ValueError(f"categories and kinds must have {n} entries, one a track")
        if not all(self.categories):
            raise ValueError("categories must not be empty")
        if not set(self.kinds) <= set(KINDS):
            raise ValueError(f"kinds must be among {', '.join(KINDS)}, got {set(self.kinds)}")
        if np.unique(self.track_index).tolist() != list(range(n)):
            raise ValueError(f"track_index must hold each of 0 to {n - 1}")

    def _check_frames(self) -> None:
        times = self.frame_timestamps_s
        if times.ndim != 1 or not len(times) or not ((times >= 0) & (times <= MAX_TIME_S)).all():
            raise ValueError(
                f"frame_timestamps_s must be times from 0 to {MAX_TIME_S:g}, at least one"
            )
        if not (np.diff(times) > 0).all():
            raise ValueError("frame_timestamps_s must increase")
        if not 0 <= self.scale_sigma < math.inf:
            raise ValueError(f"scale_sigma must be at least 0, got {self.scale_sigma:g}")

    def _check_rows(self) -> None:
        known = np.isin(self.timestamps_s, self.frame_timestamps_s)
        self._require(known, "timestamps_s", "must be one of frame_timestamps_s")
        later = np.diff(self.track_index, prepend=0) > 0
        later |= np.diff(self.timestamps_s, prepend=-1.0) > 0
        later &= np.diff(self.track_index, prepend=0) >= 0
        self._require(later, "timestamps_s", "must be sorted by track, then time, each once")
        finite = (np.abs(self.centers_m) <= MAX_MAGNITUDE).all(axis=1)
        self._require(finite, "centers_m", "must be finite")
        sigmas = (self.sigmas_m >= 0) & (self.sigmas_m <= MAX_MAGNITUDE)
        self._require(sigmas, "sigmas_m", "must be at least 0")
        boxes = self.boxes_px
        right = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        right &= (np.abs(boxes) <= MAX_MAGNITUDE).all(axis=1)
        right |= np.isnan(boxes).all(axis=1)
        self._require(right, "boxes_px", "must be x0 < x1 and y0 < y1, or null altogether")
        for name in ("box_confidences", "text_confidences"):
            values = getattr(self, name)
            right = ((values >= 0) & (values <= 1)) | np.isnan(values)
            self._require(right, name, "must lie from 0 to 1")
        self._require(self.point_counts >= -1, "point_counts", "must be at least 0")
        sizes = self.sizes_lwh_m
        right = ((sizes > 0) & (sizes <= MAX_MAGNITUDE)).all(axis=1) | np.isnan(sizes).all(axis=1)
        self._require(right, "sizes_lwh_m", "must be above 0, or null altogether")
        right = (np.abs(self.yaws_rad) <= 2 * math.pi) | np.isnan(self.yaws_rad)
        self._require(right, "yaws_rad", "must lie from -2 pi to 2 pi")

    def _check_camera(self) -> None:
        matrix = self.intrinsics
        if matrix is not None and (
            matrix.shape != (3, 3)
            or not np.isfinite(matrix).all()
            or not (matrix[0, 0] > 0 and matrix[1, 1] > 0)
        ):
            raise ValueError(
                "intrinsics must be a finite (3, 3) matrix with positive focal lengths"
            )
        poses, frames = self.world_SE3_camera, len(self.frame_timestamps_s)
        if poses is None:
            return
        if poses.shape != (frames, 4, 4) or not (np.abs(poses) <= MAX_MAGNITUDE).all():
            raise ValueError(f"world_SE3_camera must be finite ({frames}, 4, 4), got {poses.shape}")
        rotations = poses[:, :3, :3]
        off = np.abs(rotations @ np.swapaxes(rotations, 1, 2) - np.eye(3)).max(axis=(1, 2))
        rigid = (off <= _POSE_TOLERANCE) & (np.linalg.det(rotations) > 0)
        rigid &= (np.abs(poses[:, 3] - [0, 0, 0, 1]) <= _POSE_TOLERANCE).all(axis=1)
        if not rigid.all():
            raise ValueError(f"world_SE3_camera: pose {int(np.argmin(rigid))} is not rigid")

    def _require(self, right: NDArray[np.bool_] | np.bool_, name: str, rule: str) -> None:
        if not np.all(right):
            row = int(np.argmin(right))
            track = self.track_ids[self.track_index[row]]
            value = np.array(getattr(self, name)[row]).tolist()
            time_s = self.timestamps_s[row]
            raise ValueError(
                f"row {row} (track_id={track}, timestamp_s={time_s:g}): {name} {rule}, got {value}"
            )


def _is_number(value: object, kind: Any, high: float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 <= value <= high
