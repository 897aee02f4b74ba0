"""The tracks of one clip of a custom data folder; the schema is docs/custom-source.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, resample
from stkit_datasets.clip import KINDS, FloatArray, Kind, Tracks
from stkit_datasets.sources.columns import Columns
from stkit_datasets.sources.custom_clips import MAX_TIME_S, ClipRecord
from stkit_datasets.sources.custom_tables import BOX, QUATERNION, SIZE
from stkit_datasets.sources.options import SamplingConfig

IntArray = NDArray[np.int64]


def read_clip_tracks(
    columns: Columns, clip: ClipRecord, grid_ns: IntArray, config: SamplingConfig
) -> tuple[Tracks, FloatArray | None]:
    """Return a clip's tracks on the grid, and its (N, T, 4) image boxes when the table has them."""
    timestamps_ns = _annotation_times_ns(columns)
    track_index, track_ids = columns.codes("track_id")
    order = columns.order_in_time(track_index, timestamps_ns)
    categories = _one_a_track(columns, "category", track_index, order)
    kinds = _one_a_track(columns, "kind", track_index, order)
    for i, kind in enumerate(kinds):
        if kind not in KINDS:
            row = int(order[np.searchsorted(track_index[order], i)])
            raise columns.error(f"expected one of {', '.join(KINDS)}, got {kind!r}", row, "kind")
    centers_m = columns.numbers("x_m", "y_m", "z_m")
    sizes_lwh_m = _together(columns, SIZE, columns.positive(*SIZE, nullable=True))
    rotations_wxyz = _rotations(columns)
    sigmas_m = _sigmas_m(columns)
    _between(columns, "confidence", 1.0)
    boxes_px = _boxes(columns)
    has_boxes = not np.isnan(boxes_px).all()
    if not has_boxes:
        _require_projection(columns, clip, sizes_lwh_m, rotations_wxyz)

    found = resample.locate(
        track_index[order], timestamps_ns[order], len(track_ids), grid_ns, config.grid
    )
    tracks = Tracks(
        track_ids=track_ids,
        categories=categories,
        kinds=cast(tuple[Kind, ...], kinds),
        centers_m=resample.interpolate(centers_m[order], found),
        sizes_lwh_m=resample.interpolate(sizes_lwh_m[order], found),
        rotations_wxyz=resample.interpolate_rotations(rotations_wxyz[order], found),
        annotation_keys=resample.annotation_keys(timestamps_ns[order], found),
        sigmas_m=None if sigmas_m is None else resample.interpolate(sigmas_m[order], found)[..., 0],
    )
    if not has_boxes:
        return tracks, None
    camera, boxes_px = clip.camera, resample.interpolate(boxes_px[order], found)
    return tracks, geometry.cut_at_edge(boxes_px, camera.width_px, camera.height_px)


def _annotation_times_ns(columns: Columns) -> IntArray:
    times_s = columns.numbers("timestamp_s")[:, 0]
    wrong = np.flatnonzero((times_s < 0) | (times_s > MAX_TIME_S))
    if len(wrong):
        raise columns.error(
            f"expected seconds since the start of the video, from 0 to {MAX_TIME_S:g}",
            int(wrong[0]),
            "timestamp_s",
        )
    return np.round(times_s * resample.NS_PER_S).astype(np.int64)


def _one_a_track(
    columns: Columns, name: str, track_index: IntArray, order: IntArray
) -> tuple[str, ...]:
    """Return the value of each track, which all its rows must share."""
    codes, values = columns.codes(name)
    first = order[np.searchsorted(track_index[order], np.arange(track_index.max() + 1))]
    other = np.flatnonzero(codes != codes[first][track_index])
    if len(other):
        row = int(other[0])
        expected = values[codes[first][track_index[row]]]
        raise columns.error(
            f"expected one {name} a track, here {expected!r}, got {values[codes[row]]!r}", row, name
        )
    return tuple(values[i] for i in codes[first])


def _together(columns: Columns, names: Sequence[str], values: FloatArray) -> FloatArray:
    """Check that each row gives all of the columns or none."""
    missing = np.isnan(values)
    wrong = np.flatnonzero(missing.any(axis=1) & ~missing.all(axis=1))
    if len(wrong):
        raise columns.error(f"expected all of {', '.join(names)}, or none", int(wrong[0]))
    return values


def _rotations(columns: Columns) -> FloatArray:
    """Return (R, 4) quaternions from qw…qz or from yaw about the world's z; NaN where neither."""
    quaternions = columns.quaternions(*QUATERNION, nullable=True)
    given = _together(columns, QUATERNION, columns.numbers(*QUATERNION, nullable=True))
    yaw_rad = columns.numbers("yaw_rad", nullable=True)[:, 0]
    both = np.flatnonzero(~np.isnan(yaw_rad) & ~np.isnan(given[:, 0]))
    if len(both):
        raise columns.error("expected qw, qx, qy, qz or yaw_rad, got both", int(both[0]))
    zero = np.zeros_like(yaw_rad)
    from_yaw = np.stack([np.cos(yaw_rad / 2), zero, zero, np.sin(yaw_rad / 2)], axis=1)
    return np.where(np.isnan(yaw_rad)[:, None], quaternions, from_yaw)


def _boxes(columns: Columns) -> FloatArray:
    boxes_px = _together(columns, BOX, columns.numbers(*BOX, nullable=True))
    empty = (boxes_px[:, 2] <= boxes_px[:, 0]) | (boxes_px[:, 3] <= boxes_px[:, 1])
    if empty.any():
        raise columns.error("expected x0_px < x1_px and y0_px < y1_px", int(np.argmax(empty)))
    return boxes_px


def _sigmas_m(columns: Columns) -> FloatArray | None:
    """Return the (R, 1) deviations of the centres, or None when the clip gives none at all."""
    values = _between(columns, "uncertainty_m", np.inf)
    return None if np.isnan(values).all() else values


def _between(columns: Columns, name: str, high: float) -> FloatArray:
    """Return (R, 1) values from 0 to ``high``, NaN where there is none."""
    values = columns.numbers(name, nullable=True)
    wrong = np.flatnonzero((values < 0) | (values > high))
    if len(wrong):
        row = int(wrong[0])
        allowed = "a number of at least 0" if high == np.inf else f"a number from 0 to {high:g}"
        raise columns.error(f"expected {allowed}, got {values[row, 0]:g}", row, name)
    return values


def _require_projection(
    columns: Columns, clip: ClipRecord, sizes_lwh_m: FloatArray, rotations_wxyz: FloatArray
) -> None:
    """Check that boxes can be projected where the table gives none in the image."""
    if clip.camera_SE3_world is None or not clip.has_intrinsics:
        raise clip.record.error(
            f"expected image boxes ({', '.join(BOX)}) in {columns.path.name}, or fx_px, fy_px, "
            "cx_px, cy_px and a pose here"
        )
    flat = np.flatnonzero(np.isnan(sizes_lwh_m[:, 0]) | np.isnan(rotations_wxyz[:, 0]))
    if len(flat):
        raise columns.error(
            f"expected {', '.join(SIZE)} and a rotation (qw, qx, qy, qz or yaw_rad), as the clip "
            "has no image boxes",
            int(flat[0]),
        )
