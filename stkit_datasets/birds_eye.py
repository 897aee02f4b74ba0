"""The bird's-eye picture of a row: the track that its target was computed from, as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape
from typing import Any

import numpy as np

from stkit_datasets.audit import positions_m, run_of
from stkit_datasets.clip import FloatArray
from stkit_datasets.tasks.names import Task
from stkit_datasets.video.palette import PALETTE

WIDTH_PX = 480
HEIGHT_PX = 310
_MARGIN_PX = (72, 40)
_FOOT_PX = 16
_PAPER = "#fbfcfd"
_GRID_COLOR = "#d7dce2"
_INK = "#4a5560"
_LABEL_PX = (46, 14)
_HALF_FRAME_S = 0.25


def birds_eye_svg(row: Mapping[str, Any]) -> str:
    """Draw a row's tracks from above: world x to the right, y up, metres, with a scale grid.

    The run that the target was computed over is a solid line with a dot a frame, the rest of the
    track is dashed; a ring marks the start, an arrow head the end, each with its time where there
    is room. A pale band marks the time span that answers a direction timestamp. The classes
    ``paper``, ``grid``, ``line`` and ``start`` let the style sheet of a page change the colours
    that stand in the picture.
    """
    start, stop = run_of(row)
    tracks = [positions_m(row, index)[:, :2] for index in range(len(row["objects"]))]
    place = _Placement(np.concatenate(tracks))
    parts = [_grid(place)]
    for entry, track in zip(row["objects"], tracks, strict=True):
        if row["task"] == Task.DIRECTION_TIMESTAMP:
            parts.append(_answer_band(place, track, entry["color"], row))
        parts.append(_track(place, track, entry["color"], start, stop, row["timestamps_s"]))
    taken: list[tuple[float, float]] = []
    for track in tracks:
        points = [place(point) for point in track[start:stop]]
        parts += [
            _end_label(points[::-1], f"{row['timestamps_s'][stop - 1]:.2f} s", taken),
            _end_label(points, f"{row['timestamps_s'][start]:.2f} s", taken),
        ]
    title = f"{row['task']}: track from above, seen part {row['start_s']:g} to {row['end_s']:g} s"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH_PX} {HEIGHT_PX}" '
        f'role="img" font-family="system-ui, sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>"
        f'<rect class="paper" width="{WIDTH_PX}" height="{HEIGHT_PX}" fill="{_PAPER}"/>'
        f"{''.join(parts)}</svg>"
    )


class _Placement:
    """Metres to pixels, one scale for both axes, y up."""

    def __init__(self, points_m: FloatArray) -> None:
        points = points_m[np.isfinite(points_m).all(axis=1)]
        low, high = points.min(axis=0), points.max(axis=0)
        size = np.array([WIDTH_PX, HEIGHT_PX - _FOOT_PX])
        span = np.maximum(high - low, 2.0)
        self.scale = float(((size - 2 * np.array(_MARGIN_PX)) / span).min())
        # What the whole picture shows, margins and the scale's foot included.
        self.high = (low + high) / 2 + size / self.scale / 2
        self.low = self.high - np.array([WIDTH_PX, HEIGHT_PX]) / self.scale

    def __call__(self, point_m: FloatArray) -> tuple[float, float]:
        x = (point_m[0] - self.low[0]) * self.scale
        y = HEIGHT_PX - (point_m[1] - self.low[1]) * self.scale
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
            parts.append(
                f'<line class="grid" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" '
                f'stroke="{_GRID_COLOR}"/>'
            )
    x, y, bar = 12, HEIGHT_PX - 13, step * place.scale
    parts.append(
        f'<path class="line" d="M{x} {y - 4}v8m0 -4h{bar:.1f}m0 -4v8" stroke="{_INK}" '
        f'stroke-width="2" fill="none"/>{_text(x + bar + 7, y + 4, f"{step:g} m")}'
    )
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    """A label with a halo, so that lines behind it do not cut through it."""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}" stroke="{_PAPER}" '
        f'stroke-width="3" stroke-linejoin="round" paint-order="stroke">{escape(text)}</text>'
    )


def _grid_step_m(span_m: float) -> float:
    """About eight grid lines, one of 1, 2, 5 times a power of ten apart."""
    raw = span_m / 8
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= raw)


def _answer_band(place: _Placement, track_m: FloatArray, color: str, row: Mapping[str, Any]) -> str:
    times = np.asarray(row["timestamps_s"])
    start_s, end_s = row["target"]["start_s"], row["target"]["end_s"]
    frames = (times >= start_s - _HALF_FRAME_S) & (times <= end_s + _HALF_FRAME_S)
    return (
        f'<polyline points="{_points(place, track_m[frames])}" fill="none" stroke="{_rgb(color)}" '
        f'stroke-width="18" stroke-opacity="0.3" stroke-linejoin="round"/>'
    )


def _rgb(color: str) -> str:
    return "rgb({}, {}, {})".format(*PALETTE.get(color, (90, 90, 90)))


def _track(
    place: _Placement,
    track_m: FloatArray,
    color: str,
    start: int,
    stop: int,
    timestamps_s: list[float],
) -> str:
    rgb = _rgb(color)
    outline = 'stroke-linejoin="round" stroke-linecap="round" fill="none"'
    whole = _points(place, track_m)
    run = _points(place, track_m[start:stop])
    parts = [
        f'<polyline class="line" points="{whole}" {outline} stroke="{_INK}" '
        f'stroke-dasharray="2 5"/>',
        f'<polyline class="line" points="{run}" {outline} stroke="{_INK}" stroke-width="5"/>',
        f'<polyline points="{run}" {outline} stroke="{rgb}" stroke-width="3"/>',
    ]
    for frame in range(start, stop):
        x, y = place(track_m[frame])
        kind, radius, fill = ("line start", 5.5, _PAPER) if frame == start else ("line", 2.6, rgb)
        parts.append(
            f'<circle class="{kind}" cx="{x}" cy="{y}" r="{radius}" fill="{fill}" stroke="{_INK}">'
            f"<title>{timestamps_s[frame]:.2f} s</title></circle>"
        )
    parts.append(_arrow_head(place, track_m[start:stop], rgb))
    return "".join(parts)


def _end_label(
    points: list[tuple[float, float]], text: str, taken: list[tuple[float, float]]
) -> str:
    """A label beyond the first point, on the far side of the track; none where one stands."""
    end = points[0]
    inner = next((point for point in points if math.dist(point, end) >= 4), (end[0] - 1, end[1]))
    distance = math.dist(end, inner)
    x = end[0] + 40 * (end[0] - inner[0]) / distance
    y = end[1] + 22 * (end[1] - inner[1]) / distance + 4
    width, height = _LABEL_PX
    x = min(max(x, width / 2 + 4), WIDTH_PX - width / 2 - 4)
    y = min(max(y, height), HEIGHT_PX - _FOOT_PX - 8)
    if any(abs(x - other[0]) < width and abs(y - other[1]) < height for other in taken):
        return ""
    taken.append((x, y))
    return _text(x, y, text, "middle")


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
        f'<path class="line" d="M9 0L-6 -7L-6 7Z" transform="translate({x} {y}) '
        f'rotate({angle:.1f})" fill="{rgb}" stroke="{_INK}"/>'
    )
