"""The Parquet components of a Waymo segment: poses, boxes, cameras, images; checked and in SI."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, FloatArray, Kind, Tracks
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import Columns, ColumnType
from stkit_datasets.sources.parquet import read_parquet, rigid_matrices
from stkit_datasets.sources.rig import (
    IntArray,
    grid_over,
    intrinsic_matrix,
    lens,
    microseconds_as_ns,
)

# camera_image.CameraName and box.BoxType of waymo_open_dataset/v2/perception.
CAMERA_NAMES = ("UNKNOWN", "FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")
BOX_TYPES = ("unknown", "vehicle", "pedestrian", "sign", "cyclist")
KINDS: dict[str, Kind] = {"vehicle": "vehicle", "pedestrian": "person", "cyclist": "person"}

TIME = "key.frame_timestamp_micros"
CAMERA = "key.camera_name"
OBJECT = "key.laser_object_id"
POSE = "[VehiclePoseComponent].world_from_vehicle.transform"
IMAGE = "[CameraImageComponent].image"
IMAGE_POSE = "[CameraImageComponent].pose.transform"
EXTRINSIC = "[CameraCalibrationComponent].extrinsic.transform"

_BOX = "[LiDARBoxComponent]."
_TYPE = f"{_BOX}type"
_CENTER = tuple(f"{_BOX}box.center.{axis}" for axis in "xyz")
_SIZE = tuple(f"{_BOX}box.size.{axis}" for axis in "xyz")
_HEADING = f"{_BOX}box.heading"
_INTRINSIC = "[CameraCalibrationComponent].intrinsic."
_FOCAL = tuple(f"{_INTRINSIC}{name}" for name in ("f_u", "f_v"))
_PRINCIPAL = tuple(f"{_INTRINSIC}{name}" for name in ("c_u", "c_v"))
_LENS = tuple(f"{_INTRINSIC}{name}" for name in ("k1", "k2", "p1", "p2", "k3"))
_IMAGE_SIZE = tuple(f"[CameraCalibrationComponent].{name}" for name in ("width", "height"))

# Published as the enumeration's number; the files of the repository's own tests hold its name.
_CAMERA_TYPES: tuple[ColumnType, ...] = ("string", "integer")

WAYMO_SE3_CAMERA = np.array(
    [[0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
"""Waymo's camera axes are x forward, y left, z up; ours are x right, y down, z forward."""


@dataclass(frozen=True, eq=False)
class VehiclePoses:
    """Where the car was at every frame of a segment, in order of time.

    Attributes:
        columns: the table, for errors.
        timestamps_ns: (S,)
        world_SE3_vehicle: (S, 4, 4)
    """

    columns: Columns
    timestamps_ns: IntArray
    world_SE3_vehicle: FloatArray

    def grid(self, config: resample.GridConfig) -> IntArray:
        """Lay the grid over the frames."""
        return grid_over(self.columns, self.timestamps_ns, TIME, config)

    def at(self, times_ns: IntArray, max_gap_s: float) -> FloatArray:
        """Return (T, 4, 4) interpolated poses; NaN where no frames are near enough."""
        # A car moves 20 cm in 10 ms, so no pose is taken for a near one.
        config = resample.GridConfig(snap_s=0.0, max_gap_s=max_gap_s)
        one_track = np.zeros(len(self.timestamps_ns), dtype=np.int64)
        found = resample.locate(one_track, self.timestamps_ns, 1, times_ns, config)
        rotations = geometry.rotation_quaternions(self.world_SE3_vehicle[:, :3, :3])
        return geometry.se3(
            resample.interpolate_rotations(rotations, found)[0],
            resample.interpolate(self.world_SE3_vehicle[:, :3, 3], found)[0],
        )


@dataclass(frozen=True, eq=False)
class Images:
    """The images of all cameras of a segment, without their pixels.

    Attributes:
        cameras: (R,) names.
        timestamps_ns: (R,) of the frames they belong to.
        world_SE3_vehicle: (R, 4, 4) the car's pose at each exposure.
    """

    columns: Columns
    cameras: np.ndarray[tuple[int], np.dtype[np.str_]]
    timestamps_ns: IntArray
    world_SE3_vehicle: FloatArray

    def rows_of(self, camera: str) -> IntArray:
        """Return a camera's rows in order of time.

        Raises:
            SourceError: it has two images of one frame.
        """
        rows = np.flatnonzero(self.cameras == camera)
        rows = rows[np.argsort(self.timestamps_ns[rows], kind="stable")]
        twice = np.flatnonzero(np.diff(self.timestamps_ns[rows]) == 0)
        if len(twice):
            row = int(rows[twice[0] + 1])
            raise self.columns.error("expected one image a camera and frame", row, TIME)
        return rows


def read_vehicle_poses(path: Path) -> VehiclePoses:
    """Read the component ``vehicle_pose``.

    Raises:
        SourceError: the file breaks a rule, or holds a frame twice or none at all.
    """
    columns = read_parquet(path, {TIME: "integer"}, (TIME,), [POSE])
    if len(columns) == 0:
        raise columns.error("expected vehicle poses, found no row")
    times_ns = microseconds_as_ns(columns, TIME)
    poses = rigid_matrices(columns, POSE)
    order = np.argsort(times_ns, kind="stable")
    twice = np.flatnonzero(np.diff(times_ns[order]) == 0)
    if len(twice):
        raise columns.error("expected every frame once", int(order[twice[0] + 1]), TIME)
    return VehiclePoses(columns.take(order), times_ns[order], poses[order])


def read_tracks(
    path: Path, poses: VehiclePoses, grid_ns: IntArray, config: resample.GridConfig
) -> tuple[Tracks, list[str]]:
    """Read the component ``lidar_box`` as tracks on the grid, in the world frame.

    Returns:
        The tracks, and the names of those left out because their rows name several types.

    Raises:
        SourceError: a row breaks a rule, or its frame has no vehicle pose.
    """
    types: dict[str, ColumnType] = {
        TIME: "integer",
        OBJECT: "string",
        _TYPE: "integer",
        **dict.fromkeys((*_CENTER, *_SIZE, _HEADING), "number"),
    }
    boxes = read_parquet(path, types, (OBJECT, TIME))
    track_index, track_ids = boxes.codes(OBJECT)
    times_ns = microseconds_as_ns(boxes, TIME)
    order = np.lexsort((times_ns, track_index))
    boxes, track_index, times_ns = boxes.take(order), track_index[order], times_ns[order]
    boxes.order_in_time(track_index, times_ns)  # refuses two boxes of an object and frame
    world_SE3_vehicle = poses.world_SE3_vehicle[_pose_rows(boxes, times_ns, poses)]
    centers_m = geometry.transform_points(world_SE3_vehicle, boxes.numbers(*_CENTER)[:, None])
    half = boxes.numbers(_HEADING)[:, 0] / 2
    headings = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=-1)
    rotations = geometry.quaternion_product(
        geometry.rotation_quaternions(world_SE3_vehicle[:, :3, :3]), headings
    )
    sampled = resample.resample_tracks(
        track_index,
        times_ns,
        centers_m[:, 0],
        boxes.positive(*_SIZE),
        rotations,
        len(track_ids),
        grid_ns,
        config,
    )
    box_types = boxes.integers(_TYPE)
    first = box_types[np.searchsorted(track_index, np.arange(len(track_ids)))]
    mixed = np.unique(track_index[box_types != first[track_index]])
    keep = np.setdiff1d(np.arange(len(track_ids)), mixed)
    categories = tuple(_type_name(first[i]) for i in keep)
    tracks = Tracks(
        track_ids=tuple(track_ids[i] for i in keep),
        categories=categories,
        kinds=tuple(KINDS.get(name, "other") for name in categories),
        centers_m=sampled.centers_m[keep],
        sizes_lwh_m=sampled.sizes_lwh_m[keep],
        rotations_wxyz=sampled.rotations_wxyz[keep],
        annotation_keys=sampled.annotation_keys[keep],
    )
    return tracks, [track_ids[i] for i in mixed]


def read_cameras(path: Path) -> dict[str, tuple[Camera, FloatArray]]:
    """Read the component ``camera_calibration``: cameras with their (4, 4) vehicle_SE3_camera.

    Raises:
        SourceError: a row breaks a rule, or a camera comes twice.
    """
    columns = read_parquet(
        path,
        {
            CAMERA: _CAMERA_TYPES,
            **dict.fromkeys((*_FOCAL, *_PRINCIPAL, *_LENS), "number"),
            **dict.fromkeys(_IMAGE_SIZE, "integer"),
        },
        (CAMERA,),
        [EXTRINSIC],
    )
    vehicle_SE3_camera = rigid_matrices(columns, EXTRINSIC) @ WAYMO_SE3_CAMERA
    focal_px, center_px = columns.positive(*_FOCAL), columns.numbers(*_PRINCIPAL)
    lenses, sizes_px = columns.numbers(*_LENS), columns.positive(*_IMAGE_SIZE)
    found: dict[str, tuple[Camera, FloatArray]] = {}
    for row, name in enumerate(_camera_names(columns).tolist()):
        if name in found:
            raise columns.error("expected every camera once", row, CAMERA)
        model, distortion = lens(lenses[row])
        camera = Camera(
            name=name,
            width_px=int(sizes_px[row, 0]),
            height_px=int(sizes_px[row, 1]),
            intrinsics=intrinsic_matrix(focal_px[row], center_px[row]),
            model=model,
            distortion=distortion,
        )
        found[name] = camera, vehicle_SE3_camera[row]
    return found


def read_images(path: Path) -> Images:
    """Read the keys and poses of the component ``camera_image``, but not its pictures.

    Raises:
        SourceError: a row breaks a rule.
    """
    columns = read_parquet(
        path, {TIME: "integer", CAMERA: _CAMERA_TYPES}, (CAMERA, TIME), [IMAGE_POSE]
    )
    return Images(
        columns,
        _camera_names(columns),
        microseconds_as_ns(columns, TIME),
        rigid_matrices(columns, IMAGE_POSE),
    )


def _pose_rows(boxes: Columns, times_ns: IntArray, poses: VehiclePoses) -> IntArray:
    """Return the row of the pose at exactly each time."""
    last = len(poses.timestamps_ns) - 1
    rows = np.searchsorted(poses.timestamps_ns, times_ns).clip(max=last)
    missing = poses.timestamps_ns[rows] != times_ns
    if missing.any():
        where = boxes.where(int(np.argmax(missing)))
        raise SourceError(
            poses.columns.path,
            f"expected a vehicle pose at every frame with boxes, found none for {where} "
            f"of {boxes.path.parent.name}",
        )
    return np.asarray(rows)


def _type_name(value: int) -> str:
    return BOX_TYPES[value] if 0 <= value < len(BOX_TYPES) else f"type_{value}"


def _camera_names(columns: Columns) -> np.ndarray[tuple[int], np.dtype[np.str_]]:
    if columns.table.schema.field(CAMERA).type == "string":
        return np.array(columns.strings(CAMERA), dtype=np.str_)
    numbers = columns.integers(CAMERA)
    wrong = (numbers < 0) | (numbers >= len(CAMERA_NAMES))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.error(
            f"expected a camera from 0 to {len(CAMERA_NAMES) - 1}, got {numbers[row]}", row, CAMERA
        )
    return np.array(CAMERA_NAMES)[numbers]
