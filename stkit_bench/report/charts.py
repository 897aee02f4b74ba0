"""The page's two pictures, drawn as SVG that takes its colours from the page's style sheet.

Every picture has its numbers as text in it too, so that none is told by colour or length alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from stkit_bench.results import Interval
from stkit_bench.selection import Count

__all__ = ["Dot", "accuracy_svg", "balance_svg"]

WIDTH = 280
_ROW = 24
_N_LOOKS = 6
_MARKERS = (
    '<circle r="5"/>',
    '<rect x="-4.5" y="-4.5" width="9" height="9"/>',
    '<path d="M0-6.2L6.2 0L0 6.2L-6.2 0Z"/>',
    '<path d="M0-6L5.8 4.6L-5.8 4.6Z"/>',
    '<path d="M0 6L5.8-4.6L-5.8-4.6Z"/>',
    '<path d="M-2-6h4v4h4v4h-4v4h-4v-4h-4v-4h4Z"/>',
)


@dataclass(frozen=True)
class Dot:
    """One run's accuracy in one task; shares of 1, None where it has none."""

    run: str
    accuracy: float | None
    interval: Interval | None


def accuracy_svg(
    title: str, dots: Sequence[Dot], chance: float | None = None, look: int | None = None
) -> str:
    """Draw accuracies with their intervals on an axis from 0 to 100 %, one run a line.

    Args:
        title: what the picture is called.
        dots: in the order of the lines.
        chance: the accuracy of a guess, a dashed line through all; None for none.
        look: color and marker of all lines; None gives each its own.
    """
    left, right, top = 84, 236, 8
    bottom = top + _ROW * len(dots)
    scale = (right - left) / 100
    parts = []
    for tick in (0, 25, 50, 75, 100):
        x = left + tick * scale
        kind = "axis" if tick == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:g}" y1="{top}" x2="{x:g}" y2="{bottom}"/>')
        parts.append(
            f'<text class="tick" x="{x:g}" y="{bottom + 15}" text-anchor="middle">{tick}</text>'
        )
    told = []
    if chance is not None:
        x = left + 100 * chance * scale
        parts.append(
            f'<line class="chance" x1="{x:.1f}" y1="{top - 4}" x2="{x:.1f}" y2="{bottom + 3}"/>'
        )
        told.append(f"chance: {100 * chance:.1f}")
    for place, dot in enumerate(dots):
        y = top + _ROW * (place + 0.5)
        parts.append(_dot(dot, place if look is None else look, y, left, scale))
        told.append(_dot_words(dot))
    height = bottom + 20
    return _svg("accuracy", height, f"{title}: accuracy in percent", "; ".join(told), parts)


def _dot(dot: Dot, look: int, y: float, left: float, scale: float) -> str:
    name = dot.run if len(dot.run) <= 14 else dot.run[:13] + "…"
    parts = [
        f'<text class="name" x="0" y="{y + 4:g}">{escape(name)}<title>{escape(dot.run)}</title>'
        "</text>"
    ]
    if dot.accuracy is None:
        parts.append(f'<text class="value" x="{WIDTH}" y="{y + 4:g}" text-anchor="end">–</text>')
        return "".join(parts)
    marks = []
    if dot.interval is not None:
        low, high = (left + 100 * end * scale for end in dot.interval)
        marks.append(
            f'<path class="whisker" d="M{low:.1f} {y:g}H{high:.1f}M{low:.1f} {y - 4:g}v8'
            f'M{high:.1f} {y - 4:g}v8"/>'
        )
    x = left + 100 * dot.accuracy * scale
    marker = _MARKERS[look % len(_MARKERS)]
    marks.append(f'<g class="marker" transform="translate({x:.1f} {y:g})">{marker}</g>')
    parts.append(f'<g class="look-{look % _N_LOOKS}">{"".join(marks)}</g>')
    parts.append(
        f'<text class="value" x="{WIDTH}" y="{y + 4:g}" text-anchor="end">'
        f"{100 * dot.accuracy:.1f}</text>"
    )
    return "".join(parts)


def _dot_words(dot: Dot) -> str:
    if dot.accuracy is None:
        return f"{dot.run}: none"
    words = f"{dot.run}: {100 * dot.accuracy:.1f}"
    if dot.interval is None:
        return words
    low, high = (100 * end for end in dot.interval)
    return f"{words}, interval {low:.1f} to {high:.1f}"


def balance_svg(title: str, labels: Mapping[str, Count], *, totals: bool = True) -> str:
    """Draw a label's histogram before (hatched, to the left) and after (solid, to the right).

    Bars are shares of all candidates and of all selected questions, on one scale; the counts stand
    beside them.

    Args:
        title: what the picture is called.
        labels: counts by label, drawn in this order.
        totals: whether a line above the bars says how many there are in all.
    """
    row, top = 19, 18 if totals else 2
    half, middle_left, middle_right = 76, 102, 178
    before = sum(count.available for count in labels.values())
    after = sum(count.selected for count in labels.values())
    shares = [
        (count.available / before if before else 0.0, count.selected / after if after else 0.0)
        for count in labels.values()
    ]
    longest = max((share for pair in shares for share in pair), default=0.0) or 1.0
    parts = []
    if totals:
        end = f'x="{middle_left}" text-anchor="end"'
        parts = [
            f'<text class="tick" y="11" {end}>{before:,} before</text>',
            f'<text class="tick" y="11" x="{middle_right}">{after:,} after</text>',
        ]
    told = []
    for place, (label, count) in enumerate(labels.items()):
        y = top + row * place
        old, new = (half * share / longest for share in shares[place])
        base = y + row / 2 + 4
        short = label if len(label) <= 11 else label[:10] + "…"
        parts.append(
            f'<rect class="before" x="{middle_left - old:.1f}" y="{y + 3}" width="{old:.1f}" '
            f'height="{row - 6}"/>'
            f'<rect class="after" x="{middle_right}" y="{y + 3}" width="{new:.1f}" '
            f'height="{row - 6}"/>'
            f'<text class="count" x="{middle_left - old - 4:.1f}" y="{base:g}" '
            f'text-anchor="end">{count.available:,}</text>'
            f'<text class="count" x="{middle_right + new + 4:.1f}" y="{base:g}">'
            f"{count.selected:,}</text>"
            f'<text class="name" x="{WIDTH / 2:g}" y="{base:g}" text-anchor="middle">'
            f"{escape(short)}<title>{escape(label)}</title></text>"
        )
        told.append(f"{label}: {count.available} before, {count.selected} after")
    height = top + row * len(labels) + 2
    return _svg("balance", height, title, "; ".join(told), parts)


def _svg(kind: str, height: float, title: str, told: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(title)}. {escape(told)}"><title>{escape(title)}</title>'
        f"{''.join(parts)}</svg>"
    )
