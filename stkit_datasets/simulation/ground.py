"""What each ground looks like: asphalt, pavements, marks, grass, courts."""

from __future__ import annotations

import numpy as np

from stkit_datasets.simulation.canvas import Canvas, Color, Plane, angle, band, clipped, dashes
from stkit_datasets.simulation.surfaces import (
    LANE_M,
    PAVEMENT_M,
    CarPark,
    Court,
    Junction,
    Road,
    Roundabout,
    Surface,
)

GRASS: Color = (0.33, 0.45, 0.22)
PAVEMENT: Color = (0.60, 0.58, 0.55)
KERB: Color = (0.74, 0.73, 0.70)
ASPHALT: Color = (0.30, 0.30, 0.32)
WHITE: Color = (0.90, 0.90, 0.88)
YELLOW: Color = (0.86, 0.68, 0.18)
CYCLE: Color = (0.46, 0.25, 0.22)
_LINE_M = 0.15


def paint_ground(surface: Surface, canvas: Canvas) -> None:
    """Paint a surface on the canvas, with grain that stays where it is in the world."""
    canvas.fill(GRASS)
    if isinstance(surface, Road):
        _road(surface, canvas)
    elif isinstance(surface, Junction):
        _junction(surface, canvas)
    elif isinstance(surface, Roundabout):
        _roundabout(surface, canvas)
    elif isinstance(surface, CarPark):
        _car_park(surface, canvas)
    else:
        _court(surface, canvas)
    grain = canvas.noise(28.0, (1024, 512))
    patches = canvas.noise(8.0, (128, 32, 8))
    canvas.modulate(np.float32(0.10) * grain + np.float32(0.09) * patches)


def _street(canvas: Canvas, outside: Plane, width: Plane) -> None:
    """Paint by the distance outside the kerb: asphalt, kerb, pavement, and grass beyond."""
    canvas.paint(PAVEMENT, band(outside, -1e6, PAVEMENT_M, width))
    canvas.paint(KERB, band(outside, -1e6, 0.18, width))
    canvas.paint(ASPHALT, band(outside, -1e6, 0.0, width))


def _road(road: Road, canvas: Canvas) -> None:
    k = road.curvature_per_m
    if k == 0:
        s, d = canvas.x_m, canvas.y_m
        width_d, width_s = canvas.span_m(0.0, 1.0), canvas.span_m(1.0, 0.0)
    else:
        radius = abs(1 / k)
        side = np.float32(1.0 if k > 0 else -1.0)
        dx, dy = canvas.x_m, canvas.y_m - np.float32(1 / k)
        away = np.sqrt(dx * dx + dy * dy)
        d = side * (np.float32(radius) - away)
        s = angle(dx, -side * dy) * np.float32(radius)
        ex, ey = dx / away, dy / away
        width_d, width_s = canvas.span_m(ex, ey), canvas.span_m(-ey, ex)
    off = np.abs(d)
    _street(canvas, off - np.float32(road.kerb_m), width_d)
    if road.edge == "cycle":
        canvas.paint(CYCLE, band(off, road.lanes_m + 0.2, road.kerb_m - 0.1, width_d))
    open_road = np.ones_like(s)
    for at in road.crossings_m:
        open_road -= band(s, at - 3.4, at + 3.4, width_s)
    _lane_marks(road, canvas, off, s, width_d, width_s, open_road)
    for at in road.crossings_m:
        zebra = band(s, at - 1.6, at + 1.6, width_s) * band(off, -1.0, road.kerb_m, width_d)
        canvas.paint(WHITE, zebra * dashes(d + np.float32(50.25), 1.0, 0.5, width_d))
        for left, start in ((-1, at - 3.4), (1, at + 3.0)):
            stop = band(s, start, start + 0.4, width_s)
            canvas.paint(WHITE, stop * band(d * np.float32(left), 0.1, road.lanes_m, width_d))


def _lane_marks(
    road: Road,
    canvas: Canvas,
    off: Plane,
    s: Plane,
    width_d: Plane,
    width_s: Plane,
    open_road: Plane,
) -> None:
    dashed = dashes(s, 9.0, 3.5, width_s) * open_road
    if road.lanes == 1:
        canvas.paint(WHITE, band(off, -1.0, _LINE_M / 2, width_d) * dashed)
    else:
        canvas.paint(YELLOW, band(off, 0.10, 0.25, width_d) * open_road)
        for lane in range(1, road.lanes):
            at = lane * LANE_M
            canvas.paint(WHITE, band(off, at - 0.07, at + 0.07, width_d) * dashed)
    edge = band(off, road.lanes_m - _LINE_M / 2, road.lanes_m + _LINE_M / 2, width_d)
    canvas.paint(WHITE, edge * open_road)
    if road.edge == "parking":
        bays = band(off, road.lanes_m, road.kerb_m, width_d) * dashes(s, 7.0, 0.12, width_s)
        canvas.paint(WHITE, bays * open_road)


def _crossed(
    surface: Junction, canvas: Canvas, arm: Plane, off: Plane, wide: Plane, long: Plane
) -> None:
    """Marks of the two arms along one axis: |position| on it, and distance off its middle."""
    begin = surface.stop_m
    lanes_m = surface.lanes * LANE_M
    beyond = band(arm, begin, 1e6, long)
    if surface.lanes == 1:
        middle = band(off, -1.0, _LINE_M / 2, wide)
        canvas.paint(WHITE, middle * beyond * dashes(arm, 9.0, 5.0, long))
    else:
        canvas.paint(YELLOW, band(off, 0.10, 0.25, wide) * beyond)
        lane = band(off, LANE_M - 0.07, LANE_M + 0.07, wide)
        canvas.paint(WHITE, lane * beyond * dashes(arm, 9.0, 5.0, long))
    canvas.paint(WHITE, band(off, lanes_m - 0.1, lanes_m + 0.05, wide) * beyond)
    at = surface.crossing_m
    zebra = band(arm, at - 1.5, at + 1.5, long) * band(off, -1.0, surface.kerb_m, wide)
    canvas.paint(WHITE, zebra * dashes(off + np.float32(0.25), 1.0, 0.5, wide))


def _junction(surface: Junction, canvas: Canvas) -> None:
    x, y = canvas.x_m, canvas.y_m
    ax, ay = np.abs(x), np.abs(y)
    wide_x, wide_y = canvas.span_m(1.0, 0.0), canvas.span_m(0.0, 1.0)
    u, v = ax - np.float32(surface.kerb_m), ay - np.float32(surface.kerb_m)
    # Distance to two strips whose inner corners are rounded.
    radius = np.float32(surface.corner_m)
    rx, ry = np.maximum(radius - u, 0), np.maximum(radius - v, 0)
    outside = radius - np.sqrt(rx * rx + ry * ry)
    _street(canvas, outside, np.maximum(np.minimum(wide_x, wide_y), np.float32(1e-3)))
    _crossed(surface, canvas, ax, ay, wide_y, wide_x)
    _crossed(surface, canvas, ay, ax, wide_x, wide_y)
    lanes_m = surface.lanes * LANE_M
    begin, end = surface.stop_m, surface.stop_m + 0.45
    for arm, off, long, wide in ((-x, -y, wide_x, wide_y), (x, y, wide_x, wide_y)):
        canvas.paint(WHITE, band(arm, begin, end, long) * band(off, 0.2, lanes_m, wide))
    for arm, off, long, wide in ((-y, x, wide_y, wide_x), (y, -x, wide_y, wide_x)):
        canvas.paint(WHITE, band(arm, begin, end, long) * band(off, 0.2, lanes_m, wide))


def _roundabout(surface: Roundabout, canvas: Canvas) -> None:
    x, y = canvas.x_m, canvas.y_m
    ax, ay = np.abs(x), np.abs(y)
    away = np.sqrt(x * x + y * y) + np.float32(1e-3)
    wide = canvas.span_m(x / away, y / away)
    wide_x, wide_y = canvas.span_m(1.0, 0.0), canvas.span_m(0.0, 1.0)
    arms = np.minimum(ax, ay) - np.float32(surface.kerb_m)
    ring = away - np.float32(surface.outer_m)
    # A smooth union rounds the corners where the arms meet the ring.
    blend = clipped(np.float32(0.5) + (ring - arms) / np.float32(12.0))
    outside = ring + (arms - ring) * blend - np.float32(6.0) * blend * (1 - blend)
    _street(canvas, outside, np.where(outside == arms, np.minimum(wide_x, wide_y), wide))
    for arm, off, long, cross in ((ax, ay, wide_x, wide_y), (ay, ax, wide_y, wide_x)):
        beyond = band(arm, surface.outer_m + 3.0, 1e6, long)
        canvas.paint(WHITE, band(off, -1.0, 0.08, cross) * beyond)
        canvas.paint(WHITE, band(off, LANE_M - 0.1, LANE_M + 0.05, cross) * beyond)
    edge = surface.outer_m
    turns = dashes(angle(y, x) * np.float32(edge), 1.5, 0.8, canvas.span_m(-y / away, x / away))
    near_arm = band(np.minimum(ax, ay), -1.0, surface.kerb_m + 2.0, np.minimum(wide_x, wide_y))
    canvas.paint(WHITE, band(away, edge - 0.3, edge, wide) * turns * near_arm)
    canvas.paint(KERB, band(away, -1.0, surface.island_m, wide))
    canvas.paint(GRASS, band(away, -1.0, surface.island_m - 0.35, wide))
    canvas.paint((0.55, 0.30, 0.28), band(away, -1.0, 4.2, wide))


def _car_park(surface: CarPark, canvas: Canvas) -> None:
    x, y = canvas.x_m, canvas.y_m
    ax, ay = np.abs(x), np.abs(y)
    wide_x, wide_y = canvas.span_m(1.0, 0.0), canvas.span_m(0.0, 1.0)
    outside = np.maximum(
        ax - np.float32(surface.half_length_m), ay - np.float32(surface.half_width_m)
    )
    _street(canvas, outside, np.maximum(np.minimum(wide_x, wide_y), np.float32(1e-3)))
    half, depth = surface.row_half_length_m, surface.bay_depth_m
    rows = band(ay, -1.0, depth, wide_y)
    rows = rows + band(ay, surface.half_width_m - depth, surface.half_width_m, wide_y)
    ends = band(ax, -1.0, half + 0.06, wide_x)
    first = np.float32(half + 0.06 + 100 * surface.bay_m)
    canvas.paint(WHITE, rows * ends * dashes(x + first, surface.bay_m, 0.12, wide_x))
    canvas.paint(WHITE, band(ay, -1.0, 0.06, wide_y) * ends)
    # An arrow's shaft in each aisle says that it is for driving.
    aisle = surface.half_width_m - depth - 4.3
    shaft = band(ay, aisle - 0.1, aisle + 0.1, wide_y) * dashes(x, 8.0, 2.0, wide_x)
    canvas.paint(WHITE, shaft * ends * np.float32(0.7))


def _court(surface: Court, canvas: Canvas) -> None:
    x, y = canvas.x_m, canvas.y_m
    ax, ay = np.abs(x), np.abs(y)
    wide_x, wide_y = canvas.span_m(1.0, 0.0), canvas.span_m(0.0, 1.0)
    length, width = surface.half_length_m, surface.half_width_m
    basketball = surface.game == "basketball"

    def rectangle(half_x: float, half_y: float) -> Plane:
        return np.asarray(band(ax, -1.0, half_x, wide_x) * band(ay, -1.0, half_y, wide_y))

    canvas.paint((0.42, 0.44, 0.46), rectangle(length + 9.0, width + 10.0))
    if basketball:
        canvas.paint((0.22, 0.42, 0.40), rectangle(length + 2.0, width + 2.0))
        canvas.paint((0.68, 0.47, 0.30), rectangle(length, width))
    else:
        canvas.paint((0.20, 0.46, 0.22), rectangle(length + 2.5, width + 2.5))
        mown = dashes(x + np.float32(60.0), 6.0, 3.0, wide_x) * rectangle(length, width)
        canvas.paint((0.27, 0.54, 0.26), np.asarray(mown))
    _court_lines(surface, canvas, ax, ay, wide_x, wide_y)


def _court_lines(
    surface: Court, canvas: Canvas, ax: Plane, ay: Plane, wide_x: Plane, wide_y: Plane
) -> None:
    length, width = surface.half_length_m, surface.half_width_m
    line = 0.10
    inner = band(ax, -1.0, length, wide_x) * band(ay, -1.0, width, wide_y)
    canvas.paint(WHITE, band(ax, -1.0, line / 2, wide_x) * inner)
    canvas.paint(WHITE, band(ax, length - line, length, wide_x) * inner)
    canvas.paint(WHITE, band(ay, width - line, width, wide_y) * inner)
    _ring(canvas, ax, ay, 0.0, 1.8 if surface.game == "basketball" else 3.0, inner)
    if surface.game == "football":
        _ring(canvas, ax, ay, length, 6.0, inner)
        return
    key = band(ax, length - 5.8, length, wide_x) * band(ay, -1.0, 2.45, wide_y)
    canvas.paint((0.50, 0.20, 0.16), key)
    canvas.paint(WHITE, band(ax, length - 5.8, length - 5.7, wide_x) * key)
    edge = band(ay, 2.35, 2.45, wide_y) * band(ax, length - 5.8, length, wide_x)
    canvas.paint(WHITE, edge)
    _ring(canvas, ax, ay, length - 1.57, 6.75, inner)
    _ring(canvas, ax, ay, length - 5.8, 1.8, inner)


def _ring(
    canvas: Canvas, ax: Plane, ay: Plane, center_m: float, radius_m: float, within: Plane
) -> None:
    """A circle line about x = ±center, y = 0."""
    dx = ax - np.float32(center_m)
    away = np.sqrt(dx * dx + ay * ay) + np.float32(1e-3)
    wide = canvas.span_m(dx / away, ay / away)
    canvas.paint(WHITE, band(away, radius_m - 0.1, radius_m, wide) * within)
