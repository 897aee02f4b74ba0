"""Stated uncertainties held against errors, as one SVG page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from stkit_datasets.pseudo_labels.calibration import NORMAL_SHARES, Coverage, RiskCurve

_INK, _MUTED, _PAPER, _GRID = "#333c45", "#8a949e", "#fbfcfd", "#e3e7ea"
_ONE, _TWO, _LINE, _WRONG = "#1f6f8b", "#8fb8c9", "#c2410c", "#6b4fa0"
_WIDTH_PX, _HEAD_PX, _ROW_PX, _PANEL_PX, _COLUMNS = 900, 96, 26, (300, 190), 3
_BAR_FROM_PX, _BAR_PX = 260, 560


def uncertainty_page(
    coverages: Sequence[Coverage], curves: Sequence[RiskCurve], origin: str
) -> str:
    """Draw shares of errors within one and two deviations, and errors by the share kept."""
    top = _HEAD_PX + _ROW_PX * len(coverages) + 70
    rows = -(-len(curves) // _COLUMNS)
    height = top + rows * _PANEL_PX[1] + 20
    panels = [
        f'<g transform="translate({i % _COLUMNS * _PANEL_PX[0]},'
        f'{top + i // _COLUMNS * _PANEL_PX[1]})">{_panel(curve)}</g>'
        for i, curve in enumerate(curves)
    ]
    bars = "".join(_bars(row, _HEAD_PX + i * _ROW_PX) for i, row in enumerate(coverages))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH_PX} {height}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{_INK}">'
        f'<rect width="{_WIDTH_PX}" height="{height}" fill="{_PAPER}"/>'
        f'<text x="14" y="24" font-size="15">Errors within one and two stated deviations</text>'
        f'<text x="14" y="42" fill="{_MUTED}">{escape(f"factors fitted to {origin}")}</text>'
        f'<rect x="14" y="54" width="10" height="10" fill="{_ONE}"/>'
        f'<text x="30" y="63">within one</text>'
        f'<rect x="104" y="54" width="10" height="10" fill="{_TWO}"/>'
        f'<text x="120" y="63">within two; lines: a normal distribution</text>'
        f"{bars}{_normal_lines(len(coverages))}"
        f'<text x="14" y="{top - 26}" font-size="15">Mean error of what is kept when the most '
        f"uncertain are left out</text>"
        f'<text x="14" y="{top - 10}" fill="{_MUTED}">across: share kept, from all to the surest '
        f"fifth; orange: error, purple: wrong answers</text>{''.join(panels)}</svg>\n"
    )


def _bars(row: Coverage, y: float) -> str:
    one, two = row.within
    return (
        f'<text x="14" y="{y + 14}">{escape(row.name)}</text>'
        f'<text x="{_BAR_FROM_PX - 10}" y="{y + 14}" text-anchor="end" fill="{_MUTED}">'
        f"{row.questions}</text>"
        f'<rect x="{_BAR_FROM_PX}" y="{y + 3}" width="{two * _BAR_PX:.1f}" height="16" '
        f'fill="{_TWO}"/>'
        f'<rect x="{_BAR_FROM_PX}" y="{y + 3}" width="{one * _BAR_PX:.1f}" height="16" '
        f'fill="{_ONE}"/>'
        f'<text x="{_BAR_FROM_PX + _BAR_PX + 10}" y="{y + 15}">{one:.0%} / {two:.0%}</text>'
    )


def _normal_lines(count: int) -> str:
    low, high = _HEAD_PX, _HEAD_PX + count * _ROW_PX
    return "".join(
        f'<path d="M{_BAR_FROM_PX + share * _BAR_PX:.1f} {low}V{high}" stroke="{_INK}" '
        f'stroke-dasharray="3 3"/>'
        for share in NORMAL_SHARES
    )


def _panel(curve: RiskCurve) -> str:
    left, right, head, foot = 44, _PANEL_PX[0] - 34, 34, _PANEL_PX[1] - 26
    most = max(*curve.errors, 1e-9)

    def line(values: Sequence[float], greatest: float, color: str) -> str:
        first, last = curve.kept[0], curve.kept[-1]
        at = [
            (
                left + (first - share) / (first - last) * (right - left),
                foot - value / greatest * (foot - head),
            )
            for share, value in zip(curve.kept, values, strict=True)
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
        return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'

    drawn = line(curve.errors, most, _LINE)
    told = ""
    if curve.wrong:
        # Shares of wrong answers have a scale of their own: their greatest is half the height.
        top = max(*curve.wrong, 1e-9)
        drawn += line(curve.wrong, 2 * top, _WRONG)
        told = (
            f'<text x="{right}" y="18" text-anchor="end" fill="{_WRONG}">'
            f"wrong {curve.wrong[0]:.0%} to {curve.wrong[-1]:.0%}</text>"
        )
    marks = f"{curve.kept[0]:.0%}", f"{curve.kept[-1]:.0%}"
    return (
        f'<text x="14" y="18">{escape(curve.name)}</text>'
        f'<path d="M{left} {head}V{foot}H{right}" stroke="{_GRID}" fill="none"/>'
        f'<text x="{left - 4}" y="{head + 4}" text-anchor="end" fill="{_MUTED}">{most:.3g}</text>'
        f'<text x="{left - 4}" y="{foot}" text-anchor="end" fill="{_MUTED}">0</text>'
        f'<text x="{left - 4}" y="{head + 18}" text-anchor="end" fill="{_MUTED}">'
        f"{escape(curve.unit)}</text>"
        f'<text x="{left}" y="{foot + 14}" fill="{_MUTED}">{marks[0]}</text>'
        f'<text x="{right}" y="{foot + 14}" text-anchor="end" fill="{_MUTED}">{marks[1]}</text>'
        f"{drawn}{told}"
    )
