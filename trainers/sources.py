"""One source of a mixture: where its records lie, in which form, and which of them are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from glob import glob
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.seeding import stable_digest
from stkit_datasets.wording.loader import WordingError
from trainers.json_records import JsonRecords, iterate
from trainers.samples import (
    FORMATS,
    ROW_FORMATS,
    Record,
    Sample,
    load_wording_file,
    read_sample,
)

IF_SHORT = ("error", "all", "repeat")
_WORDS_TOKENS = 400  # of a question of STKit with the times of its frames, and its answer


@dataclass
class SourceConfig:
    """One source of a mixture.

    Attributes:
        name: what logs and the dry run call it.
        path: a folder of Parquet files, a JSON or JSON Lines file (or a pattern for several), a
            name on the Hub, or the folder of VLM4D's files; relative to the recipe's ``data_root``.
        format: one of ``trainers.samples.FORMATS``.
        config: the configuration, where ``path`` holds several.
        split: of a folder of Parquet files or a name on the Hub; of VLM4D ``real``, ``synthetic``
            or ``both``.
        media: the folder of images and videos, relative to ``data_root``; by default ``path`` or
            the folder of the file.
        count: how many samples; None for all.
        weight: share of the mixture, in place of ``count``.
        if_short: what to do when the source holds fewer than ``count``: ``error``, ``all`` to take
            what is there, ``repeat`` to take some more than once.
        where: columns, and the values of which a row must have one: ``{"source": ["waymo"]}``.
        held_out: share of the videos that is left out, drawn by ``split_seed``; ``train`` takes the
            rest and ``part: held_out`` these.
        part: ``train`` or ``held_out``.
        split_seed: of ``held_out``.
        wording: file of the sentences that rows of STKit were built with, when not ours; relative
            to where the run is started.
    """

    name: str
    path: str
    format: str = "stkit"
    config: str | None = None
    split: str = "train"
    media: str | None = None
    count: int | None = None
    weight: float | None = None
    if_short: str = "error"
    where: dict[str, list[Any]] = field(default_factory=dict)
    held_out: float = 0.0
    part: str = "train"
    split_seed: int = 0
    wording: str | None = None

    def __post_init__(self) -> None:
        for name, known in (("format", FORMATS), ("if_short", IF_SHORT)):
            if getattr(self, name) not in known:
                raise ValueError(
                    f"source {self.name!r}: {name} must be one of {', '.join(known)}, "
                    f"got {getattr(self, name)!r}"
                )
        if self.part not in ("train", "held_out"):
            raise ValueError(f"source {self.name!r}: part must be train or held_out")
        if self.count is not None and self.weight is not None:
            raise ValueError(f"source {self.name!r}: give count or weight, not both")
        if self.count is not None and self.count < 1:
            raise ValueError(f"source {self.name!r}: count must be at least 1, got {self.count}")
        if self.weight is not None and not self.weight > 0:
            raise ValueError(f"source {self.name!r}: weight must be above 0, got {self.weight}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"source {self.name!r}: held_out must be from 0 to below 1")


class Records(Protocol):
    """Records by number."""

    def __len__(self) -> int:
        """Return how many there are."""

    def __getitem__(self, number: int, /) -> Record:
        """Return one."""


@dataclass
class Source:
    """One source, opened on first use; only its settings travel to workers.

    Args:
        config: what it is.
        data_root: what its paths are relative to.
        max_frames: most frames of a video.
    """

    config: SourceConfig
    data_root: Path
    max_frames: int

    def __post_init__(self) -> None:
        """Refuse sentences that cannot be read, before every sample that needs them fails."""
        try:
            load_wording_file(self.config.wording)
        except WordingError as error:
            raise ValueError(f"source {self.config.name!r}: wording {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        """Leave opened files behind: a worker opens its own."""
        kept = ("config", "data_root", "max_frames")
        return {name: self.__dict__[name] for name in kept}

    @property
    def path(self) -> Path:
        """Where the records lie."""
        return self.data_root / self.config.path

    @cached_property
    def media_root(self) -> Path:
        """Where images and videos lie."""
        if self.config.media is not None:
            return self.data_root / self.config.media
        return self.path if self.path.is_dir() else self.path.parent

    @cached_property
    def records(self) -> Records:
        """All records, by number."""
        if self.config.format == "vlm4d":
            return _vlm4d_records(self.path, self.config.split)
        if self.config.path.endswith((".json", ".jsonl")):
            return _Joined([JsonRecords(file) for file in self._files()])
        return _rows(self._load(streaming=False))

    @cached_property
    def kept(self) -> NDArray[np.int64]:
        """Numbers of the records that ``where`` and ``part`` leave."""
        kept = np.arange(len(self.records))
        for column, values in self.config.where.items():
            kept = kept[np.isin(_column(self.records, column, kept), values)]
        if self.config.held_out:
            clips = _column(self.records, _clip_column(self.config), kept)
            out = held_out(clips, self.config.held_out, self.config.split_seed)
            kept = kept[np.isin(clips, list(out)) == (self.config.part == "held_out")]
        return kept

    def stream(self) -> Iterator[Record]:
        """Yield the records in order, without counting them first."""
        if self.config.held_out or self.config.format == "vlm4d":
            yield from (self.records[int(number)] for number in self.kept)
            return
        listed: Any
        if self.config.path.endswith((".json", ".jsonl")):
            listed = (record for file in self._files() for record in iterate(file))
        else:
            listed = _rows(self._load(streaming=True))
        where = self.config.where.items()
        yield from (r for r in listed if all(r[column] in values for column, values in where))

    def lengths(self, rows: NDArray[np.int64], frame_tokens: int) -> NDArray[np.int64]:
        """Return about how many tokens the records have."""
        if self.config.format in ROW_FORMATS:
            times = self.records.data.column("timestamps_s").combine_chunks()  # type: ignore[attr-defined]
            frames = np.minimum(np.diff(times.offsets.to_numpy())[rows], self.max_frames)
            return np.asarray(frames * frame_tokens + _WORDS_TOKENS, np.int64)
        return np.array(
            [self._length(self.records[int(row)], frame_tokens) for row in rows], np.int64
        )

    def _length(self, record: Record, frame_tokens: int) -> int:
        words = sum(len(turn["value"]) for turn in record.get("conversations", ())) // 4
        image = record.get("image")
        if record.get("video"):
            return words + self.max_frames * frame_tokens
        if isinstance(image, list) and len(image) > 1:
            return words + 4 * frame_tokens * len(image)
        return words + (20 * frame_tokens if image or "rle" in record else 0)

    def sample(self, record: Record) -> Sample:
        """Decode a record; raises ``SampleError``."""
        return read_sample(
            record, self.config.format, self.media_root, self.max_frames, self.config.wording
        )

    def _files(self) -> list[Path]:
        found = sorted(glob(str(self.path), recursive=True))
        if not found:
            raise ValueError(f"source {self.config.name!r}: no file {self.path}")
        return [Path(name) for name in found]

    def _load(self, *, streaming: bool) -> Any:
        from datasets import load_dataset

        place = str(self.path) if self.path.exists() else self.config.path
        if not self.path.exists() and place.count("/") != 1:
            raise ValueError(f"source {self.config.name!r}: nothing at {self.path}")
        return load_dataset(place, self.config.config, split=self.config.split, streaming=streaming)


def held_out(clips: Sequence[str] | NDArray[Any], share: float, seed: int) -> set[str]:
    """Return the share of the videos that is held out, the same on every machine."""
    ranked = sorted({str(clip) for clip in clips}, key=lambda clip: stable_digest(seed, clip))
    return set(ranked[: round(share * len(ranked))])


class _Joined:
    """Several files as one."""

    def __init__(self, parts: Sequence[Records]) -> None:
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, number: int) -> Record:
        part = int(np.searchsorted(self._ends, number, side="right"))
        return self._parts[part][number - (int(self._ends[part - 1]) if part else 0)]


def _rows(dataset: Any) -> Any:
    """Return a data set whose videos and images stay bytes."""
    from datasets import Image, Video

    for name, feature in (dataset.features or {}).items():
        if isinstance(feature, Image | Video) and feature.decode:
            dataset = dataset.cast_column(name, type(feature)(decode=False))
    return dataset


def _column(records: Any, column: str, kept: NDArray[np.int64]) -> NDArray[Any]:
    if hasattr(records, "with_format"):
        if column not in records.column_names:
            raise ValueError(f"no column {column!r}; there are {', '.join(records.column_names)}")
        return np.asarray(records.data.column(column).to_pylist(), object)[kept]
    return np.asarray([records[int(number)].get(column) for number in kept], object)


def _clip_column(config: SourceConfig) -> str:
    return "clip_id" if config.format in ROW_FORMATS else "video"


def _vlm4d_records(folder: Path, split: str) -> list[dict[str, Any]]:
    from stkit_bench.vlm4d.items import SPLITS, load

    if split not in (*SPLITS, "both"):
        raise ValueError(f"{folder}: split must be real, synthetic or both, got {split!r}")
    return [
        {"id": i.id, "video": i.video, "question": i.question, "choices": i.choices,
         "letters": list(i.letters)}
        for i in load(folder)
        if split in (i.split, "both") and len(i.letters) == 1
    ]  # fmt: skip
