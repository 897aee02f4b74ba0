"""What the prompts of the semantics branch mean: kinds of things, and their usual sizes."""

from __future__ import annotations

from typing import NamedTuple

from stkit_datasets.clip import Kind


class SizePrior(NamedTuple):
    """A usual size, in metres; ``height_spread`` is the relative deviation of the height.

    Cars, trucks, buses, two-wheelers and people are rounded means over some 600 boxes of nuScenes,
    Argoverse 2 and KITTI, one an object; a rider counts into the height of what is ridden. The
    other sizes are plain estimates with a wide spread.
    """

    length_m: float
    width_m: float
    height_m: float
    height_spread: float
    kind: Kind


_CAR = SizePrior(4.5, 1.92, 1.68, 0.12, "vehicle")
_PERSON = SizePrior(0.75, 0.7, 1.76, 0.09, "person")
_TWO_WHEELS = SizePrior(1.7, 0.6, 1.5, 0.2, "vehicle")

SIZES: dict[str, SizePrior] = {
    "car": _CAR,
    "automobile": _CAR,
    "vehicle": SizePrior(4.8, 2.0, 1.8, 0.3, "vehicle"),
    "van": SizePrior(4.9, 2.0, 2.1, 0.15, "vehicle"),
    "truck": SizePrior(6.8, 2.4, 2.7, 0.25, "vehicle"),
    "bus": SizePrior(10.9, 3.0, 3.5, 0.15, "vehicle"),
    "trailer": SizePrior(10.0, 2.5, 3.4, 0.3, "vehicle"),
    "train": SizePrior(20.0, 2.9, 3.8, 0.3, "vehicle"),
    "motorcycle": SizePrior(1.95, 0.8, 1.55, 0.15, "vehicle"),
    "bicycle": _TWO_WHEELS,
    "rider": _TWO_WHEELS,
    "person": _PERSON,
    "human": _PERSON,
    "pedestrian": _PERSON,
    "player": _PERSON,
    "animal": SizePrior(0.9, 0.35, 0.6, 0.5, "other"),
}
"""Size and kind of each category that a semantics backend may name."""

OTHER = SizePrior(1.0, 1.0, 1.0, 0.8, "other")


def size_prior(category: str) -> SizePrior:
    """Return the prior of a category, by its last known word where it has several."""
    for word in reversed(category.lower().replace("_", " ").split()):
        if word in SIZES:
            return SIZES[word]
    return OTHER
