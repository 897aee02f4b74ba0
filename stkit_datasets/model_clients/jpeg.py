"""Frames as JPEG in ``data:`` URLs."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.model_clients.base import ModelError

__all__ = ["data_urls"]


def data_urls(
    frames: NDArray[np.uint8], max_side_px: int | None = None, quality: int = 90
) -> list[str]:
    """Return each frame as a ``data:image/jpeg;base64,…`` URL.

    Args:
        frames: (T, H, W, 3) uint8, RGB.
        max_side_px: larger frames are scaled down to it; None leaves the size.
        quality: of JPEG, 1 to 95.

    Raises:
        ModelError: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ModelError(
            'frames as JPEG need Pillow: pip install ".[video]" in a clone of STKit'
        ) from error
    urls = []
    for frame in frames:
        picture = Image.fromarray(frame)
        if max_side_px is not None:
            picture.thumbnail((max_side_px, max_side_px), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        urls.append(f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}")
    return urls
