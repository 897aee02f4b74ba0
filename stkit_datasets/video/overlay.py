"""Boxes drawn into a picture, in RGB or straight into the planes of YUV 4:2:0.

A box is a coloured band around (outside of) its rectangle with a dark line on both sides, so that
it shows on any background and hides little of the object. Edges are snapped outward to even
pixels: a chroma sample covers 2 x 2 pixels, and a band off that raster would bleed its colour. A
box that reaches beyond the picture is closed along the picture's border.

A row draws nothing when it holds a NaN (not visible) or has no area inside the picture, as a
reversed box has not; infinite corners mean the border.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from .palette import rgb_of
from .pictures import UInt8Array, split_planes

OUTLINE_RGB = (16, 16, 16)
OUTLINE_PX = 1
_LIMITED_RANGE_BLACK = 16
_Rect = tuple[int, int, int, int]
_Slices = tuple[slice, slice]


def default_thickness_px(height_px: int) -> int:
    """Return the band's thickness for a picture of that height: even, 2 px at 240, 4 px at 480."""
    return 2 * max(1, round(height_px / 240))


def draw_boxes(
    frame: UInt8Array,
    boxes_px: NDArray[np.floating],
    colors: Sequence[str],
    thickness_px: int | None = None,
) -> None:
    """Draw K boxes into an RGB picture, in place; later ones lie on top.

    Args:
        frame: (H, W, 3) uint8, changed.
        boxes_px: (K, 4) x0, y0, x1, y1 in this picture's pixels; a NaN row is not visible.
        colors: K names of :data:`~stkit_datasets.video.palette.PALETTE`.
        thickness_px: of the coloured band; by default :func:`default_thickness_px` of H.

    Raises:
        ValueError: wrong shape or type, an unknown colour, a thickness below 1.
    """
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ValueError(f"expected an (H, W, 3) uint8 frame, got {frame.shape} {frame.dtype}")
    height, width = frame.shape[:2]
    band_px = _checked_thickness(thickness_px, height)
    for box, color in _checked_boxes(boxes_px, colors):
        inner = _inner_rect(box, band_px, width, height)
        if inner is None:
            continue
        rgb = rgb_of(color)
        for where in _ring(inner, -OUTLINE_PX, band_px + OUTLINE_PX, width, height):
            frame[where] = OUTLINE_RGB
        for where in _ring(inner, 0, band_px, width, height):
            frame[where] = rgb


def draw_boxes_on_planes(
    planes: UInt8Array,
    boxes_px: NDArray[np.floating],
    colors: Sequence[str],
    thickness_px: int | None = None,
) -> None:
    """Draw K boxes into contiguous (3 H / 2, W) planes, in place, as :func:`draw_boxes` does.

    Raises:
        ValueError: as :func:`draw_boxes`, and an odd ``thickness_px``.
    """
    luma, chroma_u, chroma_v = split_planes(planes)
    height, width = luma.shape
    band_px = _checked_thickness(thickness_px, height)
    if band_px % 2:
        raise ValueError(f"thickness_px must be even on 4:2:0 planes, got {band_px}")
    for box, color in _checked_boxes(boxes_px, colors):
        inner = _inner_rect(box, band_px, width, height)
        if inner is None:
            continue
        y, u, v = yuv_of(rgb_of(color))
        # Dark luma hides chroma, so the outline needs no chroma of its own.
        for where in _ring(inner, -OUTLINE_PX, band_px + OUTLINE_PX, width, height):
            luma[where] = _LIMITED_RANGE_BLACK
        for rows, columns in _ring(inner, 0, band_px, width, height):
            luma[rows, columns] = y
            half = (
                slice(rows.start // 2, rows.stop // 2),
                slice(columns.start // 2, columns.stop // 2),
            )
            chroma_u[half] = u
            chroma_v[half] = v


def yuv_of(rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return limited-range Y, U, V of an sRGB colour by ITU-R BT.601, 8 bit."""
    red, green, blue = (value / 255 for value in rgb)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    return (
        round(16 + 219 * luma),
        round(128 + 224 * (blue - luma) / 1.772),
        round(128 + 224 * (red - luma) / 1.402),
    )


def _checked_thickness(thickness_px: int | None, height: int) -> int:
    if thickness_px is None:
        return default_thickness_px(height)
    if thickness_px < 1:
        raise ValueError(f"thickness_px must be at least 1, got {thickness_px}")
    return thickness_px


def _checked_boxes(
    boxes_px: NDArray[np.floating], colors: Sequence[str]
) -> Iterator[tuple[list[float], str]]:
    if boxes_px.ndim != 2 or boxes_px.shape[1] != 4:
        raise ValueError(f"expected (K, 4) boxes, got {boxes_px.shape}")
    if len(colors) != len(boxes_px):
        raise ValueError(f"{len(boxes_px)} boxes need as many colours, got {len(colors)}")
    for color in colors:
        rgb_of(color)
    return zip(boxes_px.tolist(), colors, strict=True)


def _inner_rect(box: list[float], band_px: int, width: int, height: int) -> _Rect | None:
    x0, y0, x1, y1 = box
    if x0 != x0 or y0 != y0 or x1 != x1 or y1 != y1:
        return None
    x0, x1 = max(0.0, x0), min(float(width), x1)
    y0, y1 = max(0.0, y0), min(float(height), y1)
    if x0 >= x1 or y0 >= y1:
        return None
    left, right = _snapped(x0, x1, band_px, width)
    top, bottom = _snapped(y0, y1, band_px, height)
    return left, top, right, bottom


def _snapped(low: float, high: float, band_px: int, size: int) -> tuple[int, int]:
    """Round outward to even pixels and leave room for the band on both sides."""
    first, last = band_px, max(band_px, size - band_px)
    even_low, even_high = int(low) // 2 * 2, -(int(-high // 1) // 2) * 2
    return min(max(even_low, first), last), min(max(even_high, first), last)


def _ring(inner: _Rect, start: int, stop: int, width: int, height: int) -> Iterator[_Slices]:
    """Yield the four strips that lie from ``start`` to ``stop`` px outside of a rectangle."""
    left, top, right, bottom = inner
    columns = _clipped(left - stop, right + stop, width)
    rows = _clipped(top - start, bottom + start, height)
    yield _clipped(top - stop, top - start, height), columns
    yield _clipped(bottom + start, bottom + stop, height), columns
    yield rows, _clipped(left - stop, left - start, width)
    yield rows, _clipped(right + start, right + stop, width)


def _clipped(start: int, stop: int, size: int) -> slice:
    return slice(min(max(start, 0), size), min(max(stop, 0), size))
