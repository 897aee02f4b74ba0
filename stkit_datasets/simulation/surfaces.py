"""The grounds: their measures, which the scenes are laid out on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

Edge = Literal["plain", "parking", "cycle"]

LANE_M = 3.5
PAVEMENT_M = 3.2
EDGE_M = {"plain": 0.6, "parking": 2.5, "cycle": 1.9}


@dataclass(frozen=True)
class Road:
    """One road along s, with d to its left; s = 0 is the world's origin, heading east there.

    Attributes:
        curvature_per_m: 0 for a straight road, positive bends left.
        lanes: lanes a direction.
        edge: what lies between the outer lane and the kerb.
        crossings_m: s of the zebra crossings.
    """

    curvature_per_m: float
    lanes: int
    edge: Edge
    crossings_m: tuple[float, ...] = ()

    @property
    def lanes_m(self) -> float:
        """From the centre line to the outer lane's edge."""
        return self.lanes * LANE_M

    @property
    def kerb_m(self) -> float:
        """From the centre line to the kerb."""
        return self.lanes_m + EDGE_M[self.edge]

    def place(self, s_m: float, d_m: float) -> tuple[float, float]:
        """Return world x, y."""
        k = self.curvature_per_m
        if k == 0:
            return s_m, d_m
        angle = k * s_m
        return math.sin(angle) * (1 / k - d_m), 1 / k - math.cos(angle) * (1 / k - d_m)

    def heading_rad(self, s_m: float) -> float:
        """Return the direction of increasing s."""
        return self.curvature_per_m * s_m


@dataclass(frozen=True)
class Junction:
    """Two roads that cross at the origin, along x and along y, with signals."""

    lanes: int
    corner_m: float = 5.0

    @property
    def kerb_m(self) -> float:
        """From either centre line to the kerb."""
        return self.lanes * LANE_M + 0.4

    @property
    def crossing_m(self) -> float:
        """From the origin to the middle of a zebra crossing."""
        return self.kerb_m + self.corner_m + 1.6

    @property
    def stop_m(self) -> float:
        """From the origin to a stop line."""
        return self.crossing_m + 3.0


@dataclass(frozen=True)
class Roundabout:
    """A ring about the origin with four arms of one lane each way."""

    lane_radius_m: float = 13.0
    lane_m: float = 5.0

    @property
    def island_m(self) -> float:
        """Radius of the island."""
        return self.lane_radius_m - self.lane_m / 2

    @property
    def outer_m(self) -> float:
        """Radius of the outer kerb."""
        return self.lane_radius_m + self.lane_m / 2

    @property
    def kerb_m(self) -> float:
        """From an arm's centre line to its kerb."""
        return LANE_M + 0.3


@dataclass(frozen=True)
class CarPark:
    """An open place with a double row of bays in the middle and a row at either side."""

    half_length_m: float = 34.0
    half_width_m: float = 19.0
    bay_m: float = 2.7
    bay_depth_m: float = 5.2
    row_half_length_m: float = 18.9


@dataclass(frozen=True)
class Court:
    """A court about the origin, its length along x."""

    game: Literal["basketball", "football"]
    half_length_m: float
    half_width_m: float


Surface: TypeAlias = Road | Junction | Roundabout | CarPark | Court
