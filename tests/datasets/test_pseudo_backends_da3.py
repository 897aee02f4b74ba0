"""Depth Anything 3's true class at its smallest configuration, with random weights, on a CPU."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import clip

from stkit_datasets.pseudo_labels.backends.depth_anything_3 import _world_SE3_camera

torch = pytest.importorskip("torch", reason="needs the extra `models`")


def test_depth_poses_and_intrinsics_come_in_one_pass():
    pytest.importorskip("depth_anything_3", reason="needs depth-anything-3, see docs")
    from stkit_datasets.pseudo_labels.backends.depth_anything_3 import (
        DepthAnything3,
        DepthAnything3Options,
        build_network,
    )

    torch.manual_seed(0)
    network = build_network("da3-small")
    calls = []
    network.register_forward_pre_hook(lambda module, args: calls.append(args[0].shape))
    options = DepthAnything3Options(image_size=56)
    backend = DepthAnything3(network, options, torch.device("cpu"), "depth_anything_3")
    found = backend.estimate(clip(3, height=48, width=64, scale=4))
    assert calls == [(1, 3, 3, 42, 56)]
    assert found.depths.shape == found.confidences.shape == (3, 42, 56)
    assert (found.depths > 0).all()
    assert (found.confidences >= 1).all()
    assert (found.width_px, found.height_px, found.is_metric) == (256, 192, False)
    assert found.world_SE3_camera.shape == (3, 4, 4)
    # The network puts the principal point into the middle of the picture.
    assert found.intrinsics[:, 0, 2] == pytest.approx(128, abs=0.5)
    assert found.intrinsics[:, 1, 2] == pytest.approx(96, abs=0.5)


def test_rounded_poses_are_made_rigid_and_turned_around():
    angle = 0.3
    rotation = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    camera_SE3_world = np.concatenate([rotation, [[1.0], [2.0], [3.0]]], axis=1)[None]
    rounded = camera_SE3_world + 1e-3 * np.random.default_rng(0).normal(size=(1, 3, 4))
    found = _world_SE3_camera(rounded)[0]
    assert found[:3, :3] @ found[:3, :3].T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1)
    assert found == pytest.approx(
        np.linalg.inv(np.concatenate([camera_SE3_world[0], [[0, 0, 0, 1]]])), abs=0.01
    )
