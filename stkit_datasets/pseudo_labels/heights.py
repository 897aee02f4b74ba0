"""Distances by depth and by the height of objects in the picture together. Numpy only.

An object's height does not change, so that the height of its image says how its distance changes,
by pixels that have nothing to do with the depth map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.box_model import BoxConfig
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray
from stkit_datasets.pseudo_labels.sizes import SizePrior

_MAD_TO_SIGMA = 1.4826
_UNKNOWN_TREMBLE = 0.1
"""Relative deviation of depths that are too few to tell."""


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of N objects in T frames, by depth and image height together.

    Attributes:
        depths_m: (N, T) along the optical axis; NaN where there is none.
        sigmas: (N, T) relative standard deviation in each frame.
        track_sigmas: (N,) relative standard deviation that a track's frames share.
        heights_m: (N,) height of the object.
        height_off: (N,) by how many deviations the depths alone make an object's height differ from
            the usual one of its category; 0 where too little is seen.
    """

    depths_m: FloatArray
    sigmas: FloatArray
    track_sigmas: FloatArray
    heights_m: FloatArray
    height_off: FloatArray


def fuse_heights(
    depths_m: FloatArray,
    boxes_px: FloatArray,
    focal_px: FloatArray,
    size_px: tuple[int, int],
    priors: list[SizePrior],
    scale_sigma: float,
    config: BoxConfig | None = None,
) -> Distances:
    """Join measured depths with what the heights of the boxes say.

    An object of height H at depth d is f H / d pixels high. H is not known beforehand: it is
    what makes both agree over the track, drawn to the usual size as far as that is sure.

    Args:
        depths_m: (N, T) measured, NaN where there is none.
        boxes_px: (N, T, 4).
        focal_px: (T,) vertical focal lengths.
        size_px: width and height of the picture.
        priors: N usual sizes.
        scale_sigma: relative deviation of the clip's scale, which all depths share.
        config: how much each is believed.
    """
    config = BoxConfig() if config is None else config
    tall = boxes_px[..., 3] - boxes_px[..., 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        usable = (tall >= config.min_height_px) & np.isfinite(depths_m)
        usable &= boxes_px[..., 1] > config.picture_edge * size_px[0]
        usable &= boxes_px[..., 3] < size_px[1] - config.picture_edge * size_px[0]
        measured = np.log(depths_m)
        by_height = np.log(focal_px / tall)
    n = len(depths_m)
    out_depths, out_sigmas = depths_m.copy(), np.full_like(depths_m, np.nan)
    track_sigmas, heights = np.zeros(n), np.array([prior.height_m for prior in priors])
    height_off = np.zeros(n)
    for i, prior in enumerate(priors):
        seen, use = np.isfinite(depths_m[i]), usable[i]
        tremble = _tremble(measured[i][seen])
        if use.sum() < 2:
            out_sigmas[i, seen] = max(tremble, config.depth_sigma)
            continue
        # How much both tremble says how far each is to be trusted.
        edge_px = max(_tremble(tall[i][use]), config.edge_px)
        height_sigma = np.hypot(edge_px / tall[i], config.shape_sigma)
        found = _one_track(
            *(measured[i], by_height[i], max(tremble, config.depth_sigma), height_sigma),
            *(use, prior, scale_sigma, config),
        )
        log_depths, sigmas, log_height, track_sigmas[i], height_off[i] = found
        only_depth = seen & ~use
        out_depths[i, use], out_sigmas[i, use] = np.exp(log_depths[use]), sigmas[use]
        out_sigmas[i, only_depth] = max(tremble, config.depth_sigma)
        heights[i] = np.exp(log_height)
    return Distances(out_depths, out_sigmas, track_sigmas, heights, height_off)


def _tremble(values: FloatArray) -> float:
    """Deviation of single values from a smooth series, by its second differences."""
    if len(values) < 4:
        return _UNKNOWN_TREMBLE
    bends = values[2:] - 2 * values[1:-1] + values[:-2]
    return _MAD_TO_SIGMA * float(np.median(np.abs(bends))) / float(np.sqrt(6))


def _one_track(
    measured: FloatArray,
    by_height: FloatArray,
    depth_sigma: float,
    height_sigma: FloatArray,
    use: BoolArray,
    prior: SizePrior,
    scale_sigma: float,
    config: BoxConfig,
) -> tuple[FloatArray, FloatArray, float, float, float]:
    """Fuse one track's (T,) logarithms of depth.

    Returns:
        Logarithms and relative deviations, (T,) each; the logarithm of the object's height; the
        relative deviation that it leaves to the whole track; and by how many deviations the
        height is off the usual one.
    """
    off = measured - by_height
    values, both = off[use], np.hypot(height_sigma[use], depth_sigma)
    center = float(np.median(values))
    # Where the two drift apart more than they tremble, something hides a changing part.
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(values - center)))
    drift = np.sqrt(max(spread**2 - float(np.median(both)) ** 2, 0.0))
    height_sigma = np.hypot(height_sigma, config.drift_weight * drift)
    both = np.hypot(both, drift)
    weights = 1 / both**2
    for _ in range(5):
        robust = np.minimum(1.0, config.max_off * both / np.maximum(np.abs(values - center), 1e-12))
        weights = robust / both**2
        center = float((weights * values).sum() / weights.sum())
    # What depth says of the height errs with the scale; the usual height knows nothing of it.
    seen_variance = 1 / weights.sum() + scale_sigma**2
    prior_variance = prior.height_spread**2
    share = prior_variance / (prior_variance + seen_variance)
    log_height = share * center + (1 - share) * float(np.log(prior.height_m))
    limit = config.max_off * np.hypot(height_sigma, depth_sigma)
    excess = np.maximum(1.0, np.abs(off - center) / limit)
    weight_depth, weight_height = 1 / depth_sigma**2, 1 / height_sigma**2
    total = weight_depth + weight_height
    fused = (weight_depth * measured + weight_height * (by_height + center)) / total
    height_off = abs(center - float(np.log(prior.height_m)))
    height_off /= float(np.sqrt(prior_variance + seen_variance))
    track_sigma = float(np.sqrt(1 / weights.sum()))
    return fused, excess / np.sqrt(total), log_height, track_sigma, height_off
