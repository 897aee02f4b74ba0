"""Looking ahead: how fast a body may go for what stands or moves on its way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.catalog import Body

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

_PROBES = 20
_MARGIN_M = 0.35
_HEADWAY_S = 0.5
_CIRCLES = np.array([-0.36, 0.0, 0.36])


class Traffic:
    """Bodies as three circles each, and probes along each one's path ahead.

    Attributes:
        probes_m: (N, S) arc lengths ahead of the rear axle at which a body looks.
    """

    def __init__(self, bodies: Sequence[Body]) -> None:
        sizes = np.array([body.size_lwh_m for body in bodies])
        self._half_widths = sizes[:, 1] / 2
        self._lengths = sizes[:, 0]
        self._axle = np.array([body.rear_axle_m for body in bodies])
        self._person = np.array([body.model.kind == "person" for body in bodies])
        self._nose = self._axle + sizes[:, 0] / 2
        reach = np.where(self._person, 2.0, 45.0)
        fractions = (np.arange(_PROBES) / (_PROBES - 1)) ** 1.3
        self.probes_m: FloatArray = self._nose[:, None] + reach[:, None] * fractions
        near = self._half_widths[:, None] + self._half_widths + _MARGIN_M
        near[self._person] -= 0.25
        self._near_squares = near**2
        np.fill_diagonal(self._near_squares, 0.0)

    def circles_m(self, axles_m: FloatArray, headings_rad: FloatArray) -> FloatArray:
        """Return the circles' centres (N, 3, 2) for rear axles (N, 2)."""
        forward = np.stack([np.cos(headings_rad), np.sin(headings_rad)], axis=1)
        along = self._axle[:, None] + _CIRCLES * self._lengths[:, None]
        out: FloatArray = axles_m[:, None] + along[..., None] * forward[:, None]
        return out

    def speed_caps(
        self,
        ahead_m: FloatArray,
        axles_m: FloatArray,
        headings_rad: FloatArray,
        speeds_mps: FloatArray,
        braking_mps2: FloatArray,
    ) -> FloatArray:
        """Return the speed (N,) from which each can still stop behind, or match, what is ahead.

        Args:
            ahead_m: (N, S, 2) points of the path at ``probes_m``.
            axles_m: (N, 2) rear axles.
            headings_rad: (N,).
            speeds_mps: (N,).
            braking_mps2: (N,) comfortable braking.
        """
        n = len(axles_m)
        hit = np.zeros((n, _PROBES, n), dtype=bool)
        for x, y in self.circles_m(axles_m, headings_rad).transpose(1, 2, 0):
            dx, dy = ahead_m[..., 0, None] - x, ahead_m[..., 1, None] - y
            hit |= dx * dx + dy * dy < self._near_squares[:, None]
        # A person walks on before a standing car; the car is the one that waits.
        standing = ~self._person & (speeds_mps < 0.3)
        hit &= ~(self._person[:, None] & standing)[:, None]
        any_hit = hit.any(axis=1)
        first = np.where(any_hit, hit.argmax(axis=1), 0)
        gap = self.probes_m[np.arange(n)[:, None], first] - self._nose[:, None]
        distance = np.where(self._person, 0.3, 1.8 + _HEADWAY_S * speeds_mps)
        room = np.maximum(gap - distance[:, None], 0.0)
        along = np.cos(headings_rad[:, None] - headings_rad) * speeds_mps
        lead = np.maximum(along, 0.0)
        caps = np.sqrt(2 * braking_mps2[:, None] * room + lead**2)
        return np.asarray(np.where(any_hit, caps, np.inf).min(axis=1))
