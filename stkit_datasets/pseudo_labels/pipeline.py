"""Geometry, masks and metric depth of one clip to its pseudo-labels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Literal

import numpy as np

from stkit_datasets.clip import Kind
from stkit_datasets.pseudo_labels.filters import (
    RuleConfig,
    apply_to_tracks,
    detections_kept,
    noise_points,
)
from stkit_datasets.pseudo_labels.gravity import GravityConfig, aligned, estimate_up
from stkit_datasets.pseudo_labels.interfaces import (
    BoolArray,
    FloatArray,
    Geometry,
    MetricDepth,
    Segmentation,
)
from stkit_datasets.pseudo_labels.lifting import LiftingConfig, barycentres, object_cells
from stkit_datasets.pseudo_labels.scale import ScaleConfig, apply_scale, fit_scale
from stkit_datasets.pseudo_labels.schema import LabelledVideo, Making, PseudoLabels
from stkit_datasets.pseudo_labels.sizes import size_prior
from stkit_datasets.pseudo_labels.tracks import MadeTracks, TrackConfig, make_tracks

Mode = Literal["default", "paper", "paper_unfiltered"]
MODES: tuple[Mode, ...] = ("default", "paper", "paper_unfiltered")


@dataclass(frozen=True)
class PipelineConfig:
    """How pseudo-labels are made.

    Attributes:
        mode: ``default``, this project's way; ``paper``, barycentres through filter 1 as [P2] has
            it; ``paper_unfiltered``, barycentres alone.
        scale: the fit of the scale; the papers' modes take the median of all ratios.
        gravity: how up is found.
        rules: filter 1; of it the default mode uses the rules on detections.
        tracks: how the default mode makes tracks.
        lifting: how many cells the papers' modes lift.
    """

    mode: Mode = "default"
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    gravity: GravityConfig = field(default_factory=GravityConfig)
    rules: RuleConfig = field(default_factory=RuleConfig)
    tracks: TrackConfig = field(default_factory=TrackConfig)
    lifting: LiftingConfig = field(default_factory=LiftingConfig)


def label_clip(
    video: LabelledVideo,
    timestamps_s: FloatArray,
    geometry: Geometry,
    segmentation: Segmentation,
    metric: MetricDepth | None = None,
    config: PipelineConfig | None = None,
    backends: Mapping[str, str] | None = None,
) -> PseudoLabels:
    """Turn what the models returned for one clip into its pseudo-labels.

    Args:
        video: which video.
        timestamps_s: (T,) seconds since the video's start of the frames that were labelled.
        geometry: depth and poses of these frames.
        segmentation: objects and masks in them.
        metric: depth in metres, for a geometry without scale.
        config: how.
        backends: stage -> name and revision of what ran, kept in the file.

    Raises:
        ValueError: the parts are of different clips, or the scale cannot be fitted.
    """
    config = PipelineConfig() if config is None else config
    _check_parts(video, timestamps_s, geometry, segmentation)
    objects = segmentation.instances >= 0
    scale_config = config.scale
    if config.mode != "default":
        scale_config = ScaleConfig(**{**asdict(scale_config), "method": "median", "drift": False})
    fit = fit_scale(geometry, metric, timestamps_s, objects, scale_config)
    in_metres = apply_scale(geometry, fit)
    up = estimate_up(in_metres, objects, config.gravity)
    world = aligned(in_metres, up.up)
    make = _default_tracks if config.mode == "default" else _paper_tracks
    made, dropped = make(world, segmentation, timestamps_s, fit.sigma, config)
    notes = {
        "mode": config.mode,
        "scale": fit.scale,
        "scale_fit_sigma": fit.fit_sigma,
        "scale_walk_per_s": fit.walk_per_s,
        "up_found_by": up.found_by,
        "config": asdict(config),
    }
    making = Making(
        backends=dict(backends or {}),
        settings=notes,
        filters_passed=() if config.mode == "paper_unfiltered" else ("rules",),
        dropped={name: count for name, count in sorted(dropped.items()) if count},
    )
    return _labels(video, timestamps_s, world, segmentation, made, fit.sigma, making)


def _check_parts(
    video: LabelledVideo, timestamps_s: FloatArray, geometry: Geometry, segmentation: Segmentation
) -> None:
    t = len(timestamps_s)
    if not t == len(geometry) == len(segmentation.instances):
        raise ValueError(
            f"{video.video_id}: {t} times, geometry of {len(geometry)} frames, masks of "
            f"{len(segmentation.instances)}"
        )
    size = video.width_px, video.height_px
    for name, part in (("geometry", geometry), ("masks", segmentation)):
        if (part.width_px, part.height_px) != size:
            raise ValueError(
                f"{video.video_id}: the video is {size[0]}x{size[1]}, the {name} are of "
                f"{part.width_px}x{part.height_px}"
            )


def _default_tracks(
    geometry: Geometry,
    segmentation: Segmentation,
    timestamps_s: FloatArray,
    scale_sigma: float,
    config: PipelineConfig,
) -> tuple[MadeTracks, Counter[str]]:
    kept, dropped = detections_kept(segmentation, config.rules)
    made = make_tracks(geometry, segmentation, timestamps_s, kept, scale_sigma, config.tracks)
    return made, dropped + made.dropped


def _paper_tracks(
    geometry: Geometry,
    segmentation: Segmentation,
    timestamps_s: FloatArray,
    scale_sigma: float,
    config: PipelineConfig,
) -> tuple[MadeTracks, Counter[str]]:
    n, dropped = len(segmentation), Counter[str]()
    cells = object_cells(geometry, segmentation, config.lifting)
    if config.mode == "paper":
        kept, dropped = detections_kept(segmentation, config.rules)
        noise = partial(noise_points, config=config.rules)
        positions, emptied = barycentres(geometry, cells, n, noise)
        dropped["rules: dbscan"] = emptied
        points, more = apply_to_tracks(
            np.where(kept[..., None], positions.points_m, np.nan), config.rules
        )
        dropped += more
    else:
        positions, _ = barycentres(geometry, cells, n)
        points = positions.points_m
    sizes = np.full((n, 3), np.nan)
    sigmas = positions.spreads * positions.depths_m / math.sqrt(3)
    given = np.isfinite(points).all(axis=2)
    made = MadeTracks(
        centers_m=points,
        sigmas_m=np.where(given, sigmas, np.nan),
        counts=np.where(given, positions.counts, 0),
        headings=np.full((n, len(geometry), 2), np.nan),
        sizes_lwh_m=sizes,
        dropped=dropped,
    )
    return made, dropped


def _labels(
    video: LabelledVideo,
    timestamps_s: FloatArray,
    geometry: Geometry,
    segmentation: Segmentation,
    made: MadeTracks,
    scale_sigma: float,
    making: Making,
) -> PseudoLabels:
    given: BoolArray = np.asarray(np.isfinite(made.centers_m).all(axis=2))
    order = sorted(np.flatnonzero(given.any(axis=1)), key=lambda i: segmentation.object_ids[i])
    place = np.array(order, dtype=np.int64)
    rows, frames = np.nonzero(given[place])
    objects = place[rows]
    at = objects, frames
    boxes = _boxes_between(segmentation.boxes_px, given)
    headings = made.headings[at]
    kinds: list[Kind] = [size_prior(segmentation.categories[i]).kind for i in order]
    return PseudoLabels(
        video=video,
        frame_timestamps_s=timestamps_s,
        track_ids=tuple(segmentation.object_ids[i] for i in order),
        categories=tuple(segmentation.categories[i] for i in order),
        kinds=tuple(kinds),
        track_index=rows.astype(np.int64),
        timestamps_s=timestamps_s[frames],
        centers_m=made.centers_m[at],
        sigmas_m=np.nan_to_num(made.sigmas_m[at]),
        boxes_px=boxes[at],
        box_confidences=segmentation.box_confidences[at],
        text_confidences=segmentation.text_confidences[at],
        point_counts=made.counts[at].astype(np.int64),
        sizes_lwh_m=made.sizes_lwh_m[objects],
        yaws_rad=np.arctan2(headings[:, 1], headings[:, 0]),
        scale_sigma=scale_sigma,
        intrinsics=np.median(geometry.intrinsics, axis=0),
        world_SE3_camera=geometry.world_SE3_camera,
        making=making,
    )


def _boxes_between(boxes_px: FloatArray, given: BoolArray) -> FloatArray:
    """Give frames with a centre but without a box the box between those around them."""
    out = boxes_px.copy()
    for i in range(len(boxes_px)):
        seen = np.isfinite(boxes_px[i, :, 0])
        known, missing = np.flatnonzero(seen), np.flatnonzero(given[i] & ~seen)
        for side in range(4):
            if len(known):
                out[i, missing, side] = np.interp(missing, known, boxes_px[i, known, side])
    return out
