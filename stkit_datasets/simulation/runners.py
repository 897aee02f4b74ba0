"""Players on a court: points of mass that run for a place in the game, and keep apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.catalog import Body
from stkit_datasets.simulation.motion import STEP_S, Motion

FloatArray = NDArray[np.float64]

_ACCELERATION_MPS2 = 4.0
_BRAKING_GAIN_PER_S = 1.6
_APART_M = 1.6
_TURN_RADPS = 9.0
_ARRIVED_M = 0.8
_BODY_M = 0.62
_SHOVE = 0.1


@dataclass(frozen=True, eq=False)
class Team:
    """The players of both sides.

    Attributes:
        bodies: N bodies.
        homes_m: (N, 2) where each would stand with the ball in the middle.
        half_size_m: half the court's length and width; no centre leaves it.
        seed: of the game.
        top_speed_mps: (N,) of each player.
    """

    bodies: tuple[Body, ...]
    homes_m: FloatArray
    half_size_m: tuple[float, float]
    seed: int
    top_speed_mps: FloatArray


class _Game:
    """The ball's place, and where each player wants to be and how fast."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._rng = np.random.Generator(np.random.PCG64(team.seed))
        self._half = np.asarray(team.half_size_m)
        n = len(team.bodies)
        self.ball = self._rng.uniform(-0.7, 0.7, 2) * self._half
        self._ball_until = 0.0
        self.goals = team.homes_m.copy()
        self.speeds = np.zeros(n)
        self._until = np.zeros(n)

    def update(self, time_s: float, positions_m: FloatArray) -> None:
        if time_s >= self._ball_until:
            self.ball = self._rng.uniform(-0.85, 0.85, 2) * self._half
            self._ball_until = time_s + self._rng.uniform(2.5, 6.0)
        near = np.hypot(*(self.goals - positions_m).T) < _ARRIVED_M
        for i in np.flatnonzero((time_s >= self._until) | near & (time_s > self._until - 1.0)):
            pull = self._rng.uniform(0.25, 0.75)
            goal = (1 - pull) * self._team.homes_m[i] + pull * self.ball
            goal = goal + self._rng.normal(0.0, 0.12, 2) * self._half
            self.goals[i] = np.clip(goal, -self._half + 0.5, self._half - 0.5)
            self.speeds[i] = self._team.top_speed_mps[i] * self._rng.choice([0.25, 0.5, 0.8, 1.0])
            self._until[i] = time_s + self._rng.uniform(1.5, 4.0)


def play(team: Team, times_s: FloatArray) -> Motion:
    """Run the game and sample it at ``times_s``, multiples of ``STEP_S`` from 0."""
    game = _Game(team)
    half = np.asarray(team.half_size_m)
    position = team.homes_m.copy()
    velocity = np.zeros_like(position)
    heading = np.arctan2(*(-position.T[::-1]))
    ran = np.zeros(len(position))
    samples = np.rint(times_s / STEP_S).astype(int)
    wanted = {int(step): k for k, step in enumerate(samples)}
    shape = (len(position), len(samples))
    out = Motion(np.empty((*shape, 2)), np.empty(shape), np.empty(shape), np.empty(shape))
    for step in range(int(samples[-1]) + 1):
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        if step in wanted:
            k = wanted[step]
            out.centers_m[:, k] = position
            out.headings_rad[:, k], out.speeds_mps[:, k] = heading, speed
            out.distances_m[:, k] = ran
        if step % 10 == 0:
            game.update(step * STEP_S, position)
        velocity = _run(game, team, position, velocity)
        moved = position + velocity * STEP_S + _shoved(position)
        bounded = np.clip(moved, -half, half)
        velocity = np.where(bounded == moved, velocity, 0.0)
        ran += np.hypot(*(bounded - position).T)
        position = bounded
        heading = _face(heading, velocity)
    return out


def _run(game: _Game, team: Team, position: FloatArray, velocity: FloatArray) -> FloatArray:
    way = game.goals - position
    far = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)
    wish = way * (np.minimum(game.speeds, _BRAKING_GAIN_PER_S * far) / far)[:, None]
    between = position[:, None] - position
    apart = np.hypot(between[..., 0], between[..., 1])
    push = np.clip(_APART_M - apart, 0.0, None) / np.maximum(apart, 1e-6)
    np.fill_diagonal(push, 0.0)
    wish += 4.0 * (between * push[..., None]).sum(axis=1)
    change = (wish - velocity) / 0.25
    size = np.maximum(np.hypot(change[:, 0], change[:, 1]), 1e-9)
    change *= (np.minimum(size, _ACCELERATION_MPS2) / size)[:, None]
    velocity = velocity + change * STEP_S
    speed = np.maximum(np.hypot(velocity[:, 0], velocity[:, 1]), 1e-9)
    limit: FloatArray = velocity * (np.minimum(speed, team.top_speed_mps) / speed)[:, None]
    return limit


def _shoved(position: FloatArray) -> FloatArray:
    """Small steps apart for those who would stand in one another."""
    between = position[:, None] - position
    apart = np.hypot(between[..., 0], between[..., 1])
    share = np.clip(_BODY_M - apart, 0.0, None) / np.maximum(apart, 1e-6) * _SHOVE
    np.fill_diagonal(share, 0.0)
    out: FloatArray = (between * share[..., None]).sum(axis=1)
    return out


def _face(heading: FloatArray, velocity: FloatArray) -> FloatArray:
    """Turn the body the way it runs; who barely moves keeps facing."""
    off = np.arctan2(velocity[:, 1], velocity[:, 0]) - heading
    off = (off + np.pi) % (2 * np.pi) - np.pi
    turn = np.clip(off, -_TURN_RADPS * STEP_S, _TURN_RADPS * STEP_S)
    moving = np.hypot(velocity[:, 0], velocity[:, 1]) > 0.25
    out: FloatArray = heading + np.where(moving, turn, 0.0)
    return out
