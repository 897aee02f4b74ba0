"""One nuScenes scene, as rows of the index, to clips; every rule of its values is checked here."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry
from stkit_datasets.clip import Camera, Clip, Frames, Kind, Tracks
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import MIN_FRAMES, Skipped, UnitResult, clip_name, windows
from stkit_datasets.sources.nuscenes_cache import Index
from stkit_datasets.sources.nuscenes_index import CAMERAS, table_path

if TYPE_CHECKING:
    from stkit_datasets.sources.nuscenes import NuScenes

MAX_KEYFRAME_GAP_S = 0.75
"""Keyframes are 0.5 s apart, by the camera's clock 0.4 to 0.6 s; a wider gap misses one."""

_TRACK_TABLES = ("sample_annotation", "sample", "instance", "category")
_MAX_TIMESTAMP_US = 2**53
_MIN_NORM = 1e-6
_Span = tuple[int, int]


def read_scene(source: NuScenes, index: Index, split: str, scene: str) -> UnitResult:
    """Read a scene to clips, window by window and camera by camera.

    Raises:
        SourceError: the scene's rows break a rule of the format.
    """
    if scene not in index.scene_rows:
        raise SourceError(table_path(source.version_dir, "scene"), f"has no scene {scene!r}")
    rows = _Rows(source.version_dir, index, *index.scene_rows[scene])
    timestamps_us, tracks, image_rows = rows.timestamps_us(), rows.tracks(), rows.image_rows()
    if not len(timestamps_us):
        return UnitResult((), (Skipped(scene, "has no keyframes"),))
    cameras, skipped = [], []
    for name in source.cameras:
        if (image_rows[CAMERAS.index(name)] >= 0).any():
            cameras.append(name)
        else:
            skipped.append(Skipped(f"{scene} {name}", "no keyframe has an image record"))
    spans, short = _windows(timestamps_us)
    for start, stop in short:
        what = f"{scene} keyframes {start} to {stop - 1}"
        skipped.append(Skipped(what, "between gaps and shorter than a clip"))
    clips: list[Clip] = []
    shared: dict[tuple[int, int], Tracks] = {}
    for number, span in enumerate(spans):
        clip_id = clip_name(scene, number, len(spans))
        for name in cameras:
            start, stop = _longest_run(image_rows[CAMERAS.index(name)] >= 0, *span)
            if stop - start < MIN_FRAMES:
                reason = "image records of too few keyframes in a row for a clip"
                skipped.append(Skipped(f"{clip_id} {name}", reason))
                continue
            if (start, stop) not in shared:
                shared[start, stop] = tracks.window(start, stop)
            images = image_rows[CAMERAS.index(name), start:stop]
            camera = rows.camera(name, images)
            count = f"{stop - start} of {span[1] - span[0]} keyframes have an image record"
            clips.append(
                Clip(
                    source=source.name,
                    split=split,
                    clip_id=clip_id,
                    scene_id=scene,
                    camera=camera,
                    timestamps_s=(timestamps_us[start:stop] - timestamps_us[start]) / 1e6,
                    tracks=shared[start, stop],
                    frames=rows.frames(source.data_dir, camera, images),
                    files=tuple(source.relative(table) for table in _TRACK_TABLES),
                    camera_SE3_world=rows.camera_poses(images),
                    start_ns=int(timestamps_us[start]) * 1000,
                    notes={} if (start, stop) == span else {"keyframes": count},
                )
            )
    return UnitResult(tuple(clips), tuple(skipped))


def _windows(timestamps_us: NDArray[np.int64]) -> tuple[list[_Span], list[_Span]]:
    """Cut at gaps, then into clips; also return the pieces between gaps that are too short."""
    cuts = np.flatnonzero(np.diff(timestamps_us) > MAX_KEYFRAME_GAP_S * 1e6) + 1
    spans: list[_Span] = []
    short: list[_Span] = []
    for start, stop in pairwise([0, *cuts.tolist(), len(timestamps_us)]):
        pieces = windows(stop - start)
        spans += [(start + a, start + b) for a, b in pieces]
        if not pieces:
            short.append((start, stop))
    return spans, short


def _longest_run(present: NDArray[np.bool_], start: int, stop: int) -> _Span:
    """Return the longest run of true values between ``start`` and ``stop``, the first of equals."""
    steps = np.diff(np.concatenate([[0], present[start:stop].astype(np.int8), [0]]))
    starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
    if not len(starts):
        return start, start
    best = int(np.argmax(stops - starts))
    return start + int(starts[best]), start + int(stops[best])


class _Rows:
    """The rows of the samples from ``first`` to ``stop``, checked as they are taken."""

    def __init__(self, version_dir: Path, index: Index, first: int, stop: int) -> None:
        self._dir = version_dir
        self._index = index
        self._first, self._stop = first, stop

    def _error(self, table: str, rule: str, tokens: Any, row: int) -> SourceError:
        path = table_path(self._dir, table)
        return SourceError(path, rule, f"token {tokens[int(row)].as_py()!r}")

    def timestamps_us(self) -> NDArray[np.int64]:
        """Check that the order of ``next`` is that of time."""
        index, first, stop = self._index, self._first, self._stop
        times = index.timestamps_us[first:stop]
        if not len(times):
            return times
        if times[0] <= 0 or times[-1] >= _MAX_TIMESTAMP_US:
            row = first if times[0] <= 0 else stop - 1
            rule = f"timestamp must be in microseconds, got {index.timestamps_us[row]}"
            raise self._error("sample", rule, index.sample_tokens, row)
        following = index.next_rows[first:stop]
        expected = np.arange(first + 1, stop + 1)
        expected[-1] = -1
        standing = np.diff(times, append=times[-1] + 1) <= 0
        wrong = np.flatnonzero((following != expected) | standing)
        if len(wrong):
            row = first + int(wrong[0])
            raise self._error("sample", self._order_rule(row), index.sample_tokens, row)
        return times

    def _order_rule(self, row: int) -> str:
        index, following = self._index, int(self._index.next_rows[row])
        if following == -2:
            return "next is not a token of sample.json"
        if following == -1:
            return "timestamps out of order: next is empty, but the scene has later keyframes"
        own, other = index.timestamps_us[[row, following]]
        return (
            f"timestamps out of order: next is {index.sample_tokens[following].as_py()!r} at "
            f"{other} and this one is at {own}; next must be the scene's following keyframe"
        )

    def tracks(self) -> Tracks:
        """Put the boxes on a grid of instances and keyframes."""
        index, n_frames = self._index, self._stop - self._first
        start, stop = index.box_samples.searchsorted([self._first, self._stop])
        frames = index.box_samples[start:stop] - self._first
        instances, tracks = np.unique(index.box_instances[start:stop], return_inverse=True)
        values = index.box_values[start:stop]
        self._check_boxes(values, int(start))
        cells = tracks * n_frames + frames
        if len(np.unique(cells)) != len(cells):
            order = np.argsort(cells, kind="stable")
            row = start + order[1:][np.diff(cells[order]) == 0].min()
            instance = index.instance_tokens[int(index.box_instances[row])].as_py()
            sample = index.sample_tokens[int(index.box_samples[row])].as_py()
            rule = f"instance {instance!r} must be in sample {sample!r} once only"
            raise self._error("sample_annotation", rule, index.box_tokens, row)
        grid = np.full((len(instances), n_frames, 10), np.nan)
        grid[tracks, frames] = values
        rotations = grid[..., 6:]
        tokens = np.array(index.box_tokens[start:stop].to_pylist(), dtype=np.str_)
        keys = np.full((len(instances), n_frames, 1), "", dtype=tokens.dtype)
        keys[tracks, frames, 0] = tokens
        categories = tuple(index.instance_categories.take(instances).to_pylist())
        return Tracks(
            track_ids=tuple(index.instance_tokens.take(instances).to_pylist()),
            categories=categories,
            kinds=tuple(_kind(category) for category in categories),
            centers_m=np.ascontiguousarray(grid[..., :3]),
            sizes_lwh_m=grid[..., [4, 3, 5]],
            rotations_wxyz=rotations / np.linalg.norm(rotations, axis=-1, keepdims=True),
            annotation_keys=keys,
        )

    def _check_boxes(self, values: NDArray[np.float64], start: int) -> None:
        rules = (
            ("translation must be finite", ~np.isfinite(values[:, :3]).all(axis=1), slice(0, 3)),
            (
                "size must be positive and finite",
                ~((values[:, 3:6] > 0) & np.isfinite(values[:, 3:6])).all(axis=1),
                slice(3, 6),
            ),
            ("rotation must be a unit quaternion", _no_rotation(values[:, 6:]), slice(6, 10)),
        )
        for rule, broken, part in rules:
            if broken.any():
                row = int(np.flatnonzero(broken)[0])
                found = f"{rule}, got {values[row, part].tolist()}"
                raise self._error("sample_annotation", found, self._index.box_tokens, start + row)

    def image_rows(self) -> NDArray[np.intp]:
        """Find each camera's image of each keyframe: (6, T) rows, -1 where there is none."""
        index = self._index
        start, stop = index.image_samples.searchsorted([self._first, self._stop])
        rows = np.arange(start, stop)
        out = np.full((len(CAMERAS), self._stop - self._first), -1, dtype=np.intp)
        cameras = index.image_cameras[start:stop]
        frames = index.image_samples[start:stop] - self._first
        out[cameras, frames] = rows
        lost = np.flatnonzero(out[cameras, frames] != rows)
        if len(lost):
            rule = f"{CAMERAS[cameras[lost[0]]]} must have one keyframe image a sample, found two"
            raise self._error("sample_data", rule, index.image_tokens, start + lost[0])
        return out

    def camera(self, name: str, images: NDArray[np.intp]) -> Camera:
        """Return the camera, which must be one and the same for all images of a clip."""
        index = self._index
        sizes = index.image_sizes_px[images]
        for what, broken in (
            ("width and height must be positive", (sizes < 1).any(axis=1)),
            ("width and height must be the same", (sizes != sizes[0]).any(axis=1)),
            (
                "calibrated_sensor_token must be the same",
                index.image_calibrations[images] != index.image_calibrations[images[0]],
            ),
        ):
            if broken.any():
                row = int(images[np.flatnonzero(broken)[0]])
                found = index.image_sizes_px[row].tolist()
                rule = f"{what} in all images of {name} in a scene, got width and height {found}"
                raise self._error("sample_data", rule, index.image_tokens, row)
        calibration = int(index.image_calibrations[images[0]])
        width, height = sizes[0].tolist()
        intrinsics = index.calibration_intrinsics[calibration].reshape(3, 3)
        problem = index.calibration_problems[calibration].as_py()
        if problem is None and not (
            np.isfinite(intrinsics).all() and intrinsics[0, 0] > 0 and intrinsics[1, 1] > 0
        ):
            problem = (
                "camera_intrinsic must be finite with positive focal lengths, "
                f"got {intrinsics.tolist()}"
            )
        if problem is None and _bad_poses(index.calibration_poses[[calibration]])[0]:
            problem = (
                "translation must be finite and rotation a unit quaternion, "
                f"got {index.calibration_poses[calibration].tolist()}"
            )
        if problem is not None:
            raise self._error("calibrated_sensor", problem, index.calibration_tokens, calibration)
        return Camera(name, width, height, intrinsics.copy())

    def camera_poses(self, images: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return (T, 4, 4) world to camera, each at its own image's time."""
        index = self._index
        egos = index.image_egos[images]
        broken = np.flatnonzero(_bad_poses(egos))
        if len(broken):
            row = int(images[broken[0]])
            token = index.image_ego_tokens[row].as_py()
            if not index.image_egos_known[row].as_py():
                rule = f"ego_pose_token {token!r} is not a token of ego_pose.json"
                raise self._error("sample_data", rule, index.image_tokens, row)
            rule = "translation must be finite and rotation a unit quaternion, got "
            raise self._error(
                "ego_pose", f"{rule}{index.image_egos[row].tolist()}", index.image_ego_tokens, row
            )
        sensors = index.calibration_poses[index.image_calibrations[images]]
        world_SE3_ego = geometry.se3(egos[:, 3:], egos[:, :3])
        ego_SE3_camera = geometry.se3(sensors[:, 3:], sensors[:, :3])
        return geometry.inverse(world_SE3_ego @ ego_SE3_camera)

    def frames(self, data_dir: Path, camera: Camera, images: NDArray[np.intp]) -> Frames:
        """Name the image files; they need not be there."""
        from stkit_datasets.video.frames import ImageFrames

        names = self._index.image_names.take(images).to_pylist()
        for name, row in zip(names, images, strict=True):
            if not name or name[0] == "/" or (".." in name and ".." in name.split("/")):
                rule = f"filename must be a path inside the data folder, got {name!r}"
                raise self._error("sample_data", rule, self._index.image_tokens, row)
        return ImageFrames(data_dir, names, (camera.width_px, camera.height_px))


def _no_rotation(rotations: NDArray[np.float64]) -> NDArray[np.bool_]:
    norms = np.linalg.norm(rotations, axis=1)
    return np.asarray(~(np.isfinite(norms) & (norms > _MIN_NORM)))


def _bad_poses(poses: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.asarray(~np.isfinite(poses[:, :3]).all(axis=1) | _no_rotation(poses[:, 3:]))


def _kind(category: str) -> Kind:
    if category.startswith("vehicle."):
        return "vehicle"
    return "person" if category.startswith("human.") else "other"
