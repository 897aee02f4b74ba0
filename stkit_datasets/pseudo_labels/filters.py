"""Filter 1, the papers' rules with the papers' numbers [P2 B.1]. Numpy only.

Where the paper leaves a step open, the reading is a setting: what DBSCAN's radius is, whether an
outlier goes alone or takes its track with it, and what the Kalman filter takes to be constant.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stkit_datasets.pseudo_labels.dbscan import NOISE, dbscan
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, IntArray, Segmentation


@dataclass(frozen=True)
class RuleConfig:
    """The thresholds of filter 1. All but those marked are from [P2 B.1].

    Attributes:
        min_points: DBSCAN's count of points in a neighbourhood.
        eps_m: its radius; the paper names none, this one is ours.
        min_box_confidence: a detection below is dropped.
        min_text_confidence: a detection below is dropped.
        min_box_area_px: a box with a smaller area, in pixels of the full picture, is dropped.
        max_z_score: a centroid farther than this from its track's mean, in standard deviations
            along any axis, is an outlier.
        min_cosine: a step whose cosine with the track's mean direction is below ends in an outlier.
        outliers: ``remove`` outliers alone, or ``discard`` every track that has one.
        process_variance: of the Kalman filter, for each frame.
        measurement_variance: of the Kalman filter, of each centroid along each axis.
        motion: what the Kalman filter takes to be constant: ``velocity`` or ``position``.
    """

    min_points: int = 5
    eps_m: float = 0.5
    min_box_confidence: float = 0.4
    min_text_confidence: float = 0.3
    min_box_area_px: float = 10.0
    max_z_score: float = 3.0
    min_cosine: float = -0.2
    outliers: Literal["remove", "discard"] = "remove"
    process_variance: float = 1.0
    measurement_variance: float = 1000.0
    motion: Literal["velocity", "position"] = "velocity"


def detections_kept(
    segmentation: Segmentation, config: RuleConfig
) -> tuple[BoolArray, Counter[str]]:
    """Tell which (N, T) detections are sure and large enough, and count the others by reason.

    An unknown confidence is no reason to drop. A detection is counted under the first rule it
    misses.
    """
    boxes = segmentation.boxes_px
    seen: BoolArray = np.asarray(np.isfinite(boxes).all(axis=2))
    areas = np.where(seen, (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1]), 0.0)
    misses = {
        "rules: box_confidence": segmentation.box_confidences < config.min_box_confidence,
        "rules: text_confidence": segmentation.text_confidences < config.min_text_confidence,
        "rules: box_area": areas < config.min_box_area_px,
    }
    kept, dropped = seen.copy(), Counter[str]()
    for reason, missed in misses.items():
        dropped[reason] = int((kept & missed).sum())
        kept &= ~missed
    return kept, dropped


def noise_points(points_m: FloatArray, config: RuleConfig) -> BoolArray:
    """Tell which of one object's (P, 3) points in one frame DBSCAN leaves outside all clusters."""
    return np.asarray(dbscan(points_m, config.eps_m, config.min_points) == NOISE)


def z_scores(points_m: FloatArray) -> FloatArray:
    """Return each of (K, 3) centroids' distance from the mean in deviations, the largest axis's.

    The standard deviation is that of the K points (not K - 1). An axis without spread gives 0.
    """
    off = np.abs(points_m - points_m.mean(axis=0))
    spread = points_m.std(axis=0)
    return np.asarray(np.divide(off, spread, out=np.zeros_like(off), where=spread > 0).max(axis=1))


def step_cosines(points_m: FloatArray) -> FloatArray:
    """Return the cosine of each of the K - 1 steps with the mean of the steps; 1 where undefined.

    A step of no length, and steps that add up to nothing, have no direction that could be wrong.
    """
    steps = np.diff(points_m, axis=0)
    mean = steps.mean(axis=0) if len(steps) else np.zeros(3)
    lengths = np.linalg.norm(steps, axis=1) * np.linalg.norm(mean)
    cosines = np.ones(len(steps))
    np.divide(steps @ mean, lengths, out=cosines, where=lengths > 0)
    return cosines


def outliers(points_m: FloatArray, config: RuleConfig) -> dict[str, BoolArray]:
    """Tell which of a track's (K, 3) centroids are outliers, by rule; none is under both.

    The cosine rule looks at what the Z-score leaves.
    """
    far = z_scores(points_m) > config.max_z_score
    left = np.flatnonzero(~far)
    back = np.zeros(len(points_m), dtype=np.bool_)
    back[left[1:]] = step_cosines(points_m[left]) < config.min_cosine
    return {"rules: z_score": far, "rules: cosine": back}


def nearest_neighbour_order(points_m: FloatArray) -> IntArray:
    """Return the order in which (K, 3) points follow one another, always on to the nearest left.

    The first point stays first.
    """
    order = [0] if len(points_m) else []
    left = np.ones(len(points_m), dtype=np.bool_)
    left[:1] = False
    while left.any():
        square = ((points_m - points_m[order[-1]]) ** 2).sum(axis=1)
        order.append(int(np.argmin(np.where(left, square, np.inf))))
        left[order[-1]] = False
    return np.array(order, dtype=np.int64)


def kalman_filter(points_m: FloatArray, config: RuleConfig) -> FloatArray:
    """Filter (K, 3) centroids forward in time, one step a centroid, each axis by itself.

    The state is position and velocity (or position alone), with the process variance on each; it
    starts at the first centroid at rest, with the measurement variance on each.
    """
    order = 2 if config.motion == "velocity" else 1
    transition = np.eye(order)
    if order == 2:
        transition[0, 1] = 1.0
    state = np.zeros((order, 3))
    state[0] = points_m[0]
    covariance = np.eye(order) * config.measurement_variance
    out = np.empty_like(points_m)
    out[0] = points_m[0]
    for k in range(1, len(points_m)):
        state = transition @ state
        covariance = transition @ covariance @ transition.T
        covariance += np.eye(order) * config.process_variance
        gain = covariance[:, :1] / (covariance[0, 0] + config.measurement_variance)
        state = state + gain * (points_m[k] - state[0])
        covariance = covariance - gain @ covariance[:1]
        out[k] = state[0]
    return out


def apply_to_tracks(points_m: FloatArray, config: RuleConfig) -> tuple[FloatArray, Counter[str]]:
    """Take outliers out of (N, T, 3) tracks, reorder and smooth them.

    Returns:
        The tracks, NaN where there was no centroid or an outlier was taken out, and how many
        centroids each rule dropped; with ``discard`` also how many tracks.
    """
    out, dropped = np.full_like(points_m, np.nan), Counter[str]()
    for index, track in enumerate(points_m):
        frames = np.flatnonzero(np.isfinite(track).all(axis=1))
        if not len(frames):
            continue
        wrong = outliers(track[frames], config)
        for reason, which in wrong.items():
            dropped[reason] += int(which.sum())
        kept = frames[~np.logical_or.reduce(list(wrong.values()))]
        if config.outliers == "discard" and len(kept) < len(frames):
            dropped["rules: tracks with outliers"] += 1
            continue
        if len(kept):
            points = track[kept]
            order = nearest_neighbour_order(points)
            dropped["rules: reordered"] += int((order != np.arange(len(order))).sum())
            out[index, kept] = kalman_filter(points[order], config)
    return out, dropped
