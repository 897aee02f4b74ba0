"""Filling convex faces into a depth buffer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

NEAR_M = 0.15
_DECAL_BIAS = np.float32(1.004)
_LEAST_FACE_PX2 = 1.0
_LEAST_DECAL_PX2 = 5.0


@dataclass(frozen=True, eq=False)
class Lens:
    """A pinhole camera at one time; ``world_m @ rotation.T + translation`` is in camera axes."""

    rotation: FloatArray
    translation_m: FloatArray
    focal_px: FloatArray
    center_px: FloatArray
    width_px: int
    height_px: int

    def resized(self, width_px: int, height_px: int) -> Lens:
        """Return the lens for a picture of another size of the same view."""
        ratio = np.array([width_px, height_px]) / [self.width_px, self.height_px]
        return Lens(
            self.rotation,
            self.translation_m,
            self.focal_px * ratio,
            self.center_px * ratio,
            width_px,
            height_px,
        )

    @property
    def position_m(self) -> FloatArray:
        """(3,) in the world."""
        return np.asarray(-(self.rotation.T @ self.translation_m))

    def to_camera(self, points_m: FloatArray) -> FloatArray:
        """Return world points (P, 3) in camera axes; no BLAS, so the same on any machine."""
        x, y, z = points_m.T
        r, t = self.rotation, self.translation_m
        return np.stack([r[i, 0] * x + r[i, 1] * y + r[i, 2] * z + t[i] for i in range(3)], axis=1)


class Buffer:
    """The nearest face of every sample.

    Attributes:
        inverse_depth: (H, W) 1 / z, 0 where nothing is.
        face: (H, W) face index, -1 where nothing is.
    """

    def __init__(self, height_px: int, width_px: int) -> None:
        self.inverse_depth = np.zeros((height_px, width_px), dtype=np.float32)
        self.face = np.full((height_px, width_px), -1, dtype=np.int32)

    def copy(self) -> Buffer:
        """Return a buffer of its own with the same samples."""
        out = Buffer.__new__(Buffer)
        out.inverse_depth = self.inverse_depth.copy()
        out.face = self.face.copy()
        return out


def fill(
    buffer: Buffer,
    lens: Lens,
    vertices_m: FloatArray,
    corners: NDArray[np.intp],
    decals: NDArray[np.bool_],
    first_index: int = 0,
) -> FloatArray:
    """Fill the faces that look at the camera, and return each face's plane (F, 3).

    The plane gives 1 / z = a u + b v + c at pixel (u, v). Faces are numbered from
    ``first_index``. Samples lie at the middle of pixels.
    """
    points = lens.to_camera(vertices_m)
    quads = points[corners]  # (F, 8, 3)
    planes, facing = _planes(quads, lens)
    depths = quads[..., 2]
    whole = (depths > NEAR_M).all(axis=1)
    cut = facing & ~whole & (depths > NEAR_M).any(axis=1)
    safe = np.where(depths > NEAR_M, depths, 1.0)
    pixels = quads[..., :2] / safe[..., None] * lens.focal_px + lens.center_px
    low, high = pixels.min(axis=1), pixels.max(axis=1)
    size = np.array([lens.width_px, lens.height_px])
    inside = (high > 0).all(axis=1) & (low < size).all(axis=1)
    # What covers less than about a sample is left out; decals a little sooner.
    covers = (high - low).prod(axis=1) > np.where(decals, _LEAST_DECAL_PX2, _LEAST_FACE_PX2)
    drawn = np.flatnonzero(facing & whole & inside & covers)
    _fill_all(buffer, pixels[drawn], planes[drawn], decals[drawn], first_index + drawn)
    for index in np.flatnonzero(cut):
        clipped = _clip_near(quads[index])
        outline = clipped[:, :2] / clipped[:, 2:] * lens.focal_px + lens.center_px
        one = slice(index, index + 1)
        _fill_all(buffer, outline[None], planes[one], decals[one], np.array([first_index + index]))
    return planes


def _planes(quads: FloatArray, lens: Lens) -> tuple[FloatArray, NDArray[np.bool_]]:
    a, b = quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0]
    normal = np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )
    v = quads[:, 0]
    offset = normal[:, 0] * v[:, 0] + normal[:, 1] * v[:, 1] + normal[:, 2] * v[:, 2]
    facing = offset < -1e-12
    over = np.where(facing, offset, -1.0)
    slope = normal[:, :2] / lens.focal_px / over[:, None]
    constant = (
        normal[:, 2] / over - slope[:, 0] * lens.center_px[0] - slope[:, 1] * lens.center_px[1]
    )
    return np.concatenate([slope, constant[:, None]], axis=1), facing


def _clip_near(quad: FloatArray) -> FloatArray:
    out: list[FloatArray] = []
    for here, there in zip(quad, np.roll(quad, -1, axis=0), strict=True):
        if here[2] > NEAR_M:
            out.append(here)
        if (here[2] > NEAR_M) != (there[2] > NEAR_M):
            weight = (NEAR_M - here[2]) / (there[2] - here[2])
            out.append(here + weight * (there - here))
    return np.array(out)


def _fill_all(
    buffer: Buffer,
    outlines: FloatArray,
    planes: FloatArray,
    decals: NDArray[np.bool_],
    indices: NDArray[np.intp],
) -> None:
    """Fill faces of (F, K, 2) convex outlines, all turning the same way."""
    height, width = buffer.face.shape
    y = outlines[..., 1]
    tops = np.clip(np.ceil(y.min(axis=1) - 0.5), 0, height).astype(int).tolist()
    bottoms = np.clip(np.ceil(y.max(axis=1) - 0.5), 0, height).astype(int).tolist()
    edges = _edges(outlines)
    all_rows, all_columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    for k, (top, bottom) in enumerate(zip(tops, bottoms, strict=True)):
        if top >= bottom:
            continue
        rows = all_rows[top:bottom]
        slope, base = edges[k]
        bounds = slope * rows + base
        # A convex outline is where it is right of all its left edges and left of the others.
        left, right = bounds[0].max(axis=0), bounds[1].min(axis=0)
        begin = max(0, math.ceil(left.min() - 0.5))
        end = min(width, math.ceil(right.max() - 0.5))
        if begin >= end:
            continue
        columns = all_columns[begin:end]
        a, b, c = planes[k]
        near = (a * columns).astype(np.float32) + (b * rows + c).astype(np.float32)[:, None]
        held = buffer.inverse_depth[top:bottom, begin:end]
        inside = (near * _DECAL_BIAS if decals[k] else near) > held
        inside &= columns >= left[:, None]
        inside &= columns < right[:, None]
        np.copyto(held, near, where=inside)
        buffer.face[top:bottom, begin:end][inside] = indices[k]


def _edges(outlines: FloatArray) -> FloatArray:
    """(F, 2, 2, K, 1): slope and base of x along each row, for left and for right edges."""
    start, end = outlines, np.roll(outlines, -1, axis=1)
    rise = end[..., 1] - start[..., 1]
    level = np.abs(rise) < 1e-9
    slope = (end[..., 0] - start[..., 0]) / np.where(level, 1.0, rise)
    base = start[..., 0] - start[..., 1] * slope
    out = np.empty((len(outlines), 2, 2, outlines.shape[1], 1))
    # Seen from the front the corners turn left in the world, so left edges run down the picture.
    for side, (own, never) in enumerate(((rise > 0, -np.inf), (rise < 0, np.inf))):
        out[:, 0, side, :, 0] = np.where(own & ~level, slope, 0.0)
        out[:, 1, side, :, 0] = np.where(own & ~level, base, never)
    return out
