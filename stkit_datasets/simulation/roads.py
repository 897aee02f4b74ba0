"""Scenes on one road: straight or curved, one or two lanes a direction."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from stkit_datasets.simulation import drafts
from stkit_datasets.simulation.drafts import Draft
from stkit_datasets.simulation.motion import Agent
from stkit_datasets.simulation.paths import Path, rounded, through
from stkit_datasets.simulation.surfaces import LANE_M, PAVEMENT_M, Edge, Road

_SPEEDS_MPS = {1: (7.0, 10.0, 13.0, 15.0), 2: (9.0, 13.0, 17.0, 24.0)}
_MAX_BEND_SPEED_MPS = 13.0


def road_scene(rng: np.random.Generator, duration_s: float, curved: bool) -> Draft:
    """Lay out a road with traffic both ways, lane changes, overtaking, people beside it."""
    lanes = int(rng.integers(1, 3))
    speed = float(rng.choice(_SPEEDS_MPS[lanes]))
    if curved:
        speed = min(speed, _MAX_BEND_SPEED_MPS)
    edges: tuple[Edge, ...] = ("parking", "cycle", "plain")
    if speed >= 16:
        edges = ("plain", "cycle")
    curvature = float(rng.choice([-1, 1]) / rng.uniform(90.0, 170.0)) if curved else 0.0
    half = 110.0 + 0.5 * speed * duration_s
    if curved:
        half = min(half, 0.9 * math.pi / abs(curvature))
    start = -half + 70.0
    crossing = start + float(rng.uniform(0.45, 0.8)) * speed * duration_s
    crossings = (round(crossing, 2),) if speed < 14 else ()
    road = Road(curvature, lanes, edges[int(rng.integers(len(edges)))], crossings)
    scene = _RoadScene(rng, duration_s, road, speed, half, start)
    return scene.draft()


class _RoadScene:
    """The draft of one road; every part adds to it."""

    def __init__(
        self,
        rng: np.random.Generator,
        duration_s: float,
        road: Road,
        speed_mps: float,
        half_m: float,
        start_m: float,
    ) -> None:
        self.rng, self.duration, self.road = rng, duration_s, road
        self.speed, self.half, self.start = speed_mps, half_m, start_m
        self.out = Draft(road)

    def draft(self) -> Draft:
        self._ego()
        self._same_way()
        self._oncoming()
        self._edge()
        self._people()
        self._scenery()
        self._cameras()
        return self.out

    def _lane(self, offset: Callable[[float], float], forward: bool = True) -> Path:
        """The path of rear axles at distance ``offset(s)`` left of the centre line."""
        places = [
            self.road.place(s, offset(s)) for s in np.arange(-self.half, self.half + 0.1, 0.5)
        ]
        return through(np.array(places if forward else places[::-1]))

    def _at(self, s_m: float, d_m: float = 0.0, forward: bool = True) -> float:
        """Arc length on a lane's path at road position s."""
        scale = 1 - self.road.curvature_per_m * d_m
        return float(np.clip((s_m if forward else -s_m) + self.half, 1.0, None)) * scale

    def _ego(self) -> None:
        d = -(0.5 + (self.road.lanes - 1) * int(self.rng.integers(2))) * LANE_M
        self.ego_d = d
        model = str(self.rng.choice(["car", "suv", "van"]))
        plan = drafts.cruise_plan(self.rng, self.speed, self.duration)
        agent = drafts.driver(
            self.rng, model, self._lane(lambda s: d), self._at(self.start, d), plan
        )
        self.out.agents.append(agent)

    def _add(
        self, model: str, d_m: float, s_m: float, speed_mps: float, forward: bool = True
    ) -> None:
        plan = drafts.cruise_plan(self.rng, speed_mps, self.duration)
        path = self._lane(lambda s: d_m, forward)
        start = self._at(s_m, d_m, forward)
        self.out.agents.append(drafts.driver(self.rng, model, path, start, plan))

    def _same_way(self) -> None:
        rng = self.rng
        gap = 12.0 + 1.2 * self.speed
        s = self.start + gap * float(rng.uniform(0.8, 1.4))
        for _ in range(int(rng.integers(1, 3))):
            self._add(
                drafts.draw_vehicle(rng), self.ego_d, s, self.speed * float(rng.uniform(0.85, 1.1))
            )
            s += gap * float(rng.uniform(1.0, 1.8))
        if self.road.lanes == 1:
            return
        other = -2.0 * LANE_M - self.ego_d
        ahead = self.start + float(rng.uniform(15.0, 30.0))
        self._add(drafts.draw_vehicle(rng), other, ahead, self.speed * 0.95)
        self._change_lane(other, ahead + 2.2 * gap, self.ego_d)
        # One overtakes from behind.
        self._add("car", other, self.start - float(rng.uniform(12.0, 25.0)), self.speed * 1.3)

    def _change_lane(self, from_m: float, s_m: float, to_m: float) -> None:
        begin = s_m + float(self.rng.uniform(1.0, 4.0)) * self.speed
        length = max(25.0, 3.5 * self.speed)

        def offset(s: float) -> float:
            part = min(max((s - begin) / length, 0.0), 1.0)
            return from_m + (to_m - from_m) * part * part * (3 - 2 * part)

        speed = self.speed * float(self.rng.uniform(0.9, 1.05))
        start = self._at(s_m, from_m)
        agent = drafts.driver(
            self.rng, drafts.draw_vehicle(self.rng), self._lane(offset), start, ((0.0, speed),)
        )
        self.out.agents.append(agent)

    def _oncoming(self) -> None:
        rng = self.rng
        for lane in range(self.road.lanes):
            d = (lane + 0.5) * LANE_M
            speed = self.speed * float(rng.uniform(0.8, 1.0))
            s = self.start + float(rng.uniform(35.0, 60.0))
            last = min(self.half - 10.0, self.start + 60.0 + 2.0 * self.speed * self.duration)
            for _ in range(4):
                if s > last:
                    break
                self._add(drafts.draw_vehicle(rng), d, s, speed, forward=False)
                s += float(rng.uniform(25.0, 70.0)) + 1.5 * self.speed
        if self.road.lanes == 2 and self.speed < 14 and rng.random() < 0.5:
            self._u_turn()

    def _u_turn(self) -> None:
        """From the inner lane to the oncoming outer lane, well ahead of the ego vehicle."""
        s = self.start + 0.5 * self.speed * self.duration + 25.0
        inner, outer = -0.5 * LANE_M, 1.6 * LANE_M
        places = [self.road.place(t, inner) for t in np.arange(s - 40.0, s, 4.0)]
        places += [self.road.place(s, inner), self.road.place(s, outer)]
        places += [self.road.place(t, outer) for t in np.arange(s - 4.0, -self.half, -4.0)]
        path = rounded(places, 4.0)
        agent = drafts.driver(self.rng, "car", path, 1.0, ((0.0, min(self.speed, 9.0)),))
        self.out.agents.append(agent)

    def _edge(self) -> None:
        rng, road = self.rng, self.road
        if road.edge == "cycle":
            for _ in range(int(rng.integers(1, 4))):
                s = self.start + float(rng.uniform(8.0, 60.0))
                d = -(road.lanes_m + 0.95)
                self._add("bicycle", d, s, float(rng.uniform(3.5, 6.5)))
            self._add("bicycle", road.lanes_m + 0.95, self.start + 70.0, 5.0, forward=False)
        if road.edge != "parking":
            return
        for side in (-1, 1):
            s = self.start + float(rng.uniform(4.0, 14.0))
            for _ in range(7):
                place = road.place(s, side * (road.lanes_m + 1.25))
                heading = road.heading_rad(s) + (0.0 if side < 0 else math.pi)
                if all(abs(s + 1.5 - c) > 9.0 for c in road.crossings_m):
                    self.out.agents.append(drafts.parked(rng, *place, heading))
                s += float(rng.choice([6.5, 7.0, 14.0, 24.0]))

    def _people(self) -> None:
        rng, road = self.rng, self.road
        walk = road.kerb_m + 0.6 * PAVEMENT_M
        for _ in range(int(rng.integers(4, 8))):
            side = int(rng.choice([-1, 1]))
            d = side * (walk + float(rng.uniform(-0.7, 0.7)))
            s = self.start + float(rng.uniform(6.0, 25.0 + 0.8 * self.speed * self.duration))
            direction = int(rng.choice([-1, 1]))
            steps = np.arange(0.0, 60.0, 2.0) * direction
            places = [road.place(s + t, d) for t in steps]
            if rng.random() < 0.35:
                # Turns about after a few metres and walks back nearer the houses.
                few = int(rng.integers(3, 7))
                places = places[:few] + [
                    road.place(s + t, d + side * 0.9) for t in steps[:few][::-1]
                ]
            self.out.agents.append(drafts.walker(rng, rounded(places, 0.5)))
        for s in road.crossings_m:
            for _ in range(int(rng.integers(1, 4))):
                self._crosser(s, walk)

    def _crosser(self, s_m: float, walk_m: float) -> None:
        rng = self.rng
        side = int(rng.choice([-1, 1]))
        s = s_m + float(rng.uniform(-1.2, 1.2))
        before = float(rng.uniform(0.0, 12.0)) * int(rng.choice([-1, 1]))
        after = float(rng.choice([-1, 1]) * rng.uniform(15.0, 40.0))
        places = [
            self.road.place(s + before, side * walk_m),
            self.road.place(s, side * walk_m),
            self.road.place(s, -side * walk_m),
            self.road.place(s + after, -side * walk_m),
        ]
        if abs(before) < 1.0:
            places = places[1:]
        self.out.agents.append(drafts.walker(rng, rounded(places, 0.8)))

    def _scenery(self) -> None:
        rng, road = self.rng, self.road
        kerb = road.kerb_m + PAVEMENT_M
        leafy = bool(rng.random() < 0.5) or self.speed > 16
        for side in (-1, 1):
            s = -self.half
            while s < self.half + 60.0:
                length = float(rng.uniform(10.0, 26.0))
                if not leafy and rng.random() < 0.85:
                    depth = float(rng.uniform(9.0, 14.0))
                    d = side * (kerb + 1.5 + depth / 2 + float(rng.uniform(0.0, 2.5)))
                    middle = s + length / 2
                    place = road.place(middle, d)
                    heading = road.heading_rad(middle)
                    self.out.props.append(
                        drafts.building(rng, place, (0.93 * length, depth), heading)
                    )
                elif leafy:
                    d = side * (kerb + float(rng.uniform(2.5, 16.0)))
                    self.out.props.append(drafts.tree(rng, road.place(s, d)))
                s += length if not leafy else float(rng.uniform(7.0, 16.0))
            for s in np.arange(-self.half + 12.0 * (side + 1), self.half, 38.0):
                self.out.props.append(drafts.lamp(road.place(float(s), side * (road.kerb_m + 0.5))))

    def _cameras(self) -> None:
        rng, road = self.rng, self.road
        ego: Agent = self.out.agents[0]
        self.out.rigs.append(drafts.dashcam(rng, ego.body))
        kind = rng.random()
        if kind < 0.2:
            self.out.rigs.append(drafts.dashcam(rng, ego.body, "rear"))
        elif kind < 0.6:
            s = self.start + float(rng.uniform(0.15, 0.4)) * self.speed * self.duration
            side = int(rng.choice([-1, 1]))
            place = road.place(s, side * (road.kerb_m + 0.8))
            target = road.place(s + 26.0, -side * 1.0)
            height = float(rng.uniform(4.5, 6.5))
            focal = float(rng.uniform(0.7, 0.9))
            self.out.rigs.append(drafts.looking_at("pole", (*place, height), target, focal))
