"""MultiSports: its official videos and tubes, with 3D tracks from pseudo-label files.

The folders are those of https://huggingface.co/datasets/MCG-NJU/MultiSports with the archives
unpacked where they lie::

    trainval/multisports_GT.pkl               the annotation; or its copy multisports_GT.json
    trainval/<sport>/<name>.mp4               the videos; may be absent
    pseudo_labels/<sport>/<name>.parquet      docs/pseudo-labels.md

Boxes are those of the pseudo-label file. Where a track of the file has the name of a tube,
``<label index>-<number>``, its boxes come from the tube on the frames that the tube spans.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.sources.base import UnitResult
from stkit_datasets.sources.multisports_gt import GroundTruth, read_ground_truth
from stkit_datasets.sources.pseudo_labelled import (
    ImageTracks,
    PseudoLabelledSource,
    Video,
    check_split,
    read_video,
    unit_of,
    video_id_of,
)

_ROOTS = (".", "trainval", "data/trainval")
_NAMES = ("multisports_GT.json", "multisports_GT.pkl")


class MultiSports(PseudoLabelledSource):
    """The MultiSports data set; a unit is a video of the official lists.

    Args:
        data_dir: the folder ``trainval``, or one above it.
        options: fields of ``PseudoLabelledConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "multisports"

    def units(self, split: str) -> Sequence[str]:
        """Name the videos of a split, sorted."""
        check_split(split)
        return sorted(unit_of(name) for name in self._truth.videos[split])

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the annotation and the pseudo-label files of the split's videos."""
        check_split(split)
        yield self._truth_path
        paths = (self._labels_path(name) for name in sorted(self._truth.videos[split]))
        yield from (path for path in paths if path.is_file())

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one video into one clip, or several when it is longer than 20 s."""
        check_split(split)
        name = video_id_of(unit)
        if name is None or name not in self._truth.videos[split]:
            rule = f"expected a video {unit!r} of the split {split}"
            raise SourceError(self._truth_path, rule)
        path = self._truth_path.parent / f"{name}.mp4"
        video = Video(
            source=self.name,
            split=split,
            unit=unit,
            video_id=name,
            data_dir=self.data_dir,
            labels_path=self._labels_path(name),
            path=path.relative_to(self.data_dir).as_posix(),
            files=(self._truth_path.relative_to(self.data_dir).as_posix(),),
            domain="sports",
        )
        return read_video(video, self.config, self._image_tracks)

    def _image_tracks(self, labels: PseudoLabels) -> ImageTracks:
        video = labels.video
        size_px = self._truth.size_px(video.video_id)
        if size_px != (video.width_px, video.height_px):
            rule = (
                f"expected pictures of {size_px[0]}x{size_px[1]} as the annotation states, "
                f"got {video.width_px}x{video.height_px}"
            )
            raise SourceError(self._labels_path(video.video_id), rule)
        return self._truth.image_tracks(video.video_id, video.fps)

    def _labels_path(self, name: str) -> Path:
        return self.data_dir / self.config.pseudo_labels / f"{name}.parquet"

    @cached_property
    def _truth_path(self) -> Path:
        for root in _ROOTS:
            for name in _NAMES:
                path = self.data_dir / root / name
                if path.is_file():
                    return path
        raise SourceError(
            self.data_dir,
            f"expected {' or '.join(_NAMES)} in {', '.join(_ROOTS)} of the MultiSports data set",
        )

    @cached_property
    def _truth(self) -> GroundTruth:
        return read_ground_truth(self._truth_path)
