"""Scenes on open places: a car park, and courts with players."""

from __future__ import annotations

import math

import numpy as np

from stkit_datasets.simulation import drafts
from stkit_datasets.simulation.catalog import Body, draw_body
from stkit_datasets.simulation.drafts import Draft, Prop
from stkit_datasets.simulation.paths import rounded
from stkit_datasets.simulation.runners import Team
from stkit_datasets.simulation.surfaces import CarPark, Court

Point = tuple[float, float]


def car_park_scene(rng: np.random.Generator, duration_s: float) -> Draft:
    """Lay out a car park: vehicles circle its rows, people walk about and turn about."""
    place = CarPark()
    out = Draft(place)
    _circling(rng, out, place)
    _bays(rng, out, place)
    for _ in range(int(rng.integers(7, 13))):
        _wanderer(rng, out, place)
    _surroundings(rng, out, place)
    corner = (int(rng.choice([-1, 1])), int(rng.choice([-1, 1])))
    at = corner[0] * (place.half_length_m - 4.0), corner[1] * (place.half_width_m + 1.5)
    height = float(rng.uniform(5.5, 7.5))
    focal = float(rng.uniform(0.62, 0.75))
    aim = (corner[0] * 6.0, corner[1] * 2.0)
    out.rigs.append(drafts.looking_at("pole", (*at, height), aim, focal))
    if rng.random() < 0.5:
        other = (-at[0], -at[1])
        aim = (-aim[0], -aim[1])
        out.rigs.append(drafts.looking_at("pole_far", (*other, height), aim, focal))
    return out


def _circling(rng: np.random.Generator, out: Draft, place: CarPark) -> None:
    """Vehicles one way round, each from another spot of the loop."""
    way = int(rng.choice([-1, 1]))
    x = place.row_half_length_m + 6.0
    y = place.half_width_m - place.bay_depth_m - 4.3
    loop: list[Point] = [(x, -y), (x, y), (-x, y), (-x, -y)]
    if way < 0:
        loop = loop[::-1]
    lap = rounded([(0.0, loop[0][1]), *loop, *loop, *loop, (0.0, loop[3][1])], 6.0)
    length = 4 * (x + y)
    count = int(rng.integers(2, 5))
    for k in range(count):
        model = str(rng.choice(["car", "suv", "van", "car", "motorcycle"]))
        start = 1.0 + length * (k + float(rng.uniform(-0.2, 0.2))) / count + 0.2 * length
        speed = float(rng.uniform(3.0, 6.0))
        plan = drafts.cruise_plan(rng, speed, duration_s=18.0, restless=0.3)
        out.agents.append(drafts.driver(rng, model, lap, start, plan))


def _bays(rng: np.random.Generator, out: Draft, place: CarPark) -> None:
    rows = (
        (place.half_width_m - place.bay_depth_m / 2, -math.pi / 2),
        (-place.half_width_m + place.bay_depth_m / 2, math.pi / 2),
        (place.bay_depth_m / 2, math.pi / 2),
        (-place.bay_depth_m / 2, -math.pi / 2),
    )
    count = round(2 * place.row_half_length_m / place.bay_m)
    for y, heading in rows:
        for bay in range(count):
            if rng.random() < 0.78:
                continue
            x = -place.row_half_length_m + (bay + 0.5) * place.bay_m
            facing = heading + (math.pi if rng.random() < 0.4 else 0.0)
            axle = y - 1.3 * math.sin(facing)
            out.agents.append(drafts.parked(rng, x, axle, facing))


def _wanderer(rng: np.random.Generator, out: Draft, place: CarPark) -> None:
    """Somebody who walks the aisle, the length of a few bays, any way, and often back."""
    aisle = place.half_width_m - place.bay_depth_m - 4.3
    side = int(rng.choice([-1, 1]))
    x = float(rng.uniform(-0.8, 0.8)) * place.row_half_length_m
    # The aisle's edges, beside the lane that vehicles take.
    y = side * (aisle + float(rng.choice([-3.2, 3.2])))
    points: list[Point] = [(x, y)]
    heading = float(rng.uniform(0, 2 * math.pi))
    for _ in range(5):
        heading += float(rng.choice([-1, 1]) * rng.uniform(0.5, 2.4))
        stride = float(rng.uniform(4.0, 11.0))
        x = float(np.clip(x + stride * math.cos(heading), -26.0, 26.0))
        y = side * float(np.clip(side * (y + stride * math.sin(heading)), 5.7, 13.3))
        if math.hypot(x - points[-1][0], y - points[-1][1]) > 1.5:
            points.append((x, y))
    if len(points) > 1:
        out.agents.append(drafts.walker(rng, rounded(points, 0.7)))


def _surroundings(rng: np.random.Generator, out: Draft, place: CarPark) -> None:
    for side in (-1, 1):
        x = -place.half_length_m - 20.0
        while x < place.half_length_m + 20.0:
            length = float(rng.uniform(12.0, 26.0))
            y = side * (place.half_width_m + 14.0)
            if rng.random() < 0.6:
                out.props.append(
                    drafts.building(rng, (x + length / 2, y), (0.92 * length, 11.0), 0.0)
                )
            else:
                out.props.append(drafts.tree(rng, (x + length / 2, y - side * 5.0)))
            x += length
        for y in (-12.0, -3.0, 6.0, 15.0):
            out.props.append(
                drafts.tree(rng, (side * (place.half_length_m + float(rng.uniform(4, 12))), y))
            )
        out.props.append(drafts.lamp((side * 14.0, 0.0), 6.0))


_KITS = (
    ((0.80, 0.14, 0.16), (0.92, 0.92, 0.92)),
    ((0.13, 0.28, 0.68), (0.10, 0.14, 0.34)),
    ((0.93, 0.78, 0.15), (0.12, 0.12, 0.14)),
    ((0.93, 0.93, 0.93), (0.16, 0.20, 0.40)),
    ((0.12, 0.48, 0.30), (0.92, 0.92, 0.92)),
)


def court_scene(rng: np.random.Generator, duration_s: float) -> Draft:
    """Lay out a game: two sides of three to six players, cameras beside the court."""
    courts = Court("basketball", 14.0, 7.5), Court("football", 18.0, 10.0)
    court = courts[int(rng.integers(2))]
    out = Draft(court, domain="sports")
    out.team = _team(rng, court)
    half_length, half_width = court.half_length_m, court.half_width_m
    tier = (0.45, 0.48, 0.54)
    for step in range(3):
        y = half_width + 5.0 + 1.2 * step
        size = (1.7 * half_length, 1.2, 0.9 + 0.7 * step)
        out.props.append(Prop("stand", (0.0, y), size, 0.0, tier))
    for side in (-1, 1):
        out.props += _goal(court, side)
        for x in (-26.0, -13.0, 2.0, 14.0, 27.0):
            spot = (x + float(rng.uniform(-3, 3)), side * (half_width + 17.0))
            out.props.append(drafts.tree(rng, spot))
        for y in (-6.0, 6.0):
            out.props.append(drafts.tree(rng, (side * (half_length + 13.0), y)))
        out.props.append(drafts.lamp((side * (half_length + 3.0), half_width + 3.0), 9.0))
    height = float(rng.uniform(3.2, 5.5))
    away = half_width + float(rng.uniform(5.0, 7.5))
    x = float(rng.uniform(-4.0, 4.0))
    focal = float(rng.uniform(0.58, 0.7))
    out.rigs.append(drafts.looking_at("side", (x, -away, height), (0.4 * x, 0.5), focal))
    if rng.random() < 0.5:
        side = int(rng.choice([-1, 1]))
        at = (side * (half_length + 3.5), -half_width - 2.5, height)
        out.rigs.append(drafts.looking_at("corner", at, (side * 2.0, 0.5), focal))
    return out


def _team(rng: np.random.Generator, court: Court) -> Team:
    each = int(rng.integers(3, 7))
    kits = rng.permutation(len(_KITS))[:2]
    bodies: list[Body] = []
    homes: list[Point] = []
    for side, kit in zip((-1, 1), kits, strict=True):
        shirt, shorts = _KITS[int(kit)]
        for k in range(each):
            body = draw_body("player", rng)
            bodies.append(Body(body.model, body.size_lwh_m, body.wheelbase_m, shirt, shorts))
            x = side * court.half_length_m * (0.15 + 0.6 * float(rng.random()))
            y = court.half_width_m * (-0.75 + 1.5 * (k + float(rng.uniform(0.2, 0.8))) / each)
            homes.append((x, y))
    return Team(
        bodies=tuple(bodies),
        homes_m=np.array(homes),
        half_size_m=(court.half_length_m, court.half_width_m),
        seed=int(rng.integers(2**62)),
        top_speed_mps=rng.uniform(5.5, 7.0, len(bodies)),
    )


def _goal(court: Court, side: int) -> list[Prop]:
    x = side * court.half_length_m
    white = (0.92, 0.92, 0.92)
    if court.game == "football":
        post = (0.12, 0.12, 2.1)
        bar = Prop("sign", (x, 0.0), (0.12, 4.0, 0.12), 0.0, white, base_m=2.0)
        return [Prop("pole", (x, y), post, 0.0, white) for y in (-2.0, 2.0)] + [bar]
    board = Prop("sign", (x - side * 1.2, 0.0), (0.06, 1.8, 1.05), 0.0, white, base_m=2.9)
    ring = Prop("sign", (x - side * 1.6, 0.0), (0.5, 0.5, 0.06), 0.0, (0.9, 0.35, 0.1), base_m=3.02)
    pole = Prop("pole", (x + side * 0.4, 0.0), (0.2, 0.2, 3.4), 0.0, (0.3, 0.32, 0.36))
    arm = Prop("sign", (x - side * 0.4, 0.0), (1.6, 0.12, 0.12), 0.0, (0.3, 0.32, 0.36), 3.3)
    return [board, ring, pole, arm]
