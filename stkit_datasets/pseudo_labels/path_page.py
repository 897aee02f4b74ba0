"""Estimated and annotated paths from above, as one SVG page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from stkit_datasets.clip import FloatArray
from stkit_datasets.pseudo_labels.truth_report import Path2D

COLUMNS = 3
PANEL_PX = (300, 220)
_MARGIN_PX = 34
_TRUE, _PREDICTED, _INK, _PAPER = "#8a949e", "#c2410c", "#333c45", "#fbfcfd"


def path_page(paths: Sequence[Path2D], most: int = 30) -> str:
    """Draw the paths, the greatest relative errors first; estimated solid, annotated dashed."""
    shown = sorted((p for p in paths if len(p.true_m) > 1), key=_error, reverse=True)[:most]
    width = COLUMNS * PANEL_PX[0]
    rows = max(1, -(-len(shown) // COLUMNS))
    height = rows * PANEL_PX[1] + 40
    panels = [
        f'<g transform="translate({index % COLUMNS * PANEL_PX[0]},'
        f'{40 + index // COLUMNS * PANEL_PX[1]})">{_panel(path)}</g>'
        for index, path in enumerate(shown)
    ]
    title = f"{len(shown)} of {len(paths)} paths from above: estimated (solid), annotated (dashed)"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{_INK}">'
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>'
        f'<text x="12" y="24" font-size="14">{escape(title)}</text>{"".join(panels)}</svg>\n'
    )


def _error(path: Path2D) -> float:
    return abs(path.predicted_distance_m - path.true_distance_m) / max(path.true_distance_m, 1e-9)


def _panel(path: Path2D) -> str:
    points = np.concatenate([path.predicted_m, path.true_m])
    low, high = points.min(axis=0), points.max(axis=0)
    room = np.array(PANEL_PX) - 2 * _MARGIN_PX
    scale = float((room / np.maximum(high - low, 1.0)).min())
    middle = (low + high) / 2

    def line(track: FloatArray, color: str, dash: str) -> str:
        at = (track - middle) * scale * [1, -1] + np.array(PANEL_PX) / 2
        drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        start = f'<circle cx="{at[0, 0]:.1f}" cy="{at[0, 1]:.1f}" r="3" fill="{color}"/>'
        return (
            f'<polyline points="{drawn}" fill="none" stroke="{color}" stroke-width="2"{dash}/>'
            f"{start}"
        )

    bar_m = max(1.0, 10.0 ** np.floor(np.log10(max(float((high - low).max()), 1.0))))
    foot = PANEL_PX[1] - 8
    text = (
        f"{path.predicted_distance_m:.1f} m, annotated {path.true_distance_m:.1f} m "
        f"({_error(path):.0%} off)"
    )
    return (
        f'<text x="12" y="14">{escape(path.name)}</text><text x="12" y="27">{escape(text)}</text>'
        + line(path.true_m, _TRUE, ' stroke-dasharray="5 4"')
        + line(path.predicted_m, _PREDICTED, "")
        + f'<path d="M12 {foot}h{bar_m * scale:.1f}" stroke="{_INK}"/>'
        + f'<text x="12" y="{foot - 4}">{bar_m:g} m</text>'
    )
