"""Where the centre of an object is of which a part is seen, by a box of its usual size. Numpy only.

The points of an object lie on the sides that face the camera, so that their middle is nearer than
its centre; and what the picture's edge cuts off leaves a middle that does not move as it does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, Geometry, Segmentation


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
        too_wide: a box wider than this multiple of the usual size's diagonal cannot be the object.
        drift_weight: how much of what depth and height drift apart is laid to the height.
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
    too_wide: float = 1.8
    drift_weight: float = 1.5
    max_off: float = 2.5
    heading_window_s: float = 2.0
    min_heading_mps: float = 0.7


@dataclass(frozen=True, eq=False)
class HiddenParts:
    """Where the middle of what is seen is not the middle of the object.

    Attributes:
        shifts_m: (N, T) what to add along the camera's x axis.
        sigmas_m: (N, T) standard deviation along it that remains.
        whole: (N, T) whether about all of the object's width is seen.
        too_wide: (N, T) whether more is seen than the category is wide and long; a mask that runs
            together with another, or is on another object.
    """

    shifts_m: FloatArray
    sigmas_m: FloatArray
    whole: BoolArray
    too_wide: BoolArray


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
    seen_whole = ~(left | right) & (seen >= config.plain_share * whole)
    too_wide = seen > config.too_wide * np.hypot(length, width)
    return HiddenParts(shifts, np.where(left | right, sigmas, lost), seen_whole, too_wide)


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
    """Mean over all headings of how far the seen middle lies before the centre along the view."""
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
