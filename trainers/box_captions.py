"""Words for what the boxes of a row show: colour, category, and where they are in every frame.

A model that starts from random weights has yet to learn which pixels the word "cyan" means. These
captions say so in every frame, where an answer about motion says it once; models that were trained
on pictures before do not need them. They are made from the boxes of a row, beside its own question.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

COLUMNS = "abcdefgh"
"""Names of the eighths of a picture's width, from left to right."""

HIDDEN = "x"
PROMPT = f"Which boxes are there, and where, from {COLUMNS[0]} to {COLUMNS[-1]}?"


def caption(row: Mapping[str, Any], kept: Sequence[int]) -> str:
    """Return the caption of a row for these of its frames, boxes in the order of their colours.

    Args:
        row: of STKit; ``boxes`` are (left, top, right, bottom) in px of a picture ``width`` wide.
        kept: numbers of the frames that are shown.
    """
    boxes = sorted(row["objects"], key=lambda item: str(item["color"]))
    # Every colour follows a space, as in questions: a tokenizer has another token for it elsewhere.
    return "Boxes: " + "; ".join(
        f"{item['color']} {item['category']}: "
        + " ".join(_column(item["boxes"][index], row["width"]) for index in kept)
        for item in boxes
    )


def _column(box_px: Sequence[float] | None, width_px: int) -> str:
    if box_px is None or any(map(math.isnan, box_px)):
        return HIDDEN
    middle = (box_px[0] + box_px[2]) / 2 / width_px
    return COLUMNS[min(len(COLUMNS) - 1, max(0, int(middle * len(COLUMNS))))]
