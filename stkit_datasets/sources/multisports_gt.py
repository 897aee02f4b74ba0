"""The annotation of MultiSports: official videos, and tubes of boxes around actions.

The structure is described at https://huggingface.co/datasets/MCG-NJU/MultiSports: a dict with

- ``labels``: names of the actions;
- ``train_videos``, ``test_videos``: a list that holds one list of names, ``<sport>/<name>``; the
  second is the validation set;
- ``nframes``, ``resolution``: of each video, the latter as (height, width);
- ``gttubes``: video -> index of a label -> tubes, each an array of rows <frame number from 1>
  <x1> <y1> <x2> <y2> in pixels.

It is published as a pickle, ``multisports_GT.pkl``. Unpickling runs what the file says; here it is
decoded by hand, and anything but such data is refused. ``write_json_copy`` makes a copy that any
program reads safely.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets import atomic, resample
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.plain_pickle import PickleRefusedError
from stkit_datasets.sources.plain_pickle_arrays import read_containers
from stkit_datasets.sources.pseudo_labelled import ImageTracks

_SPLITS = {"train": "train_videos", "validation": "test_videos"}
_MAX = 1e6


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The whole annotation; tubes are checked when their video is asked for.

    Attributes:
        path: the file, for errors.
        labels: names of the actions.
        videos: split -> names of its videos.
        tubes: video -> label index (a text in JSON) -> tubes, as published.
        resolutions: video -> (height, width) in pixels, as published.
    """

    path: Path
    labels: tuple[str, ...]
    videos: Mapping[str, tuple[str, ...]]
    tubes: Mapping[str, Any]
    resolutions: Mapping[str, Any]

    def size_px(self, video: str) -> tuple[int, int]:
        """Return (width, height) of a video.

        Raises:
            SourceError: the annotation states none, or no size.
        """
        found = self.resolutions.get(video)
        if (
            not isinstance(found, list | tuple)
            or len(found) != 2
            or not all(type(side) is int and side > 0 for side in found)
        ):
            rule = f"expected resolution (height, width), got {found!r}"
            raise SourceError(self.path, rule, f"video {video!r}")
        return found[1], found[0]

    def image_tracks(self, video: str, fps: float) -> ImageTracks:
        """Return a video's tubes as tracks named ``<label index>-<number>``.

        Args:
            video: its name.
            fps: frames per second of the video; frame n, from 1, is at (n - 1) / fps.

        Raises:
            SourceError: a tube is no table of frames in order with boxes.
        """
        by_label = self.tubes.get(video, {})
        if not isinstance(by_label, dict):
            raise SourceError(self.path, "expected tubes by label", f"video {video!r}")
        tubes: dict[str, np.ndarray[Any, Any]] = {}
        for key, found in by_label.items():
            label = self._label_index(video, key)
            if not isinstance(found, list):
                raise SourceError(self.path, "expected a list of tubes", f"video {video!r}")
            for number, tube in enumerate(found):
                name = f"{label}-{number}"
                tubes[name] = _checked_tube(self.path, f"video {video!r}, tube {name}", tube)
        names = tuple(sorted(tubes))
        rows = np.concatenate([np.zeros((0, 5)), *(tubes[name] for name in names)])
        lengths = [len(tubes[name]) for name in names]
        times_s = (rows[:, 0] - 1) / fps
        return ImageTracks(
            track_ids=names,
            categories=None,
            track_index=np.repeat(np.arange(len(names), dtype=np.int64), lengths),
            timestamps_ns=np.round(times_s * resample.NS_PER_S).astype(np.int64),
            boxes_px=rows[:, 1:],
            exhaustive=False,
        )

    def _label_index(self, video: str, key: object) -> int:
        index = int(key) if isinstance(key, str) and key.isdecimal() else key
        if type(index) is not int or not 0 <= index < len(self.labels):
            rule = f"expected the index of one of {len(self.labels)} labels, got {key!r}"
            raise SourceError(self.path, rule, f"video {video!r}")
        return index


def read_ground_truth(path: Path) -> GroundTruth:
    """Read ``multisports_GT.pkl`` (never unpickled) or its JSON copy.

    Raises:
        SourceError: the file is missing, holds anything but data, or lacks a field.
    """
    content = _content(path)
    if not isinstance(content, dict):
        raise SourceError(path, f"expected a dict, got {type(content).__name__}")
    labels = content.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise SourceError(path, "expected a list of texts", "field 'labels'")
    for field in ("gttubes", "resolution"):
        if not isinstance(content.get(field), dict):
            raise SourceError(path, "expected a dict by video", f"field {field!r}")
    if not any(field in content for field in _SPLITS.values()):
        raise SourceError(path, f"expected {' or '.join(_SPLITS.values())}")
    videos = {split: _video_names(path, content, field) for split, field in _SPLITS.items()}
    both = sorted({*videos["train"]} & {*videos["validation"]})
    if both:
        raise SourceError(path, f"expected every video in one split; {both[0]!r} is in both")
    return GroundTruth(path, tuple(labels), videos, content["gttubes"], content["resolution"])


def write_json_copy(path: Path, copy: Path) -> None:
    """Write ``multisports_GT.pkl`` as JSON with the same fields, tubes as lists of rows.

    Raises:
        SourceError: as ``read_ground_truth``.
    """
    read_ground_truth(path)
    atomic.write_text(copy, json.dumps(_content(path), default=_listed, allow_nan=False))


def _listed(value: object) -> object:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"not JSON: {type(value).__name__}")


def _content(path: Path) -> object:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    try:
        return json.loads(data) if path.suffix == ".json" else read_containers(data)
    except PickleRefusedError as error:
        raise SourceError(path, f"expected a pickle of dicts, lists and arrays: {error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"expected JSON: {error}") from error


def _video_names(path: Path, content: Mapping[str, Any], field: str) -> tuple[str, ...]:
    outer = content.get(field, [[]])
    names = outer[0] if isinstance(outer, list) and len(outer) == 1 else None
    if not isinstance(names, list) or not all(_is_inside(name) for name in names):
        rule = "expected a list that holds one list of names <sport>/<video>"
        raise SourceError(path, rule, f"field {field!r}")
    return tuple(names)


def _is_inside(name: object) -> bool:
    return isinstance(name, str) and not {"", ".", ".."} & {*name.split("/")} and "\0" not in name


def _checked_tube(path: Path, where: str, tube: object) -> np.ndarray[Any, Any]:
    try:
        rows = np.array(tube)
    except ValueError as error:  # rows of different lengths
        raise SourceError(path, "expected rows of 5 numbers", where) from error
    if rows.ndim != 2 or rows.shape[1] != 5 or rows.dtype.kind not in "iuf" or not len(rows):
        raise SourceError(path, "expected rows of 5 numbers", where)
    rows = rows.astype(np.float64)
    frames = rows[:, 0]
    if not (np.abs(rows) <= _MAX).all() or (frames < 1).any() or (frames % 1 != 0).any():
        raise SourceError(path, "expected whole frame numbers from 1 and finite boxes", where)
    if not (np.diff(frames) > 0).all():
        raise SourceError(path, "expected frame numbers in order, each once", where)
    if not ((rows[:, 3] > rows[:, 1]) & (rows[:, 4] > rows[:, 2])).all():
        raise SourceError(path, "expected x1 < x2 and y1 < y2", where)
    return rows
