"""Paths on the ground that vehicles and people follow, sampled evenly by arc length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SPACING_M = 0.25
"""Arc length between the samples of a path."""
_ARC_STEP_M = 0.05
_CURVATURE_WINDOW = 4


@dataclass(frozen=True, eq=False)
class Path:
    """A curve on the ground plane.

    Attributes:
        points_m: (M, 2) samples, ``SPACING_M`` apart, M at least 2.
        headings_rad: (M,) direction of travel, unwrapped.
        curvatures_per_m: (M,) positive to the left.
    """

    points_m: FloatArray
    headings_rad: FloatArray
    curvatures_per_m: FloatArray

    @property
    def length_m(self) -> float:
        """Arc length from the first sample to the last."""
        return (len(self.points_m) - 1) * SPACING_M


def through(points_m: FloatArray) -> Path:
    """Return the path along a dense polyline (P, 2), resampled; a rest under a sample is cut."""
    steps = np.hypot(*np.diff(points_m, axis=0).T)
    keep = np.concatenate([[True], steps > 1e-9])
    points_m = points_m[keep]
    arc = np.concatenate([[0.0], np.cumsum(steps[keep[1:]])])
    count = math.floor(arc[-1] / SPACING_M) + 1
    if count < 2:
        raise ValueError(f"a path must be longer than {SPACING_M} m, got {arc[-1]:g} m")
    at = np.arange(count) * SPACING_M
    samples = np.stack([np.interp(at, arc, points_m[:, i]) for i in (0, 1)], axis=1)
    edges = np.diff(samples, axis=0)
    headings = np.unwrap(np.arctan2(edges[:, 1], edges[:, 0]))
    headings = np.concatenate([headings, headings[-1:]])
    return Path(samples, headings, _curvatures(headings))


def _curvatures(headings_rad: FloatArray) -> FloatArray:
    window = min(_CURVATURE_WINDOW, len(headings_rad) - 1)
    padded = np.pad(headings_rad, (window // 2, window - window // 2), mode="edge")
    out: FloatArray = (padded[window:] - padded[:-window]) / (window * SPACING_M)
    return out


def rounded(waypoints_m: Sequence[tuple[float, float]], radius_m: float) -> Path:
    """Return straight legs between way points, joined by arcs of at most ``radius_m``.

    An arc that would need more than half of a leg is made tighter. A way point at which the
    path turns right back has no arc; give two way points for a U-turn.
    """
    points = [np.asarray(point, dtype=np.float64) for point in waypoints_m]
    pieces = [points[0][None]]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        pieces.append(_corner(before, corner, after, radius_m))
    pieces.append(points[-1][None])
    return through(np.concatenate(pieces))


def _corner(
    before: FloatArray, corner: FloatArray, after: FloatArray, radius_m: float
) -> FloatArray:
    legs = corner - before, after - corner
    lengths = [float(np.hypot(*leg)) for leg in legs]
    unit_in, unit_out = legs[0] / lengths[0], legs[1] / lengths[1]
    turn = math.atan2(
        float(unit_in[0] * unit_out[1] - unit_in[1] * unit_out[0]), float(unit_in @ unit_out)
    )
    if abs(turn) < 1e-6 or math.pi - abs(turn) < 1e-6:
        return corner[None]
    half_tangent = math.tan(abs(turn) / 2)
    reach = min(radius_m * half_tangent, 0.499 * min(lengths))
    radius = reach / half_tangent
    side = math.copysign(1.0, turn)
    start = corner - reach * unit_in
    center = start + side * radius * np.array([-unit_in[1], unit_in[0]])
    count = max(3, math.ceil(radius * abs(turn) / _ARC_STEP_M))
    angles = math.atan2(*(start - center)[::-1]) + np.linspace(0.0, turn, count)
    arc: FloatArray = center + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return arc
