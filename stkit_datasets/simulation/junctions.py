"""Scenes where roads meet: a crossing with signals, and a roundabout."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation import drafts
from stkit_datasets.simulation.drafts import Draft
from stkit_datasets.simulation.motion import Hold
from stkit_datasets.simulation.paths import rounded, through
from stkit_datasets.simulation.surfaces import LANE_M, PAVEMENT_M, Junction, Roundabout

Point = tuple[float, float]
_FAR_M = 110.0
_AMBER_S = 2.5


def turned(point: Point, quarter_turns: int) -> Point:
    """Rotate a point about the origin by quarter turns to the left."""
    x, y = point
    for _ in range(quarter_turns % 4):
        x, y = -y, x
    return x, y


def junction_scene(rng: np.random.Generator, duration_s: float) -> Draft:
    """Lay out a crossing: straight on, turns both ways, U-turns, people on the zebras."""
    surface = Junction(lanes=int(rng.integers(1, 3)))
    out = Draft(surface)
    switch = float(rng.uniform(0.35, 0.6)) * duration_s
    first_green = int(rng.integers(2))
    ego_arm = (first_green + 2 * int(rng.integers(2))) % 4
    for k in range(4):
        arm = (ego_arm + k) % 4
        red = _red(arm % 2 == first_green, switch, duration_s)
        for lane in range(surface.lanes):
            _arm_traffic(rng, out, surface, arm, lane, red, duration_s)
        _crossers(rng, out, surface, arm, red, duration_s)
    _strollers(rng, out, surface.kerb_m + 0.55 * PAVEMENT_M, surface.corner_m)
    _corner_scenery(rng, out, surface.kerb_m + PAVEMENT_M)
    _signals(out, surface)
    _junction_cameras(rng, out, surface)
    return out


def _red(green_first: bool, switch_s: float, duration_s: float) -> tuple[float, float]:
    if green_first:
        return switch_s, math.inf
    return 0.0, switch_s + _AMBER_S


def _route(surface: Junction, arm: int, lane: int, way: str) -> list[Point]:
    """Way points of a route that comes from the west, turned to ``arm``."""
    d = -(lane + 0.5) * LANE_M
    outer = -(surface.lanes - 0.5) * LANE_M
    ends: dict[str, list[Point]] = {
        "straight": [(_FAR_M, d)],
        "right": [(outer, d), (outer, -_FAR_M)],
        "left": [(0.5 * LANE_M, d), (0.5 * LANE_M, _FAR_M)],
        "back": [(-2.0, d), (-2.0, -outer), (-_FAR_M, -outer)],
    }
    return [turned(point, arm) for point in [(-_FAR_M, d), *ends[way]]]


def _draw_way(rng: np.random.Generator, surface: Junction, lane: int) -> str:
    if surface.lanes == 1:
        return str(rng.choice(["straight", "left", "right"]))
    inner = ["straight", "left", "left", "back"]
    return str(rng.choice(inner if lane == 0 else ["straight", "straight", "right"]))


def _arm_traffic(
    rng: np.random.Generator,
    out: Draft,
    surface: Junction,
    arm: int,
    lane: int,
    red: tuple[float, float],
    duration_s: float,
) -> None:
    waits = red[0] == 0.0
    behind = float(rng.uniform(3.0, 9.0)) if waits else float(rng.uniform(6.0, 30.0))
    for _ in range(int(rng.integers(1, 4 if surface.lanes == 1 else 3))):
        way = _draw_way(rng, surface, lane)
        model = "car" if way == "back" else drafts.draw_vehicle(rng)
        path = rounded(_route(surface, arm, lane, way), 7.0 if way != "left" else 10.0)
        plan = ((0.0, float(rng.uniform(8.0, 12.0))),)
        agent = drafts.driver(rng, model, path, 0.0, plan)
        length = agent.body.size_lwh_m[0]
        nose = agent.body.rear_axle_m + length / 2
        line = _FAR_M - surface.stop_m - nose
        if line - behind < 1.0:
            break
        speed = 0.0 if waits and behind < 25.0 else plan[0][1]
        out.agents.append(
            replace(agent, start_m=line - behind, speed_mps=speed, holds=(Hold(line - 0.5, *red),))
        )
        behind += length + float(rng.uniform(2.5, 5.0)) + (0.0 if waits else 12.0)


def _crossers(
    rng: np.random.Generator,
    out: Draft,
    surface: Junction,
    arm: int,
    red: tuple[float, float],
    duration_s: float,
) -> None:
    """People over the zebra of an arm, while that arm's vehicles wait."""
    side_m = surface.kerb_m + 1.2
    opens, closes = (0.0, red[1] - 6.0) if red[0] == 0.0 else (red[0] + _AMBER_S, math.inf)
    for _ in range(int(rng.integers(0, 4))):
        side = int(rng.choice([-1, 1]))
        x = -surface.crossing_m + float(rng.uniform(-1.1, 1.1))
        lead = float(rng.uniform(0.5, 4.0))
        on = float(rng.uniform(10.0, 25.0))
        points: list[Point] = [
            (x, side * (side_m + lead)),
            (x, -side * side_m),
            (x - on if rng.random() < 0.5 else x, -side * (side_m + 0.5 * on)),
        ]
        path = rounded([turned(point, arm) for point in points], 0.8)
        until = opens + float(rng.uniform(0.0, 2.0))
        # Who comes too late for this green waits for the next.
        if closes - until < 2 * side_m / 1.2 and closes < duration_s:
            continue
        agent = drafts.walker(rng, path, 0.0, (Hold(lead, 0.0, until),), waiting=lead < 1.5)
        out.agents.append(agent)


def _strollers(rng: np.random.Generator, out: Draft, walk_m: float, corner_m: float) -> None:
    for _ in range(int(rng.integers(2, 5))):
        quarter = int(rng.integers(4))
        a = walk_m + float(rng.uniform(-0.4, 0.9))
        points: list[Point] = [(-40.0, -a), (-a - 1.0, -a), (-a, -a - 1.0), (-a, -40.0)]
        if rng.random() < 0.5:
            points = points[::-1]
        path = rounded([turned(point, quarter) for point in points], corner_m)
        start = float(rng.uniform(0.0, 0.6)) * path.length_m
        out.agents.append(drafts.walker(rng, path, start))


def _corner_scenery(rng: np.random.Generator, out: Draft, edge_m: float) -> None:
    for quarter in range(4):
        along = edge_m + 3.0
        while along < 90.0:
            length = float(rng.uniform(12.0, 24.0))
            depth = float(rng.uniform(9.0, 13.0))
            if rng.random() < 0.75:
                spot = (-(along + length / 2), -(edge_m + 2.0 + depth / 2))
                place = turned(spot, quarter)
                heading = quarter * math.pi / 2
                out.props.append(drafts.building(rng, place, (0.94 * length, depth), heading))
            else:
                out.props.append(
                    drafts.tree(rng, turned((-(along + length / 2), -(edge_m + 4.0)), quarter))
                )
            along += length
        for x in (30.0, 62.0):
            out.props.append(drafts.lamp(turned((-x, -(edge_m - PAVEMENT_M + 0.5)), quarter)))
            spot = (-(edge_m + 1.2), -x - 8.0)
            out.props.append(drafts.tree(rng, turned(spot, quarter)))


def _signals(out: Draft, surface: Junction) -> None:
    for arm in range(4):
        spot = turned((-surface.stop_m, -(surface.kerb_m + 0.6)), arm)
        heading = arm * math.pi / 2
        out.props.append(drafts.Prop("pole", spot, (0.14, 0.14, 3.2), heading, (0.2, 0.2, 0.22)))
        out.props.append(
            drafts.Prop("sign", spot, (0.3, 0.34, 0.95), heading, (0.08, 0.09, 0.09), base_m=2.4)
        )


def _junction_cameras(rng: np.random.Generator, out: Draft, surface: Junction) -> None:
    quarter = int(rng.integers(4))
    at = surface.kerb_m + surface.corner_m + float(rng.uniform(1.0, 3.0))
    place = turned((-at, -at), quarter)
    height = float(rng.uniform(5.5, 7.5))
    aim = turned((float(rng.uniform(0, 4)), float(rng.uniform(0, 4))), quarter)
    focal = float(rng.uniform(0.6, 0.75))
    out.rigs.append(drafts.looking_at("pole", (*place, height), aim, focal))
    if rng.random() < 0.6:
        out.rigs.append(drafts.dashcam(rng, out.agents[0].body))


def roundabout_scene(rng: np.random.Generator, duration_s: float) -> Draft:
    """Lay out a roundabout: vehicles leave it at any arm, also the one they came from."""
    surface = Roundabout()
    out = Draft(surface)
    for arm in rng.permutation(4):
        entry = 0.0
        for k in range(int(rng.integers(1, 4))):
            exits = int(rng.integers(1, 5))
            path = through(_ring_route(surface, int(arm), exits))
            model = str(rng.choice(["car", "suv", "van", "motorcycle", "car", "truck"]))
            near = _FAR_M - surface.outer_m - float(rng.uniform(4.0, 14.0)) - entry
            speed = float(rng.uniform(6.0, 9.0)) if k else float(rng.uniform(5.0, 7.0))
            out.agents.append(drafts.driver(rng, model, path, max(near, 1.0), ((0.0, 9.0),)))
            out.agents[-1] = replace(out.agents[-1], speed_mps=speed)
            entry += float(rng.uniform(18.0, 30.0))
    walk = surface.kerb_m + 0.5 * PAVEMENT_M
    _ring_people(rng, out, surface, walk)
    _corner_scenery(rng, out, surface.outer_m + PAVEMENT_M + 6.0)
    out.props.append(
        drafts.Prop("hedge", (0.0, 0.0), (4.5, 4.5, 0.8), math.pi / 4, (0.2, 0.38, 0.16))
    )
    _ring_cameras(rng, out, surface)
    return out


def _ring_route(surface: Roundabout, arm: int, exits: int) -> NDArray[np.float64]:
    """From the west in, round the ring past ``exits`` arms, and out; turned to ``arm``."""
    radius = surface.lane_radius_m
    enter, leave = math.radians(200.0), math.radians(160.0 + 90.0 * exits)
    angles = np.linspace(enter, leave, max(8, int(abs(leave - enter) / 0.08)))
    ring = [(radius * math.cos(a), radius * math.sin(a)) for a in angles]
    half = LANE_M / 2
    mouth = radius + 7.0
    start: list[Point] = [(-_FAR_M, -half), (-mouth, -half - 0.6)]
    out_arm = exits % 4
    end = [turned((-mouth, half + 0.6), out_arm), turned((-_FAR_M, half), out_arm)]
    points = [turned(point, arm) for point in [*start, *ring, *end]]
    return rounded(points, 9.0).points_m


def _ring_people(rng: np.random.Generator, out: Draft, surface: Roundabout, walk_m: float) -> None:
    ring = surface.outer_m + 0.5 * PAVEMENT_M
    for _ in range(int(rng.integers(4, 8))):
        quarter = int(rng.integers(4))
        r = ring + float(rng.uniform(-0.6, 0.8))
        gate = math.asin(walk_m / r)
        angles = np.linspace(math.pi + gate, 1.5 * math.pi - gate, 12)
        arc: list[Point] = [(r * math.cos(a), r * math.sin(a)) for a in angles]
        points: list[Point] = [(-45.0, -walk_m), *arc, (-walk_m, -45.0)]
        if rng.random() < 0.5:
            points = points[::-1]
        if rng.random() < 0.3:
            points = [*points[:8], *[(x * 1.05, y * 1.05) for x, y in points[:8][::-1]]]
        path = rounded([turned(point, quarter) for point in points], 0.6)
        start = float(rng.uniform(0.2, 0.6)) * path.length_m
        out.agents.append(drafts.walker(rng, path, start))


def _ring_cameras(rng: np.random.Generator, out: Draft, surface: Roundabout) -> None:
    angle = math.radians(45.0 + 90.0 * int(rng.integers(4)) + float(rng.uniform(-10, 10)))
    away = surface.outer_m + PAVEMENT_M + 4.0
    place = (away * math.cos(angle), away * math.sin(angle))
    height = float(rng.uniform(6.5, 8.5))
    focal = float(rng.uniform(0.58, 0.68))
    out.rigs.append(drafts.looking_at("pole", (*place, height), (0.0, 0.0), focal))
    if rng.random() < 0.5:
        out.rigs.append(drafts.dashcam(rng, out.agents[0].body))
