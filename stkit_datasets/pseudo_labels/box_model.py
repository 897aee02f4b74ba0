"""What a box says about an object that is seen from one side only. Numpy only.

Two things. The points of an object lie on the sides that face the camera, so that their middle is
nearer than the object's centre, by how much follows from a box of the usual size. And an object's
height does not change, so that the height of its image says how its distance changes, by pixels
that have nothing to do with the depth map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, Geometry, Segmentation
from stkit_datasets.pseudo_labels.sizes import SizePrior

_MAD_TO_SIGMA = 1.4826
_UNKNOWN_TREMBLE = 0.1


@dataclass(frozen=True)
class BoxConfig:
    """How much the box model is believed.

    Attributes:
        depth_sigma: least relative deviation of an object's depth in one frame.
        edge_px: least deviation of a box's height, in pixels.
        shape_sigma: relative deviation of the image's height for all that is no rigid box.
        min_height_px: a lower box says nothing about distance.
        picture_edge: a box this near to an edge of the picture, as a share of its width, may be
            cut by it.
        max_off: where depth and height disagree by more deviations, neither is believed much.
        length_sigma: relative deviation of an object's length and width from the usual ones.
        plain_share: a box narrower than this share of what the usual size would fill is taken to
            be hidden in part.
        heading_window_s: headings are taken from displacements over this time.
        min_heading_mps: below this speed an object keeps the heading it had.
    """

    depth_sigma: float = 0.02
    edge_px: float = 1.5
    shape_sigma: float = 0.02
    min_height_px: float = 8.0
    picture_edge: float = 0.006
    length_sigma: float = 0.12
    plain_share: float = 0.7
    max_off: float = 2.5
    heading_window_s: float = 2.0
    min_heading_mps: float = 0.7


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances of N objects in T frames, by depth and image height together.

    Attributes:
        depths_m: (N, T) along the optical axis; NaN where there is none.
        sigmas: (N, T) relative standard deviation in each frame.
        track_sigmas: (N,) relative standard deviation that a track's frames share.
        heights_m: (N,) height of the object.
    """

    depths_m: FloatArray
    sigmas: FloatArray
    track_sigmas: FloatArray
    heights_m: FloatArray


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
        log_depths, sigmas, log_height, track_sigmas[i] = found
        only_depth = seen & ~use
        out_depths[i, use], out_sigmas[i, use] = np.exp(log_depths[use]), sigmas[use]
        out_sigmas[i, only_depth] = max(tremble, config.depth_sigma)
        heights[i] = np.exp(log_height)
    return Distances(out_depths, out_sigmas, track_sigmas, heights)


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
) -> tuple[FloatArray, FloatArray, float, float]:
    """Fuse one track's (T,) logarithms of depth.

    Returns:
        Logarithms and relative deviations, (T,) each; the logarithm of the object's height; and
        the relative deviation that it leaves to the whole track.
    """
    off = measured - by_height
    values, both = off[use], np.hypot(height_sigma[use], depth_sigma)
    center = float(np.median(values))
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
    return fused, excess / np.sqrt(total), log_height, float(np.sqrt(1 / weights.sum()))


@dataclass(frozen=True, eq=False)
class HiddenParts:
    """Where the middle of what is seen is not the middle of the object.

    Attributes:
        shifts_m: (N, T) what to add along the camera's x axis.
        sigmas_m: (N, T) standard deviation along it that remains.
    """

    shifts_m: FloatArray
    sigmas_m: FloatArray


def hidden_parts(
    geometry: Geometry,
    segmentation: Segmentation,
    depths_m: FloatArray,
    sizes_lwh_m: FloatArray,
    headings: FloatArray | None,
    config: BoxConfig | None = None,
) -> HiddenParts:
    """Find how much of each object is missing at the picture's left and right edge.

    From the whole edge of the object the rest follows by its usual width in the picture, which
    its heading tells. Without a heading nothing is shifted, only the deviation is larger.

    Args:
        geometry: in metres, z up.
        segmentation: for the boxes.
        depths_m: (N, T).
        sizes_lwh_m: (N, 3) usual sizes.
        headings: (N, T, 2) unit vectors in the ground plane, NaN where unknown; or None.
        config: when a box counts as cut, and how sure the usual size is.
    """
    config = BoxConfig() if config is None else config
    boxes, width_px = segmentation.boxes_px, segmentation.width_px
    near = config.picture_edge * width_px
    with np.errstate(invalid="ignore"):
        left, right = boxes[..., 0] <= near, boxes[..., 2] >= width_px - near
    seen = (boxes[..., 2] - boxes[..., 0]) * depths_m / geometry.intrinsics[:, 0, 0]
    length, width = sizes_lwh_m[:, :1], sizes_lwh_m[:, 1:2]
    across = geometry.world_SE3_camera[:, :2, 0]
    across = across / np.linalg.norm(across, axis=1, keepdims=True)
    known = np.zeros(seen.shape, dtype=np.bool_)
    whole = np.broadcast_to((length + width) / 2, seen.shape).copy()
    if headings is not None:
        sine = np.abs((headings * across).sum(axis=2))
        cosine = np.sqrt(np.maximum(1 - sine**2, 0.0))
        known = np.isfinite(sine)
        whole = np.where(known, length * sine + width * cosine, whole)
    missing = np.maximum(whole - seen, 0.0)
    one = left ^ right
    shifts = np.where(one & known, missing / 2 * np.where(left, -1.0, 1.0), 0.0)
    unsure = config.length_sigma * whole / 2
    sigmas = np.where(one & known & (missing > 0), unsure, np.where(left | right, missing / 2, 0.0))
    lost = np.maximum(config.plain_share * whole - seen, 0.0) / 2
    return HiddenParts(shifts, np.where(left | right, sigmas, lost))


def visible_offsets(
    toward_camera: FloatArray, headings: FloatArray, lengths_m: FloatArray, widths_m: FloatArray
) -> FloatArray:
    """Return what to add to the middle of the seen surface to reach the centre of the box.

    From afar a box of length l and width w shows its end in a share of the picture that grows
    with w |cos a| and its side in one that grows with l |sin a|, at the angle a between heading
    and view. The middle of the end lies l / 2 before the centre, that of the side w / 2 beside it.
    Without a heading all of them are taken to be as likely: then the offset is along the view.

    Args:
        toward_camera: (..., 2) unit vectors from the object to the camera, in the ground plane.
        headings: (..., 2) unit vectors; NaN where unknown.
        lengths_m: (...,) lengths of the boxes.
        widths_m: (...,) their widths.

    Returns:
        (..., 2) metres in the ground plane.
    """
    along = (toward_camera * headings).sum(axis=-1)
    across_axis = np.stack([-headings[..., 1], headings[..., 0]], axis=-1)
    across = (toward_camera * across_axis).sum(axis=-1)
    end, side = widths_m * np.abs(along), lengths_m * np.abs(across)
    share = end / (end + side)
    seen = (share * lengths_m / 2 * np.sign(along))[..., None] * headings
    seen = seen + ((1 - share) * widths_m / 2 * np.sign(across))[..., None] * across_axis
    unknown = -_mean_reach(lengths_m, widths_m)[..., None] * toward_camera
    return np.where(np.isfinite(headings), -seen, unknown)


def _mean_reach(lengths_m: FloatArray, widths_m: FloatArray) -> FloatArray:
    """How far the seen surface's middle lies before the centre along the view, over all headings."""
    angles = (np.arange(32) + 0.5) * (np.pi / 64)
    cos, sin = np.cos(angles), np.sin(angles)
    length, width = lengths_m[..., None], widths_m[..., None]
    end, side = width * cos, length * sin
    reach = (end * length / 2 * cos + side * width / 2 * sin) / (end + side)
    return np.asarray(reach.mean(axis=-1))


def headings_of(
    centers_m: FloatArray, timestamps_s: FloatArray, config: BoxConfig | None = None
) -> FloatArray:
    """Return (N, T, 2) unit headings in the ground plane of smooth (N, T, 3) tracks.

    Where an object stands it keeps the nearest heading in time that it had while moving; NaN for
    one that never moves.
    """
    config = BoxConfig() if config is None else config
    n, t = centers_m.shape[:2]
    half = config.heading_window_s / 2
    before = np.searchsorted(timestamps_s, timestamps_s - half - 1e-6)
    after = np.searchsorted(timestamps_s, timestamps_s + half + 1e-6) - 1
    given = np.isfinite(centers_m[..., 0])
    first = np.where(given.any(axis=1), given.argmax(axis=1), 0)
    last = np.where(given.any(axis=1), t - 1 - given[:, ::-1].argmax(axis=1), 0)
    low = np.clip(before, first[:, None], last[:, None])
    high = np.clip(after, first[:, None], last[:, None])
    rows = np.arange(n)[:, None]
    moved = (centers_m[rows, high] - centers_m[rows, low])[..., :2]
    lasted = timestamps_s[high] - timestamps_s[low]
    length = np.linalg.norm(moved, axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        moving = (length >= config.min_heading_mps * lasted) & (lasted > 0) & given
        headings = moved / length[..., None]
    away = np.where(moving[:, None, :], np.abs(timestamps_s[:, None] - timestamps_s), np.inf)
    nearest = away.argmin(axis=2)
    out: FloatArray = headings[rows, nearest]
    out[~moving.any(axis=1)] = np.nan
    return out
