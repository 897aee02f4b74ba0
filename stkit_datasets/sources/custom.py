"""People's own data: a table of clips and a table of tracks, with a video or images beside them.

The schema is published in docs/custom-source.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import resample
from stkit_datasets.clip import (
    Clip,
    Frames,
)
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import MIN_FRAMES, SPLITS, Skipped, UnitResult, clip_name, windows
from stkit_datasets.sources.columns import Columns
from stkit_datasets.sources.custom_clips import ClipRecord, check_record
from stkit_datasets.sources.custom_tables import (
    Record,
    find_table,
    read_clip_records,
    read_tracks,
    table_paths,
)
from stkit_datasets.sources.custom_tracks import read_clip_tracks
from stkit_datasets.sources.options import SamplingConfig, config_from_options

IntArray = NDArray[np.int64]

_CLIP_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class Custom:
    """A folder with ``clips`` and ``tracks`` tables; a unit is a clip record.

    Args:
        data_dir: the folder.
        options: fields of ``SamplingConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "custom"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(SamplingConfig, self.name, options)

    def __getstate__(self) -> dict[str, Any]:
        return {"data_dir": self.data_dir, "config": self.config}

    def units(self, split: str) -> Sequence[str]:
        """Name the clips of a split, sorted.

        Raises:
            SourceError: the folder has no table of clips, or the table is broken.
        """
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        found = [i for i, r in self._records.items() if r.choice("split", SPLITS) == split]
        return sorted(found)

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield both tables; they are shared by the splits."""
        for stem in ("clips", "tracks"):
            yield from (path for path in table_paths(self.data_dir, stem) if path.exists())

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one record of ``clips`` into one clip, or several when it is longer than 20 s."""
        if unit not in self._records:
            raise SourceError(self._clips_path, f"expected a clip_id {unit!r}, found none")
        clip = check_record(self._records[unit])
        if clip.split != split:
            raise clip.record.error(f"expected split {split!r}, got {clip.split!r}")
        rows = self._rows_by_clip.get(unit)
        if rows is None:
            return UnitResult((), (Skipped(unit, "no tracks"),))
        try:
            grid_ns = resample.grid_timestamps_ns(clip.timestamps_ns, self.config.grid)
        except ValueError as error:
            raise clip.record.error(f"timestamps: {error}") from error
        tracks, boxes_px = read_clip_tracks(self._tracks.take(rows), clip, grid_ns, self.config)
        if not tracks.annotated.any():
            return UnitResult((), (Skipped(unit, "no annotation lies at a time of the grid"),))
        nearest = resample.nearest_indices(clip.timestamps_ns, grid_ns)
        distance_ns = np.abs(clip.timestamps_ns[nearest] - grid_ns)
        has_frame = distance_ns <= self.config.image_tolerance_ns
        clips: list[Clip] = []
        skipped: list[Skipped] = []
        spans = windows(len(grid_ns))
        if not spans:
            reason = f"{len(grid_ns)} frames on the grid, a clip needs {MIN_FRAMES}"
            skipped.append(Skipped(unit, reason))
        for k, (start, stop) in enumerate(spans):
            clip_id = clip_name(unit, k, len(spans))
            first, last = (start + edge for edge in resample.longest_run(has_frame[start:stop]))
            if last - first < MIN_FRAMES:
                reason = f"only {last - first} times of the grid in a row have a frame"
                skipped.append(Skipped(clip_id, reason))
                continue
            seen = np.flatnonzero(tracks.annotated[:, first:last].any(axis=1))
            pose = clip.camera_SE3_world
            clips.append(
                Clip(
                    source=self.name,
                    split=split,
                    clip_id=clip_id,
                    scene_id=clip.scene_id,
                    camera=clip.camera,
                    timestamps_s=(grid_ns[first:last] - grid_ns[first]) / resample.NS_PER_S,
                    tracks=tracks.window(first, last),
                    frames=self._frames(clip, nearest[first:last]),
                    files=(self._clips_path.name, self._tracks.path.name),
                    domain=clip.domain,
                    camera_SE3_world=(
                        pose[nearest[first:last]] if pose is not None and boxes_px is None else None
                    ),
                    boxes_px=None if boxes_px is None else boxes_px[seen, first:last],
                    start_ns=int(grid_ns[first]),
                    notes={} if clip.has_intrinsics else {"intrinsics": "not given"},
                )
            )
        return UnitResult(tuple(clips), tuple(skipped))

    @cached_property
    def _clips_path(self) -> Path:
        return find_table(self.data_dir, "clips")

    @cached_property
    def _records(self) -> dict[str, Record]:
        records: dict[str, Record] = {}
        for record in read_clip_records(self._clips_path):
            clip_id = record.text("clip_id")
            if not _CLIP_ID.fullmatch(clip_id):
                raise record.error(
                    "expected clip_id to be at most 128 letters, digits, '.', '_' or '-'"
                )
            if clip_id in records:
                raise record.error(f"expected every clip_id once; {records[clip_id].where} has it")
            records[clip_id] = record
        return records

    @cached_property
    def _tracks(self) -> Columns:
        return read_tracks(find_table(self.data_dir, "tracks"))

    @cached_property
    def _rows_by_clip(self) -> dict[str, IntArray]:
        clip_index, clip_ids = self._tracks.codes("clip_id")
        order = np.argsort(clip_index, kind="stable")
        starts = np.searchsorted(clip_index[order], np.arange(len(clip_ids) + 1))
        for i, clip_id in enumerate(clip_ids):
            if clip_id not in self._records:
                raise self._tracks.error(
                    f"expected a clip_id of {self._clips_path.name}", int(order[starts[i]])
                )
        return {c: order[starts[i] : starts[i + 1]] for i, c in enumerate(clip_ids)}

    def _frames(self, clip: ClipRecord, indices: IntArray) -> Frames | None:
        from stkit_datasets.video.frames import ImageFrames, VideoFrames

        if clip.video is not None:
            times_s = (clip.timestamps_ns[indices] / resample.NS_PER_S).tolist()
            return VideoFrames(self.data_dir / clip.video, times_s, self.data_dir)
        if clip.images is not None:
            size_px = (clip.camera.width_px, clip.camera.height_px)
            return ImageFrames(self.data_dir, [clip.images[i] for i in indices], size_px)
        return None
