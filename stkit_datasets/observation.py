"""What one camera sees of the tracks: image boxes, appearances, occlusion, who qualifies."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry, kinematics
from stkit_datasets.clip import BoolArray, Clip, FloatArray
from stkit_datasets.config import TIME_TOLERANCE_S, KinematicsConfig
from stkit_datasets.rays import pixel_directions

IntArray = NDArray[np.int64]

_RAYS_PER_SIDE = 6
"""Occlusion is sampled on a grid of rays through each box; 36 rays resolve a share of 3 %."""


@dataclass(frozen=True, eq=False)
class Observation:
    """A clip with everything that its questions are computed from.

    Attributes:
        clip: the clip.
        boxes_px: (N, T, 4) image boxes; NaN where not visible.
        visible: (N, T) annotated and visible in this camera.
        starts: (N,) first frame of each object's appearance.
        stops: (N,) its exclusive end; equal to the start where an object never appears.
        objects: indices of the objects that questions may be about, in track order.
        dropped: why the other tracks are not asked about, counted.
    """

    clip: Clip
    config: KinematicsConfig
    boxes_px: FloatArray
    visible: BoolArray
    starts: IntArray
    stops: IntArray
    objects: IntArray
    dropped: Counter[str]

    @cached_property
    def step_lengths_m(self) -> FloatArray:
        """(N, T-1) step lengths; NaN beside a gap."""
        return kinematics.step_lengths_m(self.clip.tracks.centers_m)

    @cached_property
    def clocks(self) -> NDArray[np.int8]:
        """(N, T-1) clock direction of every step, relative to the appearance's first step."""
        return kinematics.clock_directions(
            self.clip.tracks.centers_m, self.starts, self.config.min_step_m
        )

    @cached_property
    def occlusion(self) -> FloatArray:
        """(N, T) hidden share of each object's visible part, 0 to 1; NaN where not computed.

        Only the objects that are asked about have values.
        """
        return occlusion_shares(self.clip, self.boxes_px, self.objects)

    def distance_m(self, track: int, start: int, stop: int) -> float:
        """Traveled distance of one object over a run, as ``kinematics.traveled_distance_m``."""
        return float(self.step_lengths_m[track, start : stop - 1].sum())

    def speed_mps(self, track: int, start: int, stop: int) -> float:
        """Average speed of one object over a run, with the real timestamps."""
        return self.distance_m(track, start, stop) / self.duration_s(start, stop)

    def duration_s(self, start: int, stop: int) -> float:
        """Seconds from frame ``start`` to the last frame before ``stop``."""
        times = self.clip.timestamps_s
        return float(times[stop - 1] - times[start])

    def lasts(self, start: int, stop: int, minimum_s: float) -> bool:
        """Whether a run is at least ``minimum_s`` long, by the real timestamps."""
        return stop - start >= 2 and self.duration_s(start, stop) >= minimum_s - TIME_TOLERANCE_S

    def shared_run(self, a: int, b: int) -> tuple[int, int]:
        """Frames in which the appearances of two objects overlap; empty when stop <= start."""
        start = max(int(self.starts[a]), int(self.starts[b]))
        return start, min(int(self.stops[a]), int(self.stops[b]))


def observe(clip: Clip, config: KinematicsConfig) -> Observation:
    """Project a clip's tracks, find appearances and decide which objects qualify."""
    tracks = clip.tracks
    if clip.boxes_px is not None:
        boxes = np.where(tracks.annotated[..., None], clip.boxes_px, np.nan)
    else:
        assert clip.camera_SE3_world is not None
        boxes = geometry.project_boxes(
            tracks.corners_m,
            clip.camera_SE3_world,
            clip.camera.intrinsics,
            clip.camera.width_px,
            clip.camera.height_px,
            clip.camera.model,
            clip.camera.distortion,
        ).boxes_px
    visible = tracks.annotated & np.isfinite(boxes).all(axis=2)
    starts, stops = kinematics.longest_runs(visible)
    objects, dropped = _qualifying(clip, config, boxes, starts, stops)
    return Observation(clip, config, boxes, visible, starts, stops, objects, dropped)


def _qualifying(
    clip: Clip,
    config: KinematicsConfig,
    boxes_px: FloatArray,
    starts: IntArray,
    stops: IntArray,
) -> tuple[IntArray, Counter[str]]:
    """Apply the gates of SPEC 2 and 3 in a fixed order; the first one missed is the reason."""
    tracks, times = clip.tracks, clip.timestamps_s
    t = tracks.n_frames
    limits = np.where(
        np.array(tracks.kinds) == "person",
        config.max_person_speed_mps,
        config.max_vehicle_speed_mps,
    )
    speeds = kinematics.step_speeds_mps(tracks.centers_m, times)
    too_fast = (np.nan_to_num(speeds, nan=0.0) > limits[:, None]).any(axis=1)
    seen = stops > starts
    lasting = np.where(seen, times[np.maximum(stops, 1) - 1] - times[np.minimum(starts, t - 1)], 0)
    short = lasting < config.min_appearance_s - TIME_TOLERANCE_S
    inside = (np.arange(t) >= starts[:, None]) & (np.arange(t) < stops[:, None])
    sides = np.minimum(boxes_px[..., 2] - boxes_px[..., 0], boxes_px[..., 3] - boxes_px[..., 1])
    small = (inside & ~(sides >= config.min_box_px)).any(axis=1)
    still = (
        kinematics.net_displacements_m(tracks.centers_m, starts, stops) < config.min_displacement_m
    )
    reasons = np.select(
        [too_fast, ~seen, short, small, still],
        [
            "faster_than_gate",
            "never_visible",
            "appearance_too_short",
            "box_too_small",
            "not_moving",
        ],
        default="",
    )
    dropped = Counter(str(reason) for reason in reasons if reason)
    return np.flatnonzero(reasons == ""), dropped


def occlusion_shares(clip: Clip, boxes_px: FloatArray, objects: IntArray) -> FloatArray:
    """Measure which share of each object's visible solid is hidden behind other boxes.

    Rays go through a grid of pixels of the object's image box; of those that meet its 3D box, the
    share that meets another object's 3D box first is hidden. Sources that give image boxes
    without a camera pose have no depth order, and get NaN.

    Args:
        clip: the clip.
        boxes_px: (N, T, 4) image boxes, NaN where not visible.
        objects: indices of the objects to measure.

    Returns:
        (N, T) shares from 0 to 1.
    """
    n, t = boxes_px.shape[:2]
    shares = np.full((n, t), np.nan)
    if clip.camera_SE3_world is None or len(objects) == 0:
        return shares
    tracks = clip.tracks
    object_row, frame = np.nonzero(np.isfinite(boxes_px[objects, :, 0]))
    target = objects[object_row]
    if len(target) == 0:
        return shares
    shares[target, frame] = 0.0
    distance = _camera_distances_m(clip)
    reach = np.linalg.norm(np.nan_to_num(tracks.sizes_lwh_m), axis=2) / 2
    pair, other = _possible_occluders(boxes_px, distance, reach, target, frame)
    if len(pair) == 0:
        return shares
    busy, compact = np.unique(pair, return_inverse=True)
    origins, directions = _rays(clip, boxes_px[target[busy], frame[busy]], frame[busy])
    box_SE3_world = geometry.inverse(geometry.se3(tracks.rotations_wxyz, tracks.centers_m))
    entry = _box_entry(
        box_SE3_world[target[busy], frame[busy]],
        tracks.sizes_lwh_m[target[busy], frame[busy]],
        origins,
        directions,
    )
    other_entry = _box_entry(
        box_SE3_world[other, frame[pair]],
        tracks.sizes_lwh_m[other, frame[pair]],
        origins[compact],
        directions[compact],
    )
    hit = np.isfinite(entry)
    hidden = np.zeros(entry.shape, dtype=np.bool_)
    np.logical_or.at(hidden, compact, other_entry < entry[compact])
    rays = hit.sum(axis=1)
    shares[target[busy], frame[busy]] = (hidden & hit).sum(axis=1) / np.maximum(rays, 1)
    return shares


def _camera_distances_m(clip: Clip) -> FloatArray:
    """(N, T) distances of the box centres from the camera."""
    assert clip.camera_SE3_world is not None
    origins = geometry.inverse(clip.camera_SE3_world)[:, :3, 3]
    return np.asarray(np.linalg.norm(clip.tracks.centers_m - origins, axis=2))


def _possible_occluders(
    boxes_px: FloatArray,
    distance_m: FloatArray,
    reach_m: FloatArray,
    target: IntArray,
    frame: IntArray,
) -> tuple[IntArray, IntArray]:
    """Pairs (index into target, other object) whose image boxes overlap and that may be nearer."""
    mine = boxes_px[target, frame]
    theirs = boxes_px[:, frame]
    with np.errstate(invalid="ignore"):
        overlap = (
            (theirs[..., 0] < mine[:, 2])
            & (theirs[..., 2] > mine[:, 0])
            & (theirs[..., 1] < mine[:, 3])
            & (theirs[..., 3] > mine[:, 1])
            & (
                distance_m[:, frame] - reach_m[:, frame]
                < distance_m[target, frame] + reach_m[target, frame]
            )
        )
    overlap[target, np.arange(len(target))] = False
    other, pair = np.nonzero(overlap)
    return pair, other


def _rays(clip: Clip, boxes_px: FloatArray, frame: IntArray) -> tuple[FloatArray, FloatArray]:
    """World origins (M, 1, 3) and directions (M, R, 3) of rays through a grid in each box."""
    assert clip.camera_SE3_world is not None
    world_SE3_camera = geometry.inverse(clip.camera_SE3_world)[frame]
    steps = (np.arange(_RAYS_PER_SIDE) + 0.5) / _RAYS_PER_SIDE
    x = boxes_px[:, 0, None] + (boxes_px[:, 2] - boxes_px[:, 0])[:, None] * steps
    y = boxes_px[:, 1, None] + (boxes_px[:, 3] - boxes_px[:, 1])[:, None] * steps
    pixels = np.empty((len(boxes_px), _RAYS_PER_SIDE, _RAYS_PER_SIDE, 2))
    pixels[..., 0], pixels[..., 1] = x[:, :, None], y[:, None, :]
    camera = clip.camera
    rays = pixel_directions(
        pixels.reshape(len(boxes_px), -1, 2), camera.intrinsics, camera.model, camera.distortion
    )
    directions = rays @ np.swapaxes(world_SE3_camera[:, :3, :3], 1, 2)
    return world_SE3_camera[:, None, :3, 3], directions


def _box_entry(
    box_SE3_world: FloatArray, sizes_lwh_m: FloatArray, origins: FloatArray, directions: FloatArray
) -> FloatArray:
    """Distance (M, R) at which each ray enters its box; infinite where it misses (slab test)."""
    start = geometry.transform_points(box_SE3_world, origins)
    along = directions @ np.swapaxes(box_SE3_world[:, :3, :3], 1, 2)
    half = sizes_lwh_m[:, None, :] / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        near = (-half - start) / along
        far = (half - start) / along
    enter = np.fmin(near, far).max(axis=2)
    leave = np.fmax(near, far).min(axis=2)
    return np.where((enter <= leave) & (leave > 0), np.maximum(enter, 0.0), np.inf)
