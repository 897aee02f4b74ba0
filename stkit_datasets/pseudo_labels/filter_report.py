"""What each rule left of the pseudo-labels in a folder, in tracks and positions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.schema import PseudoLabels

FILTERS = {"rules": "1, rules", "vlm": "2, VLM", "likelihood": "3, likelihood"}
"""The name before the colon in ``dropped`` -> the papers' filter. Other names are our own."""


@dataclass
class FilterReport:
    """Sums over all files of a folder.

    Attributes:
        videos: files.
        videos_with_tracks: files with at least one track.
        objects: found before any filter; files made elsewhere may not say.
        detections: of these, frame by frame.
        tracks: left in the files.
        positions: left in the files.
        dropped: reason -> how many, as the files have it.
        passed: filter -> files that went through it.
        scale_sigmas: of the files with tracks.
    """

    videos: int = 0
    videos_with_tracks: int = 0
    objects: int = 0
    detections: int = 0
    tracks: int = 0
    positions: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    passed: Counter[str] = field(default_factory=Counter)
    scale_sigmas: list[float] = field(default_factory=list)

    def add(self, labels: PseudoLabels) -> None:
        """Count one file in."""
        self.videos += 1
        self.videos_with_tracks += bool(len(labels))
        for window in _windows(labels):
            self.objects += int(window.get("objects", 0))
            self.detections += int(window.get("detections", 0))
        self.tracks += len(labels.track_ids)
        self.positions += len(labels)
        self.dropped.update(labels.making.dropped)
        self.passed.update(labels.making.filters_passed)
        if len(labels):
            self.scale_sigmas.append(labels.scale_sigma)

    def to_text(self) -> str:
        """Say it in lines: what was found, what each filter dropped and why, what is left."""
        lines = [
            f"{self.videos} videos, {self.videos_with_tracks} with tracks",
            f"{'stage':<34}{'dropped':>10}{'tracks':>10}{'positions':>11}",
            f"{'found':<34}{'':>10}{self.objects:>10,}{self.detections:>11,}",
        ]
        for name, title in FILTERS.items():
            own = {k: n for k, n in sorted(self.dropped.items()) if k.startswith(f"{name}:")}
            ran = self.passed[name] or own
            state = f"{sum(own.values()):>10,}" if ran else f"{'not run':>10}"
            lines.append(f"filter {title:<27}{state}")
            lines += [f"  {key.partition(': ')[2]:<32}{n:>10,}" for key, n in own.items()]
        others = {k: n for k, n in sorted(self.dropped.items()) if k.split(":")[0] not in FILTERS}
        lines += [f"{key:<34}{n:>10,}" for key, n in others.items()]
        lines.append(f"{'left':<34}{'':>10}{self.tracks:>10,}{self.positions:>11,}")
        return "\n".join(lines)


def label_files(folder: Path) -> list[Path]:
    """Return the pseudo-label files of a folder that ``stkit pseudo-label`` wrote to.

    Raises:
        SourceError: there is none.
    """
    root = folder / "pseudo_labels" if (folder / "pseudo_labels").is_dir() else folder
    files = sorted(p for p in root.rglob("*.parquet") if not p.name.startswith("."))
    if not files:
        raise SourceError(folder, "expected pseudo-label files (*.parquet) below pseudo_labels")
    return files


def filter_report(files: Sequence[Path]) -> FilterReport:
    """Sum over files.

    Raises:
        SourceError: one of them is broken or no pseudo-label file.
    """
    report = FilterReport()
    for path in files:
        report.add(read_pseudo_labels(path))
    return report


def _windows(labels: PseudoLabels) -> list[dict[str, Any]]:
    made: Any = labels.making.settings.get("labelling")
    windows = made.get("windows", []) if isinstance(made, dict) else []
    return [window for window in windows if isinstance(window, dict)]
