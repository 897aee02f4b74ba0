"""Boxes of tracked objects out of Scalabel's JSON, as BDD100K publishes them.

The format is described at https://doc.scalabel.ai/format.html: a list of frames (or an object with
such a list under ``frames``), each with ``videoName``, ``frameIndex`` and ``labels``; a label has
``id``, ``category``, ``attributes`` and ``box2d`` {``x1``, ``y1``, ``x2``, ``y2``} in pixels.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets import resample
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.pseudo_labelled import ImageTracks

_SIDES = ("x1", "y1", "x2", "y2")
_MAX_FRAME_INDEX = 10_000_000
_MAX_PX = 1e6


def read_box_tracks(path: Path, video: str, fps: float) -> ImageTracks:
    """Read the tracks of one video.

    Labels marked ``crowd`` are of groups, and those without ``box2d`` of something else than
    objects: both are left out. So are boxes without area, which show nothing.

    Args:
        path: the JSON file.
        video: the video's name, which the frames must state.
        fps: labelled frames per second; frame k is at k / fps.

    Raises:
        SourceError: the file is missing, no JSON, or breaks the format; the message names the
            frame and label.
    """
    rows: dict[tuple[str, int], list[float]] = {}
    categories: dict[str, str] = {}
    for place, frame in enumerate(_frames(path)):
        index = _frame_index(path, f"frame {place}", frame, video)
        for label in _labels(path, f"frame {place}", frame):
            where = f"frame {place}, label {label.get('id')!r}"
            box = _box(path, where, label)
            if box is None:
                continue
            name = str(label["id"])
            if (name, index) in rows:
                raise SourceError(path, "expected one box of an object a frame, got two", where)
            rows[name, index] = box
            categories.setdefault(name, label["category"])
    names = tuple(sorted(categories))
    number = {name: i for i, name in enumerate(names)}
    ordered = sorted(rows)
    return ImageTracks(
        track_ids=names,
        categories=tuple(categories[name] for name in names),
        track_index=np.array([number[name] for name, _ in ordered], dtype=np.int64),
        timestamps_ns=np.array(
            [round(index / fps * resample.NS_PER_S) for _, index in ordered], dtype=np.int64
        ),
        boxes_px=np.array([rows[key] for key in ordered], dtype=np.float64).reshape(-1, 4),
        exhaustive=True,
    )


def _frames(path: Path) -> list[dict[str, Any]]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(path, f"expected JSON: {error}") from error
    frames = content.get("frames") if isinstance(content, dict) else content
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise SourceError(path, "expected a list of frames")
    return frames


def _frame_index(path: Path, where: str, frame: dict[str, Any], video: str) -> int:
    stated = frame.get("videoName", frame.get("video_name"))
    if stated not in (None, video):
        raise SourceError(path, f"expected a frame of video {video!r}, got {stated!r}", where)
    index = frame.get("frameIndex", frame.get("frame_index"))
    if type(index) is not int or not 0 <= index <= _MAX_FRAME_INDEX:
        raise SourceError(path, f"expected frameIndex to be a whole number, got {index!r}", where)
    return index


def _labels(path: Path, where: str, frame: dict[str, Any]) -> list[dict[str, Any]]:
    labels = frame.get("labels")
    if labels is None:
        return []
    if not isinstance(labels, list) or not all(isinstance(label, dict) for label in labels):
        raise SourceError(path, "expected labels to be a list of objects", where)
    return labels


def _box(path: Path, where: str, label: dict[str, Any]) -> list[float] | None:
    """Return x0, y0, x1, y1 of a label that counts, else None."""
    attributes = label.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise SourceError(path, "expected attributes to be an object", where)
    if attributes.get("crowd") is True or label.get("box2d") is None:
        return None
    for name in ("id", "category"):
        value = label.get(name)
        # Ids of converted data sets are whole numbers.
        if not (isinstance(value, str) and value) and not (name == "id" and type(value) is int):
            raise SourceError(path, f"expected {name} to be a text, got {value!r}", where)
    box = label["box2d"]
    sides: list[Any] = [box.get(side) for side in _SIDES] if isinstance(box, dict) else [None]
    if not all(type(side) in (int, float) and abs(side) <= _MAX_PX for side in sides):
        rule = f"expected box2d to hold numbers {', '.join(_SIDES)}, got {box!r}"
        raise SourceError(path, rule, where)
    x0, y0, x1, y1 = map(float, sides)
    return [x0, y0, x1, y1] if x0 < x1 and y0 < y1 else None
