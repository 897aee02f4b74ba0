"""BDD100K: its videos and box tracks, with 3D tracks from pseudo-label files.

The folders are those of the official archives, described at
https://doc.bdd100k.com/download.html::

    bdd100k/videos/<train or val>/<name>.mov                     40 s at 30 fps; may be absent
    bdd100k/labels/box_track_20/<train or val>/<name>.json       Scalabel, 5 frames a second
    bdd100k/pseudo_labels/<train or val>/<name>.parquet          docs/pseudo-labels.md

Boxes are those of the pseudo-label file. Where the box tracks of a video are there and a track of
the file has the ``id`` of one of them, its box and category come from the box tracks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import UnitResult
from stkit_datasets.sources.pseudo_labelled import (
    ImageTracks,
    PseudoLabelledSource,
    Video,
    check_split,
    read_video,
    unit_of,
    video_id_of,
)
from stkit_datasets.sources.scalabel import read_box_tracks

LABELS_FPS = 5.0
"""Box tracks have 5 frames a second (https://bdd-data.berkeley.edu/wad-2020.html)."""

_FOLDERS = {"train": "train", "validation": "val"}
_VIDEOS, _TRACKS = "videos", "labels/box_track_20"


class Bdd100k(PseudoLabelledSource):
    """The BDD100K data set; a unit is a video.

    A video belongs to the official split in whose folder it lies; where it is not there, to that
    of its box tracks, else to that of its pseudo-label file.

    Args:
        data_dir: the folder ``bdd100k``, or the one above it.
        options: fields of ``PseudoLabelledConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "bdd100k"

    def units(self, split: str) -> Sequence[str]:
        """Name the videos of a split, sorted."""
        check_split(split)
        return sorted(unit_of(name) for name, found in self._splits.items() if found == split)

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the pseudo-label files and box tracks of the split's videos."""
        check_split(split)
        for unit in self.units(split):
            name = str(video_id_of(unit))
            paths = (self._labels_path(split, name), self._tracks_path(split, name))
            yield from (path for path in paths if path.is_file())

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one video into one clip, or several: an official one has 40 s."""
        check_split(split)
        name = video_id_of(unit)
        if name is None or self._splits.get(name) != split:
            raise SourceError(self.data_dir, f"expected a video {unit!r} of the split {split}")
        tracks_path = self._tracks_path(split, name)
        annotated = tracks_path.is_file()
        video = Video(
            source=self.name,
            split=split,
            unit=unit,
            video_id=name,
            data_dir=self.data_dir,
            labels_path=self._labels_path(split, name),
            path=self._path(_VIDEOS, split, f"{name}.mov").relative_to(self.data_dir).as_posix(),
            files=(tracks_path.relative_to(self.data_dir).as_posix(),) if annotated else (),
            domain="driving",
        )
        return read_video(
            video, self.config, lambda labels: self.image_tracks(split, unit) if annotated else None
        )

    def image_tracks(self, split: str, unit: str) -> ImageTracks:
        """Read the box tracks of one video.

        Raises:
            SourceError: it has none, or their file is broken.
        """
        name = str(video_id_of(unit))
        return read_box_tracks(self._tracks_path(split, name), name, LABELS_FPS)

    @cached_property
    def _root(self) -> Path:
        wanted = (_VIDEOS, _TRACKS, self.config.pseudo_labels)
        for root in (self.data_dir, self.data_dir / "bdd100k"):
            if any((root / room / half).is_dir() for room in wanted for half in _FOLDERS.values()):
                return root
        raise SourceError(
            self.data_dir,
            "expected the folder bdd100k, or the one above it, with "
            + " or ".join(f"{room}/{{train,val}}" for room in wanted),
        )

    def _path(self, room: str, split: str, file: str) -> Path:
        return self._root / room / _FOLDERS[split] / file

    def _labels_path(self, split: str, name: str) -> Path:
        return self._path(self.config.pseudo_labels, split, f"{name}.parquet")

    def _tracks_path(self, split: str, name: str) -> Path:
        return self._path(_TRACKS, split, f"{name}.json")

    @cached_property
    def _splits(self) -> dict[str, str]:
        """Map the names of all videos to their splits."""
        found: dict[str, str] = {}
        for room, suffix in (
            (_VIDEOS, ".mov"),
            (_TRACKS, ".json"),
            (self.config.pseudo_labels, ".parquet"),
        ):
            for split, half in _FOLDERS.items():
                # Hidden files are those of a writer at work.
                for path in (self._root / room / half).glob(f"[!.]*{suffix}"):
                    found.setdefault(path.stem, split)
        return found
