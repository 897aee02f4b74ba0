"""The Feather tables of an Argoverse 2 log: boxes, ego poses and cameras, checked and in SI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, FloatArray, Kind, Tracks
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import Columns, ColumnType, read_feather

IntArray = NDArray[np.int64]

ANNOTATIONS = "annotations.feather"
EGO_POSES = "city_SE3_egovehicle.feather"
INTRINSICS = "calibration/intrinsics.feather"
SENSOR_POSES = "calibration/egovehicle_SE3_sensor.feather"

# The categories are those of av2.datasets.sensor.constants.AnnotationCategories (av2 0.3.6); those
# not listed here, and any that may be added upstream, are "other".
_VEHICLES = (
    "ARTICULATED_BUS BICYCLE BOX_TRUCK BUS LARGE_VEHICLE MESSAGE_BOARD_TRAILER MOTORCYCLE "
    "RAILED_VEHICLE REGULAR_VEHICLE SCHOOL_BUS TRAFFIC_LIGHT_TRAILER TRUCK TRUCK_CAB "
    "VEHICULAR_TRAILER"
)
_PERSONS = "BICYCLIST OFFICIAL_SIGNALER PEDESTRIAN WHEELED_RIDER"
KINDS: dict[str, Kind] = {
    **dict.fromkeys(_VEHICLES.split(), "vehicle"),
    **dict.fromkeys(_PERSONS.split(), "person"),
}

_QUATERNION = ("qw", "qx", "qy", "qz")
_TRANSLATION = ("tx_m", "ty_m", "tz_m")
_SIZE = ("length_m", "width_m", "height_m")
_POSE_TYPES: dict[str, ColumnType] = dict.fromkeys((*_QUATERNION, *_TRANSLATION), "number")
_ANNOTATION_TYPES: dict[str, ColumnType] = {
    "timestamp_ns": "integer",
    "track_uuid": "string",
    "category": "string",
    **dict.fromkeys(_SIZE, "number"),
    **_POSE_TYPES,
}
_INTRINSICS_TYPES: dict[str, ColumnType] = {
    "sensor_name": "string",
    **dict.fromkeys(("fx_px", "fy_px", "cx_px", "cy_px"), "number"),
    **dict.fromkeys(("width_px", "height_px"), "integer"),
}


@dataclass(frozen=True, eq=False)
class EgoPoses:
    """Ego poses of a log, sorted by time."""

    path: Path
    timestamps_ns: IntArray
    translations_m: FloatArray
    rotations_wxyz: FloatArray

    def rows_at(self, timestamps_ns: IntArray) -> IntArray:
        """Return the row of the pose at exactly each time.

        Raises:
            SourceError: there is none.
        """
        last = len(self.timestamps_ns) - 1
        rows = np.searchsorted(self.timestamps_ns, timestamps_ns).clip(max=last)
        missing = self.timestamps_ns[rows] != timestamps_ns
        if missing.any():
            raise SourceError(
                self.path,
                f"expected an ego pose at every annotated sweep; {int(missing.sum())} of "
                f"{len(rows)} sweeps have none",
                f"timestamp_ns={timestamps_ns[missing][0]}",
            )
        return np.asarray(rows)

    def at(self, timestamps_ns: IntArray, config: resample.GridConfig) -> FloatArray:
        """Return (T, 4, 4) city_SE3_ego, interpolated; NaN where no poses are near enough."""
        track = np.zeros(len(self.timestamps_ns), dtype=np.int64)
        found = resample.locate(track, self.timestamps_ns, 1, timestamps_ns, config)
        return geometry.se3(
            resample.interpolate_rotations(self.rotations_wxyz, found)[0],
            resample.interpolate(self.translations_m, found)[0],
        )


def read_annotations(path: Path) -> Columns:
    """Read the table of boxes, one row a track and sweep."""
    return read_feather(path, _ANNOTATION_TYPES, keys=("track_uuid", "timestamp_ns"))


def read_ego_poses(path: Path) -> EgoPoses:
    """Read the ego poses of a log.

    Raises:
        SourceError: there is none, or they are not in order of time as av2's reader asks, too.
    """
    columns = read_feather(path, {"timestamp_ns": "integer", **_POSE_TYPES}, keys=("timestamp_ns",))
    if len(columns) == 0:
        raise columns.error("expected ego poses, found no row")
    timestamps_ns = columns.timestamps_ns("timestamp_ns")
    wrong = np.flatnonzero(np.diff(timestamps_ns) <= 0)
    if len(wrong):
        raise columns.error("expected ego poses in order of time, each once", int(wrong[0]) + 1)
    return EgoPoses(
        path, timestamps_ns, columns.numbers(*_TRANSLATION), columns.quaternions(*_QUATERNION)
    )


def read_cameras(log_dir: Path, names: Sequence[str]) -> list[tuple[Camera, FloatArray]]:
    """Return each named camera with its (4, 4) ego_SE3_camera.

    Raises:
        SourceError: a calibration file is missing or broken, or does not know a camera.
    """
    columns = read_feather(log_dir / INTRINSICS, _INTRINSICS_TYPES, keys=("sensor_name",))
    focal_px = columns.positive("fx_px", "fy_px")
    center_px = columns.numbers("cx_px", "cy_px")
    sizes_px = columns.positive("width_px", "height_px").astype(np.int64)
    sensors = read_feather(
        log_dir / SENSOR_POSES, {"sensor_name": "string", **_POSE_TYPES}, keys=("sensor_name",)
    )
    ego_SE3_sensor = geometry.se3(sensors.quaternions(*_QUATERNION), sensors.numbers(*_TRANSLATION))
    cameras = []
    for name in names:
        row = _only_row(columns, name)
        matrix = np.diag([*focal_px[row], 1.0])
        matrix[:2, 2] = center_px[row]
        width_px, height_px = sizes_px[row].tolist()
        # The published images are undistorted; k1, k2 and k3 tell of the raw ones and are not to
        # be applied (github.com/argoverse/av2-api/issues/219 and 226; PinholeCamera of av2 0.3.6
        # does not read them either).
        camera = Camera(name, width_px, height_px, matrix)
        cameras.append((camera, ego_SE3_sensor[_only_row(sensors, name)]))
    return cameras


def _only_row(columns: Columns, sensor_name: str) -> int:
    names = columns.strings("sensor_name")
    if names.count(sensor_name) != 1:
        raise columns.error(
            f"expected one row of camera {sensor_name!r}, found {names.count(sensor_name)}",
            column="sensor_name",
        )
    return names.index(sensor_name)


def read_tracks(
    annotations: Columns, poses: EgoPoses, config: resample.GridConfig
) -> tuple[IntArray, Tracks, list[str]]:
    """Return the grid times, the tracks on them in the city frame, and the tracks left out.

    A track whose rows name more than one category is left out.

    Raises:
        SourceError: a row breaks a rule, or a sweep has no ego pose.
    """
    track_index, track_ids = annotations.codes("track_uuid")
    category_index, categories = annotations.codes("category")
    timestamps_ns = annotations.timestamps_ns("timestamp_ns")
    order = annotations.order_in_time(track_index, timestamps_ns)
    sizes_lwh_m = annotations.positive(*_SIZE)
    ego_centers_m = annotations.numbers(*_TRANSLATION)
    ego_rotations = annotations.quaternions(*_QUATERNION)

    sweeps_ns, sweep = np.unique(timestamps_ns, return_inverse=True)
    pose_rows = poses.rows_at(sweeps_ns)[sweep]
    city_SE3_ego = geometry.se3(poses.rotations_wxyz, poses.translations_m)[pose_rows]
    centers_m = geometry.transform_points(city_SE3_ego, ego_centers_m[:, None])[:, 0]
    rotations = geometry.quaternion_product(poses.rotations_wxyz[pose_rows], ego_rotations)

    grid_ns = _grid(annotations, sweeps_ns, config)
    sampled = resample.resample_tracks(
        track_index[order],
        timestamps_ns[order],
        centers_m[order],
        sizes_lwh_m[order],
        rotations[order],
        len(track_ids),
        grid_ns,
        config,
    )
    first_row = order[np.searchsorted(track_index[order], np.arange(len(track_ids)))]
    category = category_index[first_row]
    mixed = np.zeros(len(track_ids), dtype=bool)
    mixed[track_index[category_index != category[track_index]]] = True
    keep = np.flatnonzero(~mixed)
    names = tuple(categories[category[i]] for i in keep)
    tracks = Tracks(
        track_ids=tuple(track_ids[i] for i in keep),
        categories=names,
        kinds=tuple(KINDS.get(name, "other") for name in names),
        centers_m=sampled.centers_m[keep],
        sizes_lwh_m=sampled.sizes_lwh_m[keep],
        rotations_wxyz=sampled.rotations_wxyz[keep],
        annotation_keys=sampled.annotation_keys[keep],
    )
    return grid_ns, tracks, [track_ids[i] for i in np.flatnonzero(mixed)]


def _grid(columns: Columns, sweeps_ns: IntArray, config: resample.GridConfig) -> IntArray:
    try:
        return resample.grid_timestamps_ns(sweeps_ns, config)
    except ValueError as error:
        raise columns.error(str(error), column="timestamp_ns") from error
