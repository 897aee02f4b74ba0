"""What a scene is made of before it is played: agents, scenery, cameras."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.clip import Domain
from stkit_datasets.simulation.catalog import Body, draw_body
from stkit_datasets.simulation.motion import Agent, Hold
from stkit_datasets.simulation.paths import Path, through
from stkit_datasets.simulation.runners import Team
from stkit_datasets.simulation.surfaces import Surface

FloatArray = NDArray[np.float64]
PropKind = Literal["building", "tree", "pole", "sign", "block", "hedge", "stand"]


@dataclass(frozen=True)
class Prop:
    """A thing that stands still and is not annotated.

    Attributes:
        kind: what it looks like.
        center_m: x, y of its middle; it stands on the ground unless ``base_m`` lifts it.
        size_lwh_m: length, width, height.
        heading_rad: of its length axis.
        color: sRGB, each from 0 to 1.
        base_m: height of its underside.
    """

    kind: PropKind
    center_m: tuple[float, float]
    size_lwh_m: tuple[float, float, float]
    heading_rad: float
    color: tuple[float, float, float]
    base_m: float = 0.0


@dataclass(frozen=True)
class Rig:
    """A camera to be: fixed in the world, or fixed on agent 0.

    Attributes:
        name: the camera's name.
        position_m: x, y, z in the world, or from agent 0's box centre on the ground.
        heading_rad: of the optical axis, in the same frame.
        pitch_rad: down is positive.
        focal_ratio: focal length by image width.
        on_ego: fixed on agent 0.
    """

    name: str
    position_m: tuple[float, float, float]
    heading_rad: float
    pitch_rad: float
    focal_ratio: float
    on_ego: bool = False


@dataclass(eq=False)
class Draft:
    """A scene to be played; agent 0 carries the ego cameras when there are any."""

    surface: Surface
    domain: Domain = "driving"
    agents: list[Agent] = field(default_factory=list)
    props: list[Prop] = field(default_factory=list)
    rigs: list[Rig] = field(default_factory=list)
    team: Team | None = None


def looking_at(
    name: str,
    position_m: tuple[float, float, float],
    target_m: tuple[float, float],
    focal_ratio: float,
    target_height_m: float = 0.0,
) -> Rig:
    """Return a fixed camera whose optical axis meets ``target_m``."""
    dx, dy = target_m[0] - position_m[0], target_m[1] - position_m[1]
    drop = position_m[2] - target_height_m
    return Rig(
        name, position_m, math.atan2(dy, dx), math.atan2(drop, math.hypot(dx, dy)), focal_ratio
    )


def dashcam(rng: np.random.Generator, body: Body, name: str = "front") -> Rig:
    """Return a camera behind the windscreen of ``body``, or behind its rear window (``rear``)."""
    length, _, height = body.size_lwh_m
    back = name == "rear"
    return Rig(
        name=name,
        position_m=(-0.3 * length if back else 0.1 * length, 0.0, 0.9 * height),
        heading_rad=math.pi if back else 0.0,
        pitch_rad=math.radians(float(rng.uniform(1.0, 4.5))),
        focal_ratio=float(rng.uniform(0.72, 0.95)),
        on_ego=True,
    )


def driver(
    rng: np.random.Generator,
    model: str,
    path: Path,
    start_m: float,
    cruise: tuple[tuple[float, float], ...],
    holds: tuple[Hold, ...] = (),
) -> Agent:
    """Return an agent that already moves at its first cruise speed."""
    return Agent(draw_body(model, rng), path, start_m, cruise[0][1], cruise, holds)


def walker(
    rng: np.random.Generator,
    path: Path,
    start_m: float = 0.0,
    holds: tuple[Hold, ...] = (),
    waiting: bool = False,
) -> Agent:
    """Return a person on foot: strolling, walking or running."""
    speed = float(rng.choice([0.9, 1.3, 1.5, 2.3]) * rng.uniform(0.88, 1.08))
    body = draw_body("person", rng)
    return Agent(body, path, start_m, 0.0 if waiting else speed, ((0.0, speed),), holds)


def parked(rng: np.random.Generator, x_m: float, y_m: float, heading_rad: float) -> Agent:
    """Return a car that stands with its rear axle at x, y."""
    model = str(rng.choice(["car", "car", "suv", "van"]))
    cos, sin = math.cos(heading_rad), math.sin(heading_rad)
    ends = np.array([[x_m, y_m], [x_m + 8 * cos, y_m + 8 * sin]])
    return Agent(draw_body(model, rng), through(ends), 0.0, 0.0, ((0.0, 0.0),), parked=True)


VEHICLES = ("car", "car", "car", "suv", "suv", "van", "truck", "bus", "motorcycle")


def draw_vehicle(rng: np.random.Generator) -> str:
    """Draw the name of a vehicle model, cars most often."""
    return str(rng.choice(VEHICLES))


def cruise_plan(
    rng: np.random.Generator, speed_mps: float, duration_s: float, restless: float = 0.4
) -> tuple[tuple[float, float], ...]:
    """Draw a plan of speeds: steady, faster later, slower later, or stop and go."""
    if rng.random() > restless:
        return ((0.0, speed_mps),)
    first = float(rng.uniform(1.0, 0.4 * duration_s))
    kind = int(rng.integers(3))
    if kind == 0:
        return ((0.0, speed_mps), (first, 1.35 * speed_mps))
    if kind == 1:
        return ((0.0, speed_mps), (first, 0.5 * speed_mps))
    again = first + float(rng.uniform(3.0, 6.0))
    return ((0.0, speed_mps), (first, 0.0), (again, speed_mps))


WALLS = (
    (0.66, 0.58, 0.50),
    (0.72, 0.70, 0.66),
    (0.58, 0.36, 0.30),
    (0.50, 0.54, 0.58),
    (0.76, 0.68, 0.54),
    (0.44, 0.42, 0.42),
)


def building(
    rng: np.random.Generator,
    center_m: tuple[float, float],
    size_lw_m: tuple[float, float],
    heading_rad: float,
) -> Prop:
    """Return a building of two to eight storeys."""
    height = 3.2 * int(rng.integers(2, 9)) + 0.8
    color = WALLS[int(rng.integers(len(WALLS)))]
    return Prop("building", center_m, (*size_lw_m, height), heading_rad, color)


def tree(rng: np.random.Generator, center_m: tuple[float, float]) -> Prop:
    """Return a tree of 5 to 8 m."""
    height = float(rng.uniform(5.0, 8.0))
    spread = height * float(rng.uniform(0.5, 0.65))
    green = (
        float(rng.uniform(0.16, 0.30)),
        float(rng.uniform(0.36, 0.48)),
        float(rng.uniform(0.12, 0.20)),
    )
    return Prop("tree", center_m, (spread, spread, height), float(rng.uniform(0, 1.5)), green)


def lamp(center_m: tuple[float, float], height_m: float = 7.0) -> Prop:
    """Return a lamp post."""
    return Prop("pole", center_m, (0.14, 0.14, height_m), 0.0, (0.35, 0.36, 0.38))
