"""One clip, decoded once, encoded with as many sets of boxes as there are questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.clip import Frames

from .encode import DEFAULT_CRF, DEFAULT_PRESET, encode_mp4
from .overlay import draw_boxes_on_planes
from .palette import rgb_of
from .pictures import SizePx, UInt8Array

DEFAULT_HEIGHT_PX = 480

ObjectBoxes = tuple[NDArray[np.floating], str]
"""(T, 4) boxes in source pixels, a NaN row where not visible, and the colour's name."""


class ClipVideo:
    """The scaled pictures of a clip, held as YUV 4:2:0 (0.6 MB a frame of 854 x 480).

    Args:
        frames: where the pictures come from; read once, on first use.
        height_px: the videos are at most this high.
    """

    def __init__(self, frames: Frames, height_px: int = DEFAULT_HEIGHT_PX) -> None:
        self._frames = frames
        self._height_px = height_px

    @property
    def size_px(self) -> SizePx:
        """(width, height) of the videos."""
        return self._planes.shape[2], self._planes.shape[1] * 2 // 3

    def encode(
        self,
        boxes: Sequence[ObjectBoxes],
        fps: Fraction,
        *,
        crf: int = DEFAULT_CRF,
        preset: str = DEFAULT_PRESET,
    ) -> bytes:
        """Return MP4 bytes with these boxes drawn; with an empty list, the bare clip.

        Raises:
            ValueError: boxes that are not (T, 4), an unknown colour, settings as in
                :func:`~stkit_datasets.video.encode.encode_mp4`.
            VideoError: the pictures cannot be read.
        """
        for object_boxes_px, color in boxes:
            rgb_of(color)
            if object_boxes_px.shape != (len(self._frames), 4):
                raise ValueError(
                    f"the {color} boxes are {object_boxes_px.shape}, "
                    f"expected ({len(self._frames)}, 4): one row per frame"
                )
        pictures = self._drawn(boxes) if boxes else iter(self._planes)
        return encode_mp4(pictures, fps, crf=crf, preset=preset)

    def _drawn(self, boxes: Sequence[ObjectBoxes]) -> Iterator[UInt8Array]:
        colors = [color for _, color in boxes]
        scale = np.divide(self.size_px, self._frames.size_px)
        boxes_px = np.stack([object_boxes for object_boxes, _ in boxes], 1) * np.tile(scale, 2)
        for planes, frame_boxes_px in zip(self._planes, boxes_px, strict=True):
            canvas = planes.copy()
            draw_boxes_on_planes(canvas, frame_boxes_px, colors)
            yield canvas

    @cached_property
    def _planes(self) -> UInt8Array:
        planes: UInt8Array | None = None
        for index, picture in enumerate(self._frames.read_planes(self._height_px)):
            if planes is None:
                planes = np.empty((len(self._frames), *picture.shape), np.uint8)
            planes[index] = picture
        if planes is None:
            raise ValueError("a clip needs at least one frame")
        return planes
