"""The CSV files of an Ego-Exo4D take: the wearer's path, the fixed cameras, the frames' times."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, FloatArray
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import Skipped
from stkit_datasets.sources.columns import Columns, ColumnType
from stkit_datasets.sources.csv_tables import read_csv
from stkit_datasets.sources.rig import IntArray, grid_over, intrinsic_matrix, microseconds_as_ns

FISHEYE = "KANNALABRANDTK3"
GRAVITY_TOLERANCE_DEG = 1.0
"""By how much the directions of gravity in one file may differ; they are written as a constant."""

_TIME = "tracking_timestamp_us"
_POSITION = ("tx_world_device", "ty_world_device", "tz_world_device")
_GRAVITY = ("gravity_x_world", "gravity_y_world", "gravity_z_world")
_TRAJECTORY_TYPES: dict[str, ColumnType] = {
    "graph_uid": "string",
    _TIME: "integer",
    **dict.fromkeys((*_POSITION, *_GRAVITY), "number"),
}
_CAMERA_QUATERNION = ("qw_world_cam", "qx_world_cam", "qy_world_cam", "qz_world_cam")
_CAMERA_POSITION = ("tx_world_cam", "ty_world_cam", "tz_world_cam")
_INTRINSICS = tuple(f"intrinsics_{i}" for i in range(8))
_STATIONARY = ("start_frame_idx", "end_frame_idx")
_CAMERA_TYPES: dict[str, ColumnType] = {
    **dict.fromkeys(("cam_uid", "graph_uid", "intrinsics_type"), "string"),
    **dict.fromkeys(("image_width", "image_height", *_STATIONARY), "integer"),
    **dict.fromkeys((*_CAMERA_POSITION, *_CAMERA_QUATERNION, *_INTRINSICS), "number"),
}


@dataclass(frozen=True, eq=False)
class Trajectory:
    """The device's path in a world frame with z up.

    Attributes:
        columns: the file, for errors.
        graph_uid: names the world frame.
        timestamps_ns: (R,) strictly increasing, on the device's clock.
        positions_m: (R, 3) of the device.
        up_SE3_world: (4, 4) from the file's world frame to this one, a rotation.
    """

    columns: Columns
    graph_uid: str
    timestamps_ns: IntArray
    positions_m: FloatArray
    up_SE3_world: FloatArray

    def length_m(self) -> float:
        """Return the path's length over every pose of the file, as MPS's summary states it."""
        return trajectory_length_m(self.positions_m)

    def grid(self, config: resample.GridConfig) -> IntArray:
        """Lay the grid over the poses."""
        return grid_over(self.columns, self.timestamps_ns, _TIME, config)


@dataclass(frozen=True, eq=False)
class Timesync:
    """When the frames of a take's frame-aligned videos were taken, on the device's clock.

    Attributes:
        columns: the rows of the take, for errors.
        column: the one that was read.
        frames: (S,) index of a frame in the videos, from 0, increasing.
        timestamps_ns: (S,) its time, strictly increasing.
    """

    columns: Columns
    column: str
    frames: IntArray
    timestamps_ns: IntArray

    def grid(self, start_ns: int, stop_ns: int, config: resample.GridConfig) -> IntArray:
        """Lay the grid over the frames from one time to another; empty when there is none."""
        rows = np.flatnonzero((self.timestamps_ns >= start_ns) & (self.timestamps_ns <= stop_ns))
        columns = self.columns.take(rows)
        return grid_over(columns, self.timestamps_ns[rows], self.column, config)


def trajectory_length_m(positions_m: FloatArray) -> float:
    """Sum the distances between all (R, 3) positions in turn.

    Over the 1 kHz poses of a closed loop trajectory this is the "Trajectory total length" in the
    ``summary.json`` that MPS writes beside it.
    """
    return float(np.linalg.norm(np.diff(positions_m, axis=0), axis=1).sum())


def read_trajectory(path: Path) -> Trajectory:
    """Read a ``closed_loop_trajectory.csv``.

    The columns are those of
    https://facebookresearch.github.io/projectaria_tools/docs/data_formats/mps/slam/mps_trajectory;
    files of older versions, without the columns on geodetic poses, are read alike.

    Raises:
        SourceError: it is missing or broken, has no row, steps back in time, mixes world frames,
            or is not of one direction of gravity.
    """
    columns = read_csv(path, _TRAJECTORY_TYPES, keys=(_TIME,), ends_with_newline=True)
    if len(columns) == 0:
        raise columns.error("expected poses, found no row")
    frame, graph_uids = columns.codes("graph_uid")
    if len(graph_uids) > 1:
        row = int(np.argmax(frame != frame[0]))
        raise columns.error("expected poses of one world frame", row, "graph_uid")
    times_ns = microseconds_as_ns(columns, _TIME)
    columns.order_in_time(np.zeros(len(columns), dtype=np.int64), times_ns)
    up_SE3_world = np.eye(4)
    up_SE3_world[:3, :3] = _rotation_to_z(_up(columns))
    positions_m = columns.numbers(*_POSITION) @ up_SE3_world[:3, :3].T
    return Trajectory(columns, graph_uids[0], times_ns, positions_m, up_SE3_world)


def read_cameras(
    path: Path, trajectory: Trajectory
) -> tuple[list[tuple[Camera, FloatArray]], list[Skipped]]:
    """Read the fixed cameras of a ``gopro_calibs.csv``, each with its (4, 4) camera_SE3_world.

    The world is the trajectory's, z up. The columns are those of
    https://facebookresearch.github.io/projectaria_tools/docs/open_datasets/ego-exo4d/ego-exo4d_data_format;
    the eight parameters of KANNALABRANDTK3 are fx, fy, cx, cy and k1 to k4.

    Left out are a camera of another world frame, and one that stood still in a part of its video
    only, as the file says by frame numbers that are not both -1.

    Raises:
        SourceError: the file is missing or broken, names a camera twice, or has a camera of
            another model.
    """
    columns = read_csv(path, _CAMERA_TYPES, keys=("cam_uid",))
    if len(columns) == 0:
        raise columns.error("expected cameras, found no row")
    names, frames, models = (
        columns.strings(name) for name in ("cam_uid", "graph_uid", "intrinsics_type")
    )
    poses = geometry.se3(
        columns.quaternions(*_CAMERA_QUATERNION), columns.numbers(*_CAMERA_POSITION)
    )
    camera_SE3_world = geometry.inverse(trajectory.up_SE3_world @ poses)
    focal_px = columns.positive(*_INTRINSICS[:2])
    others = columns.numbers(*_INTRINSICS[2:])
    sizes_px = columns.positive("image_width", "image_height").astype(np.int64)
    stationary = columns.numbers(*_STATIONARY)
    cameras, skipped = [], []
    for row, name in enumerate(names):
        if names.index(name) != row:
            raise columns.error("expected every camera once", row, "cam_uid")
        if not is_plain_name(name):
            raise columns.error("expected a name without '/'", row, "cam_uid")
        if models[row] != FISHEYE:
            raise columns.error(f"expected {FISHEYE}, got {models[row]!r}", row, "intrinsics_type")
        if frames[row] != trajectory.graph_uid:
            skipped.append(Skipped(name, "its world frame is not the trajectory's"))
            continue
        if (stationary[row] != -1).any():
            skipped.append(Skipped(name, "it stood still in a part of its video only"))
            continue
        matrix = intrinsic_matrix(focal_px[row], others[row, :2])
        width_px, height_px = sizes_px[row].tolist()
        lens = tuple(others[row, 2:].tolist())
        camera = Camera(name, width_px, height_px, matrix, "fisheye", lens)
        cameras.append((camera, camera_SE3_world[row]))
    return cameras, skipped


def read_timesync(path: Path, device: str, start_row: int, end_row: int) -> Timesync:
    """Read the times of a take's frames out of its capture's ``timesync.csv``.

    By https://docs.ego-exo4d-data.org/data/takes the first frame is that of the row after
    ``timesync_start_idx`` and the last one that before ``timesync_end_idx``, and the time on the
    trajectory's clock is ``<aria camera>_214-1_capture_timestamp_ns``.

    Args:
        path: the file.
        device: the wearer's camera, such as ``aria01``.
        start_row: the take's ``timesync_start_idx``.
        end_row: the take's ``timesync_end_idx``.

    Raises:
        SourceError: the file is missing or broken, is shorter than the take, or its times do not
            increase.
    """
    name = f"{device}_214-1_capture_timestamp_ns"
    # A row without a time makes the published column one of decimal numbers.
    columns = read_csv(path, {name: "number"})
    if not 0 <= start_row < end_row <= len(columns):
        raise SourceError(
            path,
            f"expected the rows {start_row} to {end_row} that takes.json names, found "
            f"{len(columns)} rows",
        )
    columns = columns.take(np.arange(start_row + 1, end_row, dtype=np.int64))
    values = np.asarray(columns.table[name].to_numpy())
    frames = np.flatnonzero(np.isfinite(values))
    columns, values = columns.take(frames), values[frames]
    wrong = (values < 0) | (values > np.iinfo(np.int64).max // 2)
    if wrong.any():
        raise columns.error("expected a time in ns", int(np.argmax(wrong)), name)
    times_ns = np.rint(values).astype(np.int64)
    back = np.flatnonzero(np.diff(times_ns) <= 0)
    if len(back):
        raise columns.error("expected every time once, in order", int(back[0]) + 1, name)
    return Timesync(columns, name, frames, times_ns)


def is_plain_name(name: str) -> bool:
    """Say whether a name out of a file may be a part of a path."""
    return bool(name) and name.isprintable() and not name.startswith(".") and "/" not in name


def _up(columns: Columns) -> FloatArray:
    """Return the unit vector against gravity, which all rows agree on."""
    gravity = columns.numbers(*_GRAVITY)
    lengths = np.linalg.norm(gravity, axis=1)
    if not (lengths > 0).all():
        row = int(np.argmin(lengths > 0))
        raise columns.error("expected a direction of gravity, got 0 0 0", row, _GRAVITY[2])
    directions = gravity / lengths[:, None]
    cosine = directions @ directions[0]
    wrong = cosine < np.cos(np.radians(GRAVITY_TOLERANCE_DEG))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.error("expected one direction of gravity in all rows", row, _GRAVITY[2])
    out: FloatArray = -directions[0]
    return out


def _rotation_to_z(up: FloatArray) -> NDArray[np.float64]:
    """Return the (3, 3) smallest rotation that takes a unit vector to z."""
    cosine = float(up[2])
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(up, [0.0, 0.0, 1.0])
    skew = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    out: FloatArray = np.eye(3) + skew + skew @ skew / (1 + cosine)
    return out
