"""The colours of the boxes that mark objects: eight names that a person tells apart.

The RGB values were chosen by a search over shades that still deserve the name, for the largest
smallest distance: every pair is at least 45 apart in CIE-Lab (CIE76; about 2.3 is just
noticeable). For colour-blind viewers no set of eight hues stays apart: with a red-green
deficiency (about 8 % of men) red, green and orange come close, and so do blue and purple, which
then differ mostly in lightness. The pair that stays apart with every common deficiency is blue and
yellow.
"""

from __future__ import annotations

PALETTE: dict[str, tuple[int, int, int]] = {
    "red": (230, 20, 20),
    "green": (0, 160, 40),
    "blue": (0, 110, 255),
    "yellow": (255, 235, 0),
    "orange": (255, 140, 0),
    "purple": (150, 0, 180),
    "cyan": (0, 225, 235),
    "magenta": (255, 40, 170),
}
"""Colour name -> (red, green, blue), each 0...255, sRGB."""

COLORS: tuple[str, ...] = tuple(PALETTE)


def rgb_of(color: str) -> tuple[int, int, int]:
    """Return the sRGB value of a colour name.

    Raises:
        ValueError: the name is not in the palette.
    """
    try:
        return PALETTE[color]
    except KeyError:
        raise ValueError(f"unknown colour {color!r}; expected one of {', '.join(COLORS)}") from None
