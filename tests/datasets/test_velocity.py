"""Velocities: by hand, and against the official devkit's."""

from __future__ import annotations

import numpy as np
import pytest

from stkit_datasets.velocity import central_velocities_mps

NAN = float("nan")


@pytest.mark.parametrize(
    ("x_m", "timestamps_s", "expected"),
    [
        # One-sided at the ends, over both neighbours between them.
        ([0, 1, 4], [0, 0.5, 1.0], [2, 4, 6]),
        ([0, NAN, 4], [0, 0.5, 1.0], [4, NAN, 4]),
        ([5], [0], [NAN]),
        ([NAN, 5, NAN], [0, 0.5, 1.0], [NAN, NAN, NAN]),
        # 1.5 s is allowed to one neighbour, 3 s between two; more is not.
        ([0, 3], [0, 1.5], [2, 2]),
        ([0, 3], [0, 1.75], [NAN, NAN]),
        ([0, 3, 6], [0, 1.75, 3.0], [NAN, 2, 2.4]),
        ([0, 3, 6], [0, 1.75, 3.5], [NAN, NAN, NAN]),
        ([], [], []),
    ],
)
def test_velocity_by_hand(x_m, timestamps_s, expected):
    centers = np.zeros((1, len(x_m), 3))
    centers[0, :, 0] = x_m
    velocities = central_velocities_mps(centers, np.array(timestamps_s, dtype=float))
    assert velocities.shape == (1, len(x_m), 3)
    np.testing.assert_allclose(velocities[0, :, 0], expected)


def test_tracks_do_not_touch_each_other():
    centers = np.full((2, 3, 3), NAN)
    centers[0, :2] = [[0, 0, 0], [0, 1, 0]]
    centers[1, 1:] = [[9, 0, 0], [9, 0, -2]]
    velocities = central_velocities_mps(centers, np.array([0.0, 0.5, 1.0]))
    expected = np.full((2, 3, 3), NAN)
    expected[0, :2] = [0, 2, 0]
    expected[1, 1:] = [0, 0, -4]
    np.testing.assert_allclose(velocities, expected)
