"""Mask cells lifted to points of the world, and one position for each object and frame. Numpy only.

Two positions: the barycentre of the lifted points, as the papers have it [P2 3.3], and the surface
point on the ray through the middle of the mask at the median depth of its inner cells, which the
blurred depth at an object's outline does not pull away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.gravity import points_in_world
from stkit_datasets.pseudo_labels.interfaces import (
    BoolArray,
    FloatArray,
    Geometry,
    IntArray,
    Segmentation,
)

_MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True)
class LiftingConfig:
    """How masks become points.

    Attributes:
        max_points: of an object's mask in one frame at most this many cells are lifted, spread
            evenly.
        edge_px: a box this near to the picture's edge is cut by it.
        min_inner: an object with fewer inner cells uses all of its cells.
    """

    max_points: int = 200
    edge_px: float = 2.0
    min_inner: int = 5


@dataclass(frozen=True, eq=False)
class Cells:
    """P lifted mask cells in G groups, one an object and frame, sorted by object, then frame.

    Attributes:
        objects: (G,) index of the object.
        frames: (G,) index of the frame.
        totals: (G,) cells of the mask, before thinning.
        starts: (G + 1,) the cells of group g are ``starts[g]`` to ``starts[g + 1]``.
        groups: (P,) the group of each cell.
        pixels: (P, 2) x and y in the picture at its full size.
        depths_m: (P,) along the optical axis; NaN where unknown.
        weights: (P,) confidence of the depth, 1 where the backend gives none.
        inner: (P,) whether all eight cells around belong to the same object.
    """

    objects: IntArray
    frames: IntArray
    totals: IntArray
    starts: IntArray
    groups: IntArray
    pixels: FloatArray
    depths_m: FloatArray
    weights: FloatArray
    inner: BoolArray

    def where(self, keep: BoolArray) -> Cells:
        """Return the cells of ``keep`` (P,) alone; groups may become empty."""
        groups = self.groups[keep]
        return Cells(
            objects=self.objects,
            frames=self.frames,
            totals=self.totals,
            starts=np.searchsorted(groups, np.arange(len(self.objects) + 1)),
            groups=groups,
            pixels=self.pixels[keep],
            depths_m=self.depths_m[keep],
            weights=self.weights[keep],
            inner=self.inner[keep],
        )


@dataclass(frozen=True, eq=False)
class Positions:
    """One position for each of N objects in T frames; NaN where there is none.

    Attributes:
        points_m: (N, T, 3) in the world.
        depths_m: (N, T) along the optical axis.
        spreads: (N, T) relative spread of the depths, by the median deviation.
        counts: (N, T) points behind each; 0 where there is none.
    """

    points_m: FloatArray
    depths_m: FloatArray
    spreads: FloatArray
    counts: IntArray


def object_cells(
    geometry: Geometry, segmentation: Segmentation, config: LiftingConfig | None = None
) -> Cells:
    """Collect the cells of every mask with their depth, thinned evenly.

    Raises:
        ValueError: the two have different numbers of frames.
    """
    config = LiftingConfig() if config is None else config
    instances = segmentation.instances
    t, h, w = instances.shape
    if t != len(geometry):
        raise ValueError(f"masks of {t} frames, depth of {len(geometry)}")
    flat = np.flatnonzero(instances.ravel() >= 0)
    labels = instances.ravel()[flat].astype(np.int64)
    keys = labels * t + flat // (h * w)
    order = np.argsort(keys, kind="stable")
    keys, flat = keys[order], flat[order]
    found, first, totals = np.unique(keys, return_index=True, return_counts=True)
    ranks = np.arange(len(keys)) - np.repeat(first, totals)
    strides = np.maximum(1, -(-totals // config.max_points))
    kept = ranks % np.repeat(strides, totals) == 0
    flat, group = flat[kept], np.repeat(np.arange(len(found)), totals)[kept]
    frames, rows, columns = np.unravel_index(flat, instances.shape)
    pixels = np.stack(
        [
            (columns + 0.5) * (segmentation.width_px / w),
            (rows + 0.5) * (segmentation.height_px / h),
        ],
        axis=1,
    )
    own_h, own_w = geometry.depths.shape[1:]
    at = frames, rows * own_h // h, columns * own_w // w
    depths = geometry.depths[at].astype(np.float64)
    depths[~(np.isfinite(depths) & (depths > 0))] = np.nan
    weights = np.ones(len(depths))
    if geometry.confidences is not None:
        weights = np.nan_to_num(geometry.confidences[at].astype(np.float64))
    return Cells(
        objects=found // t,
        frames=found % t,
        totals=totals,
        starts=np.searchsorted(group, np.arange(len(found) + 1)),
        groups=group,
        pixels=pixels,
        depths_m=depths,
        weights=weights,
        inner=_inner(segmentation, frames, rows, columns),
    )


def _inner(
    segmentation: Segmentation, frames: IntArray, rows: IntArray, columns: IntArray
) -> BoolArray:
    instances = segmentation.instances
    _, h, w = instances.shape
    own = instances[frames, rows, columns]
    inner = np.ones(len(own), dtype=np.bool_)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            i, j = np.clip(rows + down, 0, h - 1), np.clip(columns + right, 0, w - 1)
            inner &= instances[frames, i, j] == own
    return inner


def barycentres(
    geometry: Geometry,
    cells: Cells,
    n_objects: int,
    noise: Callable[[FloatArray], BoolArray] | None = None,
) -> tuple[Positions, int]:
    """Average the lifted points of each object and frame.

    Args:
        geometry: in metres.
        cells: of its masks.
        n_objects: N.
        noise: tells which of one group's (P, 3) points are noise and not averaged.

    Returns:
        The positions, and how many groups had no point left.
    """
    known = cells.where(np.isfinite(cells.depths_m))
    points = points_in_world(geometry, known.frames[known.groups], known.pixels, known.depths_m)
    if noise is not None:
        spared = np.ones(len(points), dtype=np.bool_)
        for start, stop in zip(known.starts[:-1], known.starts[1:], strict=True):
            spared[start:stop] = ~noise(points[start:stop])
        known, points = known.where(spared), points[spared]
    counts = np.diff(known.starts)
    sums = np.stack(
        [np.bincount(known.groups, points[:, axis], len(counts)) for axis in range(3)], axis=1
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        depths = np.bincount(known.groups, known.depths_m, len(counts)) / counts
        squares = np.bincount(known.groups, known.depths_m**2, len(counts)) / counts
        spreads = np.sqrt(np.maximum(squares - depths**2, 0.0)) / depths
        means = sums / counts[:, None]
    positions = _spread_out(cells, n_objects, len(geometry), means, depths, spreads, counts)
    return positions, int((counts == 0).sum())


def surface_points(
    geometry: Geometry, cells: Cells, n_objects: int, config: LiftingConfig | None = None
) -> Positions:
    """Put each object at the median depth of its inner cells, on the ray through their middle."""
    config = LiftingConfig() if config is None else config
    known = np.isfinite(cells.depths_m) & (cells.weights > 0)
    n_inner = np.bincount(cells.groups[known & cells.inner], minlength=len(cells.objects))
    few = n_inner < config.min_inner
    used = cells.where(known & (cells.inner | few[cells.groups]))
    depths, spreads = _group_medians(used)
    middles = np.stack(
        [_medians(used.pixels[:, axis], used.groups, used.starts) for axis in (0, 1)], axis=1
    )
    points = points_in_world(geometry, cells.frames, middles, depths)
    return _spread_out(
        cells, n_objects, len(geometry), points, depths, spreads, np.diff(used.starts)
    )


def _group_medians(cells: Cells) -> tuple[FloatArray, FloatArray]:
    """Weighted median depth of each group, and the relative median deviation from it."""
    order = np.lexsort((cells.depths_m, cells.groups))
    weights = cells.weights[order]
    running = np.cumsum(weights)
    before = np.concatenate([[0.0], running])[cells.starts]
    half = before[:-1] + np.diff(before) / 2
    n = len(order)
    at = np.minimum(np.searchsorted(running, half), max(n - 1, 0))
    filled = np.diff(cells.starts) > 0
    depths = np.full(len(filled), np.nan)
    depths[filled] = cells.depths_m[order[at[filled]]]
    off = np.abs(cells.depths_m - depths[cells.groups])
    spreads = _MAD_TO_SIGMA * _medians(off, cells.groups, cells.starts) / depths
    return depths, spreads


def _medians(values: FloatArray, groups: IntArray, starts: IntArray) -> FloatArray:
    """Lower median of each group's values; NaN for empty groups."""
    order = np.lexsort((values, groups))
    counts = np.diff(starts)
    out = np.full(len(counts), np.nan)
    filled = counts > 0
    out[filled] = values[order[(starts[:-1] + (counts - 1) // 2)[filled]]]
    return out


def _spread_out(
    cells: Cells,
    n_objects: int,
    n_frames: int,
    points: FloatArray,
    depths: FloatArray,
    spreads: FloatArray,
    counts: IntArray,
) -> Positions:
    at = cells.objects, cells.frames
    all_points = np.full((n_objects, n_frames, 3), np.nan)
    all_points[at] = points
    all_depths, all_spreads = np.full((2, n_objects, n_frames), np.nan)
    all_depths[at], all_spreads[at] = depths, spreads
    all_counts = np.zeros((n_objects, n_frames), dtype=np.int64)
    all_counts[at] = counts
    return Positions(all_points, all_depths, all_spreads, all_counts)
