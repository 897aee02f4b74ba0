"""Pseudo-labels held against annotated tracks: the error of traveled distance. Numpy only.

The error is |predicted - true| / true [P2 B.2], over the longest run of frames in which a track is
labelled, has a box and is annotated, as questions about whole appearances take it. Only tracks
whose labels pass the gates of questions count, and only those that truly move: of what stands still
there is no relative error. What the labels take for moving although it stands is counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import kinematics
from stkit_datasets.clip import Clip
from stkit_datasets.config import TIME_TOLERANCE_S, KinematicsConfig
from stkit_datasets.geometry import inverse
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.uncertainty import distance_variance_m2

_SAME_TIME_S = 0.05


@dataclass(frozen=True, eq=False)
class DistanceErrors:
    """One row for each of M tracks that a question would be asked about.

    Attributes:
        track_ids: M names in the labels.
        predicted_m: (M,) traveled distance by the labels.
        true_m: (M,) by the annotation, over the same frames.
        sigmas_m: (M,) standard deviation that the labels state for their distance.
        moving: (M,) whether the object truly moves: by its ends at least as much as questions need.
        camera_distances_m: (M,) mean distance from the camera; NaN where it has no pose.
        object_sizes_m: (M,) longest side of the object; NaN where unknown.
        turn_errors_rad: (M,) error of the angle between the first step and the last, which is the
            target of questions on direction; NaN where one of the steps is too short.
        turn_sigmas_rad: (M,) standard deviation that the labels state for it.
    """

    track_ids: tuple[str, ...]
    predicted_m: FloatArray
    true_m: FloatArray
    sigmas_m: FloatArray
    moving: BoolArray
    camera_distances_m: FloatArray
    object_sizes_m: FloatArray
    turn_errors_rad: FloatArray
    turn_sigmas_rad: FloatArray

    @property
    def relative(self) -> FloatArray:
        """(M,) |predicted - true| / true; NaN where the object stands."""
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.abs(self.predicted_m - self.true_m) / self.true_m
        return np.where(self.moving, errors, np.nan)


def joined(parts: list[DistanceErrors]) -> DistanceErrors:
    """Put the rows of several clips below one another."""
    if not parts:
        raise ValueError("no clip to join")
    names = [field.name for field in fields(DistanceErrors)][1:]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    return DistanceErrors(tuple(name for part in parts for name in part.track_ids), **columns)


def distance_errors(
    labels: PseudoLabels,
    clip: Clip,
    match: Mapping[str, str],
    config: KinematicsConfig | None = None,
) -> DistanceErrors:
    """Compare labels with the annotated tracks of the same clip.

    Args:
        labels: of the clip's video; labelled frames at least 50 ms from every time of the clip
            are left out.
        clip: annotated; its times count from the video's start.
        match: track of the labels -> track of the clip; others are left out.
        config: the gates of questions.
    """
    config = KinematicsConfig() if config is None else config
    centers, boxes, sigmas = on_times(labels, clip.timestamps_s)
    truth = {name: index for index, name in enumerate(clip.tracks.track_ids)}
    rows: list[tuple[str, float, float, float, bool, float, float, float, float]] = []
    for index, name in enumerate(labels.track_ids):
        if name not in match:
            continue
        true = truth[match[name]]
        run = _asked_run(
            centers[index], boxes[index], clip.tracks.annotated[true], clip.timestamps_s, config
        )
        if run is None:
            continue
        start, stop = run
        predicted = kinematics.traveled_distance_m(centers[index], start, stop)
        true_centers = clip.tracks.centers_m[true]
        own = distance_variance_m2(centers[index, start:stop], sigmas[index, start:stop])
        sigma = float(np.hypot(np.sqrt(own), predicted * labels.scale_sigma))
        rows.append(
            (
                name,
                predicted,
                kinematics.traveled_distance_m(true_centers, start, stop),
                sigma,
                _net_m(true_centers, start, stop) >= config.min_displacement_m,
                _camera_distance_m(clip, true, start, stop),
                float(clip.tracks.sizes_lwh_m[true, start].max()),
                *_turn(centers[index], sigmas[index], true_centers, run, config.min_step_m),
            )
        )
    numbers = np.array([row[1:] for row in rows], dtype=np.float64).reshape(len(rows), 8)
    return DistanceErrors(
        track_ids=tuple(row[0] for row in rows),
        predicted_m=numbers[:, 0],
        true_m=numbers[:, 1],
        sigmas_m=numbers[:, 2],
        moving=numbers[:, 3] > 0,
        camera_distances_m=numbers[:, 4],
        object_sizes_m=numbers[:, 5],
        turn_errors_rad=numbers[:, 6],
        turn_sigmas_rad=numbers[:, 7],
    )


def could_be_asked(
    boxes_px: FloatArray, clip: Clip, track: str, config: KinematicsConfig | None = None
) -> bool:
    """Tell whether perfect labels of an object with these (T, 4) boxes would give a question."""
    config = KinematicsConfig() if config is None else config
    true = clip.tracks.track_ids.index(track)
    centers = clip.tracks.centers_m[true]
    run = _asked_run(centers, boxes_px, clip.tracks.annotated[true], clip.timestamps_s, config)
    return run is not None


def _asked_run(
    centers: FloatArray,
    boxes: FloatArray,
    annotated: BoolArray,
    timestamps_s: FloatArray,
    config: KinematicsConfig,
) -> tuple[int, int] | None:
    """Return the run a question would be asked over, or None where a gate is missed."""
    seen = np.isfinite(centers).all(axis=1) & np.isfinite(boxes).all(axis=1) & annotated
    starts, stops = kinematics.longest_runs(seen[None])
    start, stop = int(starts[0]), int(stops[0])
    if stop - start < 2:
        return None
    lasts_s = timestamps_s[stop - 1] - timestamps_s[start]
    if lasts_s < config.min_appearance_s - TIME_TOLERANCE_S:
        return None
    sides = (boxes[start:stop, 2:] - boxes[start:stop, :2]).min()
    if sides < config.min_box_px or _net_m(centers, start, stop) < config.min_displacement_m:
        return None
    return start, stop


def _net_m(centers: FloatArray, start: int, stop: int) -> float:
    return float(np.linalg.norm(centers[stop - 1] - centers[start]))


def _turn(
    centers: FloatArray,
    sigmas: FloatArray,
    true_centers: FloatArray,
    run: tuple[int, int],
    min_step_m: float,
) -> tuple[float, float]:
    """Error and stated deviation of the turn from the first step of a run to its last, in rad."""
    frames = (run[0], run[0] + 1), (run[1] - 2, run[1] - 1)
    turns, variance = [], 0.0
    for path in (centers, true_centers):
        steps = [path[last, :2] - path[first, :2] for first, last in frames]
        if min(float(np.linalg.norm(step)) for step in steps) < min_step_m:
            return float("nan"), float("nan")
        first_rad, last_rad = (float(np.arctan2(step[1], step[0])) for step in steps)
        turns.append(last_rad - first_rad)
    for first, last in frames:
        moved = centers[last, :2] - centers[first, :2]
        variance += float((sigmas[first] ** 2 + sigmas[last] ** 2) / (moved @ moved))
    error = (turns[0] - turns[1] + np.pi) % (2 * np.pi) - np.pi
    return float(error), min(float(np.sqrt(variance)), float(np.pi))


def _camera_distance_m(clip: Clip, track: int, start: int, stop: int) -> float:
    if clip.camera_SE3_world is None:
        return float("nan")
    origins = inverse(clip.camera_SE3_world)[start:stop, :3, 3]
    away = clip.tracks.centers_m[track, start:stop] - origins
    return float(np.linalg.norm(away, axis=1).mean())


def on_times(
    labels: PseudoLabels, timestamps_s: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Centres, boxes and deviations (N, T, …) of the labels at the times of a clip."""
    n, t = len(labels.track_ids), len(timestamps_s)
    frames = np.abs(labels.timestamps_s[:, None] - timestamps_s).argmin(axis=1)
    near = np.abs(labels.timestamps_s - timestamps_s[frames]) <= _SAME_TIME_S
    at = labels.track_index[near], frames[near]
    out: list[NDArray[np.float64]] = []
    for values in (labels.centers_m, labels.boxes_px, labels.sigmas_m[:, None]):
        spread_out = np.full((n, t, values.shape[1]), np.nan)
        spread_out[at] = values[near]
        out.append(spread_out)
    return out[0], out[1], out[2][..., 0]
