"""The same clip through a camera that points a little higher or lower.

Does a model look at the objects, or has it learnt the heights and mounts of the cameras it was
trained on? Every frame is shifted up or down by the same share of its height, the boxes with it.
Nothing that is asked changes: distances, speeds and directions are those of the world. The scores
of both views compare question by question (``stkit-bench robustness``).

A shift is that of the principal point, which for small angles is what a pitch of the camera does;
the perspective of a true pitch differs by second order.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stkit_bench.files import FileError
from stkit_bench.views import ViewError

__all__ = ["MAX_FRACTION", "shifted_horizon", "write_shifted"]

#: Beyond this too little of the picture is left.
MAX_FRACTION = 0.4

_ROWS_PER_BATCH = 10
Row = dict[str, Any]
Frames = npt.NDArray[np.uint8]


def shifted_horizon(row: Mapping[str, Any], fraction: float) -> Row:
    """Return the row with its horizon lower (above 0) or higher (below 0) in the picture.

    The strip that comes into view repeats the frame's edge. Boxes are cut to the picture, and are
    null where they leave it. ``id``, target, prompt and scenario attributes stay.

    Args:
        row: a row of a bench, its video as ``{"bytes", "path"}`` or null; not changed.
        fraction: of the frame's height, from -``MAX_FRACTION`` to ``MAX_FRACTION``.

    Raises:
        ViewError: the fraction is out of range, the video is only a path, or an object would be
            out of the picture in every frame.
    """
    if not -MAX_FRACTION <= fraction <= MAX_FRACTION:
        raise ViewError(f"fraction must be within ±{MAX_FRACTION:g}, got {fraction:g}")
    shifted = dict(row)
    down_px = fraction * row["height"]
    video = row.get("video")
    if video is not None:
        if video.get("bytes") is None:
            raise ViewError(f"row {row['id']}: its video must be given as bytes")
        content, share = _shifted_video(video["bytes"], fraction, Fraction(row["fps"]))
        # Pictures shift by whole pixels, and the boxes by just as much.
        down_px = share * row["height"]
        shifted["video"] = {**video, "bytes": content}
    shifted["objects"] = [
        {**item, "boxes": _boxes(row, number, item["boxes"], down_px)}
        for number, item in enumerate(row["objects"])
    ]
    return shifted


def shifted_frames(frames: Frames, rows_px: int) -> Frames:
    """Shift (T, H, W, 3) frames down by so many pixels, or up; the edge is repeated."""
    height = frames.shape[1]
    source = np.clip(np.arange(height) - rows_px, 0, height - 1)
    return frames[:, source]


def write_shifted(path: Path, out: Path, fraction: float) -> int:
    """Write a Parquet file of shifted rows and return how many there are.

    Args:
        path: a Parquet file, or a folder of them.
        out: the file to write, whole or not at all.
        fraction: see :func:`shifted_horizon`.

    Raises:
        FileError: nothing is there, or it cannot be read.
        ViewError: a row cannot be shifted; the message names it.
    """
    import pyarrow as pa
    import pyarrow.dataset as pads
    import pyarrow.parquet as pq

    files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
    if not files or out.suffix != ".parquet":
        raise FileError(path if not files else out, "rows are read from and written as *.parquet")
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    n = 0
    try:
        dataset = pads.dataset([str(file) for file in files], format="parquet")
        out.parent.mkdir(parents=True, exist_ok=True)
        with pq.ParquetWriter(unfinished, dataset.schema) as writer:
            for batch in dataset.to_batches(batch_size=_ROWS_PER_BATCH):
                rows = [shifted_horizon(row, fraction) for row in batch.to_pylist()]
                writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=dataset.schema))
                n += len(rows)
        os.replace(unfinished, out)
    except pa.ArrowException as error:
        raise FileError(path, f"cannot be read as Parquet: {error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return n


def _shifted_video(mp4: bytes, fraction: float, fps: Fraction) -> tuple[bytes, float]:
    """Return the video, and the share of its height that whole pixels make of the fraction."""
    from stkit_datasets.video.encode import decode_mp4, encode_mp4

    frames = decode_mp4(mp4)
    rows_px = round(fraction * frames.shape[1])
    return encode_mp4(shifted_frames(frames, rows_px), fps), rows_px / frames.shape[1]


def _boxes(row: Mapping[str, Any], number: int, boxes: Any, down_px: float) -> list[Any]:
    height = float(row["height"])
    found: list[Any] = []
    for box in boxes:
        if box is None:
            found.append(None)
            continue
        x0, y0, x1, y1 = box
        low, high = (min(max(y + down_px, 0.0), height) for y in (y0, y1))
        found.append([x0, low, x1, high] if high > low else None)
    if any(box is not None for box in boxes) and all(box is None for box in found):
        raise ViewError(
            f"row {row['id']}: object {number} would be out of the picture in every frame; "
            "shift by less"
        )
    return found
