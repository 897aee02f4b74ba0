"""The text files of one variation of a Virtual KITTI 2 scene, checked and with z up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets import geometry, resample
from stkit_datasets.clip import FloatArray, Kind, Tracks
from stkit_datasets.sources.columns import Columns, ColumnType
from stkit_datasets.sources.csv_tables import read_csv
from stkit_datasets.sources.numbered import frame_times_ns, sample_tracks
from stkit_datasets.sources.rig import IntArray, grid_over, intrinsic_matrix
from stkit_datasets.sources.rigid import check_rigid

FPS = 10.0

POSES, VISIBILITY, INFO = "pose.txt", "bbox.txt", "info.txt"
INTRINSICS, EXTRINSICS = "intrinsic.txt", "extrinsic.txt"
FILES = (POSES, VISIBILITY, INFO, INTRINSICS, EXTRINSICS)

KINDS: dict[str, Kind] = {"Car": "vehicle", "Van": "vehicle", "Truck": "vehicle"}

# From the published axes, x right, y down and z ahead, to x right, y ahead and z up; and alike from
# the published object's x ahead, y down and z left to x ahead, y left and z up.
UP_R_DOWN = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])

_ROW = ("frame", "cameraID", "trackID")
_SIZE = ("length", "width", "height")
_BOTTOM = ("world_space_X", "world_space_Y", "world_space_Z")
_ANGLES = ("rotation_world_space_y", "rotation_world_space_x", "rotation_world_space_z")
_MATRIX = tuple(
    f"r{row},{column}" if column < 4 else f"t{row}" for row in (1, 2, 3) for column in (1, 2, 3, 4)
)
_CALIBRATION = ("K[0,0]", "K[1,1]", "K[0,2]", "K[1,2]")


@dataclass(frozen=True, eq=False)
class Extrinsics:
    """Where the cameras are.

    Attributes:
        columns: the file, for errors.
        camera_ids: (R,) 0 for the left camera, 1 for the right one.
        timestamps_ns: (R,) when.
        camera_SE3_world: (R, 4, 4) the world with z up.
    """

    columns: Columns
    camera_ids: IntArray
    timestamps_ns: IntArray
    camera_SE3_world: FloatArray

    def rows_of(self, camera_id: int) -> IntArray:
        """Return the rows of one camera."""
        return np.flatnonzero(self.camera_ids == camera_id)

    def grid(self, rows: IntArray, config: resample.GridConfig) -> IntArray:
        """Lay the grid over some rows' frames."""
        return grid_over(self.columns.take(rows), self.timestamps_ns[rows], "frame", config)


def read_extrinsics(path: Path) -> Extrinsics:
    """Read ``extrinsic.txt``.

    Raises:
        SourceError: the file is missing or broken, or a matrix is not rigid.
    """
    types: dict[str, ColumnType] = {
        **dict.fromkeys(("frame", "cameraID"), "integer"),
        **dict.fromkeys(_MATRIX, "number"),
    }
    columns = read_csv(path, types, keys=("frame", "cameraID"), delimiter=" ")
    poses = np.tile(np.eye(4), (len(columns), 1, 1))
    poses[:, :3] = columns.numbers(*_MATRIX).reshape(-1, 3, 4)
    check_rigid(columns, poses, _MATRIX[0])
    down_SE3_up = np.eye(4)
    down_SE3_up[:3, :3] = UP_R_DOWN.T
    times_ns = frame_times_ns(columns, "frame", FPS)
    return Extrinsics(columns, columns.integers("cameraID"), times_ns, poses @ down_SE3_up)


def read_intrinsics(folder: Path, camera_id: int) -> FloatArray:
    """Return the (3, 3) matrix of a camera out of ``intrinsic.txt``.

    Raises:
        SourceError: the file is missing or broken, or the camera's rows are none or differ.
    """
    types: dict[str, ColumnType] = {
        **dict.fromkeys(("frame", "cameraID"), "integer"),
        **dict.fromkeys(_CALIBRATION, "number"),
    }
    columns = read_csv(folder / INTRINSICS, types, keys=("frame", "cameraID"), delimiter=" ")
    rows = np.flatnonzero(columns.integers("cameraID") == camera_id)
    if len(rows) == 0:
        raise columns.error(f"expected rows of camera {camera_id}, found none", column="cameraID")
    columns = columns.take(rows)
    focal_px = columns.positive(*_CALIBRATION[:2])
    center_px = columns.numbers(*_CALIBRATION[2:])
    values = np.concatenate([focal_px, center_px], axis=1)
    other = (values != values[0]).any(axis=1)
    if other.any():
        raise columns.error("expected one calibration in all frames", int(np.argmax(other)))
    return intrinsic_matrix(focal_px[0], center_px[0])


def read_tracks(
    folder: Path,
    camera_id: int,
    grid_ns: IntArray,
    config: resample.GridConfig,
    min_visible_share: float,
) -> Tracks:
    """Read the boxes that one camera sees as tracks on the grid, in the world with z up.

    Raises:
        SourceError: a file is missing or broken, an object has two boxes in a frame, or one of
            ``pose.txt`` has no row in ``bbox.txt`` or ``info.txt``.
    """
    types: dict[str, ColumnType] = {
        **dict.fromkeys(_ROW, "integer"),
        **dict.fromkeys((*_SIZE, *_BOTTOM, *_ANGLES), "number"),
    }
    boxes = read_csv(folder / POSES, types, keys=_ROW, delimiter=" ")
    boxes = boxes.take(np.flatnonzero(boxes.integers("cameraID") == camera_id))
    times_ns = frame_times_ns(boxes, "frame", FPS)
    track_ids, track_index = np.unique(boxes.integers("trackID"), return_inverse=True)
    labels = _labels(folder / INFO)
    names = []
    for track, track_id in enumerate(track_ids.tolist()):
        if track_id not in labels:
            row = int(np.argmax(track_index == track))
            raise boxes.error(f"expected a trackID of {INFO}, got {track_id}", row, "trackID")
        label = labels[track_id]
        names.append((str(track_id), label, KINDS.get(label, "other")))
    sizes = boxes.positive(*_SIZE)
    rotations = UP_R_DOWN @ yaw_pitch_roll(boxes.numbers(*_ANGLES)) @ UP_R_DOWN.T
    # Up is the third axis of the object: from the middle of its bottom to that of the box.
    centers_m = boxes.numbers(*_BOTTOM) @ UP_R_DOWN.T + rotations[:, :, 2] * sizes[:, 2:] / 2
    seen = _visible_shares(folder / VISIBILITY, boxes) >= min_visible_share
    return sample_tracks(
        boxes,
        track_index.astype(np.int64),
        times_ns,
        names,
        (centers_m, sizes, geometry.rotation_quaternions(rotations)),
        seen.astype(np.float64),
        grid_ns,
        config,
    )


def yaw_pitch_roll(angles: FloatArray) -> FloatArray:
    """Return (R, 3, 3) rotations of (R, 3) angles about y, x and z: roll first, then pitch, yaw."""
    (cy, cx, cz), (sy, sx, sz) = np.cos(angles).T, np.sin(angles).T
    rows = [
        [cy * cz + sy * sx * sz, -cy * sz + sy * sx * cz, sy * cx],
        [cx * sz, cx * cz, -sx],
        [-sy * cz + cy * sx * sz, sy * sz + cy * sx * cz, cy * cx],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def _labels(path: Path) -> dict[int, str]:
    """Return what each track is."""
    columns = read_csv(path, {"trackID": "integer", "label": "string"}, delimiter=" ")
    ids = columns.integers("trackID").tolist()
    if len(set(ids)) < len(ids):
        row = next(i for i, each in enumerate(ids) if each in ids[:i])
        raise columns.error("expected every track once", row, "trackID")
    return dict(zip(ids, columns.strings("label"), strict=True))


def _visible_shares(path: Path, boxes: Columns) -> FloatArray:
    """Return (R,) the share of each box's object that is seen, from ``bbox.txt``."""
    types: dict[str, ColumnType] = {
        **dict.fromkeys(_ROW, "integer"),
        "occupancy_ratio": "number",
    }
    columns = read_csv(path, types, keys=_ROW, delimiter=" ")
    shares = columns.numbers("occupancy_ratio")[:, 0]
    wrong = (shares < 0) | (shares > 1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.error("expected a share from 0 to 1", row, "occupancy_ratio")
    keys = np.stack([columns.integers(name) for name in _ROW], axis=-1)
    wanted = np.stack([boxes.integers(name) for name in _ROW], axis=-1)
    _, place = np.unique(np.concatenate([keys, wanted]), axis=0, return_inverse=True)
    place = place.reshape(-1)
    row_of_place = np.full(len(place), -1, dtype=np.int64)
    row_of_place[place[: len(keys)]] = np.arange(len(keys))
    rows = row_of_place[place[len(keys) :]]
    if (rows < 0).any():
        raise boxes.error(f"expected a row of {path.name} of this object", int(np.argmax(rows < 0)))
    return np.asarray(shares[rows])
