"""The frames of one question: decoded, chosen, boxes drawn where they are wanted and missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.errors import StkitError
from stkit_datasets.video.errors import VideoError

__all__ = [
    *("FramesError", "chosen_frames", "depth_frames", "depth_paths", "draw", "evenly"),
    "file_times_s",
]

#: Depth pictures of 16 bits count millimetres; what is shown gets darker up to this depth.
FARTHEST_M = 80.0
_PICTURE_SUFFIX = ".png"
_VIDEOS_KEPT = 6


class FramesError(StkitError):
    """The frames of a question cannot be had; the message names the row."""


def evenly(n: int, at_most: int | None) -> list[int]:
    """Return at most this many of ``n`` places, evenly from the first to the last.

    A single place is the middle one.
    """
    if at_most is None or n <= at_most:
        return list(range(n))
    if at_most == 1:
        return [(n - 1) // 2]
    return [round(k * (n - 1) / (at_most - 1)) for k in range(at_most)]


def chosen_frames(video: bytes | Path, n_frames: int, places: Sequence[int]) -> NDArray[np.uint8]:
    """Decode a row's video and return the frames at these places, (T, H, W, 3) RGB, read-only.

    Only those are turned into RGB. Questions about the same objects share one video and mostly
    follow one another, so the last few are kept.

    Args:
        video: MP4 bytes, or a file of them.
        n_frames: how many frames the row has times for.
        places: rising, at least one.

    Raises:
        FramesError: it does not decode, or holds another number of frames.
    """
    data = video if isinstance(video, bytes) else _read(video)
    return _decoded(data, n_frames, tuple(places))


@lru_cache(maxsize=_VIDEOS_KEPT)
def _decoded(data: bytes, n_frames: int, places: tuple[int, ...]) -> NDArray[np.uint8]:
    from stkit_datasets.video.encode import decode_frames

    try:
        frames, count = decode_frames(data, places)
    except VideoError as error:
        raise FramesError(f"the video does not decode: {error}") from error
    if count != n_frames or frames is None:
        raise FramesError(f"the video holds {count} frames, but the row {n_frames} times")
    frames.flags.writeable = False
    return frames


def draw(frames: NDArray[np.uint8], row: Mapping[str, Any], places: Sequence[int]) -> None:
    """Draw the boxes of a row's objects into frames that show none, in place.

    Args:
        frames: (T, H, W, 3), those at ``places``.
        row: with ``objects`` for every frame of the clip, ``width`` and ``height``.
        places: which of the clip's frames they are.
    """
    from stkit_datasets.video.overlay import draw_boxes

    height, width = frames.shape[1:3]
    scale = np.tile([width / row["width"], height / row["height"]], 2)
    colors = [item["color"] for item in row["objects"]]
    for frame, place in zip(frames, places, strict=True):
        boxes = [item["boxes"][place] for item in row["objects"]]
        boxes_px = np.array([[np.nan] * 4 if box is None else box for box in boxes], np.float64)
        draw_boxes(frame, boxes_px * scale, colors)


def depth_paths(folder: Path, row: Mapping[str, Any], places: Sequence[int]) -> list[Path]:
    """Return where the depth pictures of a row's frames lie."""
    below = folder / str(row["clip_id"]) / str(row["camera"])
    return [below / f"{place:06d}{_PICTURE_SUFFIX}" for place in places]


def depth_frames(folder: Path, row: Mapping[str, Any], places: Sequence[int]) -> NDArray[np.uint8]:
    """Return depth pictures as grey frames, brighter where nearer.

    Read from ``<folder>/<clip_id>/<camera>/<frame number with six digits>.png``: 16 bits in
    millimetres, or 8 bits that are shown as they are.

    Raises:
        FramesError: a picture is missing or of another kind.
    """
    paths = depth_paths(folder, row, places)
    pictures = [_depth(path) for path in paths]
    sizes = {picture.shape for picture in pictures}
    if len(sizes) > 1:
        raise FramesError(f"{paths[0].parent}: depth pictures differ in size: {sorted(sizes)}")
    return np.repeat(np.stack(pictures)[..., None], 3, axis=3)


def file_times_s(path: Path) -> list[float]:
    """Return the times of all frames of a video file, seconds from the first, without decoding.

    Raises:
        FramesError: the file is missing or holds no video.
    """
    from stkit_datasets.video.pictures import require_av

    av = require_av()
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = sorted(
                packet.pts for packet in container.demux(stream) if packet.pts is not None
            )
            base = stream.time_base
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise FramesError(f"{path}: the video cannot be read: {error}") from error
    if not times:
        raise FramesError(f"{path}: the video holds no frame")
    return [float((time - times[0]) * base) for time in times]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FramesError(f"{path}: cannot read the video: {error.strerror}") from error


def _depth(path: Path) -> NDArray[np.uint8]:
    from stkit_datasets.video.pictures import require_av

    av = require_av()
    try:
        with av.open(str(path)) as container:
            frame = next(container.decode(video=0))
    except (av.error.FFmpegError, OSError, StopIteration) as error:
        raise FramesError(f"{path}: no depth picture can be read: {error}") from error
    if frame.format.name.startswith("gray16"):
        depth_m = frame.reformat(format="gray16le").to_ndarray().astype(np.float64) / 1000
        shown = np.clip(255 * (1 - depth_m / FARTHEST_M), 0, 255).round().astype(np.uint8)
        # 0 is "not measured", not "at the camera".
        return np.where(depth_m > 0, shown, np.uint8(0))
    if frame.format.name in ("gray", "pal8", "rgb24"):
        return np.asarray(frame.reformat(format="gray").to_ndarray(), np.uint8)
    raise FramesError(f"{path}: expected a grey PNG of 8 or 16 bits, got {frame.format.name}")
