"""One scene of a nuPlan log: its grid, its tracks, and its cameras along the grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePosixPath

import numpy as np

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, FloatArray, Frames, Kind, Tracks
from stkit_datasets.sources.base import Skipped
from stkit_datasets.sources.columns import QUATERNION_TOLERANCE, Columns
from stkit_datasets.sources.nuplan_db import LogDatabase
from stkit_datasets.sources.options import SamplingConfig
from stkit_datasets.sources.rig import (
    NS_PER_US,
    IntArray,
    View,
    grid_over,
    intrinsic_matrix,
    lens,
    microseconds_as_ns,
    nearest_rows,
    poses_of_rows,
)

# The seven categories of the published schema; any that may be added upstream is "other".
KINDS: dict[str, Kind] = {"vehicle": "vehicle", "bicycle": "vehicle", "pedestrian": "person"}

_CENTER = ("x", "y", "z")
_SIZE = ("length", "width", "height")
_QUATERNION = ("qw", "qx", "qy", "qz")

FramesOf = Callable[[Sequence[str], tuple[int, int]], Frames]
"""Makes the frames of image file names and a (width, height)."""


def read_grid(database: LogDatabase, scene: str, config: resample.GridConfig) -> IntArray:
    """Lay the grid over a scene's sweeps; empty when it has none.

    Raises:
        SourceError: a row of ``lidar_pc`` breaks a rule.
    """
    sweeps = database.sweeps(scene)
    return grid_over(sweeps, microseconds_as_ns(sweeps, "timestamp"), "timestamp", config)


def read_tracks(
    database: LogDatabase, scene: str, grid_ns: IntArray, config: resample.GridConfig
) -> Tracks:
    """Read a scene's boxes as tracks on the grid, in the world frame.

    The annotation keys are the tokens of the boxes.

    Raises:
        SourceError: a box breaks a rule.
    """
    boxes = database.boxes(scene)
    track_index, track_ids = boxes.codes("track")
    category_index, categories = boxes.codes("category")
    times_ns = microseconds_as_ns(boxes, "timestamp")
    # The database promises no order of rows.
    order = np.lexsort((times_ns, track_index))
    boxes = boxes.take(order)
    track_index, times_ns = track_index[order], times_ns[order]
    boxes.order_in_time(track_index, times_ns)  # refuses two boxes of a track and time
    first_rows = np.searchsorted(track_index, np.arange(len(track_ids)))
    names = tuple(categories[i] for i in category_index[order][first_rows])
    half_yaw = boxes.numbers("yaw")[:, 0] / 2
    rotations = np.zeros((len(boxes), 4))
    rotations[:, 0], rotations[:, 3] = np.cos(half_yaw), np.sin(half_yaw)

    found = resample.locate(track_index, times_ns, len(track_ids), grid_ns, config)
    keys = np.array([*boxes.strings("token"), ""])
    return Tracks(
        track_ids=track_ids,
        categories=names,
        kinds=tuple(KINDS.get(name, "other") for name in names),
        centers_m=resample.interpolate(boxes.numbers(*_CENTER), found),
        sizes_lwh_m=resample.interpolate(boxes.positive(*_SIZE), found),
        rotations_wxyz=resample.interpolate_rotations(rotations, found),
        annotation_keys=keys[np.stack([found.before, found.after], axis=-1)],
    )


def read_views(
    database: LogDatabase,
    unit: str,
    grid_ns: IntArray,
    channels: Sequence[str],
    config: SamplingConfig,
    frames_of: FramesOf,
) -> tuple[list[View], list[Skipped]]:
    """Place the named cameras at the exposures of the images nearest to the grid times.

    Raises:
        SourceError: a row of ``camera`` or ``image`` breaks a rule.
    """
    cameras = database.cameras()
    tokens, found = cameras.strings("token"), cameras.strings("channel")
    tolerance_ns = config.image_tolerance_ns
    images = database.images(
        (int(grid_ns[0]) - tolerance_ns) // NS_PER_US,
        -(-(int(grid_ns[-1]) + tolerance_ns) // NS_PER_US),
    )
    times_ns = microseconds_as_ns(images, "timestamp")
    world_SE3_ego = geometry.se3(images.quaternions(*_QUATERNION), images.numbers(*_CENTER))
    camera_of_image = np.array(images.strings("camera"), dtype=object)
    names = _file_names(images)
    views, skipped = [], []
    for channel in channels:
        if found.count(channel) > 1:
            raise cameras.error(f"expected one camera {channel!r}", column="channel")
        if channel not in found:
            skipped.append(Skipped(f"{unit} {channel}", "camera is not in the database"))
            continue
        row = found.index(channel)
        camera, ego_SE3_camera = _camera(database, cameras, row)
        mine = np.flatnonzero(camera_of_image == tokens[row])
        if (np.diff(times_ns[mine]) == 0).any():
            second = int(mine[1:][np.diff(times_ns[mine]) == 0][0])
            raise images.error("expected one image a camera and time", second, "timestamp")
        nearest = nearest_rows(times_ns[mine], grid_ns, tolerance_ns)
        world_SE3_camera = poses_of_rows(world_SE3_ego[mine] @ ego_SE3_camera, nearest)
        taken = [names[mine[i]] if i >= 0 else "" for i in nearest]
        views.append(
            View(camera, geometry.inverse(world_SE3_camera), _Pictures(camera, taken, frames_of))
        )
    return views, skipped


class _Pictures:
    """The pictures of one camera along the grid."""

    def __init__(self, camera: Camera, names: list[str], frames_of: FramesOf) -> None:
        self._size_px = (camera.width_px, camera.height_px)
        self._names = names
        self._frames_of = frames_of

    def __call__(self, first: int, last: int) -> Frames:
        return self._frames_of(self._names[first:last], self._size_px)


def _camera(database: LogDatabase, cameras: Columns, row: int) -> tuple[Camera, FloatArray]:
    """Return a camera and its (4, 4) ego_SE3_camera."""
    matrix = database.calibration(cameras, row, "intrinsic")
    if not (matrix[0, 0] > 0 and matrix[1, 1] > 0):
        raise cameras.error("expected focal lengths above 0", row, "intrinsic")
    rotation = database.calibration(cameras, row, "rotation")
    if abs(np.linalg.norm(rotation) - 1) > QUATERNION_TOLERANCE:
        raise cameras.error("expected a rotation quaternion of length 1", row, "rotation")
    sizes_px = cameras.positive("width", "height")[row]
    if (sizes_px != np.round(sizes_px)).any():
        raise cameras.error("expected a size in whole pixels", row, "width")
    model, distortion = lens(database.calibration(cameras, row, "distortion"))
    camera = Camera(
        name=cameras.strings("channel")[row],
        width_px=int(sizes_px[0]),
        height_px=int(sizes_px[1]),
        intrinsics=intrinsic_matrix(matrix[[0, 1], [0, 1]], matrix[:2, 2]),
        model=model,
        distortion=distortion,
    )
    return camera, geometry.se3(rotation, database.calibration(cameras, row, "translation"))


def _file_names(images: Columns) -> list[str]:
    names = images.strings("filename")
    for row, name in enumerate(names):
        path = PurePosixPath(name)
        if not name or path.is_absolute() or ".." in path.parts or "\\" in name:
            raise images.error("expected a path below sensor_blobs", row, "filename")
    return names
