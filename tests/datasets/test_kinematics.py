from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stkit_datasets import kinematics

NAN = np.nan


def track(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array(points, dtype=float)


def path(headings_deg: list[float], step_m: float = 1.0) -> np.ndarray:
    """(1, T, 3) centres whose steps have the given headings, counter-clockwise from x."""
    steps = [
        (step_m * math.cos(math.radians(h)), step_m * math.sin(math.radians(h)), 0.0)
        for h in headings_deg
    ]
    return np.concatenate([[[0.0, 0.0, 0.0]], np.cumsum(steps, axis=0)])[None]


def test_distance_sums_steps_in_three_dimensions() -> None:
    centers = track((0, 0, 0), (3, 4, 0), (3, 4, 12), (3, 4, 12))
    assert kinematics.traveled_distance_m(centers, 0, 4) == 17.0
    assert kinematics.traveled_distance_m(centers, 1, 3) == 12.0


def test_a_gap_is_never_bridged() -> None:
    centers = track((0, 0, 0), (NAN, NAN, NAN), (2, 0, 0))
    assert math.isnan(kinematics.traveled_distance_m(centers, 0, 3))


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (2, 2), (0, 4), (-1, 2)])
def test_a_run_must_lie_inside_the_track(start: int, stop: int) -> None:
    with pytest.raises(ValueError, match=r"at least two frames inside 0\.\.3"):
        kinematics.traveled_distance_m(track((0, 0, 0), (1, 0, 0), (2, 0, 0)), start, stop)


def test_speed_uses_the_real_timestamps() -> None:
    centers = track((0, 0, 0), (5, 0, 0), (11, 0, 0))
    times = np.array([0.0, 0.45, 1.1])
    assert kinematics.average_speed_mps(centers, times, 0, 3) == pytest.approx(10.0)


def test_longest_runs_take_the_first_of_equals() -> None:
    mask = np.array(
        [[1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [0, 1, 0, 1, 1]], dtype=bool
    )
    starts, stops = kinematics.longest_runs(mask)
    assert starts.tolist() == [0, 0, 0, 3]
    assert stops.tolist() == [2, 0, 5, 5]


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_longest_run_agrees_with_a_plain_search(values: list[bool]) -> None:
    runs = [
        (start, stop)
        for start in range(len(values))
        for stop in range(start + 1, len(values) + 1)
        if all(values[start:stop])
    ]
    expected = max(runs, key=lambda run: (run[1] - run[0], -run[0])) if runs else None
    starts, stops = kinematics.longest_runs(np.array([values]))
    found = (int(starts[0]), int(stops[0]))
    assert found == expected if expected else found[0] == found[1]


@pytest.mark.parametrize(
    ("turn_deg", "hour"),
    [
        (0, 12),
        (-90, 3),  # headings count counter-clockwise: -90 is a turn to the right
        (90, 9),
        (180, 6),
        (-30, 1),
        (30, 11),
        (-14, 12),
        (-16, 1),
        (-44, 1),
        (-46, 2),
        (-344, 11),
        (-346, 12),
    ],
)
@pytest.mark.parametrize("first_deg", [0.0, 77.0, -135.0, 180.0])
def test_clock_of_a_turn(turn_deg: float, hour: int, first_deg: float) -> None:
    centers = path([first_deg, first_deg + turn_deg])
    clocks = kinematics.clock_directions(centers, np.array([0]))
    assert clocks.tolist() == [[12, hour]]


def test_a_short_step_has_no_direction() -> None:
    centers = track((0, 0, 0), (1, 0, 0), (1.24, 0, 0), (1.49, 0, 0))[None]
    assert kinematics.clock_directions(centers, np.array([0])).tolist() == [[12, 0, 12]]


def test_a_short_first_step_leaves_no_reference() -> None:
    centers = track((0, 0, 0), (0.1, 0, 0), (2, 0, 0), (4, 0, 0))[None]
    assert kinematics.clock_directions(centers, np.array([0])).tolist() == [[0, 0, 0]]
    assert kinematics.clock_directions(centers, np.array([1])).tolist() == [[0, 12, 12]]


def test_a_step_beside_a_gap_has_no_direction() -> None:
    centers = track((0, 0, 0), (1, 0, 0), (NAN, NAN, NAN), (3, 0, 0), (4, 0, 0))[None]
    assert kinematics.clock_directions(centers, np.array([0])).tolist() == [[12, 0, 0, 12]]


def test_a_climb_straight_up_has_no_direction() -> None:
    centers = track((0, 0, 0), (1, 0, 0), (1, 0, 1))[None]
    assert kinematics.clock_directions(centers, np.array([0])).tolist() == [[12, 0]]


def test_direction_runs_keep_the_longest_and_cover_last_steps_end() -> None:
    clocks = np.array([12, 12, 3, 12, 12, 12, 0, 3, 3], dtype=np.int8)
    assert kinematics.direction_runs(clocks, 0, 10) == {12: (3, 6), 3: (7, 9)}
    assert kinematics.direction_runs(clocks, 0, 4) == {12: (0, 2), 3: (2, 3)}


@pytest.mark.parametrize(
    ("a_deg", "b_deg", "expected"),
    [(0, 0, 0), (10, -10, 20), (170, -170, 20), (0, 180, 180), (-90, 90, 180)],
)
def test_heading_difference(a_deg: float, b_deg: float, expected: float) -> None:
    a, b = (
        np.array([math.cos(math.radians(d)), math.sin(math.radians(d)), 0.3])
        for d in (a_deg, b_deg)
    )
    assert kinematics.heading_difference_deg(a, b) == pytest.approx(expected)


@given(st.floats(-180, 180), st.floats(0.3, 50), st.floats(-1e4, 1e4))
def test_clocks_ignore_where_and_how_a_path_lies(angle: float, scale: float, shift: float) -> None:
    base = path([5.0, -37.0, 100.0, 160.0, -121.0], 2.0)
    turn = math.radians(angle)
    rotation = np.array(
        [[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]]
    )
    moved = base @ rotation.T * scale + shift
    expected = kinematics.clock_directions(base, np.array([0]))
    assert (kinematics.clock_directions(moved, np.array([0])) == expected).all()
