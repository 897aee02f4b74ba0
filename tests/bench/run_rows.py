"""Rows with small videos for the tests of ``stkit_bench.run``: toy clips of gray frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import toy

from stkit_datasets.clip import Clip
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.video.frames import ArrayFrames

#: Frames of every clip, one each half second.
N_FRAMES = 10


def clip(name: str, shade: int) -> Clip:
    """Two cars that move apart, in frames that get brighter by one each."""
    centers_m = np.stack(
        [
            toy.straight((15, -4, 0.75), (3, 1, 0), N_FRAMES),
            toy.straight((40, 4, 0.75), (-2, -0.5, 0), N_FRAMES),
        ]
    )
    images = [np.full((180, 320, 3), shade + 8 * k, np.uint8) for k in range(N_FRAMES)]
    made = toy.clip(centers_m, clip_id=name)
    names = tuple(f"{name}/{k}.png" for k in range(N_FRAMES))
    small = toy.Camera("front", 320, 180, toy.INTRINSICS * [[0.5], [0.5], [1.0]])
    return Clip(**{**vars(made), "frames": ArrayFrames(images, names), "camera": small})


def write(
    path: Path, video: str = "overlay", names: Sequence[str] = ("a", "b"), seed: int = 0
) -> Path:
    """Write the rows of some clips as one Parquet file."""
    tables = [
        clip_rows(clip(name, 40 + 20 * n), RowConfig(video=video, seed=seed)).table
        for n, name in enumerate(names)
    ]
    pq.write_table(pa.concat_tables(tables), path, row_group_size=4)
    return path


def break_video(rows: Path, place: int, path: Path) -> Path:
    """Write the rows again, the video of one of them as bytes that do not decode."""
    table = pq.read_table(rows).to_pylist()
    table[place]["video"]["bytes"] = b"broken"
    pq.write_table(pa.Table.from_pylist(table, schema=pq.read_schema(rows)), path)
    return path
