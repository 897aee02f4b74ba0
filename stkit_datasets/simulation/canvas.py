"""Painting on the ground plane: stripes and dashes filtered to the pixel that sees them.

Only sums, products and roots are taken per pixel, so that a picture does not depend on the
processor's own sine or exponential.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Color = tuple[float, float, float]

_NOISE_SIZE = 1024


@cache
def noise_texture(cells: tuple[int, ...]) -> Plane:
    """Return (1024 * 1024,) noise of mean 0 that repeats without a seam, of grains so many."""
    rng = np.random.Generator(np.random.PCG64(20))
    out = np.zeros((_NOISE_SIZE, _NOISE_SIZE))
    for count in cells:
        layer = rng.uniform(-1.0, 1.0, (count, count))
        step = _NOISE_SIZE // count
        layer = np.repeat(np.repeat(layer, step, axis=0), step, axis=1)
        out += _smooth(_smooth(layer, step), step) * (0.5 if step == 1 else 1.0)
    return out.astype(np.float32).ravel()


def _smooth(layer: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Blur by a box of ``step`` along both axes, around the edges."""
    for axis in (0, 1):
        total = np.zeros_like(layer)
        for shift in range(step):
            total += np.roll(layer, shift, axis=axis)
        layer = total / step
    return layer


def clipped(values: Plane, low: float = 0.0, high: float = 1.0) -> Plane:
    """Return the values kept within low to high."""
    return np.asarray(np.minimum(np.maximum(values, np.float32(low)), np.float32(high)))


def band(u: Plane, low: float, high: float, width: Plane) -> Plane:
    """Return the share of each pixel's span [u - width/2, u + width/2] within low to high."""
    half = width * np.float32(0.5)
    inside: Plane = np.minimum(u + half, np.float32(high)) - np.maximum(u - half, np.float32(low))
    return clipped(np.asarray(inside / width))


def dashes(u: Plane, period: float, on: float, width: Plane) -> Plane:
    """Return the share of each pixel's span on dashes of length ``on`` every ``period``."""

    def covered(edge: Plane) -> Plane:
        turns = edge * np.float32(1 / period)
        whole = np.floor(turns)
        part = (turns - whole) * np.float32(period)
        return np.asarray(whole * np.float32(on) + np.minimum(part, np.float32(on)))

    half = width * np.float32(0.5)
    return np.asarray((covered(u + half) - covered(u - half)) / width)


class Canvas:
    """Ground points seen by a block of pixels, and their colour.

    Args:
        x_m: (H, W) world x of each pixel's ground point.
        y_m: (H, W) world y.
        across_m: (H, W) metres a pixel spans to the camera's right.
        along_m: (H, W) metres a pixel spans away from the camera.
        right: unit vector on the ground to the camera's right.

    Attributes:
        planes: red, green, blue, (H, W) each.
    """

    def __init__(
        self,
        x_m: Plane,
        y_m: Plane,
        across_m: Plane,
        along_m: Plane,
        right: tuple[float, float],
    ) -> None:
        self.x_m, self.y_m = x_m, y_m
        self._across, self._along = across_m, along_m
        self._right = right
        self.planes = [np.empty_like(x_m) for _ in range(3)]

    def span_m(self, ex: Plane | float, ey: Plane | float) -> Plane:
        """Return how many metres each pixel spans along the unit direction (ex, ey)."""
        rx, ry = self._right
        lateral = np.abs(ex * np.float32(rx) + ey * np.float32(ry))
        radial = np.abs(ey * np.float32(rx) - ex * np.float32(ry))
        return np.asarray(lateral * self._across + radial * self._along)

    def fill(self, color: Color) -> None:
        """Paint everything."""
        for plane, value in zip(self.planes, color, strict=True):
            plane[...] = value

    def paint(self, color: Color, coverage: Plane) -> None:
        """Lay a colour over, ``coverage`` (H, W) of it."""
        rows = np.flatnonzero(coverage.any(axis=1))
        if not len(rows):
            return
        block = slice(int(rows[0]), int(rows[-1]) + 1)
        cover = coverage[block]
        for plane, value in zip(self.planes, color, strict=True):
            part = plane[block]
            part += (np.float32(value) - part) * cover

    def noise(self, texels_per_m: float, cells: tuple[int, ...]) -> Plane:
        """Return noise fixed to the ground, faded where a pixel spans many texels."""
        scale = np.float32(texels_per_m)
        column = (self.x_m * scale).astype(np.int32) & (_NOISE_SIZE - 1)
        row = (self.y_m * scale).astype(np.int32) & (_NOISE_SIZE - 1)
        spanned = self._along * (scale * np.float32(0.15))
        return np.asarray(
            noise_texture(cells)[row * _NOISE_SIZE + column] / (1 + spanned * spanned)
        )

    def modulate(self, amount: Plane) -> None:
        """Multiply the colour by 1 + amount."""
        factor = 1 + amount
        for plane in self.planes:
            plane *= factor


def angle(y: Plane, x: Plane) -> Plane:
    """Return atan2(y, x) to 2e-5 rad, from sums and products alone."""
    big = np.maximum(np.abs(x), np.abs(y)) + np.float32(1e-9)
    small = np.minimum(np.abs(x), np.abs(y))
    ratio = small / big
    square = ratio * ratio
    # Abramowitz and Stegun 4.4.47.
    a, b, c, d, e = np.array(
        [0.9998660, -0.3302995, 0.1801410, -0.0851330, 0.0208351], dtype=np.float32
    )
    series = a + square * (b + square * (c + square * (d + square * e)))
    out = ratio * series
    out = np.asarray(np.where(np.abs(y) > np.abs(x), np.float32(np.pi / 2) - out, out))
    out = np.asarray(np.where(x < 0, np.float32(np.pi) - out, out))
    return np.asarray(np.where(y < 0, -out, out))
