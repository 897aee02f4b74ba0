"""Several frames of a clip on one picture, for reports and for looking at a question."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Literal

import numpy as np

from stkit_datasets.clip import Frames

from .clip_video import ObjectBoxes
from .overlay import draw_boxes
from .pictures import UInt8Array

_GAP_PX = 4
_BACKGROUND = 24


def contact_sheet(
    frames: Frames,
    boxes: Sequence[ObjectBoxes] = (),
    *,
    count: int = 8,
    columns: int = 4,
    tile_height_px: int = 240,
    labels: Sequence[str] | None = None,
    image_format: Literal["png", "jpeg"] = "png",
) -> bytes:
    """Return a PNG or JPEG of ``count`` frames spread evenly over a clip, first and last included.

    Args:
        frames: the clip's T pictures.
        boxes: (T, 4) boxes in source pixels and their colours, as ``ClipVideo.encode`` takes.
        count: how many frames at most.
        columns: frames side by side.
        tile_height_px: each is at most this high.
        labels: T texts, one written on each shown frame, for example "3.5 s".
        image_format: "png" or "jpeg".

    Raises:
        ValueError: ``count`` or ``columns`` below 1, boxes or labels that do not fit the clip.
        VideoError: the pictures cannot be read.
        ImportError: Pillow is not installed.
    """
    if count < 1 or columns < 1:
        raise ValueError(f"count and columns must be at least 1, got {count} and {columns}")
    if labels is not None and len(labels) != len(frames):
        raise ValueError(f"{len(frames)} frames need as many labels, got {len(labels)}")
    chosen = np.unique(np.linspace(0, len(frames) - 1, count).round().astype(int)).tolist()
    tiles = _tiles(frames, boxes, set(chosen), tile_height_px)
    sheet = _arranged(tiles, min(columns, len(tiles)))
    texts = [labels[index] for index in chosen] if labels is not None else []
    return _encoded(sheet, tiles[0].shape[:2], min(columns, len(tiles)), texts, image_format)


def _tiles(
    frames: Frames, boxes: Sequence[ObjectBoxes], chosen: set[int], tile_height_px: int
) -> list[UInt8Array]:
    for object_boxes_px, color in boxes:
        if object_boxes_px.shape != (len(frames), 4):
            raise ValueError(
                f"the {color} boxes are {object_boxes_px.shape}, expected ({len(frames)}, 4)"
            )
    tiles = []
    for index, picture in enumerate(frames.read(tile_height_px)):
        if index not in chosen:
            continue
        if boxes:
            scale = np.divide(picture.shape[1::-1], frames.size_px)
            rows = np.stack([object_boxes[index] for object_boxes, _ in boxes])
            draw_boxes(picture, rows * np.tile(scale, 2), [color for _, color in boxes])
        tiles.append(picture)
    return tiles


def _arranged(tiles: list[UInt8Array], columns: int) -> UInt8Array:
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full(
        (rows * (height + _GAP_PX) + _GAP_PX, columns * (width + _GAP_PX) + _GAP_PX, 3),
        _BACKGROUND,
        np.uint8,
    )
    for index, tile in enumerate(tiles):
        y, x = _corner(index, columns, (height, width))
        sheet[y : y + height, x : x + width] = tile
    return sheet


def _corner(index: int, columns: int, tile_shape: tuple[int, int]) -> tuple[int, int]:
    row, column = divmod(index, columns)
    return _GAP_PX + row * (tile_shape[0] + _GAP_PX), _GAP_PX + column * (tile_shape[1] + _GAP_PX)


def _encoded(
    sheet: UInt8Array,
    tile_shape: tuple[int, int],
    columns: int,
    texts: Sequence[str],
    image_format: str,
) -> bytes:
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ImportError(
            'a contact sheet needs Pillow: pip install ".[video]" in a clone of STKit'
        ) from error
    image = Image.fromarray(sheet)
    pen = ImageDraw.Draw(image)
    for index, text in enumerate(texts):
        y, x = _corner(index, columns, tile_shape)
        pen.text((x + 5, y + 3), text, fill="white", stroke_width=2, stroke_fill="black")
    buffer = io.BytesIO()
    image.save(buffer, image_format.upper(), **({"quality": 90} if image_format == "jpeg" else {}))
    return buffer.getvalue()
