"""Exact geometry and masks made as wrong as those of real models, from a seed.

Depth gets a unit of its own that drifts, errors that are smooth over the picture, of each object
and of each cell, a bend with distance, and blurred outlines; poses drift; masks shrink, grow, lose
parts and change hands; detections and whole frames are missing. The errors know nothing of how
tracks are made from them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from stkit_datasets.pseudo_labels.interfaces import (
    BoolArray,
    FloatArray,
    Geometry,
    InstanceMaps,
    Maps,
    MetricDepth,
    Segmentation,
    boxes_of,
)

_FIELD_CELLS = (5, 8)
_BEND_AROUND_M = 15.0
_HALF_SECOND_S = 0.5
"""Errors that grow from frame to frame are stated for this long."""


@dataclass(frozen=True)
class Degradation:
    """How wrong; standard deviations, of logarithms where not said otherwise.

    Attributes:
        unit: of the reconstruction's unit of length.
        drift: of the unit's walk, in half a second.
        bend: of the exponent that distance is raised to.
        field: of the depth error that is smooth over the picture.
        object_flicker: of each object's depth in each frame; a tenth of them is three times off.
        object_bias: of each object's depth, the same in all frames.
        cell: of each cell's depth, new in each frame.
        rotation_deg: of the camera's turning off, in half a second, in degrees about each axis.
        translation: relative error of the camera's way in half a second.
        translation_m: absolute error of it, along each axis.
        metric_bias: of the metric depth's factor, for the clip.
        metric_flicker: of the same, a frame.
        metric_field: of the metric depth's error that is smooth over the picture.
        metric_every_s: metric depth is given that often.
        memory_s: the errors of frames (``field``, the flickers) fade with this time constant:
            models see nearly the same picture a quarter of a second later, and err alike.
        edge_cells: masks shrink or grow by up to this many cells.
        cut_share: share of masks that lose a part.
        switch_share: share of objects that change hands with another one, for up to two seconds
            or for good.
        missing_share: share of detections that are missing.
        dropped_frames: share of frames without any detection.
    """

    unit: float = 0.7
    drift: float = 0.012
    bend: float = 0.05
    field: float = 0.054
    object_flicker: float = 0.108
    object_bias: float = 0.04
    cell: float = 0.04
    rotation_deg: float = 0.08
    translation: float = 0.04
    translation_m: float = 0.01
    metric_bias: float = 0.05
    metric_flicker: float = 0.04
    metric_field: float = 0.06
    metric_every_s: float = 1.0
    memory_s: float = 0.3
    edge_cells: int = 3
    cut_share: float = 0.045
    switch_share: float = 0.15
    missing_share: float = 0.04
    dropped_frames: float = 0.02


def degrade(
    geometry: Geometry,
    segmentation: Segmentation,
    rng: np.random.Generator,
    how: Degradation | None = None,
    fps: float = 2.0,
) -> tuple[Geometry, MetricDepth, Segmentation]:
    """Return what worse models would have returned: geometry without scale, metric depth, masks.

    Args:
        geometry: exact depth and poses.
        segmentation: exact masks.
        rng: decides every error.
        how: how wrong.
        fps: frames a second; in the same time as much drifts at any rate.
    """
    how = Degradation() if how is None else how
    keeps = float(np.exp(-1 / (fps * how.memory_s))) if how.memory_s > 0 else 0.0
    walk = float(np.sqrt(1 / (fps * _HALF_SECOND_S)))
    metric = _metric(geometry, rng, how, fps, keeps)
    depths = _blurred(geometry.depths)
    depths = depths * _object_errors(geometry, segmentation, rng, how, keeps)
    depths = _bent(depths, rng.normal(1.0, how.bend))
    depths = depths * _fields(depths.shape, rng, how.field, keeps)
    depths = depths * np.exp(rng.normal(0.0, how.cell, depths.shape)).astype(np.float32)
    steps = rng.normal(0, how.drift * walk, len(depths))
    unit = np.exp(rng.normal(0.0, how.unit) + np.cumsum(steps))
    poses = _drifted(geometry.world_SE3_camera, unit, rng, how, walk)
    wrong = replace(
        geometry,
        depths=(depths * unit[:, None, None]).astype(np.float32),
        world_SE3_camera=poses,
        is_metric=False,
        up=None,
    )
    return wrong, metric, _worse_masks(segmentation, rng, how, fps)


def _fading(values: FloatArray, keeps: float) -> FloatArray:
    """Let each of (T, …) independent errors keep a share of the one before, of the same size."""
    out = values.copy()
    for k in range(1, len(out)):
        out[k] = keeps * out[k - 1] + np.sqrt(1 - keeps**2) * values[k]
    return out


def _metric(
    geometry: Geometry, rng: np.random.Generator, how: Degradation, fps: float, keeps: float
) -> MetricDepth:
    every = max(1, round(how.metric_every_s * fps))
    frames = np.arange(0, len(geometry), every)
    depths = geometry.depths[frames, 1::2, 1::2]
    flicker = _fading(rng.normal(0, how.metric_flicker, len(frames)), keeps**every)
    factor = rng.normal(0, how.metric_bias) + flicker
    depths = depths * np.exp(factor).astype(np.float32)[:, None, None]
    depths = depths * _fields(depths.shape, rng, how.metric_field, keeps**every)
    return MetricDepth(frames, depths)


def _fields(shape: tuple[int, ...], rng: np.random.Generator, sigma: float, keeps: float) -> Maps:
    """Factors that are smooth over each picture."""
    t, h, w = shape
    coarse = _fading(rng.normal(0.0, sigma, (t, *_FIELD_CELLS)), keeps)
    for axis, size in ((1, h), (2, w)):
        place = np.linspace(0, coarse.shape[axis] - 1, size)
        low = np.minimum(place.astype(int), coarse.shape[axis] - 2)
        weight = (place - low).reshape((-1, 1) if axis == 1 else (-1,))
        coarse = np.take(coarse, low, axis) * (1 - weight) + np.take(coarse, low + 1, axis) * weight
    return np.asarray(np.exp(coarse), dtype=np.float32)


def _blurred(depths: Maps) -> Maps:
    """Average each cell with its eight neighbours, as at outlines between near and far."""
    finite = np.where(np.isfinite(depths), depths, 200.0)
    padded = np.pad(finite, ((0, 0), (1, 1), (1, 1)), mode="edge")
    h, w = depths.shape[1:]
    total = sum(padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3))
    return np.where(np.isfinite(depths), np.asarray(total) / 9, depths).astype(np.float32)


def _object_errors(
    geometry: Geometry,
    segmentation: Segmentation,
    rng: np.random.Generator,
    how: Degradation,
    keeps: float,
) -> Maps:
    n, t = len(segmentation), len(geometry)
    h, w = geometry.depths.shape[1:]
    own_h, own_w = segmentation.instances.shape[1:]
    rows, columns = np.arange(h) * own_h // h, np.arange(w) * own_w // w
    instances = segmentation.instances[:, rows[:, None], columns]
    wild = np.where(rng.random((n, t)) < 0.1, 3.0, 1.0)
    errors = _fading(rng.normal(0, how.object_flicker, (t, n)), keeps).T * wild
    errors += rng.normal(0, how.object_bias, (n, 1))
    table = np.concatenate([errors, np.zeros((1, t))])
    return np.asarray(np.exp(table[instances, np.arange(t)[:, None, None]]), dtype=np.float32)


def _bent(depths: Maps, exponent: float) -> Maps:
    return np.asarray(_BEND_AROUND_M * (depths / _BEND_AROUND_M) ** exponent, dtype=np.float32)


def _drifted(
    poses: FloatArray, unit: FloatArray, rng: np.random.Generator, how: Degradation, walk: float
) -> FloatArray:
    """Chain the camera's steps anew, each a little wrong, in the reconstruction's unit."""
    out = poses.copy()
    out[0, :3, 3] *= unit[0]
    for k in range(1, len(poses)):
        step = np.linalg.inv(poses[k - 1]) @ poses[k]
        step[:3, :3] = step[:3, :3] @ _small_rotation(rng, how.rotation_deg * walk)
        # Steps are shorter at a higher rate, so that each is off by a greater share of itself.
        wrong = 1 + rng.normal(0, how.translation / walk)
        off_m = rng.normal(0, how.translation_m * walk, 3)
        step[:3, 3] = unit[k] * (step[:3, 3] * wrong + off_m)
        out[k] = out[k - 1] @ step
    return out


def _small_rotation(rng: np.random.Generator, sigma_deg: float) -> FloatArray:
    x, y, z = np.radians(rng.normal(0, sigma_deg, 3))
    skew = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    left, _, right = np.linalg.svd(np.eye(3) + skew)
    return np.asarray(left @ right)


def _worse_masks(
    segmentation: Segmentation, rng: np.random.Generator, how: Degradation, fps: float
) -> Segmentation:
    n, t = len(segmentation), len(segmentation.instances)
    instances = _switched(segmentation, rng, how, fps)
    seen = np.stack([[(frame == i).any() for frame in instances] for i in range(n)]) if n else None
    missing = rng.random((n, t)) < how.missing_share
    missing |= (rng.random(t) < how.dropped_frames)[None]
    cut = rng.random((n, t)) < how.cut_share
    grow = rng.integers(-how.edge_cells, how.edge_cells + 1, (n, t))
    sides = rng.integers(4, size=(n, t))
    shares = rng.uniform(0.2, 0.5, (n, t))
    out = np.full_like(instances, -1)
    for i in range(n):
        for k in range(t):
            if seen is None or not seen[i, k] or missing[i, k]:
                continue
            mask = _resized(instances[k] == i, int(grow[i, k]))
            if cut[i, k]:
                mask &= ~_part(mask, int(sides[i, k]), float(shares[i, k]))
            out[k][mask] = i
    boxes = boxes_of(out, n, segmentation.width_px, segmentation.height_px)
    confidences = _confidences(boxes, cut, rng)
    text = np.clip(confidences + rng.normal(0, 0.08, (n, t)), 0.05, 0.99)
    return replace(
        segmentation,
        instances=out,
        boxes_px=boxes,
        box_confidences=confidences,
        text_confidences=np.where(np.isfinite(boxes[..., 0]), text, np.nan),
    )


def _switched(
    segmentation: Segmentation, rng: np.random.Generator, how: Degradation, fps: float
) -> InstanceMaps:
    """Exchange two objects that lie near each other, at some time, for good or for some frames."""
    out = segmentation.instances.copy()
    boxes = segmentation.boxes_px
    middles = (boxes[..., :2] + boxes[..., 2:]) / 2
    t = len(out)
    for i in range(len(segmentation)):
        if rng.random() >= how.switch_share:
            continue
        start = int(rng.integers(1, t))
        stop = t if rng.random() < 0.5 else min(t, start + int(rng.integers(1, round(2 * fps) + 1)))
        away = np.linalg.norm(middles[:, start] - middles[i, start], axis=1)
        away[i] = np.inf
        if not np.isfinite(away).any() or np.nanmin(away) > 0.25 * segmentation.width_px:
            continue
        other = int(np.nanargmin(away))
        part = out[start:stop]
        mine, theirs = part == i, part == other
        part[mine], part[theirs] = other, i
    return out


def _resized(mask: BoolArray, cells: int) -> BoolArray:
    """Shrink (below 0) or grow a mask; a mask that would vanish shrinks less."""
    rows, columns = np.nonzero(mask)
    reach = abs(cells) + 1
    top, left = max(rows.min() - reach, 0), max(columns.min() - reach, 0)
    box = slice(top, rows.max() + reach + 1), slice(left, columns.max() + reach + 1)
    part = mask[box]
    for _ in range(abs(cells)):
        padded = np.pad(part, 1, mode="edge")
        parts = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        if cells > 0:
            part = part | np.logical_or.reduce(parts)
        else:
            smaller = part & np.logical_and.reduce(parts)
            part = smaller if smaller.sum() >= 8 else part
    out = np.zeros_like(mask)
    out[box] = part
    return out


def _part(mask: BoolArray, side: int, share: float) -> BoolArray:
    """Cells of a mask in the given share of its box from one side."""
    axis, from_end = divmod(side, 2)
    index = np.nonzero(mask)[axis]
    low, high = int(index.min()), int(index.max()) + 1
    width = round(share * (high - low))
    begin = high - width if from_end else low
    out = np.zeros_like(mask)
    where = [slice(None), slice(None)]
    where[axis] = slice(begin, begin + width)
    out[tuple(where)] = mask[tuple(where)]
    return out


def _confidences(boxes: FloatArray, cut: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Detectors are less sure of what is small or cut, and never quite right about it."""
    sides = np.minimum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
    sure = 0.45 + 0.4 * np.clip(sides / 40.0, 0, 1) - 0.15 * cut
    return np.clip(sure + rng.normal(0, 0.08, sure.shape), 0.05, 0.99)
