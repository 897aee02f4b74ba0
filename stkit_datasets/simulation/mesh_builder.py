"""Putting the faces of a shape together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

CORNERS = 8
"""Faces have at most this many corners; shorter ones repeat their last."""
Point = tuple[float, float, float]
"""x and y from -0.5 to 0.5, z from 0 to 1."""


class Mesh(NamedTuple):
    """Convex planar faces, corners counter-clockwise seen from outside.

    Attributes:
        vertices: (V, 3) in the unit box.
        swings: (V,) how far a vertex goes along x with the stride.
        faces: (F, 8) vertex indices.
        roles: F names of what the face is made of.
        decals: (F,) true for faces that lie on another face.
    """

    vertices: NDArray[np.float64]
    swings: NDArray[np.float64]
    faces: NDArray[np.intp]
    roles: tuple[str, ...]
    decals: NDArray[np.bool_]


@dataclass
class Builder:
    """Collects points and faces in the unit box, x forward, y left, z up."""

    points: list[Point] = field(default_factory=list)
    swings: list[float] = field(default_factory=list)
    faces: list[list[int]] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    decals: list[bool] = field(default_factory=list)

    def face(
        self, points: Sequence[Point], role: str, decal: bool = False, swing: float = 0.0
    ) -> None:
        """One face; all its corners swing alike."""
        first = len(self.points)
        self.points += list(points)
        self.swings += [swing] * len(points)
        indices = list(range(first, first + len(points)))
        self.faces.append(indices + indices[-1:] * (CORNERS - len(points)))
        self.roles.append(role)
        self.decals.append(decal)

    def block(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        role: str,
        top_x: tuple[float, float] | None = None,
        top_y: tuple[float, float] | None = None,
        top: str | None = None,
        swing: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """A box whose top may be smaller; ``swing`` of its bottom and its top."""
        tx, ty = top_x or x, top_y or y
        low = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
        high = [(tx[0], ty[0]), (tx[1], ty[0]), (tx[1], ty[1]), (tx[0], ty[1])]
        for i in range(4):
            j = (i + 1) % 4
            corners = [(*low[i], z[0]), (*low[j], z[0]), (*high[j], z[1]), (*high[i], z[1])]
            self.face(corners, role)
            self.swings[-4:] = [swing[0], swing[0], swing[1], swing[1]]
        self.face([(*p, z[1]) for p in high], top or role, swing=swing[1])

    def inset(self, points: Sequence[Point], role: str, keep: float = 0.8) -> None:
        """A smaller copy of a face, lying on it."""
        middle = np.mean(points, axis=0)
        corners = [middle + keep * (np.asarray(point) - middle) for point in points]
        self.face([(float(x), float(y), float(z)) for x, y, z in corners], role, decal=True)

    def wheel(self, x: float, radius_x: float, diameter_z: float, y: float) -> None:
        """An eight-sided disc with its rim, facing away from the middle at the side ``y``."""
        ring = [(1.0, 0.41), (0.41, 1.0), (-0.41, 1.0), (-1.0, 0.41)]
        ring += [(-cx, -cz) for cx, cz in ring]
        half = diameter_z / 2
        for share, role in ((1.0, "tyre"), (0.55, "rim")):
            disc = [(x + share * radius_x * cx, y, half + share * half * cz) for cx, cz in ring]
            self.face(disc if y < 0 else disc[::-1], role, decal=True)

    def wheels(self, xs: Sequence[float], radius_x: float, diameter_z: float) -> None:
        """Pairs of wheels, with blocks for tyres where the view is from ahead or behind."""
        for x in xs:
            for side in (-1, 1):
                y = (0.36, 0.5) if side > 0 else (-0.5, -0.36)
                reach = (x - 0.8 * radius_x, x + 0.8 * radius_x)
                self.block(reach, y, (0.0, 0.6 * diameter_z), "tyre")
                self.wheel(x, radius_x, diameter_z, 0.5 * side)

    def panel(self, x: float, y: tuple[float, float], z: tuple[float, float], role: str) -> None:
        """A decal that faces forward (x > 0) or backward, at both sides of the middle."""
        for low, high in (y, (-y[1], -y[0])) if y[0] >= 0 else (y,):
            corners = [(x, low, z[0]), (x, high, z[0]), (x, high, z[1]), (x, low, z[1])]
            self.face(corners if x > 0 else corners[::-1], role, decal=True)

    def side_panels(self, x: tuple[float, float], z: tuple[float, float], role: str) -> None:
        """Decals on both flanks."""
        for y in (-0.5, 0.5):
            corners = [(x[0], y, z[0]), (x[1], y, z[0]), (x[1], y, z[1]), (x[0], y, z[1])]
            self.face(corners if y < 0 else corners[::-1], role, decal=True)

    def mesh(self) -> Mesh:
        """Return what was built."""
        return Mesh(
            np.array(self.points, dtype=np.float64),
            np.array(self.swings, dtype=np.float64),
            np.array(self.faces, dtype=np.intp),
            tuple(self.roles),
            np.array(self.decals, dtype=bool),
        )
