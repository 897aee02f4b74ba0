"""Waymo Open Dataset, Perception v2, read from its official Parquet components without TensorFlow.

The components and their columns are defined at
https://github.com/waymo-research/waymo-open-dataset/tree/master/src/waymo_open_dataset/v2/perception
and lie, one file a segment, in::

    <training or validation>/vehicle_pose/<segment>.parquet
    <training or validation>/lidar_box/<segment>.parquet           boxes at 10 Hz
    <training or validation>/camera_calibration/<segment>.parquet
    <training or validation>/camera_image/<segment>.parquet        at 10 Hz; may be absent

Image boxes are projections of the 3D boxes. The components ``camera_box`` and
``camera_to_lidar_box_association`` are not read: the schema associates pedestrians only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets import geometry
from stkit_datasets.clip import Camera, FloatArray, Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, Skipped, UnitResult
from stkit_datasets.sources.options import config_from_options
from stkit_datasets.sources.parquet import ParquetBlobs
from stkit_datasets.sources.rig import (
    NS_PER_US,
    IntArray,
    Recording,
    RigConfig,
    View,
    cut_clips,
    nearest_rows,
    poses_of_rows,
)
from stkit_datasets.sources.waymo_tables import (
    CAMERA_NAMES,
    IMAGE,
    Images,
    read_cameras,
    read_images,
    read_tracks,
    read_vehicle_poses,
)

CAMERAS = CAMERA_NAMES[1:]

_FOLDERS = {"train": "training", "validation": "validation"}
_POSES, _BOXES, _CALIBRATION = "vehicle_pose", "lidar_box", "camera_calibration"
_IMAGES = "camera_image"


@dataclass(frozen=True)
class WaymoConfig(RigConfig):
    """What may be set for this source."""

    known = CAMERAS
    cameras: tuple[str, ...] = CAMERAS


class Waymo:
    """The Waymo Open Dataset's Perception v2; a unit is a segment of 20 s.

    Args:
        data_dir: the folder that holds ``training`` and ``validation``.
        options: fields of ``WaymoConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "waymo"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(WaymoConfig, self.name, options)

    def units(self, split: str) -> Sequence[str]:
        """Name the segments of a split, sorted; none when only the other split is on disk."""
        folder = self._split_dir(split)
        if not folder.is_dir():
            return []
        boxes = folder / _BOXES
        if not boxes.is_dir():
            raise SourceError(
                folder,
                f"expected the folders of the components {_POSES}, {_BOXES}, {_CALIBRATION} and "
                f"{_IMAGES}, found no {_BOXES}",
            )
        return sorted(p.stem for p in boxes.glob("*.parquet") if not p.name.startswith("."))

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the files of every segment of the split; that of the images holds poses, too."""
        for unit in self.units(split):
            for component in (_POSES, _BOXES, _CALIBRATION, _IMAGES):
                path = self._path(split, component, unit)
                if path.exists():
                    yield path

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one segment into clips, camera by camera.

        The poses of a camera are those at the exposure of the image nearest to each grid time,
        or at the grid time itself when ``camera_image`` is not on disk; ``frames`` is then None.
        """
        poses = read_vehicle_poses(self._path(split, _POSES, unit))
        boxes_path = self._path(split, _BOXES, unit)
        calibration_path = self._path(split, _CALIBRATION, unit)
        grid_ns = poses.grid(self.config.grid)
        tracks, mixed = read_tracks(boxes_path, poses, grid_ns, self.config.grid)
        cameras = read_cameras(calibration_path)
        skipped = [
            Skipped(f"{unit} track {track}", "annotated with more than one category")
            for track in mixed
        ]
        images_path = self._path(split, _IMAGES, unit)
        images = read_images(images_path) if images_path.exists() else None
        world_SE3_vehicle = poses.at(grid_ns, self.config.max_gap_s)
        views = []
        for name in self.config.cameras:
            if name not in cameras:
                known = ", ".join(cameras) or "none"
                raise SourceError(calibration_path, f"expected a camera {name}, found {known}")
            camera, vehicle_SE3_camera = cameras[name]
            if images is None:
                views.append(_view_without_images(camera, world_SE3_vehicle @ vehicle_SE3_camera))
            else:
                views.append(self._view(images_path, images, camera, vehicle_SE3_camera, grid_ns))
        files = tuple(self._relative(path) for path in (boxes_path, poses.columns.path))
        recording = Recording(self.name, split, unit, unit, grid_ns, tracks, files)
        return cut_clips(recording, views, skipped)

    def _view(
        self,
        path: Path,
        images: Images,
        camera: Camera,
        vehicle_SE3_camera: FloatArray,
        grid_ns: IntArray,
    ) -> View:
        """Place a camera at the exposures of its images."""
        rows = images.rows_of(camera.name)
        times_ns = images.timestamps_ns[rows]
        nearest = nearest_rows(times_ns, grid_ns, self.config.image_tolerance_ns)
        world_SE3_camera = images.world_SE3_vehicle[rows] @ vehicle_SE3_camera
        camera_SE3_world = geometry.inverse(poses_of_rows(world_SE3_camera, nearest))
        taken = np.where(nearest >= 0, rows[nearest], -1) if len(rows) else nearest
        prefix = f"{self._relative(path)}#{camera.name}"
        size_px = (camera.width_px, camera.height_px)

        def frames(first: int, last: int) -> Frames:
            from stkit_datasets.video.frames import EncodedFrames

            wanted = taken[first:last].tolist()
            stamps_us = images.timestamps_ns[wanted] // NS_PER_US
            names = [f"{prefix}/{stamp}" for stamp in stamps_us.tolist()]
            return EncodedFrames(names, ParquetBlobs(path, IMAGE, wanted), size_px)

        return View(camera, camera_SE3_world, frames)

    def _split_dir(self, split: str) -> Path:
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        if any((self.data_dir / folder).is_dir() for folder in _FOLDERS.values()):
            return self.data_dir / _FOLDERS[split]
        raise SourceError(
            self.data_dir,
            "expected the folder of the Waymo Open Dataset's Perception v2, which holds the "
            "folders training and validation, with one folder a component in each",
        )

    def _path(self, split: str, component: str, unit: str) -> Path:
        return self._split_dir(split) / component / f"{unit}.parquet"

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.data_dir).as_posix()


def _view_without_images(camera: Camera, world_SE3_camera: FloatArray) -> View:
    return View(camera, geometry.inverse(world_SE3_camera), lambda first, last: None)
