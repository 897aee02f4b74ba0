"""Pixels out of files and bytes, on one thread: many of these run side by side in workers."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.video.encode import decode_frames
from stkit_datasets.video.errors import VideoError
from stkit_datasets.video.frames import VideoFrames
from stkit_datasets.video.pictures import require_av

UInt8Array = NDArray[np.uint8]

MAX_HEIGHT_PX = 480
"""Videos are scaled down to this while decoding; the model sees 384 px."""


def spread(n: int, most: int) -> list[int]:
    """Return all of ``n`` indices, or ``most`` of them spread evenly from the first to the last."""
    if most < 1:
        raise ValueError(f"max_frames must be at least 1, got {most}")
    if n <= most:
        return list(range(n))
    return [int(index) for index in np.linspace(0, n - 1, most).round()]


def decode_bytes(data: bytes, n_frames: int, kept: Sequence[int]) -> UInt8Array:
    """Decode frames of MP4 bytes to (T, H, W, 3) uint8 RGB, on one thread.

    Args:
        data: the video.
        n_frames: that it must have.
        kept: which of them are wanted, in order; only these are turned into RGB.

    Raises:
        ValueError: the bytes are no video, or one with another number of frames.
    """
    try:
        frames, n = decode_frames(data, kept, threads=1)
    except VideoError as error:
        raise ValueError(f"the embedded video does not decode: {error}") from error
    if frames is None or n != n_frames:
        raise ValueError(f"the video has {n} frames, timestamps_s has {n_frames}")
    return frames


def decode_video(path: Path, max_frames: int) -> UInt8Array:
    """Decode frames spread evenly over a video file, (T, H, W, 3) uint8 RGB.

    Raises:
        ValueError: the file is missing or broken.
    """
    times_s = [index / rate for index, rate in _frame_times(path, max_frames)]
    return np.stack(list(VideoFrames(path, times_s).read(MAX_HEIGHT_PX)))


def _frame_times(path: Path, max_frames: int) -> list[tuple[int, float]]:
    av = require_av()
    if not path.is_file():
        raise ValueError(f"{path}: no such video file")
    try:
        with av.open(str(path), metadata_errors="replace") as container:
            stream = container.streams.video[0]
            rate = float(stream.average_rate or stream.guessed_rate or 0)
            length = stream.duration * stream.time_base if stream.duration else None
            if length is None and container.duration:
                length = container.duration / av.time_base
    except (av.error.FFmpegError, IndexError, OSError) as error:
        raise ValueError(f"{path}: the video does not open: {error}") from error
    if not rate or not length:
        raise ValueError(f"{path}: the video states neither its length nor its frame rate")
    return [(index, rate) for index in spread(max(1, int(float(length) * rate)), max_frames)]


def decode_image(image: str | Mapping[str, Any], root: Path) -> UInt8Array:
    """Decode one picture to (H, W, 3) uint8 RGB.

    Args:
        image: a path relative to ``root``, or ``{"bytes", "path"}`` as in a Parquet column.
        root: the folder of the media.

    Raises:
        ValueError: the picture is missing or does not decode.
    """
    from PIL import Image

    embedded = image.get("bytes") if isinstance(image, Mapping) else None
    name = image.get("path") if isinstance(image, Mapping) else image
    if embedded is None and not name:
        raise ValueError("the image has neither bytes nor a path")
    place = io.BytesIO(embedded) if embedded is not None else root / str(name)
    try:
        with Image.open(place) as picture:
            return np.array(picture.convert("RGB"))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{name or 'embedded image'}: does not decode: {error}") from error


def rle_box(mask: Mapping[str, Any], size_px: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the box around a COCO run-length mask as x0, y0, x1, y1 in pixels of the picture.

    Args:
        mask: ``size`` (height, width) and ``counts``: lengths of runs of 0 and 1 in turn, down the
            columns, as a list or in COCO's text form.
        size_px: (height, width) of the picture, to which the mask's own size is scaled.

    Raises:
        ValueError: the runs do not fill the mask, or it is empty.
    """
    height, width = (int(side) for side in mask["size"])
    counts = mask["counts"]
    runs = counts if isinstance(counts, list) else decode_counts(counts)
    if sum(runs) != height * width or min(runs, default=0) < 0:
        raise ValueError(f"a mask's runs fill {sum(runs)} of {height * width} pixels")
    filled = np.repeat(np.arange(len(runs)) % 2, runs).astype(bool).reshape(width, height)
    columns, rows = np.flatnonzero(filled.any(1)), np.flatnonzero(filled.any(0))
    if not len(columns):
        raise ValueError("a mask is empty")
    x, y = size_px[1] / width, size_px[0] / height
    return (
        float(columns[0] * x),
        float(rows[0] * y),
        float((columns[-1] + 1) * x),
        float((rows[-1] + 1) * y),
    )


def decode_counts(text: str | bytes) -> list[int]:
    """Decode COCO's text form of run lengths.

    Each number is written in groups of 5 bits, lowest first, as characters from ``0`` on; bit 5 of
    a character says that another follows, bit 4 of the last one is the sign. From the fourth on a
    number is the difference to the one two before (cocoapi, ``common/maskApi.c``).
    """
    letters = text.encode("ascii") if isinstance(text, str) else text
    runs: list[int] = []
    value = shift = 0
    for letter in letters:
        group = letter - 48
        value |= (group & 0x1F) << shift
        shift += 5
        if group & 0x20:
            continue
        if group & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("a mask's run lengths end in the middle of a number")
    return runs
