"""How questions are put to a model: the settings of the papers, checked once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from stkit_bench.views import FRAME_RATES, check_fps

__all__ = ["GEOMETRY", "SHOTS", "AskSettings", "RunError", "differences", "fingerprint"]

#: Few-shot examples of the papers' settings [P1 Table 4].
SHOTS = (0, 1, 3)
#: What can be told of the camera beside the frames: poses as text, depth as images [P1 Table 4].
GEOMETRY = ("poses", "depth")


class RunError(ValueError):
    """A run cannot start or go on; the message names the rule."""


@dataclass(frozen=True)
class AskSettings:
    """How each question is put.

    Attributes:
        shots: examples before the question, 0, 1 or 3.
        geometry: of :data:`GEOMETRY`.
        paraphrased: ask in other words.
        fps: frames per second, one of ``stkit_bench.views.FRAME_RATES``.
        boxes: show the objects' boxes; without them the prompt says where each object is.
        max_frames: at most this many frames, evenly from the first to the last; None for all.
        video: show frames at all; models that see none are given the same text.
        seed: of the draw of the examples.
    """

    shots: int = 0
    geometry: tuple[str, ...] = ()
    paraphrased: bool = False
    fps: float = FRAME_RATES[0]
    boxes: bool = True
    max_frames: int | None = None
    video: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shots not in SHOTS:
            raise RunError(f"shots must be one of {SHOTS}, got {self.shots!r}")
        unknown = [name for name in self.geometry if name not in GEOMETRY]
        if unknown:
            raise RunError(f"geometry must be among {', '.join(GEOMETRY)}, got {unknown}")
        if self.max_frames is not None and self.max_frames < 1:
            raise RunError(f"max_frames must be at least 1, got {self.max_frames}")
        if "depth" in self.geometry and not self.video:
            raise RunError("depth is shown as images, which a model without video cannot be given")
        check_fps(self.fps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**values, "geometry": list(self.geometry)}


def fingerprint(settings: Mapping[str, Any]) -> str:
    """Return 16 hexadecimal digits of the settings."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differences(
    old: Mapping[str, Any], new: Mapping[str, Any], under: str = ""
) -> list[tuple[str, Any, Any]]:
    """Return (name, old value, new value) of what differs, nested names joined by dots."""
    found: list[tuple[str, Any, Any]] = []
    for key in sorted({*old, *new}):
        a, b, name = old.get(key), new.get(key), f"{under}{key}"
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, f"{name}.")
        elif a != b:
            found.append((name, a, b))
    return found
