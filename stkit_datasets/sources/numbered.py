"""What simulated sources share: frames numbered at a constant rate, boxes one a row and frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stkit_datasets import resample
from stkit_datasets.clip import FloatArray, Frames, Kind, Tracks
from stkit_datasets.sources.columns import Columns
from stkit_datasets.sources.rig import IntArray

MAX_FRAME = 10_000_000
"""No recording has more frames; a larger number is a broken one."""


def frame_times_ns(columns: Columns, name: str, fps: float) -> IntArray:
    """Return when the frames of a column of frame numbers were taken, from frame 0 on.

    Raises:
        SourceError: a number is negative or over ``MAX_FRAME``.
    """
    frames = columns.integers(name)
    wrong = (frames < 0) | (frames > MAX_FRAME)
    if wrong.any():
        row = int(np.argmax(wrong))
        rule = f"expected the number of a frame, from 0 to {MAX_FRAME}, got {frames[row]}"
        raise columns.error(rule, row, name)
    return times_of_frames_ns(frames, fps)


def times_of_frames_ns(frames: IntArray, fps: float) -> IntArray:
    """Return the times of frame numbers."""
    return np.asarray(np.rint(frames * (resample.NS_PER_S / fps)), dtype=np.int64)


def frames_of_times(times_ns: IntArray, fps: float) -> IntArray:
    """Return the numbers of the frames nearest to the times."""
    return np.asarray(np.rint(times_ns * (fps / resample.NS_PER_S)), dtype=np.int64)


def sample_tracks(
    columns: Columns,
    track_index: IntArray,
    times_ns: IntArray,
    names: Sequence[tuple[str, str, Kind]],
    boxes: tuple[FloatArray, FloatArray, FloatArray],
    visible: FloatArray,
    grid_ns: IntArray,
    config: resample.GridConfig,
) -> Tracks:
    """Sample R boxes, one a row in any order, as N tracks on T grid times.

    Args:
        columns: the table, for errors.
        track_index: (R,) which track a row is of.
        times_ns: (R,) when.
        names: of each track its id, category and kind.
        boxes: (R, 3) centres in the world frame, (R, 3) sizes, (R, 4) rotations.
        visible: (R,) 1 where the object can be seen, else 0; not annotated where it cannot.
        grid_ns: (T,) grid times.
        config: the tolerances.

    Raises:
        SourceError: a track has two rows of one time.
    """
    order = np.lexsort((times_ns, track_index))
    track_index, times_ns = track_index[order], times_ns[order]
    columns.take(order).order_in_time(track_index, times_ns)
    found = resample.locate(track_index, times_ns, len(names), grid_ns, config)
    centers, sizes, rotations = (values[order] for values in boxes)
    seen = resample.interpolate(visible[order, None], found) == 1.0
    return Tracks(
        track_ids=tuple(name for name, _, _ in names),
        categories=tuple(category for _, category, _ in names),
        kinds=tuple(kind for _, _, kind in names),
        centers_m=np.where(seen, resample.interpolate(centers, found), np.nan),
        sizes_lwh_m=np.where(seen, resample.interpolate(sizes, found), np.nan),
        rotations_wxyz=np.where(seen, resample.interpolate_rotations(rotations, found), np.nan),
        annotation_keys=np.where(seen, resample.annotation_keys(times_ns, found), -1),
    )


def image_frames(
    root: Path, folder: Path, names: Sequence[str], size_px: tuple[int, int]
) -> Frames | None:
    """Return images of a folder; None when the folder is not on disk."""
    if not folder.is_dir():
        return None
    from stkit_datasets.video.frames import ImageFrames

    relative = folder.relative_to(root).as_posix()
    return ImageFrames(root, [f"{relative}/{name}" for name in names], size_px)
