"""Pseudo-label files of a small world, with motion that is worked out by hand.

``car`` drives along x at 4 m/s and ``walker`` along y at 1 m/s; both are labelled in every frame,
with boxes that follow a formula.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from stkit_datasets.pseudo_labels.files import write_pseudo_labels
from stkit_datasets.pseudo_labels.schema import LabelledVideo, Making, PseudoLabels

SIZE_PX = (320, 180)
CAR_MPS, WALKER_MPS = 4.0, 1.0
CAR_SIGMA_M, WALKER_SIGMA_M = 0.3, 0.1


def car_box(time_s):
    return np.array([20 + 10 * time_s, 60, 60 + 10 * time_s, 90])


def walker_box(time_s):
    return np.array([200, 50 + 2 * time_s, 220, 100 + 2 * time_s])


def labels(
    video_id="v1",
    domain="driving",
    times_s=None,
    path=None,
    track_ids=("car", "walker"),
    **changes,
):
    """Labels of both tracks at 2 Hz for 10 s, or at the times given."""
    times_s = 0.5 * np.arange(20) if times_s is None else np.asarray(times_s, dtype=float)
    f, (width_px, height_px) = len(times_s), SIZE_PX
    zero = np.zeros(f)
    car = np.stack([CAR_MPS * times_s, zero, zero + 0.8], axis=1)
    walker = np.stack([zero + 5, WALKER_MPS * times_s, zero + 0.9], axis=1)
    boxes = [[box(t) for t in times_s] for box in (car_box, walker_box)]
    fields = {
        "video": LabelledVideo(
            video_id, path or f"{video_id}.mp4", width_px, height_px, 30.0, 11.0, domain
        ),
        "frame_timestamps_s": times_s,
        "track_ids": track_ids,
        "categories": ("car", "person"),
        "kinds": ("vehicle", "person"),
        "track_index": np.repeat([0, 1], f),
        "timestamps_s": np.tile(times_s, 2),
        "centers_m": np.concatenate([car, walker]),
        "sigmas_m": np.repeat([CAR_SIGMA_M, WALKER_SIGMA_M], f),
        "boxes_px": np.array(boxes, dtype=float).reshape(-1, 4),
        "box_confidences": np.full(2 * f, 0.8),
        "text_confidences": np.full(2 * f, np.nan),
        "point_counts": np.arange(2 * f) - 1,
        "sizes_lwh_m": np.repeat([[4.0, 1.8, 1.6], [np.nan] * 3], f, axis=0),
        "yaws_rad": np.repeat([0.0, np.nan], f),
        "scale_sigma": 0.05,
        "intrinsics": np.array([[250.0, 0, 160], [0, 250, 90], [0, 0, 1]]),
        "world_SE3_camera": np.tile(np.eye(4), (f, 1, 1)),
        "making": Making(
            backends={"geometry": "precomputed"},
            settings={"dbscan": {"min_points": 5}},
            filters_passed=("rules",),
            dropped={"rules: z_score": 3},
            likelihoods={"0123456789abcdef": 0.75},
        ),
    }
    return PseudoLabels(**(fields | changes))


def without_objects(video_id="v1", domain="driving", n_frames=20):
    """Labels of a video in which nothing was found."""
    whole = labels(video_id, domain, 0.5 * np.arange(n_frames))
    none = np.zeros(0, dtype=np.int64)
    empty = {
        name: getattr(whole, name)[none]
        for name in (
            *("track_index", "timestamps_s", "centers_m", "sigmas_m", "boxes_px", "yaws_rad"),
            *("box_confidences", "text_confidences", "point_counts", "sizes_lwh_m"),
        )
    }
    return replace(whole, track_ids=(), categories=(), kinds=(), **empty)


def write(folder: Path, made: PseudoLabels) -> Path:
    path = folder / f"{made.video.video_id}.parquet"
    write_pseudo_labels(path, made)
    return path


def write_video(path: Path, duration_s: float = 11.0, fps: int = 10) -> None:
    """Write a grey video of the labels' size."""
    from fractions import Fraction

    from stkit_datasets.video.encode import encode_mp4

    width_px, height_px = SIZE_PX
    planes = np.full((height_px * 3 // 2, width_px), 128, np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_mp4(iter([planes] * round(duration_s * fps)), Fraction(fps)))
