"""LLaVA-Video-178K: the videos that its lists name, with 3D tracks from pseudo-label files.

The records are published at https://huggingface.co/datasets/lmms-lab/LLaVA-Video-178K; the folders
are those of its repository, with the archives unpacked where they lie::

    <subset>/*.json                          lists of records: id, conversations, data_source, video
    <subset>/<video>                         the videos; may be absent
    pseudo_labels/<subset>/<video>.parquet   docs/pseudo-labels.md, without the video's suffix

``video`` is relative to the subset's folder, e.g. ``academic_source/Charades/RW587.mp4`` in
``0_30_s_academic_v0_1``. Many records ask about one video; their conversations are not used here.
The data set is for training and has no validation split.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import UnitResult
from stkit_datasets.sources.pseudo_labelled import (
    PseudoLabelledSource,
    Video,
    check_split,
    read_video,
    unit_of,
    video_id_of,
)

SUFFIXES = (".mp4", ".mkv", ".webm", ".avi", ".mov")
"""A record of something else, such as a folder of pictures (``llava_hound``), is passed over."""


class LlavaVideo(PseudoLabelledSource):
    """The LLaVA-Video-178K data set; a unit is a video, whatever number of records it has.

    The lists are read to name the units, and only then: they have some GB, and every process of a
    build reads units.

    What a video shows is not known beforehand: its pseudo-label file states the domain.

    Args:
        data_dir: the folder that holds the subsets.
        options: fields of ``PseudoLabelledConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "llava_video"

    def units(self, split: str) -> Sequence[str]:
        """Name the videos of a split, sorted; there is none for ``validation``."""
        check_split(split)
        lists = self._lists  # a folder of something else is an error for any split
        if split != "train" or not lists:
            return []
        return self._units

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the lists, and the pseudo-label files of the videos they name."""
        check_split(split)
        if split == "train":
            yield from self._lists
            paths = (self._labels_path(_video_id(str(video_id_of(unit)))) for unit in self._units)
            yield from (path for path in paths if path.is_file())

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one video into one clip, or several when it is longer than 20 s."""
        check_split(split)
        path = video_id_of(unit)
        if split != "train" or path is None or not path.lower().endswith(SUFFIXES):
            raise SourceError(self.data_dir, f"expected a video {unit!r} of the split {split}")
        video_id = _video_id(path)
        video = Video(
            source=self.name,
            split=split,
            unit=unit,
            video_id=video_id,
            data_dir=self.data_dir,
            labels_path=self._labels_path(video_id),
            path=path,
        )
        return read_video(video, self.config)

    def _labels_path(self, video_id: str) -> Path:
        return self.data_dir / self.config.pseudo_labels / f"{video_id}.parquet"

    @cached_property
    def _lists(self) -> tuple[Path, ...]:
        own = self.data_dir / self.config.pseudo_labels
        found = tuple(p for p in sorted(self.data_dir.glob("*/*.json")) if p.parent != own)
        if not found:
            raise SourceError(
                self.data_dir,
                "expected the folder of LLaVA-Video-178K, with <subset>/*.json of its records",
            )
        return found

    @cached_property
    def _units(self) -> list[str]:
        found: dict[str, str] = {}
        for path in self._lists:
            subset = path.parent.relative_to(self.data_dir).as_posix()
            for name in dict.fromkeys(_video_names(path)):
                video = f"{subset}/{name}"
                other = found.setdefault(_video_id(video), video)
                if other != video:
                    rule = f"expected videos to differ in more than suffix: {other!r}, {video!r}"
                    raise SourceError(path, rule)
        return sorted(unit_of(video) for video in found.values())


def _video_id(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _video_names(path: Path) -> Iterator[str]:
    """Yield what each record calls its video, as a path inside the subset."""
    try:
        records = json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"expected JSON: {error}") from error
    if not isinstance(records, list):
        raise SourceError(path, f"expected a list of records, got {type(records).__name__}")
    for number, record in enumerate(records):
        name = record.get("video") if isinstance(record, dict) else None
        if not isinstance(name, str):
            rule = f"expected a record with a text 'video', got {name!r}"
            raise SourceError(path, rule, f"record {number}")
        parts = name.split("/")
        if {"", ".", ".."} & {*parts} or "\\" in name or "\0" in name:
            rule = f"expected video to be a path inside the subset, got {name!r}"
            raise SourceError(path, rule, f"record {number}")
        if name.lower().endswith(SUFFIXES):
            yield name
