"""Pixels back to directions: the inverse of the camera models in ``geometry``. Numpy only."""

from __future__ import annotations

import numpy as np

from stkit_datasets.geometry import CAMERA_MODELS, FloatArray

_ITERATIONS = 30
_TOLERANCE_PX = 1e-6


def pixel_directions(
    pixels: FloatArray, intrinsics: FloatArray, model: str, distortion: tuple[float, ...]
) -> FloatArray:
    """Return (..., 3) unit directions, in camera axes, of the rays through (..., 2) pixels.

    Lenses have no closed inverse: the direction is corrected by what its projection misses until
    it meets the pixel. A pixel that no direction reaches (outside the image circle of a fisheye)
    gives NaN.

    Args:
        pixels: image coordinates.
        intrinsics: (3, 3) in pixels.
        model: a key of ``CAMERA_MODELS``.
        distortion: the model's coefficients.
    """
    focal, center = intrinsics[[0, 1], [0, 1]], intrinsics[:2, 2]
    image = (pixels - center) / focal
    if model == "pinhole":
        return _unit(image)
    # A fisheye's image radius is about the angle itself, any other lens's about its tangent.
    to_direction = _from_angle if model == "fisheye" else _unit
    project = CAMERA_MODELS[model]
    guess = image.copy()
    missed = np.zeros_like(image)
    for _ in range(_ITERATIONS):
        missed = (project(to_direction(guess), intrinsics, distortion) - pixels) / focal
        if np.abs(missed).max(initial=0.0) * focal.max() < _TOLERANCE_PX:
            break
        guess = guess - missed
    met = np.abs(missed).max(axis=-1) * focal.max() < 0.01
    return np.where(met[..., None], to_direction(guess), np.nan)


def _unit(image: FloatArray) -> FloatArray:
    rays = np.concatenate([image, np.ones_like(image[..., :1])], axis=-1)
    return np.asarray(rays / np.linalg.norm(rays, axis=-1, keepdims=True))


def _from_angle(image: FloatArray) -> FloatArray:
    theta = np.hypot(image[..., 0], image[..., 1])
    along = np.sin(theta) / np.maximum(theta, 1e-12)
    return np.concatenate([image * along[..., None], np.cos(theta)[..., None]], axis=-1)
