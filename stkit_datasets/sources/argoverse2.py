"""Argoverse 2 Sensor, read from its official files without a devkit.

Layout of a log, as https://argoverse.github.io/user-guide/datasets/sensor.html publishes it::

    <split>/<log>/annotations.feather                       boxes at 10 Hz, in the ego frame
    <split>/<log>/city_SE3_egovehicle.feather               ego poses in the city frame
    <split>/<log>/calibration/intrinsics.feather
    <split>/<log>/calibration/egovehicle_SE3_sensor.feather
    <split>/<log>/sensors/cameras/<camera>/<timestamp_ns>.jpg   at 20 Hz; may be absent
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, FloatArray, Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.argoverse2_tables import (
    ANNOTATIONS,
    EGO_POSES,
    INTRINSICS,
    SENSOR_POSES,
    EgoPoses,
    IntArray,
    read_annotations,
    read_cameras,
    read_ego_poses,
    read_tracks,
)
from stkit_datasets.sources.base import (
    SPLITS,
    Skipped,
    UnitResult,
)
from stkit_datasets.sources.options import config_from_options
from stkit_datasets.sources.rig import Recording, RigConfig, View, cut_clips, nearest_rows

RING_CAMERAS = (
    "ring_front_center",
    "ring_front_left",
    "ring_front_right",
    "ring_side_left",
    "ring_side_right",
    "ring_rear_left",
    "ring_rear_right",
)
STEREO_CAMERAS = ("stereo_front_left", "stereo_front_right")

_FOLDERS = {"train": "train", "validation": "val"}
_CAMERAS = "sensors/cameras"


@dataclass(frozen=True)
class Argoverse2Config(RigConfig):
    """What may be set for this source.

    Attributes:
        cameras: which cameras make clips, in this order.
    """

    known: ClassVar[tuple[str, ...]] = (*RING_CAMERAS, *STEREO_CAMERAS)
    cameras: tuple[str, ...] = RING_CAMERAS

    @property
    def poses(self) -> resample.GridConfig:
        """How ego poses are: a car moves 20 cm in 10 ms, so none is taken for a near one."""
        return resample.GridConfig(snap_s=0.0, max_gap_s=self.max_gap_s)


class Argoverse2:
    """The Argoverse 2 Sensor data set; a unit is a log.

    Args:
        data_dir: the folder that holds ``train`` and ``val``, or the one above it that holds
            ``sensor``.
        options: fields of ``Argoverse2Config``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "argoverse2"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(Argoverse2Config, self.name, options)

    def units(self, split: str) -> Sequence[str]:
        """Name the logs of a split, sorted; none when only the other split is on disk."""
        folder = self._split_dir(split)
        if not folder.is_dir():
            return []
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the Feather files of every log of the split, and its folders of images.

        A folder changes when images are added to it or taken away, and with it the frames of a
        clip and the poses at their exposures.
        """
        folder = self._split_dir(split)
        for unit in self.units(split):
            images = (f"{_CAMERAS}/{camera}" for camera in self.config.cameras)
            for name in (ANNOTATIONS, EGO_POSES, INTRINSICS, SENSOR_POSES, *images):
                path = folder / unit / name
                if path.exists():
                    yield path

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one log into clips, window by window, camera by camera in each.

        The poses of a camera are those at the exposure of the image nearest to each grid time,
        or at the grid time itself when the log's images are not on disk; ``frames`` is then None.
        """
        log_dir = self._split_dir(split) / unit
        annotations = read_annotations(log_dir / ANNOTATIONS)
        poses = read_ego_poses(log_dir / EGO_POSES)
        cameras = read_cameras(log_dir, self.config.cameras)
        if len(annotations) == 0:
            return UnitResult((), (Skipped(unit, "no annotations"),))
        grid_ns, tracks, mixed = read_tracks(annotations, poses, self.config.grid)
        skipped = [
            Skipped(f"{unit} track {track}", "annotated with more than one category")
            for track in mixed
        ]
        city_SE3_ego = poses.at(grid_ns, self.config.poses)
        views = [self._view(log_dir, *camera, poses, grid_ns, city_SE3_ego) for camera in cameras]
        files = tuple(self._relative(log_dir / name) for name in (ANNOTATIONS, EGO_POSES))
        recording = Recording(self.name, split, unit, unit, grid_ns, tracks, files)
        return cut_clips(recording, views, skipped)

    def _split_dir(self, split: str) -> Path:
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        for root in (self.data_dir, self.data_dir / "sensor"):
            if any((root / folder).is_dir() for folder in _FOLDERS.values()):
                return root / _FOLDERS[split]
        raise SourceError(
            self.data_dir,
            "expected the folder of the Argoverse 2 Sensor data set, which holds the folders "
            "train and val (or a folder sensor that holds them), with one folder a log in each",
        )

    def _view(
        self,
        log_dir: Path,
        camera: Camera,
        ego_SE3_camera: FloatArray,
        poses: EgoPoses,
        grid_ns: IntArray,
        city_SE3_ego: FloatArray,
    ) -> View:
        """Place a camera at its images' exposures, or without images at the grid times."""
        folder = _camera_dir(log_dir, camera)
        images_ns = None
        if folder.is_dir():
            images_ns = _nearest_images(folder, grid_ns, self.config.image_tolerance_ns)
            city_SE3_ego = poses.at(images_ns, self.config.poses)
        return View(
            camera,
            geometry.inverse(city_SE3_ego @ ego_SE3_camera),
            partial(self._frames, folder, camera, images_ns),
            str(folder),
        )

    def _frames(
        self, folder: Path, camera: Camera, images_ns: IntArray | None, first: int, last: int
    ) -> Frames | None:
        if images_ns is None:
            return None
        from stkit_datasets.video.frames import ImageFrames

        names = [f"{self._relative(folder)}/{t}.jpg" for t in images_ns[first:last].tolist()]
        return ImageFrames(self.data_dir, names, (camera.width_px, camera.height_px))

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.data_dir).as_posix()


def _camera_dir(log_dir: Path, camera: Camera) -> Path:
    return log_dir / _CAMERAS / camera.name


def _nearest_images(folder: Path, grid_ns: IntArray, tolerance_ns: int) -> IntArray:
    """Return (T,) time stamps of the images nearest to the grid times; -1 where none is near."""
    stems = [name[:-4] for name in os.listdir(folder) if name.endswith(".jpg")]
    for stem in stems:
        if not (stem.isascii() and stem.isdigit() and len(stem) < 19):
            raise SourceError(
                folder / f"{stem}.jpg", "expected an image named <timestamp in ns>.jpg"
            )
    images_ns = np.sort(np.array(stems, dtype=np.int64))
    rows = nearest_rows(images_ns, grid_ns, tolerance_ns)
    return np.where(rows >= 0, images_ns[rows] if len(images_ns) else -1, -1)
