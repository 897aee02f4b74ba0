"""Pseudo-label files written and read. The schema is docs/pseudo-labels.md."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stkit_datasets.atomic import replacing
from stkit_datasets.clip import FloatArray, Kind
from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.schema import (
    METADATA_KEY,
    SCHEMA_VERSION,
    LabelledVideo,
    Making,
    PseudoLabels,
)
from stkit_datasets.sources.columns import Columns, check_types
from stkit_datasets.sources.parquet import open_parquet

_TEXTS = ("video_id", "track_id", "category", "kind")
_CENTER = ("x_m", "y_m", "z_m")
_BOX = ("x0_px", "y0_px", "x1_px", "y1_px")
_SIZE = ("length_m", "width_m", "height_m")
_NUMBERS = (
    *("timestamp_s", *_CENTER, "sigma_m", *_BOX),
    *("box_confidence", "text_confidence", *_SIZE, "yaw_rad"),
)
_COUNT = "point_count"
_VIDEO_FIELDS = ("video_id", "path", "width_px", "height_px", "fps", "duration_s", "domain")
_MAKING_FIELDS = ("backends", "settings", "filters_passed", "dropped", "likelihoods")
_FIELDS = frozenset(
    (
        *(METADATA_KEY, "video", "frame_timestamps_s", "scale_sigma"),
        *("intrinsics", "world_SE3_camera", "making"),
    )
)
_POSE_DECIMALS = 9


def arrow_schema() -> Any:
    """Return the ``pyarrow.Schema`` of the rows, without the metadata."""
    columns = [pa.field(name, pa.string(), nullable=False) for name in _TEXTS]
    always = ("timestamp_s", *_CENTER, "sigma_m")
    columns += [pa.field(name, pa.float64(), nullable=name not in always) for name in _NUMBERS]
    return pa.schema([*columns, pa.field(_COUNT, pa.int64())])


def write_pseudo_labels(path: Path, labels: PseudoLabels) -> None:
    """Write one video's file: whole or not at all, and the same bytes for the same labels.

    Args:
        path: ``<folder>/<video_id>.parquet``; folders are made.
        labels: the tracks, checked when they were made.
    """
    index = labels.track_index
    texts = {
        "video_id": [labels.video.video_id] * len(labels),
        "track_id": [labels.track_ids[i] for i in index],
        "category": [labels.categories[i] for i in index],
        "kind": [labels.kinds[i] for i in index],
    }
    numbers = {
        "timestamp_s": labels.timestamps_s,
        **_split(_CENTER, labels.centers_m),
        "sigma_m": labels.sigmas_m,
        **_split(_BOX, labels.boxes_px),
        "box_confidence": labels.box_confidences,
        "text_confidence": labels.text_confidences,
        **_split(_SIZE, labels.sizes_lwh_m),
        "yaw_rad": labels.yaws_rad,
    }
    counts = labels.point_counts
    table = pa.table(
        {
            **texts,
            **{name: pa.array(values, mask=np.isnan(values)) for name, values in numbers.items()},
            _COUNT: pa.array(counts, mask=counts < 0),
        },
        schema=arrow_schema().with_metadata({METADATA_KEY: _metadata_text(labels)}),
    )
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", store_schema=True)


def read_pseudo_labels(path: Path) -> PseudoLabels:
    """Read one video's file and check all of it.

    Raises:
        SourceError: the file is missing or broken, of another version, or breaks a rule of the
            schema; the message names the row or field.
    """
    with open_parquet(path) as file:
        metadata = _metadata(path, file.schema_arrow.metadata or {})
        check_types(path, file.schema_arrow, dict.fromkeys(_TEXTS, "string"))
        check_types(path, file.schema_arrow, dict.fromkeys(_NUMBERS, "number"))
        check_types(path, file.schema_arrow, {_COUNT: "integer"})
        table = file.read(columns=[*_TEXTS, *_NUMBERS, _COUNT], use_threads=False)
        table.validate(full=True)
    columns = Columns(path, table, ("track_id", "timestamp_s"))
    try:
        return _labels(columns, metadata)
    except (ValueError, TypeError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(path, str(error)) from error


def _split(names: tuple[str, ...], values: FloatArray) -> dict[str, FloatArray]:
    return {name: np.ascontiguousarray(values[:, i]) for i, name in enumerate(names)}


def _metadata_text(labels: PseudoLabels) -> str:
    video, making = labels.video, labels.making
    poses = labels.world_SE3_camera
    values = {
        METADATA_KEY: SCHEMA_VERSION,
        "video": {name: getattr(video, name) for name in _VIDEO_FIELDS},
        "frame_timestamps_s": labels.frame_timestamps_s.tolist(),
        "scale_sigma": labels.scale_sigma,
        "intrinsics": None if labels.intrinsics is None else labels.intrinsics.tolist(),
        "world_SE3_camera": (
            None if poses is None else (np.round(poses, _POSE_DECIMALS) + 0.0).tolist()
        ),
        "making": {name: getattr(making, name) for name in _MAKING_FIELDS},
    }
    return json.dumps(values, sort_keys=True, allow_nan=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a setting must be a JSON value, got {value!r}")


def _metadata(path: Path, found: Mapping[bytes, bytes]) -> dict[str, Any]:
    where = f"metadata {METADATA_KEY!r}"
    text = found.get(METADATA_KEY.encode())
    if text is None:
        raise SourceError(path, "expected metadata of this name, found none", where)
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"expected JSON: {error}", where) from error
    version = values.get(METADATA_KEY) if isinstance(values, dict) else None
    if version != SCHEMA_VERSION or isinstance(version, bool):
        raise SourceError(
            path,
            f"expected a pseudo-label file of version {SCHEMA_VERSION}, got {version!r}",
            where,
        )
    if set(values) != _FIELDS:
        wrong = ", ".join(sorted(set(values) ^ _FIELDS))
        raise SourceError(path, f"expected {', '.join(sorted(_FIELDS))}; differs in {wrong}", where)
    return cast(dict[str, Any], values)


def _labels(columns: Columns, metadata: Mapping[str, Any]) -> PseudoLabels:
    video = LabelledVideo(**_fields(metadata, "video", _VIDEO_FIELDS))
    making = _fields(metadata, "making", _MAKING_FIELDS)
    if not isinstance(making["filters_passed"], list):
        raise ValueError(f"filters_passed must be a list, got {making['filters_passed']!r}")
    making["filters_passed"] = tuple(making["filters_passed"])
    track_index, track_ids = columns.codes("track_id")
    _one_video(columns, video)
    scale_sigma = metadata["scale_sigma"]
    if type(scale_sigma) not in (int, float):
        raise ValueError(f"scale_sigma must be a number, got {scale_sigma!r}")
    return PseudoLabels(
        video=video,
        frame_timestamps_s=_array(metadata, "frame_timestamps_s"),
        track_ids=track_ids,
        categories=_one_a_track(columns, "category", track_index, len(track_ids)),
        kinds=cast(tuple[Kind, ...], _one_a_track(columns, "kind", track_index, len(track_ids))),
        track_index=track_index,
        timestamps_s=columns.numbers("timestamp_s")[:, 0],
        centers_m=columns.numbers(*_CENTER),
        sigmas_m=columns.numbers("sigma_m")[:, 0],
        boxes_px=columns.numbers(*_BOX, nullable=True),
        box_confidences=columns.numbers("box_confidence", nullable=True)[:, 0],
        text_confidences=columns.numbers("text_confidence", nullable=True)[:, 0],
        point_counts=_counts(columns),
        sizes_lwh_m=columns.numbers(*_SIZE, nullable=True),
        yaws_rad=columns.numbers("yaw_rad", nullable=True)[:, 0],
        scale_sigma=float(scale_sigma),
        intrinsics=None if metadata["intrinsics"] is None else _array(metadata, "intrinsics"),
        world_SE3_camera=(
            None if metadata["world_SE3_camera"] is None else _array(metadata, "world_SE3_camera")
        ),
        making=Making(**making),
    )


def _fields(metadata: Mapping[str, Any], name: str, expected: tuple[str, ...]) -> dict[str, Any]:
    values = metadata[name]
    if not isinstance(values, dict) or set(values) != set(expected):
        found = sorted(values) if isinstance(values, dict) else values
        raise ValueError(f"metadata {name!r} must hold {', '.join(expected)}, got {found!r}")
    return dict(values)


def _array(metadata: Mapping[str, Any], name: str) -> FloatArray:
    try:
        array = np.array(metadata[name])
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"metadata {name!r} must be an array of numbers") from error
    if array.dtype.kind not in "if":
        raise ValueError(f"metadata {name!r} must be an array of numbers")
    return array.astype(np.float64)


def _one_video(columns: Columns, video: LabelledVideo) -> None:
    names = columns.codes("video_id")[1]
    if set(names) - {video.video_id}:
        raise columns.error(
            f"expected {video.video_id!r} as in the metadata, got {', '.join(names[:3])}",
            column="video_id",
        )


def _one_a_track(
    columns: Columns, name: str, track_index: NDArray[np.int64], n_tracks: int
) -> tuple[str, ...]:
    codes, values = columns.codes(name)
    first = np.zeros(n_tracks, dtype=np.int64)
    first[track_index[::-1]] = codes[::-1]
    other = np.flatnonzero(codes != first[track_index])
    if len(other):
        row = int(other[0])
        expected = values[first[track_index[row]]]
        raise columns.error(f"expected one {name} a track, here {expected!r}", row, name)
    return tuple(values[code] for code in first)


def _counts(columns: Columns) -> NDArray[np.int64]:
    values = columns.numbers(_COUNT, nullable=True)[:, 0]
    wrong = np.flatnonzero(values < 0)
    if len(wrong):
        raise columns.error("expected a number of at least 0", int(wrong[0]), _COUNT)
    return np.where(np.isnan(values), -1, values).astype(np.int64)
