"""What a source is: units of work in, clips out. The only thing other rooms know of a source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stkit_datasets.clip import Clip
from stkit_datasets.config import GRID_STEP_S, MAX_FRAMES

__all__ = [
    "GRID_STEP_S",
    "MAX_FRAMES",
    "MIN_FRAMES",
    "SPLITS",
    "Skipped",
    "Source",
    "UnitResult",
    "clip_name",
    "windows",
]

SPLITS = ("train", "validation")
MIN_FRAMES = 5
"""A shorter window cannot hold an appearance of 2 s and is not a clip."""


@dataclass(frozen=True)
class Skipped:
    """Something a source read but gave no clip for, counted in the build report."""

    what: str
    reason: str


@dataclass(frozen=True)
class UnitResult:
    """The clips of one unit, camera by camera in the source's fixed order."""

    clips: tuple[Clip, ...]
    skipped: tuple[Skipped, ...] = ()


class Source(Protocol):
    """One upstream data set on disk.

    A unit is what is read and built at once: a scene, a log, a take. Its name is a file-system
    safe string, unique within the data set. Objects of a source are pickled into workers, so
    large tables are loaded on first use and are not part of the pickle.
    """

    name: str
    data_dir: Path

    def units(self, split: str) -> Sequence[str]:
        """Name the units of an official split, sorted, without reading them.

        Raises:
            SourceError: the data folder is not one of this source; the message names what a
                data folder of this source must hold.
        """
        ...

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one unit.

        Raises:
            SourceError: a file of the unit is missing or broken.
        """
        ...

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the annotation files whose change must make a new build (not the images)."""
        ...


def windows(n_frames: int) -> list[tuple[int, int]]:
    """Cut ``n_frames`` grid frames into clips of at most ``MAX_FRAMES``, dropping short rests."""
    starts = range(0, n_frames, MAX_FRAMES)
    cut = [(start, min(start + MAX_FRAMES, n_frames)) for start in starts]
    return [(start, stop) for start, stop in cut if stop - start >= MIN_FRAMES]


def clip_name(scene: str, window: int, n_windows: int) -> str:
    """Name one window of a scene: the scene itself where it is the only one, else ``scene@k``."""
    return scene if n_windows == 1 else f"{scene}@{window}"
