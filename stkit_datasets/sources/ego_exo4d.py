"""Ego-Exo4D, read from its official files without a devkit: the wearer, seen by the fixed cameras.

Layout, as https://docs.ego-exo4d-data.org describes it::

    takes.json                                                  which takes there are
    annotations/splits.json                                     train, val and test
    annotations/ego_pose/<split>/body/annotation/<uid>.json     annotated bodies; may be absent
    takes/<take>/trajectory/closed_loop_trajectory.csv          the Aria glasses' poses at 1 kHz
    takes/<take>/trajectory/gopro_calibs.csv                    the fixed cameras
    takes/<take>/frame_aligned_videos/<camera>.mp4              their videos; may be absent
    captures/<capture>/timesync.csv                             when a video's frames were taken

There is one object, the wearer. What moves is the glasses: the track is their path, moved down by
a constant to the middle of a person-sized solid, which changes no distance. An image box is the
projection of that solid or, in a frame with an annotated body, of its joints.

Assumed, where the documentation is silent: frame ``i`` of a frame-aligned video is on screen
``i / 30`` s from its start; the joints are in the world frame of the trajectory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets.clip import Camera, Clip, FloatArray, Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, Skipped, UnitResult
from stkit_datasets.sources.ego_exo4d_tables import (
    Timesync,
    read_cameras,
    read_timesync,
    read_trajectory,
)
from stkit_datasets.sources.ego_exo4d_takes import (
    SPLITS_FILE,
    TAKES,
    Take,
    Takes,
    read_bodies,
    read_splits,
    read_takes,
)
from stkit_datasets.sources.ego_exo4d_wearer import (
    VIDEO_FPS,
    BodyBoxes,
    EgoExo4DConfig,
    wearer_tracks,
)
from stkit_datasets.sources.options import config_from_options
from stkit_datasets.sources.rig import IntArray, Recording, View, cut_clips, nearest_rows

_TRAJECTORY = "trajectory/closed_loop_trajectory.csv"
_CAMERAS = "trajectory/gopro_calibs.csv"
_VIDEOS = "frame_aligned_videos"
_SMALL_VIDEOS = "frame_aligned_videos/downscaled/448"
_BODIES = {"train": "train", "validation": "val"}


@dataclass(frozen=True, eq=False)
class _Videos:
    """The frames of a take's videos along the grid; frame numbers are -1 where there is none."""

    folder: Path
    data_dir: Path
    frame_numbers: IntArray

    def of(self, camera: str, first: int, last: int) -> Frames | None:
        path = self.folder / f"{camera}.mp4"
        if not path.exists():
            return None
        from stkit_datasets.video.frames import VideoFrames

        times_s = (self.frame_numbers[first:last] / VIDEO_FPS).tolist()
        return VideoFrames(path, times_s, self.data_dir)


class EgoExo4D:
    """The Ego-Exo4D data set; a unit is a take.

    Args:
        data_dir: the folder that holds ``takes.json``, ``annotations`` and ``takes``.
        options: fields of ``EgoExo4DConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "ego_exo4d"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(EgoExo4DConfig, self.name, options)

    def __getstate__(self) -> dict[str, Any]:
        return {"data_dir": self.data_dir, "config": self.config}

    def units(self, split: str) -> Sequence[str]:
        """Name the takes of a split that are on disk, sorted."""
        names = self._names(split)
        return sorted(name for name in names if (self.data_dir / "takes" / name).is_dir())

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the lists of takes and splits, and the annotation files of the split's takes."""
        yield from (self.data_dir / TAKES, self.data_dir / SPLITS_FILE)
        captures = set()
        for unit in self.units(split):
            folder = self._folder(unit)
            bodies = self._bodies_path(split, self._takes.uids[unit])
            yield from (p for p in (folder / _TRAJECTORY, folder / _CAMERAS, bodies) if p.exists())
            with suppress(SourceError):  # a broken entry is an error when its take is read
                captures.add(self._timesync_path(self._takes.get(unit)))
        yield from sorted(path for path in captures if path.exists())

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one take into clips, window by window, camera by camera in each.

        Without ``timesync.csv`` nothing says which frame of a video belongs to a pose: ``frames``
        is None, and the grid begins with the trajectory.
        """
        if unit not in self._names(split):
            raise SourceError(self.data_dir / SPLITS_FILE, f"expected a take of {split}", unit)
        take = self._takes.get(unit)
        if take.task not in self.config.tasks:
            return UnitResult((), (Skipped(unit, f"its task is {take.task or 'not given'}"),))
        if len(take.devices) != 1:
            reason = f"{len(take.devices)} pairs of Aria glasses, expected one"
            return UnitResult((), (Skipped(unit, reason),))
        trajectory = read_trajectory(self._folder(unit) / _TRAJECTORY)
        cameras, left_out = read_cameras(self._folder(unit) / _CAMERAS, trajectory)
        skipped = [Skipped(f"{unit} {each.what}", each.reason) for each in left_out]
        timesync = self._timesync(take)
        span_ns = int(trajectory.timestamps_ns[0]), int(trajectory.timestamps_ns[-1])
        grid_ns = (
            trajectory.grid(self.config.grid)
            if timesync is None
            else timesync.grid(*span_ns, self.config.grid)
        )
        videos = self._videos(unit, timesync, grid_ns)
        views = [self._view(camera, pose, videos, timesync) for camera, pose in cameras]
        files = [self._folder(unit) / _TRAJECTORY, self._folder(unit) / _CAMERAS]
        bodies_path = self._bodies_path(split, take.uid)
        has_bodies = timesync is not None and bodies_path.exists()
        if has_bodies:
            files.append(bodies_path)
        recording = Recording(
            self.name,
            split,
            unit,
            unit,
            grid_ns,
            wearer_tracks(trajectory, grid_ns, self.config),
            tuple(path.relative_to(self.data_dir).as_posix() for path in files),
        )
        result = cut_clips(recording, views, skipped)
        bodies = read_bodies(bodies_path, self.config.min_joint_views) if has_bodies else {}
        boxes = BodyBoxes(bodies, trajectory.up_SE3_world, videos.frame_numbers, self.config)
        return UnitResult(
            tuple(self._finished(clip, videos, boxes, grid_ns) for clip in result.clips),
            result.skipped,
        )

    @cached_property
    def _takes(self) -> Takes:
        if not (self.data_dir / TAKES).exists():
            raise SourceError(
                self.data_dir,
                f"expected the folder of the Ego-Exo4D data set, which holds {TAKES}, "
                f"{SPLITS_FILE} and a folder takes with one folder a take",
            )
        return read_takes(self.data_dir / TAKES)

    @cached_property
    def _splits(self) -> dict[str, str]:
        return read_splits(self.data_dir / SPLITS_FILE)

    def _names(self, split: str) -> set[str]:
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        uids = self._takes.uids
        return {name for name, uid in uids.items() if self._splits.get(uid) == split}

    def _folder(self, unit: str) -> Path:
        return self.data_dir / "takes" / unit

    def _timesync_path(self, take: Take) -> Path:
        return self.data_dir / "captures" / take.capture / "timesync.csv"

    def _bodies_path(self, split: str, uid: str) -> Path:
        folder = self.data_dir / "annotations" / "ego_pose" / _BODIES[split]
        return folder / "body" / "annotation" / f"{uid}.json"

    def _timesync(self, take: Take) -> Timesync | None:
        path = self._timesync_path(take)
        if not path.exists():
            return None
        return read_timesync(path, take.devices[0], *take.timesync_rows)

    def _videos(self, unit: str, timesync: Timesync | None, grid_ns: IntArray) -> _Videos:
        folder = self._folder(unit) / (_SMALL_VIDEOS if self.config.downscaled else _VIDEOS)
        if timesync is None:
            numbers = np.full(len(grid_ns), -1, dtype=np.int64)
        else:
            rows = nearest_rows(timesync.timestamps_ns, grid_ns, self.config.image_tolerance_ns)
            frames = np.append(timesync.frames, -1)
            numbers = frames[rows]
        return _Videos(folder, self.data_dir, numbers)

    def _view(
        self,
        camera: Camera,
        camera_SE3_world: FloatArray,
        videos: _Videos,
        timesync: Timesync | None,
    ) -> View:
        """Place a camera at the grid times that have a frame, or at all where nothing says so."""
        poses = np.repeat(camera_SE3_world[None], len(videos.frame_numbers), axis=0)
        name = camera.name
        if timesync is None:
            return View(camera, poses, lambda first, last: None)
        poses[videos.frame_numbers < 0] = np.nan
        if self.config.downscaled:
            camera = _scaled(camera, videos)
        return View(camera, poses, lambda first, last: videos.of(name, first, last))

    def _finished(self, clip: Clip, videos: _Videos, boxes: BodyBoxes, grid_ns: IntArray) -> Clip:
        """Say that it is sport and where its video is, and put in the annotated bodies' boxes."""
        path = videos.folder / f"{clip.camera.name}.mp4"
        clip = replace(clip, domain="sports", images_expected=str(path))
        first = int(np.searchsorted(grid_ns, clip.start_ns))
        boxes_px = boxes.of(clip, first)
        return clip if boxes_px is None else replace(clip, boxes_px=boxes_px, camera_SE3_world=None)


def _scaled(camera: Camera, videos: _Videos) -> Camera:
    """Fit a camera to the size of its downscaled video; as it is where there is no video."""
    frames = videos.of(camera.name, 0, 1)
    if frames is None:
        return camera
    width_px, height_px = frames.size_px
    scale = np.array([[width_px / camera.width_px], [height_px / camera.height_px], [1.0]])
    return replace(
        camera, width_px=width_px, height_px=height_px, intrinsics=camera.intrinsics * scale
    )
