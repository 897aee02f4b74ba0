"""The bird's-eye picture of a row: the track that its target was computed from, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from stkit_datasets.audit import positions_m, run_of
from stkit_datasets.clip import FloatArray
from stkit_datasets.video.palette import PALETTE

WIDTH_PX = 460
HEIGHT_PX = 340
_MARGIN_PX = 34
_GRID_COLOR = "#d7dce2"
_INK = "#4a5560"


def birds_eye_svg(row: Mapping[str, Any]) -> str:
    """Draw a row's tracks from above: x east, y north, metres, with a scale grid.

    The run that the target was computed over is a solid line with a dot a frame, the rest of the
    track is dashed; a ring marks the start, an arrow head the end.
    """
    start, stop = run_of(row)
    tracks = [positions_m(row, index)[:, :2] for index in range(len(row["objects"]))]
    place = _Placement(np.concatenate(tracks))
    parts = [_grid(place)]
    for entry, track in zip(row["objects"], tracks, strict=True):
        parts.append(_track(place, track, entry["color"], start, stop, row["timestamps_s"]))
    title = f"{row['task']}: track from above, seen part {row['start_s']:g} to {row['end_s']:g} s"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="11">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="#fbfcfd"/>{"".join(parts)}</svg>'
    )


class _Placement:
    """Metres to pixels, one scale for both axes, y up."""

    def __init__(self, points_m: FloatArray) -> None:
        points = points_m[np.isfinite(points_m).all(axis=1)]
        low, high = points.min(axis=0), points.max(axis=0)
        center = (low + high) / 2
        span = np.maximum(high - low, 2.0) * 1.1
        room = np.array([WIDTH_PX, HEIGHT_PX]) - 2 * _MARGIN_PX
        self.scale = float((room / span).min())
        self.low = center - room / self.scale / 2
        self.high = center + room / self.scale / 2

    def __call__(self, point_m: FloatArray) -> tuple[float, float]:
        x = _MARGIN_PX + (point_m[0] - self.low[0]) * self.scale
        y = HEIGHT_PX - _MARGIN_PX - (point_m[1] - self.low[1]) * self.scale
        return round(float(x), 1), round(float(y), 1)


def _grid(place: _Placement) -> str:
    step = _grid_step_m(float(place.high[0] - place.low[0]))
    parts = []
    for axis in (0, 1):
        first = math.ceil(place.low[axis] / step)
        last = math.floor(place.high[axis] / step)
        for number in range(first, last + 1):
            ends = np.array([place.low, place.high])
            ends[:, axis] = number * step
            (x1, y1), (x2, y2) = place(ends[0]), place(ends[1])
            parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{_GRID_COLOR}"/>')
    bar = step * place.scale
    y = HEIGHT_PX - 12
    parts.append(
        f'<line x1="{_MARGIN_PX}" y1="{y}" x2="{_MARGIN_PX + bar:.1f}" y2="{y}" stroke="{_INK}" '
        f'stroke-width="2"/><text x="{_MARGIN_PX + bar + 6:.1f}" y="{y + 4}" fill="{_INK}">'
        f"{step:g} m</text>"
    )
    return "".join(parts)


def _grid_step_m(span_m: float) -> float:
    """About six grid lines, one of 1, 2, 5 times a power of ten apart."""
    raw = span_m / 6
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw)


def _track(
    place: _Placement,
    track_m: FloatArray,
    color: str,
    start: int,
    stop: int,
    timestamps_s: list[float],
) -> str:
    rgb = "rgb({}, {}, {})".format(*PALETTE.get(color, (90, 90, 90)))
    outline = 'stroke-linejoin="round" stroke-linecap="round" fill="none"'
    whole = _points(place, track_m)
    run = _points(place, track_m[start:stop])
    parts = [
        f'<polyline points="{whole}" {outline} stroke="{_INK}" stroke-dasharray="2 5"/>',
        f'<polyline points="{run}" {outline} stroke="{_INK}" stroke-width="5"/>',
        f'<polyline points="{run}" {outline} stroke="{rgb}" stroke-width="3"/>',
    ]
    for frame in range(start, stop):
        x, y = place(track_m[frame])
        radius = 5.5 if frame == start else 2.6
        fill = "#fff" if frame == start else rgb
        parts.append(
            f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{_INK}">'
            f"<title>{timestamps_s[frame]:.2f} s</title></circle>"
        )
    parts.append(_arrow_head(place, track_m[start:stop], rgb))
    for frame, above in ((start, True), (stop - 1, False)):
        x, y = place(track_m[frame])
        parts.append(
            f'<text x="{min(x + 9, WIDTH_PX - 40)}" y="{y - 8 if above else y + 16}" '
            f'fill="{_INK}">{timestamps_s[frame]:.2f} s</text>'
        )
    return "".join(parts)


def _points(place: _Placement, track_m: FloatArray) -> str:
    known = track_m[np.isfinite(track_m).all(axis=1)]
    return " ".join("{},{}".format(*place(point)) for point in known)


def _arrow_head(place: _Placement, run_m: FloatArray, rgb: str) -> str:
    x, y = place(run_m[-1])
    # The last step may be a standstill: point along the last one that is visible as a step.
    moved = [point for point in run_m[:-1] if math.dist(place(point), (x, y)) >= 4]
    if not moved:
        return ""
    from_x, from_y = place(moved[-1])
    angle = math.degrees(math.atan2(y - from_y, x - from_x))
    return (
        f'<path d="M9 0L-6 -7L-6 7Z" transform="translate({x} {y}) rotate({angle:.1f})" '
        f'fill="{rgb}" stroke="{_INK}"/>'
    )
