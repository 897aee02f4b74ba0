"""Ground and sky as a camera sees them, the shadows on the ground, and the windows of houses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.canvas import Canvas, clipped, dashes
from stkit_datasets.simulation.ground import paint_ground
from stkit_datasets.simulation.light import Light, haze_share, sky
from stkit_datasets.simulation.raster import Lens
from stkit_datasets.simulation.scenes import Scene

FloatArray = NDArray[np.float64]
Plane = NDArray[np.float32]

_FARTHEST_M = 1500.0
_SHADOW_RANGE_M = 75.0
_SUN_SHADOW = 0.42
_CONTACT_SHADOW = 0.35


@dataclass(frozen=True, eq=False)
class Backdrop:
    """Ground and sky without the bodies.

    Attributes:
        rgb: (H, W, 3) colour, 0 to 1.
        depth_m: (H, W) of the ground along the optical axis, inf in the sky.
        first_row: the first row that holds ground.
        x_m: (H - first_row, W) world x of the ground there.
        y_m: world y.
    """

    rgb: Plane
    depth_m: Plane
    first_row: int
    x_m: Plane
    y_m: Plane

    @classmethod
    def seen(cls, scene: Scene, lens: Lens, light: Light) -> Backdrop:
        """Look at the ground and the sky, with the shadows of the scenery."""
        u = ((np.arange(lens.width_px) + 0.5 - lens.center_px[0]) / lens.focal_px[0])[None, :]
        v = ((np.arange(lens.height_px) + 0.5 - lens.center_px[1]) / lens.focal_px[1])[:, None]
        r = lens.rotation
        way = [(r[0, i] * u + r[1, i] * v + r[2, i]).astype(np.float32) for i in range(3)]
        camera = lens.position_m
        depth = np.full(way[2].shape, np.inf, dtype=np.float32)
        down = way[2] < -camera[2] / _FARTHEST_M
        np.divide(np.float32(-camera[2]), way[2], where=down, out=depth)
        length = np.sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2])
        rgb = np.stack(sky(light, way[2] / length), axis=-1)
        rows = np.flatnonzero(down.any(axis=1))
        first = int(rows[0]) if len(rows) else lens.height_px
        near = np.where(down, depth, np.float32(_FARTHEST_M))[first:]
        x = np.float32(camera[0]) + near * way[0][first:]
        y = np.float32(camera[1]) + near * way[1][first:]
        out = cls(rgb, depth, first, x, y)
        if len(near):
            out._paint(scene, lens, light, near, down[first:])
        return out

    def _paint(
        self, scene: Scene, lens: Lens, light: Light, depth: Plane, ground: NDArray[np.bool_]
    ) -> None:
        across = depth / np.float32(lens.focal_px[0])
        along = depth * depth / np.float32(lens.focal_px[1] * lens.position_m[2]) + across
        canvas = Canvas(
            self.x_m, self.y_m, across, along, (lens.rotation[0, 0], lens.rotation[0, 1])
        )
        paint_ground(scene.surface, canvas)
        lit = light.shade(np.array([[0.0, 0.0, 1.0]]))[0]
        haze = haze_share(depth)
        part = self.rgb[self.first_row :]
        for i, plane in enumerate(canvas.planes):
            plane *= np.float32(lit[i])
            plane += (np.float32(light.horizon[i]) - plane) * haze
            np.copyto(part[..., i], plane, where=ground)
        for prop in scene.props:
            if prop.kind in ("building", "tree", "hedge", "stand", "sign"):
                share = 0.75 if prop.kind == "tree" else 1.0
                size = np.array(prop.size_lwh_m)
                size[:2] *= share
                _shadow(
                    self.rgb,
                    self,
                    lens,
                    light,
                    np.array(prop.center_m),
                    size,
                    prop.heading_rad,
                    prop.base_m + (0.27 * size[2] if prop.kind == "tree" else 0.0),
                    soft_m=0.9 if prop.kind == "tree" else 0.25,
                )

    def with_shadows(
        self, scene: Scene, frame: int, lens: Lens, light: Light, without: int | None
    ) -> Plane:
        """Return the colours with the shadows of the bodies at a frame."""
        out = self.rgb.copy()
        for i, body in enumerate(scene.bodies):
            if i != without:
                center, heading = scene.centers_m[i, frame, :2], scene.headings_rad[i, frame]
                size = np.array(body.size_lwh_m)
                soft = 0.12 if body.model.kind == "vehicle" else 0.10
                _shadow(out, self, lens, light, center, size, heading, 0.0, soft, contact=True)
        return out


def _shadow(
    rgb: Plane,
    backdrop: Backdrop,
    lens: Lens,
    light: Light,
    center_m: FloatArray,
    size_m: FloatArray,
    heading_rad: float,
    base_m: float,
    soft_m: float,
    contact: bool = False,
) -> None:
    """Darken the ground that a box keeps from the sun, and the ground right under it."""
    tip = np.array(light.shadow_per_m)
    low, high = tip * base_m, tip * (base_m + size_m[2])
    window = _window(backdrop, lens, center_m, size_m, (low, high), soft_m)
    if window is None:
        return
    rows, columns = window
    x = backdrop.x_m[rows, columns] - np.float32(center_m[0])
    y = backdrop.y_m[rows, columns] - np.float32(center_m[1])
    cos, sin = np.float32(np.cos(heading_rad)), np.float32(np.sin(heading_rad))
    sweep = high - low
    length = np.float32(max(float(sweep[0] ** 2 + sweep[1] ** 2), 1e-9))
    sx, sy = np.float32(sweep[0]), np.float32(sweep[1])
    px, py = x - np.float32(low[0]), y - np.float32(low[1])
    part = clipped(np.asarray((px * sx + py * sy) / length))
    px, py = px - part * sx, py - part * sy
    soft = np.float32(1 / (2 * soft_m))
    dark = _inside(px, py, cos, sin, size_m, soft) * np.float32(_SUN_SHADOW * light.sun)
    if contact:
        under = _inside(x, y, cos, sin, size_m, np.float32(1.4))
        dark = dark + (1 - dark) * under * np.float32(_CONTACT_SHADOW)
    target = rgb[backdrop.first_row :][rows, columns]
    target *= (1 - dark)[..., None]


def _inside(
    x: Plane, y: Plane, cos: np.float32, sin: np.float32, size_m: FloatArray, soft: np.float32
) -> Plane:
    """How far points are inside a turned rectangle, 0 to 1 over its soft edge."""
    along = np.abs(x * cos + y * sin) - np.float32(size_m[0] / 2)
    aside = np.abs(y * cos - x * sin) - np.float32(size_m[1] / 2)
    return clipped(np.float32(0.5) - np.maximum(along, aside) * soft)


def _window(
    backdrop: Backdrop,
    lens: Lens,
    center_m: FloatArray,
    size_m: FloatArray,
    shifts_m: tuple[FloatArray, FloatArray],
    soft_m: float,
) -> tuple[slice, slice] | None:
    """Rows (of the ground) and columns that can hold a shadow, None when there are none."""
    away = center_m - lens.position_m[:2]
    reach = float(np.sqrt(size_m[0] ** 2 + size_m[1] ** 2)) / 2 + soft_m + 0.3
    if float(np.sqrt(away[0] ** 2 + away[1] ** 2)) > _SHADOW_RANGE_M + reach:
        return None
    corners = [
        (center_m[0] + shift[0] + i * reach, center_m[1] + shift[1] + j * reach, 0.0)
        for shift in shifts_m
        for i in (-1, 1)
        for j in (-1, 1)
    ]
    points = lens.to_camera(np.array(corners))
    if (points[:, 2] < 0.3).all():
        return None
    height, width = backdrop.x_m.shape
    if (points[:, 2] < 0.3).any():
        return slice(0, height), slice(0, width)
    pixels = points[:, :2] / points[:, 2:] * lens.focal_px + lens.center_px
    x0, y0 = np.floor(pixels.min(axis=0)).astype(int)
    x1, y1 = np.ceil(pixels.max(axis=0)).astype(int) + 1
    y0, y1 = max(0, y0 - backdrop.first_row), min(height, y1 - backdrop.first_row)
    x0, x1 = max(0, x0), min(width, x1)
    if y0 >= y1 or x0 >= x1:
        return None
    return slice(y0, y1), slice(x0, x1)


def facade_windows(
    rgb: Plane,
    pixels: NDArray[np.intp],
    faces: NDArray[np.int32],
    planes: FloatArray,
    lens: Lens,
    width_px: int,
) -> None:
    """Darken the windows of houses, in place; ``lens`` and ``planes`` are of the finer samples."""
    if not len(pixels):
        return
    u = ((pixels % width_px) * 2 + 1.0).astype(np.float32)
    v = ((pixels // width_px) * 2 + 1.0).astype(np.float32)
    plane = planes[faces].astype(np.float32)
    inverse = plane[:, 0] * u + plane[:, 1] * v + plane[:, 2]
    depth: Plane = np.reciprocal(np.maximum(inverse, np.float32(1e-4)))
    fx, fy = np.float32(lens.focal_px[0]), np.float32(lens.focal_px[1])
    rx = (u - np.float32(lens.center_px[0])) / fx * depth
    ry = (v - np.float32(lens.center_px[1])) / fy * depth
    rotation = lens.rotation.astype(np.float32)
    camera = lens.position_m.astype(np.float32)
    x, y, z = (
        camera[i] + rotation[0, i] * rx + rotation[1, i] * ry + rotation[2, i] * depth
        for i in range(3)
    )
    # The wall's level direction, from its plane's normal in the world.
    nx = plane[:, 0] * fx
    ny = plane[:, 1] * fy
    nz = plane[:, 2] + plane[:, 0] * np.float32(lens.center_px[0])
    nz = nz + plane[:, 1] * np.float32(lens.center_px[1])
    wx = rotation[0, 0] * nx + rotation[1, 0] * ny + rotation[2, 0] * nz
    wy = rotation[0, 1] * nx + rotation[1, 1] * ny + rotation[2, 1] * nz
    size = np.sqrt(wx * wx + wy * wy) + np.float32(1e-9)
    tx, ty = -wy / size, wx / size
    along = x * tx + y * ty
    span = depth * np.float32(2) / fx
    away = np.abs((x - camera[0]) * wx + (y - camera[1]) * wy) / size + np.float32(0.1)
    slant = clipped(depth / away, 1.0, 12.0)
    glass = dashes(along + np.float32(600), 2.6, 1.3, span * slant)
    glass = glass * dashes(z - np.float32(1.1), 3.2, 1.5, span)
    cover = (glass * np.float32(0.62))[:, None]
    rgb[pixels] += (np.array([0.20, 0.25, 0.31], dtype=np.float32) - rgb[pixels]) * cover
