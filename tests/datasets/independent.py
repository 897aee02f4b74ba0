"""A second way from annotations to the truth of a question, for the tests.

Nothing here comes from the packages under test: quaternions, poses, projection and kinematics are
written out once more, object by object and frame by frame, from the rules alone. Slow and plain on
purpose: what it computes can be checked by eye. ``independent_files`` reads the files.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

JITTER_S = 0.05
"""Real frames stray from the grid by some milliseconds; four steps may last 1.9995 s."""
NEAR_M = 0.1
"""Depth in front of the camera from which on a point can be seen."""


@dataclass(frozen=True)
class Pose:
    """Maps a point of frame ``src`` to frame ``dst``: dst = rotation @ src + translation."""

    rotation: np.ndarray
    translation: np.ndarray

    @classmethod
    def from_quaternion(cls, w: float, x: float, y: float, z: float, translation) -> Pose:
        norm = math.sqrt(w * w + x * x + y * y + z * z)
        w, x, y, z = w / norm, x / norm, y / norm, z / norm
        # Columns are the rotated axes: q * axis * conj(q), multiplied out.
        axis_x = (w * w + x * x - y * y - z * z, 2 * (x * y + w * z), 2 * (x * z - w * y))
        axis_y = (2 * (x * y - w * z), w * w - x * x + y * y - z * z, 2 * (y * z + w * x))
        axis_z = (2 * (x * z + w * y), 2 * (y * z - w * x), w * w - x * x - y * y + z * z)
        return cls(np.array([axis_x, axis_y, axis_z]).T, np.array(translation, dtype=float))

    def __call__(self, point) -> np.ndarray:
        return self.rotation @ np.asarray(point) + self.translation

    def after(self, first: Pose) -> Pose:
        """This pose applied to what ``first`` gives."""
        return Pose(self.rotation @ first.rotation, self(first.translation))

    def back(self, point) -> np.ndarray:
        return self.rotation.T @ (np.asarray(point) - self.translation)


@dataclass(frozen=True)
class Cuboid:
    """A box in the world: x is along its length, y along its width, z along its height."""

    world_from_box: Pose
    length_m: float
    width_m: float
    height_m: float
    tokens: tuple[str, ...]

    @property
    def center(self) -> np.ndarray:
        return self.world_from_box.translation

    def corners(self) -> list[np.ndarray]:
        return [
            self.world_from_box((x * self.length_m, y * self.width_m, z * self.height_m))
            for x in (-0.5, 0.5)
            for y in (-0.5, 0.5)
            for z in (-0.5, 0.5)
        ]


@dataclass(frozen=True)
class View:
    """One camera at one frame: where it stands and how it projects."""

    world_from_camera: Pose
    fx: float
    fy: float
    cx: float
    cy: float
    width: int
    height: int
    image: str = ""

    def box(self, cuboid: Cuboid) -> PixelBox | None:
        """The rectangle round the cuboid's part in front of the camera, cut to the image."""
        points = [self.world_from_camera.back(corner) for corner in cuboid.corners()]
        seen = [p for p in points if p[2] >= NEAR_M]
        whole = len(seen) == 8
        if not whole:
            # Two corners share an edge if their indices differ in one bit (of x, y and z).
            for i in range(8):
                for bit in (1, 2, 4):
                    a, b = points[i], points[i ^ bit]
                    if a[2] < NEAR_M <= b[2]:
                        seen.append(a + (b - a) * (NEAR_M - a[2]) / (b[2] - a[2]))
        if not seen:
            return None
        us = [self.fx * p[0] / p[2] + self.cx for p in seen]
        vs = [self.fy * p[1] / p[2] + self.cy for p in seen]
        if max(us) <= 0 or min(us) >= self.width or max(vs) <= 0 or min(vs) >= self.height:
            return None
        return PixelBox(
            max(min(us), 0.0),
            max(min(vs), 0.0),
            min(max(us), float(self.width)),
            min(max(vs), float(self.height)),
            whole,
        )


@dataclass(frozen=True)
class PixelBox:
    x0: float
    y0: float
    x1: float
    y1: float
    wholly_in_front: bool

    @property
    def short_side(self) -> float:
        return min(self.x1 - self.x0, self.y1 - self.y0)

    def sides(self) -> tuple[float, float, float, float]:
        return self.x0, self.y0, self.x1, self.y1


@dataclass
class Scene:
    """What the raw files say about one scene, on the grid of its clip."""

    scene_id: str
    times_s: list[float]
    categories: dict[str, str] = field(default_factory=dict)
    cuboids: dict[str, list[Cuboid | None]] = field(default_factory=dict)
    views: dict[str, list[View]] = field(default_factory=dict)
    _boxes: dict[tuple[str, str], list[PixelBox | None]] = field(default_factory=dict)

    def boxes(self, camera: str, track_id: str) -> list[PixelBox | None]:
        key = camera, track_id
        if key not in self._boxes:
            self._boxes[key] = [
                None if cuboid is None else view.box(cuboid)
                for view, cuboid in zip(self.views[camera], self.cuboids[track_id], strict=True)
            ]
        return self._boxes[key]

    def appearance(self, camera: str, track_id: str) -> tuple[int, int] | None:
        """First and last frame of the longest time in view without a break."""
        return longest_run([box is not None for box in self.boxes(camera, track_id)])

    def together(self, camera: str, one: str, other: str) -> tuple[int, int] | None:
        pairs = zip(self.boxes(camera, one), self.boxes(camera, other), strict=True)
        return longest_run([a is not None and b is not None for a, b in pairs])

    def centers(self, track_id: str, first: int, last: int) -> list[np.ndarray]:
        cuboids = self.cuboids[track_id][first : last + 1]
        assert all(cuboid is not None for cuboid in cuboids), (track_id, first, last)
        return [cuboid.center for cuboid in cuboids]

    def frame(self, time_s: float) -> int:
        """The frame at a time of a row; times are written with six decimals."""
        matches = [k for k, t in enumerate(self.times_s) if abs(t - time_s) < 1e-5]
        assert len(matches) == 1, (self.scene_id, time_s)
        return matches[0]

    def too_fast(self, track_id: str) -> bool:
        """Whether any step is one that no such object makes."""
        category = self.categories[track_id].lower()
        is_person = category.startswith("human") or category in PERSONS
        limit = 13.0 if is_person else 70.0
        for k in range(len(self.times_s) - 1):
            a, b = self.cuboids[track_id][k : k + 2]
            if a is not None and b is not None:
                step = math.dist(a.center, b.center)
                if step / (self.times_s[k + 1] - self.times_s[k]) > limit:
                    return True
        return False

    def qualifies(self, camera: str, track_id: str) -> bool:
        """Whether the object is asked about: long enough in view, large enough, and moving."""
        run = self.appearance(camera, track_id)
        if run is None or self.too_fast(track_id):
            return False
        first, last = run
        boxes = self.boxes(camera, track_id)[first : last + 1]
        return (
            self.times_s[last] - self.times_s[first] >= 2.0 - JITTER_S
            and min(box.short_side for box in boxes) >= 10.0
            and displacement(self.centers(track_id, first, last)) >= 1.0
        )


PERSONS = {"pedestrian", "official_signaler", "stroller", "wheelchair"}


def longest_run(flags: list[bool]) -> tuple[int, int] | None:
    best: tuple[int, int] | None = None
    start: int | None = None
    for k, flag in enumerate([*flags, False]):
        if flag and start is None:
            start = k
        if not flag and start is not None:
            if best is None or k - 1 - start > best[1] - best[0]:
                best = start, k - 1
            start = None
    return best


# ---------------------------------------------------------------------------- kinematics


def distance(centers: list[np.ndarray]) -> float:
    return sum(math.dist(a, b) for a, b in itertools.pairwise(centers))


def displacement(centers: list[np.ndarray]) -> float:
    return math.dist(centers[0], centers[-1])


def turn_deg(reference, direction) -> float:
    """Angle about the up axis from one direction to another, clockwise seen from above."""
    ahead = reference[0] * direction[0] + reference[1] * direction[1]
    right = reference[1] * direction[0] - reference[0] * direction[1]
    return math.degrees(math.atan2(right, ahead))


def clocks(centers: list[np.ndarray], min_step_m: float = 0.25) -> list[int | None]:
    """The clock direction of every step; None for a step without one."""
    steps = [b - a for a, b in itertools.pairwise(centers)]
    if math.hypot(*steps[0]) < min_step_m:
        return [None] * len(steps)
    result: list[int | None] = []
    for step in steps:
        if math.hypot(*step) < min_step_m:
            result.append(None)
            continue
        hour = math.floor(turn_deg(steps[0], step) / 30 + 0.5) % 12
        result.append(hour or 12)
    return result


def heading_difference_deg(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    return abs(turn_deg(one[-1] - one[0], other[-1] - other[0]))
