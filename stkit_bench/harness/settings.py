"""What a user of a harness can set, checked once, with errors that name the setting."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from stkit_bench.run.settings import AskSettings
from stkit_bench.views import FRAME_RATES

__all__ = [
    "VISUALS",
    "HarnessError",
    "HarnessSettings",
    "from_environment",
    "required_folder",
    "yes",
]

#: How a question's frames are handed over: as one video file, or as a list of pictures.
VISUALS = ("video", "frames")
_PREFIX = "STKIT_BENCH_"


class HarnessError(ValueError):
    """A question cannot be put as a harness asks; the message names the setting or the row."""


@dataclass(frozen=True)
class HarnessSettings:
    """How the questions of a bench are put.

    Attributes:
        data: the folder that ``stkit-bench build`` wrote.
        visual: ``video`` for a file, or ``frames`` for exactly the pictures that the prompt names.
        max_frames: show at most so many frames, evenly, and name these in the prompt; None for all.
        fps: frames per second, one of ``stkit_bench.views.FRAME_RATES``.
        paraphrased: ask every question in other words.
        wording: the sentences that the bench was built with, where not the package's own.
    """

    data: str
    visual: str = VISUALS[0]
    max_frames: int | None = None
    fps: float = FRAME_RATES[0]
    paraphrased: bool = False
    wording: str | None = None

    def __post_init__(self) -> None:
        if not Path(self.data).is_dir():
            raise HarnessError(f"data must be a built bench, got {self.data!r}: no such folder")
        if self.visual not in VISUALS:
            raise HarnessError(f"visual must be one of {', '.join(VISUALS)}, got {self.visual!r}")
        self.asking()

    def asking(self) -> AskSettings:
        """Return how a row is put."""
        return AskSettings(fps=self.fps, paraphrased=self.paraphrased, max_frames=self.max_frames)

    def to_dict(self) -> dict[str, Any]:
        """Return what decides the questions; paths are a machine's own and left out."""
        names = [entry.name for entry in fields(self) if entry.name not in ("data", "wording")]
        return {name: getattr(self, name) for name in names}


def required_folder(name: str, holds: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return the folder that an environment variable names.

    Raises:
        HarnessError: it is not set, or names no folder.
    """
    value = environment.get(name, "").strip()
    if not value:
        raise HarnessError(f"set {name} to the folder that holds {holds}")
    if not Path(value).expanduser().is_dir():
        raise HarnessError(f"{name} must name the folder that holds {holds}, got {value!r}")
    return str(Path(value).expanduser())


def from_environment(environment: Mapping[str, str] = os.environ) -> HarnessSettings:
    """Read the settings from ``STKIT_BENCH_DATA``, ``_VISUAL``, ``_MAX_FRAMES`` and so on.

    Raises:
        HarnessError, RunError, ViewError: a variable is missing or its value breaks a rule.
    """
    data = required_folder(f"{_PREFIX}DATA", "a built bench", environment)
    given: dict[str, Any] = {}
    for name, read in _READ.items():
        variable = f"{_PREFIX}{name.upper()}"
        text = environment.get(variable, "").strip()
        if text:
            try:
                given[name] = read(text)
            except ValueError as error:
                raise HarnessError(f"{variable}: {error}") from error
    return HarnessSettings(data, **given)


def yes(text: str) -> bool:
    """Read a switch of the environment, 0 or 1."""
    if text not in ("0", "1"):
        raise ValueError(f"must be 0 or 1, got {text!r}")
    return text == "1"


_READ: dict[str, Callable[[str], Any]] = {
    "visual": str,
    "max_frames": int,
    "fps": float,
    "paraphrased": yes,
    "wording": str,
}
