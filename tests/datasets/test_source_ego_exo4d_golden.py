"""Values by projectaria-tools, made by tests/golden/make_ego_exo4d.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from stkit_datasets import geometry
from stkit_datasets.sources.ego_exo4d_tables import read_trajectory
from stkit_datasets.sources.rig import intrinsic_matrix

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "ego_exo4d.json").read_text())


def test_poses_agree_with_projectaria_tools(shared_data):
    folder = shared_data("ego_exo4d/takes/aria_mps_sample/trajectory")
    trajectory = read_trajectory(folder / "closed_loop_trajectory.csv")
    assert len(GOLDEN["poses"]) == 12
    times_ns = [1000 * pose["timestamp_us"] for pose in GOLDEN["poses"]]
    rows = np.searchsorted(trajectory.timestamps_ns, times_ns)
    assert trajectory.timestamps_ns[rows].tolist() == times_ns
    expected_m = [pose["position_m"] for pose in GOLDEN["poses"]]
    np.testing.assert_allclose(trajectory.positions_m[rows], expected_m, rtol=0, atol=1e-9)
    assert {trajectory.graph_uid} == {pose["graph_uid"] for pose in GOLDEN["poses"]}
    # Gravity points down already, so that nothing is turned.
    assert all(pose["gravity_mps2"][:2] == [0, 0] for pose in GOLDEN["poses"])
    assert (trajectory.up_SE3_world == np.eye(4)).all()


def test_the_fisheye_lens_agrees_with_projectaria_tools():
    fx, fy, cx, cy, *lens = GOLDEN["lens"]
    matrix = intrinsic_matrix(np.array([fx, fy]), np.array([cx, cy]))
    project = geometry.CAMERA_MODELS["fisheye"]
    pixels = project(np.array(GOLDEN["points_m"]), matrix, tuple(lens))
    np.testing.assert_allclose(pixels, GOLDEN["pixels"], rtol=0, atol=1e-6)
    assert pixels[0] == pytest.approx([cx, cy])


def test_the_version_of_the_oracle_is_recorded():
    assert GOLDEN["made_by"]["projectaria-tools"] == "2.3.0"
