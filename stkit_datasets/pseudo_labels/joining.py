"""The windows of one video joined into its one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_datasets.pseudo_labels.footage import WINDOW_S
from stkit_datasets.pseudo_labels.interfaces import FloatArray
from stkit_datasets.pseudo_labels.schema import LabelledVideo, Making, PseudoLabels

_ROWS = (
    *("timestamps_s", "centers_m", "sigmas_m", "boxes_px", "box_confidences"),
    *("text_confidences", "point_counts", "sizes_lwh_m", "yaws_rad"),
)


@dataclass(frozen=True, eq=False)
class Window:
    """What became of one window.

    Attributes:
        number: which, from 0.
        timestamps_s: (T,) its frames.
        labels: its labels; None where there are none.
        reason: why there are none, where nothing went wrong.
        failure: what went wrong.
        objects: that were found, before any filter.
        detections: of these, frame by frame.
    """

    number: int
    timestamps_s: FloatArray
    labels: PseudoLabels | None = None
    reason: str = ""
    failure: str = ""
    objects: int = 0
    detections: int = 0

    def notes(self) -> dict[str, Any]:
        """What the file says of it."""
        own = {} if self.labels is None else dict(self.labels.making.settings)
        own.pop("config", None)  # said once for all windows
        return {
            "number": self.number,
            "start_s": self.number * WINDOW_S,
            "frames": len(self.timestamps_s),
            "reason": self.failure or self.reason,
            "objects": self.objects,
            "detections": self.detections,
            **own,
        }


def joined(
    video: LabelledVideo,
    windows: Sequence[Window],
    labelling: Mapping[str, Any],
    backends: Mapping[str, str],
) -> PseudoLabels:
    """Join windows, each with a world of its own, into one set of labels.

    A track belongs to one window, whose number goes before its name where there are several. The
    scale's deviation is the largest of the windows'. Poses are kept only where all windows have
    them.

    Args:
        video: which.
        windows: at least one, in order.
        labelling: how they were made, for the file.
        backends: stage -> name and revision.
    """
    parts = [(w, w.labels) for w in windows if w.labels is not None]
    several = len(windows) > 1
    dropped: Counter[str] = Counter()
    for _, labels in parts:
        dropped.update(labels.making.dropped)
    names, categories, kinds, rows = _tracks(parts, several)
    poses = None
    if len(parts) == len(windows) and all(own.world_SE3_camera is not None for _, own in parts):
        poses = np.concatenate([own.world_SE3_camera for _, own in parts])
    matrices = [own.intrinsics for _, own in parts if own.intrinsics is not None]
    return PseudoLabels(
        video=video,
        frame_timestamps_s=np.concatenate([w.timestamps_s for w in windows]),
        track_ids=names,
        categories=categories,
        kinds=kinds,
        **rows,
        scale_sigma=max((own.scale_sigma for _, own in parts), default=0.0),
        intrinsics=np.median(matrices, axis=0) if matrices else None,
        world_SE3_camera=poses,
        making=Making(
            backends=dict(backends),
            settings={"labelling": {**labelling, "windows": [w.notes() for w in windows]}},
            filters_passed=parts[0][1].making.filters_passed if parts else (),
            dropped={name: count for name, count in sorted(dropped.items()) if count},
        ),
    )


def _tracks(
    parts: list[tuple[Window, PseudoLabels]], several: bool
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Any, ...], dict[str, Any]]:
    names: list[str] = []
    categories: list[str] = []
    kinds: list[Any] = []
    index: list[Any] = []
    for window, labels in parts:
        prefix = f"w{window.number:06d}-" if several else ""
        index.append(labels.track_index + len(names))
        names += [prefix + name for name in labels.track_ids]
        categories += labels.categories
        kinds += labels.kinds
    if not parts:
        shapes = {"centers_m": (0, 3), "boxes_px": (0, 4), "sizes_lwh_m": (0, 3)}
        rows: dict[str, Any] = {name: np.zeros(shapes.get(name, (0,))) for name in _ROWS}
        rows["point_counts"] = np.zeros(0, dtype=np.int64)
        return (), (), (), {"track_index": np.zeros(0, dtype=np.int64), **rows}
    rows = {name: np.concatenate([getattr(own, name) for _, own in parts]) for name in _ROWS}
    rows["track_index"] = np.concatenate(index)
    return tuple(names), tuple(categories), tuple(kinds), rows
