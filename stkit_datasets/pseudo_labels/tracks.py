"""Masks and metric geometry to smooth tracks with uncertainties: this project's way. Numpy only."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np

from stkit_datasets.pseudo_labels.box_model import (
    BoxConfig,
    HiddenParts,
    headings_of,
    hidden_parts,
    visible_offsets,
)
from stkit_datasets.pseudo_labels.breaks import BreakConfig, longest_whole_part
from stkit_datasets.pseudo_labels.heights import Distances, fuse_heights
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, Geometry, Segmentation
from stkit_datasets.pseudo_labels.lifting import LiftingConfig, object_cells, surface_points
from stkit_datasets.pseudo_labels.sizes import size_prior
from stkit_datasets.pseudo_labels.smoothing import SmootherConfig, SmoothTracks, smooth


@dataclass(frozen=True)
class TrackConfig:
    """How tracks are made, and which are kept.

    Attributes:
        lifting: masks to points.
        box: the box model.
        breaks: what a jump is.
        smoother: what the smoother assumes.
        middle_px: deviation of the middle of a mask, in pixels.
        middle_share: the same as a share of the box's width and height.
        camera_m: deviation of the camera's position and pose in one frame, in metres.
        max_gap_s: a gap between two positions that is longer ends a track.
        min_frames: a track with fewer positions is dropped.
        min_displacement_m: tracks that move less, by their ends, are not asked about and are
            kept however uncertain they are.
        max_height_off: a track whose height is off the usual one of its category by more deviations
            is dropped: it is another object, or several.
        min_whole_frames: a track that is seen whole in fewer frames is dropped.
        min_whole_share: the same as a share of its frames.
        sigma_factor: what the smoother's deviations are multiplied by, from simulated scenes that
            were labelled at 4 Hz.
        max_distance_sigma: a track whose traveled distance has a greater relative deviation is
            dropped.
    """

    lifting: LiftingConfig = field(default_factory=LiftingConfig)
    box: BoxConfig = field(default_factory=BoxConfig)
    breaks: BreakConfig = field(default_factory=BreakConfig)
    smoother: SmootherConfig = field(default_factory=SmootherConfig)
    middle_px: float = 1.5
    middle_share: float = 0.05
    camera_m: float = 0.05
    max_gap_s: float = 1.0
    min_frames: int = 4
    min_displacement_m: float = 0.7
    max_distance_sigma: float = 0.34
    max_height_off: float = 3.0
    min_whole_frames: int = 3
    min_whole_share: float = 0.3
    sigma_factor: float = 3.0


@dataclass(frozen=True, eq=False)
class MadeTracks:
    """N tracks at T frames.

    Attributes:
        centers_m: (N, T, 3) in the world, z up; NaN where there is none.
        sigmas_m: (N, T).
        counts: (N, T) points behind each; 0 where there is none.
        headings: (N, T, 2) unit vectors in the ground plane, NaN where unknown.
        sizes_lwh_m: (N, 3).
        dropped: what was left out, by reason.
    """

    centers_m: FloatArray
    sigmas_m: FloatArray
    counts: np.ndarray
    headings: FloatArray
    sizes_lwh_m: FloatArray
    dropped: Counter[str]


def make_tracks(
    geometry: Geometry,
    segmentation: Segmentation,
    timestamps_s: FloatArray,
    detected: BoolArray,
    scale_sigma: float,
    config: TrackConfig | None = None,
) -> MadeTracks:
    """Make tracks.

    Args:
        geometry: in metres, z up.
        segmentation: the objects.
        timestamps_s: (T,) of the frames.
        detected: (N, T) detections that count.
        scale_sigma: relative deviation of the clip's scale.
        config: how.
    """
    config = TrackConfig() if config is None else config
    n, t = len(segmentation), len(geometry)
    priors = [size_prior(category) for category in segmentation.categories]
    cells = object_cells(geometry, segmentation, config.lifting)
    surface = surface_points(geometry, cells, n, config.lifting)
    found = detected & np.isfinite(surface.depths_m)
    distances = fuse_heights(
        np.where(found, surface.depths_m, np.nan),
        segmentation.boxes_px,
        geometry.intrinsics[:, 1, 1],
        (geometry.width_px, geometry.height_px),
        priors,
        scale_sigma,
        config.box,
    )
    points, covariances = _measured(geometry, segmentation, surface.points_m, distances, config)
    dropped: Counter[str] = Counter()
    points = _whole_parts(points, covariances, timestamps_s, config, dropped)
    sizes = np.array([[p.length_m, p.width_m, p.height_m] for p in priors]).reshape(n, 3)
    sizes[:, 2] = distances.heights_m
    # Of what the picture cuts only a part is seen, whose middle moves less than the object.
    hidden = hidden_parts(geometry, segmentation, distances.depths_m, sizes, None, config.box)
    wide = _widened(geometry, covariances, hidden.sigmas_m)
    first = smooth(points, wide, timestamps_s, config.smoother)
    headings = headings_of(first.centers_m, timestamps_s, config.box)
    hidden = hidden_parts(geometry, segmentation, distances.depths_m, sizes, headings, config.box)
    wide = _widened(geometry, covariances, hidden.sigmas_m)
    right = geometry.world_SE3_camera[:, :3, 0]
    centered = points + np.nan_to_num(hidden.shifts_m)[..., None] * right
    toward = geometry.world_SE3_camera[:, :2, 3] - points[..., :2]
    toward /= np.linalg.norm(toward, axis=2, keepdims=True)
    centered[..., :2] += visible_offsets(
        toward, headings, np.tile(sizes[:, :1], (1, t)), np.tile(sizes[:, 1:2], (1, t))
    )
    smoothed = smooth(centered, wide, timestamps_s, config.smoother)
    smoothed = replace(smoothed, covariances_m2=smoothed.covariances_m2 * config.sigma_factor**2)
    measured = np.isfinite(points[..., 0])
    fits = _fitting(distances, hidden, measured, config, dropped)
    kept = _kept(smoothed, fits, config, dropped)
    return MadeTracks(
        centers_m=np.where(kept[..., None], smoothed.centers_m, np.nan),
        sigmas_m=np.where(kept, smoothed.sigmas_m, np.nan),
        counts=np.where(kept & np.isfinite(points[..., 0]), surface.counts, 0),
        headings=headings,
        sizes_lwh_m=sizes,
        dropped=dropped,
    )


def _measured(
    geometry: Geometry,
    segmentation: Segmentation,
    surface_m: FloatArray,
    distances: Distances,
    config: TrackConfig,
) -> tuple[FloatArray, FloatArray]:
    """Positions (N, T, 3) at the joined distances, and their (N, T, 3, 3) covariances."""
    n, t = distances.depths_m.shape
    objects, frames = np.nonzero(np.isfinite(distances.depths_m))
    depths = distances.depths_m[objects, frames]
    origins = geometry.world_SE3_camera[frames, :3, 3]
    rays = surface_m[objects, frames] - origins
    forward = geometry.world_SE3_camera[frames, :3, 2]
    rays *= (depths / (rays * forward).sum(axis=1))[:, None]
    points = np.full((n, t, 3), np.nan)
    points[objects, frames] = origins + rays
    reach = np.linalg.norm(rays, axis=1)
    units = rays / reach[:, None]
    boxes = segmentation.boxes_px[objects, frames]
    sides = np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    middle_px = np.hypot(config.middle_px, config.middle_share * sides)
    across = (middle_px / geometry.intrinsics[frames, 0, 0] * depths) ** 2 + config.camera_m**2
    along = (distances.sigmas[objects, frames] * reach) ** 2 + config.camera_m**2
    outer = units[:, :, None] * units[:, None, :]
    covariances = np.full((n, t, 3, 3), np.nan)
    covariances[objects, frames] = along[:, None, None] * outer + across[:, None, None] * (
        np.eye(3) - outer
    )
    return points, covariances


def _widened(geometry: Geometry, covariances: FloatArray, sigmas_m: FloatArray) -> FloatArray:
    """Add the deviations (N, T) along the camera's horizontal axis."""
    right = geometry.world_SE3_camera[:, :3, 0]
    outer = right[:, :, None] * right[:, None, :]
    return covariances + np.nan_to_num(sigmas_m)[..., None, None] ** 2 * outer


def _whole_parts(
    points: FloatArray,
    covariances: FloatArray,
    timestamps_s: FloatArray,
    config: TrackConfig,
    dropped: Counter[str],
) -> FloatArray:
    """Leave of each track its longest part without a jump or a long gap."""
    out = np.full_like(points, np.nan)
    for i, track in enumerate(points):
        n_found = int(np.isfinite(track[:, 0]).sum())
        frames = longest_whole_part(track, covariances[i], timestamps_s, config.breaks)
        dropped["tracks: beside a jump"] += n_found - len(frames)
        if len(frames):
            cuts = np.flatnonzero(np.diff(timestamps_s[frames]) > config.max_gap_s + 1e-6) + 1
            parts = np.split(frames, cuts)
            longest = max(parts, key=len)
            dropped["tracks: beside a gap"] += len(frames) - len(longest)
            frames = longest
        if len(frames) < config.min_frames:
            dropped["tracks: too few frames"] += n_found > 0
            continue
        out[i, frames] = track[frames]
    return out


def _fitting(
    distances: Distances,
    hidden: HiddenParts,
    measured: BoolArray,
    config: TrackConfig,
    dropped: Counter[str],
) -> BoolArray:
    """(N,) tracks that have the size of their category and are mostly seen whole."""
    some = measured.any(axis=1)
    counts, n_whole = measured.sum(axis=1), (hidden.whole & measured).sum(axis=1)
    n_wide = (hidden.too_wide & measured).sum(axis=1)
    sized = (distances.height_off <= config.max_height_off) & (2 * n_wide <= counts)
    dropped["tracks: size does not fit"] += int((some & ~sized).sum())
    seen = (n_whole >= config.min_whole_frames) & (n_whole >= config.min_whole_share * counts)
    dropped["tracks: seldom whole"] += int((some & sized & ~seen).sum())
    return np.asarray(sized & seen)


def _kept(
    smoothed: SmoothTracks, fits: BoolArray, config: TrackConfig, dropped: Counter[str]
) -> BoolArray:
    """(N, T) what is sure enough."""
    kept: BoolArray = np.asarray(np.isfinite(smoothed.centers_m).all(axis=2))
    for i in range(len(kept)):
        frames = np.flatnonzero(kept[i])
        if not len(frames):
            continue
        centers = smoothed.centers_m[i, frames]
        if float(np.linalg.norm(centers[-1] - centers[0])) < config.min_displacement_m:
            continue
        if not fits[i]:
            kept[i] = False
        elif relative_distance_sigma(smoothed, i, frames) > config.max_distance_sigma:
            kept[i] = False
            dropped["tracks: distance uncertain"] += 1
    return kept


def relative_distance_sigma(smoothed: SmoothTracks, track: int, frames: np.ndarray) -> float:
    """Relative deviation of a track's traveled distance, from the covariances of its two ends."""
    centers = smoothed.centers_m[track, frames]
    steps = np.diff(centers, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    total = float(lengths.sum())
    if total == 0:
        return np.inf
    directions = steps / np.maximum(lengths, 1e-9)[:, None]
    variance = 0.0
    for frame, direction in ((frames[0], directions[0]), (frames[-1], directions[-1])):
        variance += float(direction @ smoothed.covariances_m2[track, frame] @ direction)
    return float(np.sqrt(variance)) / total
