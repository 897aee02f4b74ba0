"""One record of a custom data folder's clips, checked; the schema is docs/custom-source.md."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, Domain, FloatArray
from stkit_datasets.sources.base import SPLITS
from stkit_datasets.sources.custom_tables import Record

IntArray = NDArray[np.int64]

MAX_TIME_S = 1e6
"""Times count from the start of a video; a larger one is a date or a broken number."""
MAX_FRAME_COUNT = 10_000_000


@dataclass(frozen=True, eq=False)
class ClipRecord:
    """One record of ``clips``, checked.

    Attributes:
        timestamps_ns: (F,) times of all its frames.
        camera_SE3_world: (F, 4, 4), or None when the record gives no pose.
        video: path relative to the data folder, or None.
        images: F such paths, or None.
    """

    record: Record
    split: str
    scene_id: str
    domain: Domain
    camera: Camera
    has_intrinsics: bool
    timestamps_ns: IntArray
    camera_SE3_world: FloatArray | None
    video: str | None
    images: tuple[str, ...] | None


def check_record(record: Record) -> ClipRecord:
    """Check every field of a record.

    Raises:
        SourceError: a field is missing, of another type or shape, or contradicts another one.
    """
    timestamps_ns = _frame_times_ns(record)
    camera, has_intrinsics = _camera(record)
    if record.has("video") and record.has("frames"):
        raise record.error("expected video or frames, got both")
    images = None
    if record.has("frames"):
        images = tuple(_inside(record, name) for name in record.texts("frames"))
        if len(images) != len(timestamps_ns):
            raise record.error(
                f"expected a time for each of the {len(images)} frames, got {len(timestamps_ns)}"
            )
    return ClipRecord(
        record=record,
        split=record.choice("split", SPLITS),
        scene_id=record.text("scene_id"),
        domain=cast(Domain, record.choice("domain", get_args(Domain))),
        camera=camera,
        has_intrinsics=has_intrinsics,
        timestamps_ns=timestamps_ns,
        camera_SE3_world=_poses(record, len(timestamps_ns)),
        video=_inside(record, record.text("video")) if record.has("video") else None,
        images=images,
    )


def _frame_times_ns(record: Record) -> IntArray:
    """Return (F,) times of all frames, from ``timestamps_s`` or from ``fps`` and ``n_frames``."""
    if record.has("timestamps_s") == record.has("fps", "n_frames"):
        raise record.error("expected either timestamps_s, or fps and n_frames")
    if record.has("timestamps_s"):
        times_s = record.array("timestamps_s", (None,))
    else:
        fps = record.number("fps")
        if fps <= 0:
            raise record.error(f"expected fps above 0, got {fps:g}")
        times_s = np.arange(record.integer("n_frames", 1, MAX_FRAME_COUNT)) / fps
    if not len(times_s) or times_s[0] < 0 or times_s[-1] > MAX_TIME_S:
        raise record.error(
            f"expected frame times in seconds since the start, from 0 to {MAX_TIME_S:g}"
        )
    times_ns = np.round(times_s * resample.NS_PER_S).astype(np.int64)
    wrong = np.flatnonzero(np.diff(times_ns) <= 0)
    if len(wrong):
        raise record.error(
            f"expected timestamps_s in order, each once; entry {wrong[0] + 1} is "
            f"{times_s[wrong[0] + 1]:g} after {times_s[wrong[0]]:g}"
        )
    return np.asarray(times_ns)


def _camera(record: Record) -> tuple[Camera, bool]:
    """Return the camera and whether its intrinsics are known."""
    name = record.text("camera") if record.has("camera") else "camera"
    width_px = record.integer("width_px", 1, 100_000)
    height_px = record.integer("height_px", 1, 100_000)
    given = [record.has(f) for f in ("fx_px", "fy_px", "cx_px", "cy_px")]
    if any(given) != all(given):
        raise record.error("expected all of fx_px, fy_px, cx_px, cy_px, or none of them")
    # Without intrinsics nothing is projected; a camera object asks for some all the same.
    matrix = np.array([[width_px, 0, width_px / 2], [0, width_px, height_px / 2], [0, 0, 1.0]])
    if all(given):
        fx, fy, cx, cy = (record.number(f) for f in ("fx_px", "fy_px", "cx_px", "cy_px"))
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1.0]])
    model = record.text("model") if record.has("model") else "pinhole"
    distortion: tuple[float, ...] = ()
    if record.has("distortion"):
        distortion = tuple(record.array("distortion", (None,)).tolist())
    if len(distortion) > 4 or (model == "pinhole" and distortion):
        raise record.error(
            f"expected no distortion for pinhole and at most 4 coefficients for fisheye, "
            f"got {len(distortion)} for {model!r}"
        )
    try:
        return Camera(name, width_px, height_px, matrix, model, distortion), all(given)
    except ValueError as error:
        raise record.error(str(error)) from error


def _poses(record: Record, n_frames: int) -> FloatArray | None:
    """Return (F, 4, 4) camera_SE3_world, from either direction, of a moving or a fixed camera."""
    names = [name for name in ("camera_SE3_world", "world_SE3_camera") if record.has(name)]
    if not names:
        return None
    if len(names) == 2:
        raise record.error("expected camera_SE3_world or world_SE3_camera, got both")
    poses: FloatArray = record.array(names[0], (None, 4, 4))
    if len(poses) not in (1, n_frames):
        raise record.error(
            f"expected {names[0]} to hold one pose for each of the {n_frames} frames, or a single "
            f"one for a fixed camera, got {len(poses)}"
        )
    rotations = poses[:, :3, :3]
    rigid = (
        np.isclose(rotations @ np.swapaxes(rotations, 1, 2), np.eye(3), atol=1e-3).all(axis=(1, 2))
        & (np.linalg.det(rotations) > 0)
        & np.isclose(poses[:, 3], [0, 0, 0, 1]).all(axis=1)
    )
    if not rigid.all():
        raise record.error(
            f"expected {names[0]} to hold rotations with a translation and a last row 0 0 0 1; "
            f"pose {int(np.argmin(rigid))} is none"
        )
    if names[0] == "world_SE3_camera":
        poses = geometry.inverse(poses)
    return np.broadcast_to(poses, (n_frames, 4, 4))


def _inside(record: Record, name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise record.error(f"expected a path inside the data folder, with '/', got {name!r}")
    return path.as_posix()
