from __future__ import annotations

import numpy as np
import pytest
import toy

from stkit_datasets.geometry import CAMERA_MODELS
from stkit_datasets.rays import pixel_directions

LENSES = {
    "pinhole": (),
    # The coefficients of a wide driving camera and of an action camera.
    "brown": (-0.36, 0.14, 0.0006, -0.0003, -0.03),
    "fisheye": (0.05, -0.01, 0.002, -0.0005),
}


@pytest.mark.parametrize("model", LENSES)
def test_a_ray_projects_back_to_its_pixel(model: str) -> None:
    x, y = np.meshgrid(np.linspace(0, 640, 9), np.linspace(0, 360, 7))
    pixels = np.stack([x, y], axis=-1)
    rays = pixel_directions(pixels, toy.INTRINSICS, model, LENSES[model])
    assert np.linalg.norm(rays, axis=-1) == pytest.approx(np.ones(x.shape))
    back = CAMERA_MODELS[model](7.5 * rays, toy.INTRINSICS, LENSES[model])
    assert back == pytest.approx(pixels, abs=1e-4)


def test_a_pinhole_ray_by_hand() -> None:
    ray = pixel_directions(np.array([820.0, 180.0]), toy.INTRINSICS, "pinhole", ())
    assert ray == pytest.approx([np.sqrt(0.5), 0, np.sqrt(0.5)])


def test_a_fisheye_sees_beside_itself() -> None:
    # Without coefficients the image radius is the angle: 90 degrees are 500 * pi / 2 pixels out.
    pixel = np.array([320 + 500 * np.pi / 2, 180.0])
    assert pixel_directions(pixel, toy.INTRINSICS, "fisheye", ()) == pytest.approx([1, 0, 0])


def test_a_pixel_beyond_straight_behind_gives_nan() -> None:
    # Without coefficients straight behind is pi focal lengths from the center.
    pixels = np.array([[320 + 500 * 3.1, 180.0], [320 + 500 * 3.3, 180.0]])
    rays = pixel_directions(pixels, toy.INTRINSICS, "fisheye", ())
    assert np.isnan(rays).all(axis=1).tolist() == [False, True]
