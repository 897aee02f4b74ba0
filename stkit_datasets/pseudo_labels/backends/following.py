"""Objects found anew at key frames, joined with those that were followed there. Numpy only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stkit_datasets.pseudo_labels.backends.grounding_dino import Boxes, ious
from stkit_datasets.pseudo_labels.interfaces import (
    FloatArray,
    InstanceMaps,
    Segmentation,
    boxes_of,
    instance_map,
)


@dataclass(eq=False)
class Followed:
    """One object while a clip is worked through.

    Attributes:
        number: its index in the clip.
        category: the prompt it matched when it was found.
        box: (4,) where it was last, as shares of the picture.
        box_confidence: of its last detection.
        text_confidence: of its last detection.
        missed: key frames in a row at which no detection matched it.
    """

    number: int
    category: str
    box: FloatArray
    box_confidence: float
    text_confidence: float
    missed: int = 0


@dataclass(eq=False)
class Roster:
    """The objects of a clip, and who is followed at the moment.

    Attributes:
        min_iou: a detection that overlaps a followed object at least so much is that object.
        max_missed: an object that was not detected at more key frames in a row is given up.
    """

    min_iou: float = 0.5
    max_missed: int = 1
    categories: list[str] = field(default_factory=list)
    followed: list[Followed] = field(default_factory=list)

    def update(self, found: Boxes) -> None:
        """Join the detections of a key frame: pairs with the greatest overlap come first."""
        own = np.array([item.box for item in self.followed]).reshape(-1, 4)
        overlaps = ious(own, found.boxes) if len(found) else np.zeros((len(own), 0))
        free = set(range(len(found)))
        matched: set[int] = set()
        for flat in np.argsort(-overlaps, axis=None, kind="stable"):
            i, k = divmod(int(flat), max(len(found), 1))
            if overlaps[i, k] < self.min_iou:
                break
            if i in matched or k not in free:
                continue
            matched.add(i)
            free.discard(k)
            item = self.followed[i]
            item.box, item.missed = found.boxes[k], 0
            item.box_confidence = float(found.box_confidences[k])
            item.text_confidence = float(found.text_confidences[k])
        for i, item in enumerate(self.followed):
            item.missed += i not in matched
        self.followed = [item for item in self.followed if item.missed <= self.max_missed]
        for k in sorted(free):
            self._add(found, k)

    def _add(self, found: Boxes, k: int) -> None:
        item = Followed(
            number=len(self.categories),
            category=found.categories[k],
            box=found.boxes[k],
            box_confidence=float(found.box_confidences[k]),
            text_confidence=float(found.text_confidences[k]),
        )
        self.categories.append(item.category)
        self.followed.append(item)


class Sheet:
    """Collects (T, h, w) instances and (N, T) confidences frame by frame."""

    def __init__(self, n_frames: int, height: int, width: int) -> None:
        self._instances: InstanceMaps = np.full((n_frames, height, width), -1, dtype=np.int16)
        self._confidences: dict[tuple[int, int], tuple[float, float]] = {}

    def put(
        self,
        frame: int,
        numbers: list[int],
        masks: np.ndarray,
        box_confidences: list[float],
        text_confidences: list[float],
    ) -> None:
        """Put the (K, h, w) masks of one frame; where they overlap, the surer object wins."""
        local = instance_map(np.asarray(masks, dtype=bool), np.asarray(box_confidences))
        place = np.array([*numbers, -1], dtype=np.int16)
        self._instances[frame] = place[local]
        for number, sure, text in zip(numbers, box_confidences, text_confidences, strict=True):
            self._confidences[number, frame] = (sure, text)

    def segmentation(self, categories: list[str], width_px: int, height_px: int) -> Segmentation:
        """Return all of it; objects without a single cell are left out."""
        n, t = len(categories), len(self._instances)
        boxes = boxes_of(self._instances, n, width_px, height_px)
        confidences = np.full((2, n, t), np.nan)
        for (number, frame), pair in self._confidences.items():
            confidences[:, number, frame] = pair
        confidences[:, ~np.isfinite(boxes[..., 0])] = np.nan
        whole = Segmentation(
            object_ids=tuple(f"{name.replace(' ', '_')}-{i}" for i, name in enumerate(categories)),
            categories=tuple(categories),
            instances=self._instances,
            boxes_px=boxes,
            box_confidences=confidences[0],
            text_confidences=confidences[1],
            width_px=width_px,
            height_px=height_px,
        )
        return seen_objects(whole)


def seen_objects(whole: Segmentation) -> Segmentation:
    """Leave out the objects that are seen in no frame."""
    n = len(whole)
    seen = np.any(np.isfinite(whole.boxes_px[..., 0]), axis=1)
    place = np.full(n + 1, -1, dtype=np.int16)  # the last entry is for cells without an object
    place[:-1][seen] = np.arange(seen.sum(), dtype=np.int16)
    keep = np.flatnonzero(seen)
    return Segmentation(
        object_ids=tuple(whole.object_ids[i] for i in keep),
        categories=tuple(whole.categories[i] for i in keep),
        instances=place[whole.instances],
        boxes_px=whole.boxes_px[keep],
        box_confidences=whole.box_confidences[keep],
        text_confidences=whole.text_confidences[keep],
        width_px=whole.width_px,
        height_px=whole.height_px,
    )
