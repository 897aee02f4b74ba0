"""One picture: its size after scaling, and its two forms, RGB and planar YUV 4:2:0.

``rgb`` is H x W x 3 uint8. ``planes`` is (3 H / 2) x W uint8, the Y plane followed by the U and V
planes of half the width and height (libav's "yuv420p"), limited range, matrix ITU-R BT.601: what
H.264 stores, half the memory of RGB, and no conversion before encoding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import VideoError

UInt8Array = NDArray[np.uint8]
SizePx = tuple[int, int]
"""(width, height) in pixels."""


def require_av() -> Any:
    """Return PyAV, or say how to install it.

    Raises:
        ImportError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise ImportError(
            'reading and writing video needs PyAV: pip install ".[video]" in a clone of STKit'
        ) from error
    return av


def scaled_size(size_px: SizePx, height_px: int | None) -> SizePx:
    """Return the (width, height) at most ``height_px`` high, even, never upscaled.

    The aspect is kept to within the rounding to even numbers, which 4:2:0 needs.

    Raises:
        ValueError: ``height_px`` is below 2, or the picture is smaller than 2 x 2.
    """
    width, height = size_px
    if height_px is not None and height_px < 2:
        raise ValueError(f"height_px must be at least 2, got {height_px}")
    if width < 2 or height < 2:
        raise ValueError(f"a picture of at least 2x2 pixels is needed, got {width}x{height}")
    if height_px is None or height <= height_px:
        return width // 2 * 2, height // 2 * 2
    scaled_height = height_px // 2 * 2
    scaled_width = max(2, 2 * round(width * scaled_height / height / 2))
    return min(scaled_width, width // 2 * 2), scaled_height


def upright_size(frame: Any) -> SizePx:
    """Return (width, height) of a decoded frame once its rotation metadata is applied."""
    if _quarter_turns(frame) % 2:
        return int(frame.height), int(frame.width)
    return int(frame.width), int(frame.height)


def to_rgb(frame: Any, height_px: int | None) -> UInt8Array:
    """Scale an ``av.VideoFrame``, turn it upright, return H x W x 3 uint8."""
    rgb: UInt8Array = _reformat(frame, height_px, "rgb24").to_ndarray()
    return np.ascontiguousarray(np.rot90(rgb, _quarter_turns(frame)))


def to_planes(frame: Any, height_px: int | None) -> UInt8Array:
    """Scale an ``av.VideoFrame``, turn it upright, return (3 H / 2) x W uint8."""
    planes: UInt8Array = _reformat(frame, height_px, "yuv420p").to_ndarray()
    turns = _quarter_turns(frame)
    if turns == 0:
        return planes
    turned = [np.rot90(plane, turns) for plane in split_planes(planes)]
    flat = np.concatenate([plane.ravel() for plane in turned])
    return flat.reshape(-1, turned[0].shape[1])


def rgb_to_planes(rgb: UInt8Array) -> UInt8Array:
    """Convert H x W x 3 (even sizes) to planes."""
    return to_planes(require_av().VideoFrame.from_ndarray(rgb, format="rgb24"), None)


def split_planes(planes: UInt8Array) -> tuple[UInt8Array, UInt8Array, UInt8Array]:
    """Return views of the Y, U and V planes of a contiguous (3 H / 2) x W array."""
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    flat = planes.reshape(-1)
    luma, quarter = height * width, height * width // 4
    return (
        flat[:luma].reshape(height, width),
        flat[luma : luma + quarter].reshape(height // 2, width // 2),
        flat[luma + quarter :].reshape(height // 2, width // 2),
    )


def _quarter_turns(frame: Any) -> int:
    rotation = int(frame.rotation)
    if rotation % 90:
        raise VideoError(f"rotated by {rotation} degrees; expected a multiple of 90")
    return rotation // 90 % 4


def _reformat(frame: Any, height_px: int | None, pixel_format: str) -> Any:
    av = require_av()
    reformatter = av.video.reformatter
    width, height = scaled_size(upright_size(frame), height_px)
    if _quarter_turns(frame) % 2:
        width, height = height, width
    # Bit-exact rounding and one thread, so that a picture does not depend on the machine's CPU.
    mode = reformatter.Interpolation
    planar = pixel_format == "yuv420p"
    return frame.reformat(
        width,
        height,
        pixel_format,
        interpolation=mode.AREA | mode.ACCURATE_RND | mode.BITEXACT,
        dst_colorspace=reformatter.Colorspace.ITU601 if planar else None,
        dst_color_range=reformatter.ColorRange.MPEG if planar else None,
        threads=1,
    )
