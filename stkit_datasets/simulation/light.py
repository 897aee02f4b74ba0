"""Sun, sky, haze and shadows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.seeding import stable_choice
from stkit_datasets.simulation.canvas import Color

FloatArray = NDArray[np.float64]
Plane = NDArray[np.float32]

_HAZE_M = 330.0


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    Attributes:
        to_sun: unit vector towards the sun.
        sun: share of the light that is direct.
        zenith: colour of the sky overhead.
        horizon: colour of the sky at the horizon, and of the haze.
        tint: colour of the direct light.
    """

    to_sun: tuple[float, float, float]
    sun: float
    zenith: Color
    horizon: Color
    tint: Color

    @property
    def shadow_per_m(self) -> tuple[float, float]:
        """x, y of the shadow's tip for each metre of height."""
        x, y, z = self.to_sun
        return -x / z, -y / z

    def shade(self, normals: FloatArray) -> FloatArray:
        """Return (F, 3) factors for faces with unit normals (F, 3)."""
        x, y, z = normals.T
        direct = np.maximum(x * self.to_sun[0] + y * self.to_sun[1] + z * self.to_sun[2], 0.0)
        ambient = 0.56 + 0.16 * z
        strength = 0.62 * self.sun
        return np.asarray(ambient[:, None] + strength * direct[:, None] * np.asarray(self.tint))


_LIGHTS = (
    Light((0.48, 0.36, 0.80), 1.0, (0.30, 0.52, 0.82), (0.78, 0.86, 0.93), (1.0, 0.98, 0.93)),
    Light((-0.60, 0.35, 0.72), 1.0, (0.34, 0.54, 0.80), (0.83, 0.87, 0.90), (1.0, 0.97, 0.91)),
    Light((-0.45, -0.66, 0.60), 1.0, (0.36, 0.50, 0.74), (0.92, 0.83, 0.72), (1.0, 0.90, 0.74)),
    Light((0.30, -0.34, 0.89), 0.55, (0.60, 0.66, 0.73), (0.82, 0.84, 0.86), (1.0, 1.0, 1.0)),
)


def light_of(scene_name: str) -> Light:
    """Return the light that a scene's name draws."""
    return stable_choice(_LIGHTS, "simulation-light", scene_name)


def haze_share(depth_m: Plane | FloatArray) -> NDArray[np.floating]:
    """Return how much of the colour at a distance is haze, 0 to 1."""
    square = depth_m * depth_m
    return np.asarray(square / (square + depth_m.dtype.type(_HAZE_M * _HAZE_M)))


def sky(light: Light, elevation: Plane) -> list[Plane]:
    """Return red, green, blue for the sine of the elevation of each ray."""
    rise = np.clip(elevation, 0.0, 1.0)
    part = np.sqrt(np.sqrt(rise)) * np.float32(1.15) - np.float32(0.12)
    part = np.clip(part, 0.0, 1.0)
    return [
        np.asarray(np.float32(low) + (np.float32(high) - np.float32(low)) * part)
        for low, high in zip(light.horizon, light.zenith, strict=True)
    ]
