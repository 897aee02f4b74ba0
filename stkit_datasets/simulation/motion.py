"""Motion on wheels and on foot: a kinematic bicycle model that follows paths.

The rear axle moves along the heading, the heading turns by the distance times tan(steer) /
wheelbase. Within one step steering and acceleration are constant, so the step is an exact arc.
A person is the same model with a stride for a wheelbase.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.catalog import Body
from stkit_datasets.simulation.paths import SPACING_M, Path
from stkit_datasets.simulation.traffic import Traffic

FloatArray = NDArray[np.float64]

STEP_S = 0.01
"""Integration step: 100 Hz."""
_CONTROL_STEPS = 4
_LOOK_AROUND_STEPS = 12
_SPEED_GAIN_PER_S = 1.8


class Hold(NamedTuple):
    """A line at which to wait: no one passes ``at_m`` from ``from_s`` until ``until_s``."""

    at_m: float
    from_s: float
    until_s: float


@dataclass(frozen=True, eq=False)
class Agent:
    """One body, the path of its rear axle, and its plan of speeds.

    Attributes:
        body: what moves.
        path: where to.
        start_m: arc length of the rear axle at time 0.
        speed_mps: speed at time 0.
        cruise: (time s, speed m/s) pairs, the first at time 0; each is wished from its time on.
        holds: lines to wait at.
        parked: never moves and never looks around.
    """

    body: Body
    path: Path
    start_m: float
    speed_mps: float
    cruise: tuple[tuple[float, float], ...]
    holds: tuple[Hold, ...] = ()
    parked: bool = False


class State(NamedTuple):
    """N bodies at one time: rear axle x, y, heading, speed, all (N,)."""

    x_m: FloatArray
    y_m: FloatArray
    heading_rad: FloatArray
    speed_mps: FloatArray


class Motion(NamedTuple):
    """N bodies at K times.

    Attributes:
        centers_m: (N, K, 2) of the boxes.
        headings_rad: (N, K) of the bodies, unwrapped.
        speeds_mps: (N, K) of the rear axle.
        distances_m: (N, K) driven or walked since time 0.
    """

    centers_m: FloatArray
    headings_rad: FloatArray
    speeds_mps: FloatArray
    distances_m: FloatArray


def bicycle_step(
    state: State,
    steer_rad: FloatArray,
    acceleration_mps2: FloatArray,
    wheelbase_m: FloatArray,
    step_s: float,
) -> tuple[State, FloatArray]:
    """Advance by one step of constant steering and acceleration, and return the arc driven (N,).

    Nothing drives backwards: a body that would stop within the step stops.
    """
    speed = np.maximum(state.speed_mps + acceleration_mps2 * step_s, 0.0)
    arc = 0.5 * (state.speed_mps + speed) * step_s
    turn = arc * np.tan(steer_rad) / wheelbase_m
    # The chord of an arc: sin(turn / 2) / (turn / 2) times its length, along its middle heading.
    half = turn / 2
    safe = np.where(np.abs(half) < 1e-9, 1e-9, half)
    chord = arc * (np.sin(safe) / safe)
    middle = state.heading_rad + half
    return (
        State(
            state.x_m + chord * np.cos(middle),
            state.y_m + chord * np.sin(middle),
            state.heading_rad + turn,
            speed,
        ),
        arc,
    )


class _Fleet:
    """The agents as arrays, (N,) each, their paths end to end."""

    def __init__(self, agents: Sequence[Agent]) -> None:
        bodies = [agent.body for agent in agents]
        self.limits = np.array([body.model.limits for body in bodies]).T
        self.wheelbase_m = np.array([body.wheelbase_m for body in bodies])
        self.parked = np.array([agent.parked for agent in agents])
        lengths = np.array([len(agent.path.points_m) for agent in agents])
        self.first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
        self.last = lengths - 1
        self.points = np.concatenate([agent.path.points_m for agent in agents])
        self.headings = np.concatenate([agent.path.headings_rad for agent in agents])
        self.caps = np.concatenate([_speed_caps(agent) for agent in agents])
        count = max(len(agent.cruise) for agent in agents)
        plans = [agent.cruise + agent.cruise[-1:] * (count - len(agent.cruise)) for agent in agents]
        self.plan_s, self.plan_mps = np.moveaxis(np.array(plans), -1, 0)
        n_holds = max(1, *(len(agent.holds) for agent in agents))
        never = Hold(np.inf, np.inf, np.inf)
        holds = [agent.holds + (never,) * (n_holds - len(agent.holds)) for agent in agents]
        self.hold_at, self.hold_from, self.hold_until = np.moveaxis(np.array(holds), -1, 0)

    def at(self, arc_m: FloatArray) -> tuple[FloatArray, NDArray[np.intp]]:
        """Interpolate path points (N, 2) or (N, S, 2) at arcs (N,) or (N, S), with indices."""
        extra = (slice(None),) + (None,) * (arc_m.ndim - 1)
        place = np.clip(arc_m / SPACING_M, 0.0, self.last[extra] - 1e-9)
        whole = place.astype(np.intp)
        index = self.first[extra] + whole
        weight = (place - whole)[..., None]
        return self.points[index] * (1 - weight) + self.points[index + 1] * weight, index

    def cruise_mps(self, time_s: float) -> FloatArray:
        begun = np.maximum((self.plan_s <= time_s + 1e-9).sum(axis=1) - 1, 0)
        return np.asarray(self.plan_mps[np.arange(len(begun)), begun])

    def hold_caps(self, arc_m: FloatArray, speed_mps: FloatArray, time_s: float) -> FloatArray:
        braking, hard = self.limits[2], self.limits[3]
        room = self.hold_at - arc_m[:, None]
        active = (self.hold_from <= time_s) & (time_s < self.hold_until)
        # Who could only stop beyond the line drives on, as at an amber light.
        possible = room > (speed_mps**2 / (1.4 * hard))[:, None] - 1.0
        active &= possible & (room > -1.0)
        caps = np.sqrt(2 * braking[:, None] * np.maximum(room, 0.0))
        return np.asarray(np.where(active, caps, np.inf).min(axis=1))


def _speed_caps(agent: Agent) -> FloatArray:
    """The most that bends, and braking for the bends and the path's end, allow at each sample."""
    limits = agent.body.model.limits
    bend = limits.lateral_mps2 / np.maximum(np.abs(agent.path.curvatures_per_m), 1e-6)
    squares = np.minimum(bend, limits.max_speed_mps**2)
    squares[-1] = 0.0
    slope = 2 * limits.comfortable_braking_mps2 * SPACING_M * np.arange(len(squares))
    reach = np.minimum.accumulate((squares + slope)[::-1])[::-1] - slope
    return np.asarray(np.sqrt(np.maximum(reach, 0.0)))


def simulate(agents: Sequence[Agent], times_s: FloatArray) -> Motion:
    """Move the agents together and sample them at ``times_s``, multiples of ``STEP_S`` from 0.

    Each wishes the least of its cruise speed, what the bends allow, what its holds allow, and
    what the gap to the next body on its way allows; each steers for a point ahead on its path.
    """
    fleet = _Fleet(agents)
    traffic = Traffic([agent.body for agent in agents])
    arc = np.array([agent.start_m for agent in agents])
    points, index = fleet.at(arc)
    state = State(
        points[:, 0].copy(),
        points[:, 1].copy(),
        fleet.headings[index].copy(),
        np.array([agent.speed_mps for agent in agents]),
    )
    steer = np.zeros(len(agents))
    driven = np.zeros(len(agents))
    samples = np.rint(times_s / STEP_S).astype(int)
    wanted = {int(step): k for k, step in enumerate(samples)}
    out = Motion(
        np.empty((len(agents), len(samples), 2)),
        *(np.empty((len(agents), len(samples))) for _ in range(3)),
    )
    gap_caps = np.full(len(agents), np.inf)
    acceleration, wish, turn = np.zeros((3, len(agents)))
    for step in range(int(samples[-1]) + 1):
        if step in wanted:
            _record(out, wanted[step], fleet, state, driven)
        if step % _LOOK_AROUND_STEPS == 0:
            gap_caps = _gap_caps(fleet, traffic, state, arc)
        if step % _CONTROL_STEPS == 0:
            arc = _project(fleet, state, arc)
            acceleration = _accelerate(fleet, state, arc, gap_caps, step * STEP_S)
            wish = _steer(fleet, state, arc)
            # No one turns the wheel of a standing car.
            turn = np.where(state.speed_mps > 0.05, fleet.limits[6] * STEP_S, 0.0)
        steer = np.minimum(np.maximum(wish, steer - turn), steer + turn)
        state, moved = bicycle_step(state, steer, acceleration, fleet.wheelbase_m, STEP_S)
        driven += moved
        arc = arc + moved
    return out


def _record(out: Motion, k: int, fleet: _Fleet, state: State, driven: FloatArray) -> None:
    ahead = fleet.wheelbase_m / 2
    out.centers_m[:, k, 0] = state.x_m + ahead * np.cos(state.heading_rad)
    out.centers_m[:, k, 1] = state.y_m + ahead * np.sin(state.heading_rad)
    out.headings_rad[:, k] = state.heading_rad
    out.speeds_mps[:, k] = state.speed_mps
    out.distances_m[:, k] = driven


def _gap_caps(fleet: _Fleet, traffic: Traffic, state: State, arc: FloatArray) -> FloatArray:
    ahead, _ = fleet.at(arc[:, None] + traffic.probes_m)
    centers = np.stack([state.x_m, state.y_m], axis=1)
    caps = traffic.speed_caps(ahead, centers, state.heading_rad, state.speed_mps, fleet.limits[2])
    return np.asarray(np.where(fleet.parked, 0.0, caps))


def _accelerate(
    fleet: _Fleet, state: State, arc: FloatArray, gap_caps: FloatArray, time_s: float
) -> FloatArray:
    index = fleet.first + np.clip(np.rint(arc / SPACING_M), 0, fleet.last).astype(np.intp)
    wish = np.minimum(fleet.cruise_mps(time_s), fleet.caps[index])
    wish = np.minimum(wish, fleet.hold_caps(arc, state.speed_mps, time_s))
    wish = np.minimum(wish, gap_caps)
    change = (wish - state.speed_mps) * _SPEED_GAIN_PER_S * 2
    return np.asarray(np.clip(change, -fleet.limits[3], fleet.limits[1]))


def _steer(fleet: _Fleet, state: State, arc: FloatArray) -> FloatArray:
    # Pure pursuit: the arc through the rear axle and a point ahead on the path.
    ahead_m = 1.1 * fleet.wheelbase_m + 0.35 * state.speed_mps
    target, _ = fleet.at(arc + ahead_m)
    dx, dy = target[:, 0] - state.x_m, target[:, 1] - state.y_m
    cos, sin = np.cos(state.heading_rad), np.sin(state.heading_rad)
    along, aside = dx * cos + dy * sin, dy * cos - dx * sin
    square = np.maximum(along**2 + aside**2, 1e-6)
    wish = np.arctan(2 * fleet.wheelbase_m * aside / square)
    wish = np.where(along < 0, np.copysign(fleet.limits[5], aside), wish)
    return np.asarray(np.minimum(np.maximum(wish, -fleet.limits[5]), fleet.limits[5]))


def _project(fleet: _Fleet, state: State, arc: FloatArray) -> FloatArray:
    """Pull the arc length to the path point beside the rear axle (one Newton step)."""
    points, index = fleet.at(arc)
    heading = fleet.headings[index]
    along = (state.x_m - points[:, 0]) * np.cos(heading) + (state.y_m - points[:, 1]) * np.sin(
        heading
    )
    return np.asarray(arc + np.clip(along, -0.2, 0.2))
