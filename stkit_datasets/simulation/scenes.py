"""Scenes: a draft is drawn from a seed, played, and kept as arrays on the grid."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import geometry
from stkit_datasets.clip import Camera, Domain
from stkit_datasets.seeding import stable_digest
from stkit_datasets.simulation.catalog import Body
from stkit_datasets.simulation.drafts import Draft, Prop, Rig
from stkit_datasets.simulation.junctions import junction_scene, roundabout_scene
from stkit_datasets.simulation.motion import Motion, simulate
from stkit_datasets.simulation.places import car_park_scene, court_scene
from stkit_datasets.simulation.roads import road_scene
from stkit_datasets.simulation.runners import play
from stkit_datasets.simulation.surfaces import Surface
from stkit_datasets.simulation.traffic import Traffic

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

GRID_STEP_S = 0.5
_FINE_PER_GRID = 5
_ROUND_DECIMALS = 6
_OVERLAP = 1.0
"""Bodies whose circles come nearer than this share of the sum of their radii overlap."""
_CIRCLING_S = 3.0
_CIRCLING_RAD = math.radians(270)
"""Bodies that turn by more than this within those seconds have lost their path."""
_CLEAR_M = 6.0
"""Room around a fixed camera in which no scenery stands."""

Template = Callable[[np.random.Generator, float], Draft]
TEMPLATES: dict[str, tuple[Template, float]] = {
    "straight_road": (partial(road_scene, curved=False), 0.20),
    "curved_road": (partial(road_scene, curved=True), 0.16),
    "junction": (junction_scene, 0.21),
    "roundabout": (roundabout_scene, 0.15),
    "car_park": (car_park_scene, 0.16),
    "court": (court_scene, 0.12),
}
"""What scenes there are, and the share of each."""


@dataclass(frozen=True, eq=False)
class View:
    """One camera of a scene.

    Attributes:
        camera: its calibration.
        camera_SE3_world: (T, 4, 4).
        mounted_on: the index of the body that carries it, or None.
    """

    camera: Camera
    camera_SE3_world: FloatArray
    mounted_on: int | None


@dataclass(frozen=True, eq=False)
class Scene:
    """One played scene; N bodies at T grid times, positions rounded to a micrometre.

    Attributes:
        name: its unit's name.
        template: a key of ``TEMPLATES``.
        domain: ``driving`` or ``sports``.
        surface: the ground.
        props: what stands about.
        bodies: N bodies.
        centers_m: (N, T, 3) box centres.
        headings_rad: (N, T).
        distances_m: (N, T) gone since the start; what a walker's stride follows.
        views: the cameras.
    """

    name: str
    template: str
    domain: Domain
    surface: Surface
    props: tuple[Prop, ...]
    bodies: tuple[Body, ...]
    centers_m: FloatArray
    headings_rad: FloatArray
    distances_m: FloatArray
    views: tuple[View, ...]

    @property
    def timestamps_s(self) -> FloatArray:
        """(T,) exactly half a second apart."""
        return GRID_STEP_S * np.arange(self.centers_m.shape[1], dtype=np.float64)

    @property
    def sizes_lwh_m(self) -> FloatArray:
        """(N, 3) length, width, height."""
        return np.array([body.size_lwh_m for body in self.bodies])

    @property
    def rotations_wxyz(self) -> FloatArray:
        """(N, T, 4) world from object."""
        half = self.headings_rad / 2
        zero = np.zeros_like(half)
        return np.stack([np.cos(half), zero, zero, np.sin(half)], axis=-1)


def generator(seed: int, *parts: str | int) -> np.random.Generator:
    """Return the random generator that the parts name, the same on every machine."""
    digest = stable_digest("simulation", seed, *parts)
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


def build_scene(
    name: str,
    rng: np.random.Generator,
    duration_s: float,
    width_px: int,
    height_px: int,
    template: str | None = None,
) -> Scene:
    """Draw a template, lay it out, play it, and drop bodies that ran into others.

    Args:
        name: the unit's name.
        rng: decides everything.
        duration_s: the most; three of ten scenes are shorter.
        width_px: image width of every camera.
        height_px: image height.
        template: a key of ``TEMPLATES`` instead of one that ``rng`` draws.
    """
    names, shares = list(TEMPLATES), np.array([share for _, share in TEMPLATES.values()])
    drawn = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    template = drawn if template is None else template
    if rng.random() < 0.3:
        shorter = rng.uniform(min(8.0, duration_s), duration_s)
        duration_s = GRID_STEP_S * math.floor(shorter / GRID_STEP_S)
    n_frames = math.floor(duration_s / GRID_STEP_S + 1e-9)
    draft = TEMPLATES[template][0](rng, duration_s)
    bodies, motion = _play(draft, n_frames)
    centers = _centers(bodies, motion)
    headings = np.round(motion.headings_rad, _ROUND_DECIMALS)
    views = tuple(_view(rig, centers, headings, width_px, height_px) for rig in draft.rigs)
    props = tuple(prop for prop in draft.props if not _in_the_way(prop, views))
    return Scene(
        name=name,
        template=template,
        domain=draft.domain,
        surface=draft.surface,
        props=props,
        bodies=bodies,
        centers_m=centers,
        headings_rad=headings,
        distances_m=np.round(motion.distances_m, _ROUND_DECIMALS),
        views=views,
    )


def _play(draft: Draft, n_frames: int) -> tuple[tuple[Body, ...], Motion]:
    n_fine = (n_frames - 1) * _FINE_PER_GRID + 1
    fine = GRID_STEP_S / _FINE_PER_GRID * np.arange(n_fine, dtype=np.float64)
    if draft.team is not None:
        bodies = draft.team.bodies
        motion = play(draft.team, fine)
        keep = np.arange(len(bodies))
    else:
        bodies = tuple(agent.body for agent in draft.agents)
        motion = simulate(draft.agents, fine)
        keep = _apart(bodies, motion)
        keep = keep[~_circling(motion)[keep] | (keep == 0)]
    on_grid = Motion(*(part[keep, ::_FINE_PER_GRID] for part in motion))
    return tuple(bodies[i] for i in keep), on_grid


def _circling(motion: Motion) -> NDArray[np.bool_]:
    """(N,) bodies that lost their path and walk in circles around a point of it.

    Steering for a point ahead overshoots a corner that is too sharp for the body, which then goes
    round and round. Nothing that follows its path makes most of a full turn in so short a time.
    """
    window = round(_CIRCLING_S * _FINE_PER_GRID / GRID_STEP_S)
    headings = motion.headings_rad
    if headings.shape[1] <= window:
        window = headings.shape[1] - 1
    turned = np.abs(headings[:, window:] - headings[:, :-window])
    return np.asarray((turned > _CIRCLING_RAD).any(axis=1))


def _apart(bodies: tuple[Body, ...], motion: Motion) -> NDArray[np.intp]:
    """Indices of bodies that never overlap an earlier one that is kept; body 0 always is."""
    traffic = Traffic(bodies)
    n, k = motion.headings_rad.shape
    axles = (
        motion.centers_m
        - np.stack([np.cos(motion.headings_rad), np.sin(motion.headings_rad)], axis=-1)
        * np.array([body.rear_axle_m for body in bodies])[:, None, None]
    )
    circles = np.stack(
        [traffic.circles_m(axles[:, i], motion.headings_rad[:, i]) for i in range(k)]
    )
    radii = np.array([body.size_lwh_m[1] / 2 for body in bodies])
    kept: list[int] = []
    for i in range(n):
        between = circles[:, kept][:, :, :, None] - circles[:, i][:, None, None]
        nearest = np.hypot(between[..., 0], between[..., 1]).min(axis=(0, 2, 3), initial=np.inf)
        if (nearest > _OVERLAP * (radii[kept] + radii[i])).all():
            kept.append(i)
    return np.array(kept, dtype=np.intp)


def _centers(bodies: tuple[Body, ...], motion: Motion) -> FloatArray:
    heights = np.array([body.size_lwh_m[2] for body in bodies])
    z = np.broadcast_to(heights[:, None, None] / 2, (*motion.headings_rad.shape, 1))
    return np.round(np.concatenate([motion.centers_m, z], axis=2), _ROUND_DECIMALS)


def _view(
    rig: Rig, centers_m: FloatArray, headings_rad: FloatArray, width_px: int, height_px: int
) -> View:
    focal = rig.focal_ratio * width_px
    intrinsics = np.array([[focal, 0, width_px / 2], [0, focal, height_px / 2], [0, 0, 1]])
    camera = Camera(rig.name, width_px, height_px, intrinsics)
    n_frames = headings_rad.shape[1]
    position = np.tile(np.asarray(rig.position_m, dtype=np.float64), (n_frames, 1))
    heading = np.full(n_frames, rig.heading_rad)
    if rig.on_ego:
        cos, sin = np.cos(headings_rad[0]), np.sin(headings_rad[0])
        x, y, _ = rig.position_m
        position[:, 0] = centers_m[0, :, 0] + cos * x - sin * y
        position[:, 1] = centers_m[0, :, 1] + sin * x + cos * y
        heading = heading + headings_rad[0]
    world_SE3_camera = np.zeros((n_frames, 4, 4))
    world_SE3_camera[:, :3, :3] = _camera_axes(heading, rig.pitch_rad)
    world_SE3_camera[:, :3, 3] = position
    world_SE3_camera[:, 3, 3] = 1.0
    return View(camera, geometry.inverse(world_SE3_camera), 0 if rig.on_ego else None)


def _camera_axes(heading_rad: FloatArray, pitch_rad: float) -> FloatArray:
    """(T, 3, 3) right, down, forward of a level camera as columns in the world."""
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    down, level = math.sin(pitch_rad), math.cos(pitch_rad)
    zero = np.zeros_like(cos)
    right = np.stack([sin, -cos, zero], axis=-1)
    forward = np.stack([level * cos, level * sin, zero - down], axis=-1)
    return np.stack([right, np.cross(forward, right), forward], axis=-1)


def _in_the_way(prop: Prop, views: tuple[View, ...]) -> bool:
    """Whether a fixed camera stands in or right before the prop."""
    reach = 0.5 * math.hypot(*prop.size_lwh_m[:2])
    for view in views:
        if view.mounted_on is None:
            place = geometry.inverse(view.camera_SE3_world[0])[:2, 3]
            if math.hypot(*(place - prop.center_m)) < reach + _CLEAR_M:
                return True
    return False
