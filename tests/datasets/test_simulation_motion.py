"""The motion of the simulated world against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from stkit_datasets.simulation.catalog import MODELS, Body, draw_body
from stkit_datasets.simulation.motion import (
    STEP_S,
    Agent,
    Hold,
    State,
    bicycle_step,
    simulate,
)
from stkit_datasets.simulation.paths import SPACING_M, rounded, through

GRID_S = 0.5 * np.arange(40)


def car() -> Body:
    return draw_body("car", np.random.default_rng(3))


def straight(length_m: float = 700.0, heading_rad: float = 0.0, y_m: float = 0.0):
    end = length_m * np.array([math.cos(heading_rad), math.sin(heading_rad)])
    return through(np.stack([np.zeros(2), end]) + np.array([0.0, y_m]))


@pytest.mark.parametrize("steer_rad", [0.05, -0.3, 0.6])
@pytest.mark.parametrize("speed_mps", [3.0, 12.0])
def test_constant_steer_drives_the_circle_of_the_closed_form(steer_rad, speed_mps):
    wheelbase = 2.7
    radius = wheelbase / math.tan(steer_rad)
    state = State(np.zeros(1), np.zeros(1), np.zeros(1), np.array([speed_mps]))
    driven = 0.0
    for step in range(1, 2001):
        state, arc = bicycle_step(
            state, np.array([steer_rad]), np.zeros(1), np.array([wheelbase]), STEP_S
        )
        driven += float(arc[0])
        angle = speed_mps * step * STEP_S / radius
        assert state.x_m[0] == pytest.approx(radius * math.sin(angle), abs=1e-9)
        assert state.y_m[0] == pytest.approx(radius * (1 - math.cos(angle)), abs=1e-9)
    assert driven == pytest.approx(speed_mps * 20.0, abs=1e-9)
    assert state.heading_rad[0] == pytest.approx(speed_mps * 20.0 / radius, abs=1e-9)


def test_braking_to_a_stop_never_drives_backwards():
    state = State(np.zeros(1), np.zeros(1), np.zeros(1), np.array([1.0]))
    for _ in range(300):
        state, arc = bicycle_step(state, np.zeros(1), np.array([-4.0]), np.array([2.7]), STEP_S)
        assert arc[0] >= 0
    assert state.speed_mps[0] == 0.0
    assert state.x_m[0] == pytest.approx(1.0 / 8.0, abs=0.01)


@pytest.mark.parametrize("heading_rad", [0.0, 0.7, -2.4])
def test_constant_speed_on_a_line_goes_speed_times_time(heading_rad):
    agent = Agent(car(), straight(heading_rad=heading_rad), 5.0, 13.0, ((0.0, 13.0),))
    motion = simulate([agent], GRID_S)
    steps = np.hypot(*np.diff(motion.centers_m[0], axis=0).T)
    assert steps.sum() == pytest.approx(13.0 * 19.5, abs=1e-9)
    assert motion.distances_m[0] == pytest.approx(13.0 * GRID_S, abs=1e-9)
    assert motion.headings_rad[0] == pytest.approx(np.full(40, heading_rad), abs=1e-9)


def test_a_bend_is_followed_within_half_a_metre_and_slowed_down_for():
    path = rounded([(0.0, 0.0), (80.0, 0.0), (80.0, 90.0)], 8.0)
    agent = Agent(car(), path, 1.0, 12.0, ((0.0, 12.0),))
    motion = simulate([agent], 0.1 * np.arange(196))
    axles = motion.centers_m[0] - agent.body.rear_axle_m * np.stack(
        [np.cos(motion.headings_rad[0]), np.sin(motion.headings_rad[0])], axis=1
    )
    off = np.hypot(*(axles[:, None] - path.points_m).transpose(2, 0, 1)).min(axis=1)
    assert off.max() < 0.7
    slowest = motion.speeds_mps[0].min()
    assert slowest**2 / 8.0 < 1.3 * agent.body.model.limits.lateral_mps2
    assert motion.headings_rad[0, -1] == pytest.approx(math.pi / 2, abs=0.05)


def test_a_red_light_holds_and_green_lets_go():
    hold = Hold(100.0, 0.0, 12.0)
    agent = Agent(car(), straight(), 5.0, 12.0, ((0.0, 12.0),), (hold,))
    motion = simulate([agent], GRID_S)
    x = motion.centers_m[0, :, 0] - agent.body.rear_axle_m
    assert (x[GRID_S < 12.0] < 100.5).all()
    assert x[24] == pytest.approx(100.0, abs=1.5)
    assert motion.speeds_mps[0, 23] < 0.3
    assert x[-1] > 130.0


def test_the_one_behind_does_not_run_into_the_slow_one_ahead():
    first = Agent(car(), straight(), 45.0, 4.0, ((0.0, 4.0), (8.0, 0.0), (12.0, 6.0)))
    second = Agent(car(), straight(), 5.0, 14.0, ((0.0, 14.0),))
    motion = simulate([first, second], 0.1 * np.arange(196))
    gap = motion.centers_m[0, :, 0] - motion.centers_m[1, :, 0] - first.body.size_lwh_m[0]
    assert gap.min() > 0.5


def test_lanes_side_by_side_do_not_disturb_each_other():
    near = Agent(car(), straight(), 30.0, 8.0, ((0.0, 8.0),))
    beside = Agent(car(), straight(y_m=3.5), 5.0, 16.0, ((0.0, 16.0),))
    motion = simulate([near, beside], GRID_S)
    assert motion.distances_m[1, -1] == pytest.approx(16.0 * 19.5, abs=1e-6)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_acceleration_and_steering_stay_within_the_limits(name):
    body = draw_body(name, np.random.default_rng(1))
    limits = body.model.limits
    top = min(limits.max_speed_mps, 9.0)
    way = [(0.0, 0.0), (30.0, 0.0), (30.0, 40.0), (80.0, 10.0), (90.0, 120.0)]
    agent = Agent(body, rounded(way, 6.0), 1.0, 0.0, ((0.0, top), (9.0, 0.0), (12.0, top)))
    times = STEP_S * np.arange(1900)
    motion = simulate([agent], times)
    acceleration = np.diff(motion.speeds_mps[0]) / STEP_S
    assert acceleration.max() <= limits.acceleration_mps2 + 1e-6
    assert acceleration.min() >= -limits.hard_braking_mps2 - 1e-6
    assert motion.speeds_mps.max() <= limits.max_speed_mps + 1e-9
    turn, arc = np.diff(motion.headings_rad[0]), np.diff(motion.distances_m[0])
    moving = arc > 1e-6
    curvature = np.abs(turn[moving]) / arc[moving]
    assert curvature.max() <= math.tan(limits.max_steer_rad) / body.wheelbase_m + 1e-6


def test_rounded_path_has_evenly_spaced_samples_and_the_asked_radius():
    path = rounded([(0.0, 0.0), (50.0, 0.0), (50.0, -50.0)], 10.0)
    steps = np.hypot(*np.diff(path.points_m, axis=0).T)
    assert steps == pytest.approx(np.full(len(steps), SPACING_M), abs=1e-3)
    middle = np.abs(path.curvatures_per_m).max()
    assert middle == pytest.approx(0.1, rel=0.05)
    assert path.length_m == pytest.approx(80.0 + 10.0 * math.pi / 2, abs=0.3)


def test_a_path_without_length_is_refused():
    with pytest.raises(ValueError, match="longer than"):
        through(np.array([[1.0, 1.0], [1.0, 1.1]]))
