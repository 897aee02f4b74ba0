"""The kinds of things that move: their sizes, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from stkit_datasets.clip import Kind


class Limits(NamedTuple):
    """What a body can do, on the road or on foot."""

    max_speed_mps: float
    acceleration_mps2: float
    comfortable_braking_mps2: float
    hard_braking_mps2: float
    lateral_mps2: float
    max_steer_rad: float
    steer_rate_radps: float


class Span(NamedTuple):
    """A closed range from which a size is drawn."""

    low: float
    high: float


@dataclass(frozen=True)
class Model:
    """A family of bodies; lengths in metres."""

    category: str
    kind: Kind
    mesh: str
    length_m: Span
    width_m: Span
    height_m: Span
    wheelbase_ratio: float
    limits: Limits


@dataclass(frozen=True)
class Body:
    """One body: a model with its sizes drawn.

    Attributes:
        model: the family.
        size_lwh_m: length, width, height of the box.
        wheelbase_m: between the axles; for a person a short stand-in that lets it turn on a step.
        color: sRGB, each from 0 to 1.
        accent: second colour (trousers, cab, shorts).
    """

    model: Model
    size_lwh_m: tuple[float, float, float]
    wheelbase_m: float
    color: tuple[float, float, float]
    accent: tuple[float, float, float]

    @property
    def rear_axle_m(self) -> float:
        """Distance from the rear axle forward to the box centre."""
        return self.wheelbase_m / 2


_CAR = Limits(30.0, 2.5, 2.5, 7.0, 3.0, 0.62, 0.9)
_HEAVY = Limits(24.0, 1.2, 1.8, 5.5, 2.0, 0.70, 0.7)
_TWO_WHEELS = Limits(30.0, 3.0, 2.5, 7.0, 3.5, 0.60, 1.2)
_BICYCLE = Limits(8.0, 1.0, 1.5, 4.0, 2.0, 0.70, 1.5)
_WALK = Limits(2.5, 1.0, 1.2, 3.0, 1.5, 1.1, 8.0)

MODELS: dict[str, Model] = {
    "car": Model(
        "car", "vehicle", "car", Span(4.0, 4.8), Span(1.74, 1.9), Span(1.4, 1.55), 0.6, _CAR
    ),
    "suv": Model(
        "car", "vehicle", "suv", Span(4.4, 5.0), Span(1.85, 1.98), Span(1.65, 1.85), 0.6, _CAR
    ),
    "van": Model(
        "van", "vehicle", "van", Span(4.9, 5.6), Span(1.95, 2.05), Span(2.0, 2.4), 0.6, _HEAVY
    ),
    "truck": Model(
        "truck", "vehicle", "truck", Span(6.5, 8.5), Span(2.3, 2.5), Span(3.0, 3.5), 0.55, _HEAVY
    ),
    "bus": Model(
        "bus", "vehicle", "bus", Span(10.5, 12.0), Span(2.45, 2.55), Span(3.0, 3.2), 0.5, _HEAVY
    ),
    "motorcycle": Model(
        "motorcycle",
        "vehicle",
        "motorcycle",
        Span(2.0, 2.2),
        Span(0.75, 0.85),
        Span(1.55, 1.7),
        0.65,
        _TWO_WHEELS,
    ),
    "bicycle": Model(
        "bicycle",
        "vehicle",
        "bicycle",
        Span(1.7, 1.8),
        Span(0.55, 0.65),
        Span(1.65, 1.8),
        0.6,
        _BICYCLE,
    ),
    "person": Model(
        "person", "person", "person", Span(0.6, 0.75), Span(0.5, 0.6), Span(1.55, 1.9), 0.5, _WALK
    ),
    "player": Model(
        "player",
        "person",
        "player",
        Span(0.75, 0.9),
        Span(0.55, 0.65),
        Span(1.75, 2.0),
        0.5,
        _WALK._replace(max_speed_mps=7.0),
    ),
}

PAINTS = (
    (0.72, 0.10, 0.10),
    (0.10, 0.25, 0.62),
    (0.85, 0.85, 0.86),
    (0.15, 0.16, 0.18),
    (0.55, 0.57, 0.60),
    (0.13, 0.42, 0.28),
    (0.86, 0.62, 0.12),
    (0.35, 0.55, 0.75),
    (0.48, 0.20, 0.42),
    (0.88, 0.40, 0.14),
)
SHIRTS = (
    (0.82, 0.15, 0.18),
    (0.15, 0.35, 0.75),
    (0.95, 0.80, 0.20),
    (0.20, 0.60, 0.35),
    (0.92, 0.92, 0.90),
    (0.55, 0.25, 0.60),
    (0.95, 0.55, 0.20),
    (0.25, 0.65, 0.70),
)
TROUSERS = ((0.14, 0.17, 0.28), (0.22, 0.20, 0.18), (0.45, 0.40, 0.32), (0.28, 0.30, 0.34))


def draw_body(name: str, rng: np.random.Generator) -> Body:
    """Draw one body of the model ``name``."""
    model = MODELS[name]
    length, width, height = (
        round(float(rng.uniform(*span)), 3)
        for span in (model.length_m, model.width_m, model.height_m)
    )
    colors = SHIRTS if model.kind == "person" or name == "bicycle" else PAINTS
    return Body(
        model=model,
        size_lwh_m=(length, width, height),
        wheelbase_m=round(model.wheelbase_ratio * length, 3),
        color=colors[int(rng.integers(len(colors)))],
        accent=TROUSERS[int(rng.integers(len(TROUSERS)))],
    )
