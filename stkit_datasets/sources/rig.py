"""What sources with a rig of cameras and a faster clock than the grid share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import resample
from stkit_datasets.clip import Camera, Clip, FloatArray, Frames, Tracks
from stkit_datasets.sources.base import MIN_FRAMES, Skipped, UnitResult, clip_name, windows
from stkit_datasets.sources.columns import Columns
from stkit_datasets.sources.options import SamplingConfig, names_among

IntArray = NDArray[np.int64]

NS_PER_US = 1000


@dataclass(frozen=True)
class RigConfig(SamplingConfig):
    """What may be set for a source with named cameras.

    A source's own config says which there are, in ``known``, and repeats them as the default.

    Attributes:
        cameras: which cameras make clips, in this order.
    """

    known: ClassVar[tuple[str, ...]] = ()
    cameras: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "cameras", names_among("cameras", self.cameras, self.known))


@dataclass(frozen=True, eq=False)
class Recording:
    """One unit on its grid, before it is cut into clips.

    Attributes:
        source: the name of the source.
        split: ``train`` or ``validation``.
        unit: names the clips.
        scene_id: what train and benchmark must not share.
        grid_ns: (T,) grid times.
        tracks: the objects, T frames each.
        files: the annotation files, relative to the data folder.
    """

    source: str
    split: str
    unit: str
    scene_id: str
    grid_ns: IntArray
    tracks: Tracks
    files: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class View:
    """One camera along the grid.

    Attributes:
        camera: its calibration.
        camera_SE3_world: (T, 4, 4), NaN where there is no image or no ego pose.
        frames: gives the pictures of grid frames from the first index to before the second.
        images_expected: where pictures would be, for the error when there are none.
    """

    camera: Camera
    camera_SE3_world: FloatArray
    frames: Callable[[int, int], Frames | None]
    images_expected: str = ""


def cut_clips(
    recording: Recording, views: Sequence[View], skipped: Sequence[Skipped] = ()
) -> UnitResult:
    """Cut a recording into clips, window by window, camera by camera in each.

    A clip is the longest run of a window's frames in which the camera has a pose.

    Args:
        recording: the unit.
        views: its cameras, in order.
        skipped: what the source has left out already.
    """
    clips: list[Clip] = []
    left_out = list(skipped)
    grid_ns = recording.grid_ns
    if len(grid_ns) < MIN_FRAMES:
        reason = f"{len(grid_ns)} frames on the grid, a clip needs {MIN_FRAMES}"
        left_out.append(Skipped(recording.unit, reason))
    spans = windows(len(grid_ns))
    for k, (start, stop) in enumerate(spans):
        clip_id = clip_name(recording.unit, k, len(spans))
        # Cameras of one span share the tracks, and with them the corners of the boxes.
        shared: dict[tuple[int, int], Tracks] = {}
        for view in views:
            usable = np.isfinite(view.camera_SE3_world[start:stop, 0, 0])
            first, last = (start + edge for edge in resample.longest_run(usable))
            if last - first < MIN_FRAMES:
                reason = f"only {last - first} frames in a row have an image and an ego pose"
                left_out.append(Skipped(f"{clip_id} {view.camera.name}", reason))
                continue
            if (first, last) not in shared:
                shared[first, last] = recording.tracks.window(first, last)
            clips.append(
                Clip(
                    source=recording.source,
                    split=recording.split,
                    clip_id=clip_id,
                    scene_id=recording.scene_id,
                    camera=view.camera,
                    timestamps_s=(grid_ns[first:last] - grid_ns[first]) / resample.NS_PER_S,
                    tracks=shared[first, last],
                    frames=view.frames(first, last),
                    files=recording.files,
                    camera_SE3_world=view.camera_SE3_world[first:last],
                    start_ns=int(grid_ns[first]),
                    images_expected=view.images_expected,
                )
            )
    return UnitResult(tuple(clips), tuple(left_out))


def lens(distortion: FloatArray) -> tuple[str, tuple[float, ...]]:
    """Return the camera model and its coefficients for (5,) k1, k2, p1, p2, k3."""
    coefficients = tuple(distortion.tolist())
    return ("brown", coefficients) if any(coefficients) else ("pinhole", ())


def intrinsic_matrix(focal_px: FloatArray, center_px: FloatArray) -> FloatArray:
    """Return the (3, 3) matrix of two focal lengths and a principal point."""
    matrix = np.diag([*focal_px, 1.0])
    matrix[:2, 2] = center_px
    return matrix


def microseconds_as_ns(columns: Columns, name: str) -> IntArray:
    """Return a column of times in microseconds as ns.

    Raises:
        SourceError: a time is negative, or over 292 years.
    """
    values = columns.timestamps_ns(name)
    wrong = values > np.iinfo(np.int64).max // NS_PER_US
    if wrong.any():
        row = int(np.argmax(wrong))
        raise columns.error(f"expected a time in microseconds, got {values[row]}", row, name)
    return values * NS_PER_US


def grid_over(
    columns: Columns, times_ns: IntArray, name: str, config: resample.GridConfig
) -> IntArray:
    """Lay the grid over sorted times of a column.

    Raises:
        SourceError: a time comes twice, or they span too long.
    """
    wrong = np.flatnonzero(np.diff(times_ns) <= 0)
    if len(wrong):
        raise columns.error("expected every time once, in order", int(wrong[0]) + 1, name)
    try:
        return resample.grid_timestamps_ns(times_ns, config)
    except ValueError as error:
        raise columns.error(str(error), len(columns) - 1, name) from error


def nearest_rows(times_ns: IntArray, grid_ns: IntArray, tolerance_ns: int) -> IntArray:
    """Return (T,) the index of the time nearest to each grid time; -1 where none is near enough.

    Args:
        times_ns: (S,) sorted times.
        grid_ns: (T,) grid times.
        tolerance_ns: how far is near enough.
    """
    if not len(times_ns):
        return np.full(len(grid_ns), -1, dtype=np.int64)
    nearest = resample.nearest_indices(times_ns, grid_ns)
    return np.where(np.abs(times_ns[nearest] - grid_ns) <= tolerance_ns, nearest, -1)


def poses_of_rows(poses: FloatArray, rows: IntArray) -> FloatArray:
    """Return (T, 4, 4) of the (S, 4, 4) poses; NaN where the row is -1."""
    out = np.full((len(rows), 4, 4), np.nan)
    known = rows >= 0
    out[known] = poses[rows[known]]
    return out
