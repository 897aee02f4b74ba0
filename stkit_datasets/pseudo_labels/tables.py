"""The tables of the ``custom`` source, written from pseudo-label files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stkit_datasets.atomic import replacing
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.schema import PseudoLabels

_CENTER = ("x_m", "y_m", "z_m")
_SIZE = ("length_m", "width_m", "height_m")
_BOX = ("x0_px", "y0_px", "x1_px", "y1_px")
_NUMBERS = ("timestamp_s", *_CENTER, *_SIZE, "yaw_rad", *_BOX, "uncertainty_m", "confidence")
_TRACKS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("clip_id", "track_id", "category", "kind")),
        *(pa.field(name, pa.float64()) for name in _NUMBERS),
    ]
)


def write_custom_tables(out: Path, files: Sequence[Path], split: str) -> int:
    """Write ``clips.parquet`` and ``tracks.parquet`` of videos with at least one track.

    Args:
        out: the data folder; videos are named relative to it.
        files: pseudo-label files, each one clip.
        split: of all clips.

    Returns:
        How many clips there are.
    """
    clips: list[dict[str, object]] = []
    with (
        replacing(out / "tracks.parquet") as temporary,
        pq.ParquetWriter(temporary, _TRACKS, compression="zstd") as writer,
    ):
        for path in sorted(files):
            labels = read_pseudo_labels(path)
            if len(labels):
                clips.append(_clip(labels, split))
                writer.write_table(_tracks(labels))
    with replacing(out / "clips.parquet") as temporary:
        pq.write_table(pa.Table.from_pylist(clips, _clip_schema()), temporary, compression="zstd")
    return len(clips)


def _clip_schema() -> pa.Schema:
    texts = ("clip_id", "split", "scene_id", "domain", "video")
    numbers = ("fx_px", "fy_px", "cx_px", "cy_px")
    return pa.schema(
        [
            *(pa.field(name, pa.string()) for name in texts),
            *(pa.field(name, pa.int64()) for name in ("width_px", "height_px")),
            pa.field("timestamps_s", pa.list_(pa.float64())),
            *(pa.field(name, pa.float64()) for name in numbers),
        ]
    )


def _clip(labels: PseudoLabels, split: str) -> dict[str, object]:
    video, matrix = labels.video, labels.intrinsics
    row: dict[str, object] = {
        "clip_id": video.video_id,
        "split": split,
        "scene_id": video.video_id,
        "domain": video.domain,
        "video": video.path,
        "width_px": video.width_px,
        "height_px": video.height_px,
        "timestamps_s": labels.frame_timestamps_s.tolist(),
    }
    if matrix is not None:
        row |= {"fx_px": matrix[0, 0], "fy_px": matrix[1, 1]}
        row |= {"cx_px": matrix[0, 2], "cy_px": matrix[1, 2]}
    return row


def _tracks(labels: PseudoLabels) -> pa.Table:
    index = labels.track_index
    columns = {
        "timestamp_s": labels.timestamps_s,
        **{name: labels.centers_m[:, i] for i, name in enumerate(_CENTER)},
        **{name: labels.sizes_lwh_m[:, i] for i, name in enumerate(_SIZE)},
        "yaw_rad": labels.yaws_rad,
        **{name: labels.boxes_px[:, i] for i, name in enumerate(_BOX)},
        "uncertainty_m": labels.sigmas_m,
        "confidence": labels.box_confidences,
    }
    return pa.table(
        {
            "clip_id": [labels.video.video_id] * len(labels),
            "track_id": [labels.track_ids[i] for i in index],
            "category": [labels.categories[i] for i in index],
            "kind": [labels.kinds[i] for i in index],
            **{k: pa.array(v, mask=np.isnan(v)) for k, v in columns.items()},
        },
        schema=_TRACKS,
    )
