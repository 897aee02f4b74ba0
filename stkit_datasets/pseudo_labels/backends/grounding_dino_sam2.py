"""Grounding DINO finds objects at key frames, SAM 2 follows their masks: both from transformers.

As in Grounded-SAM 2 with lasting identities [P2 A.1]: every few frames objects are looked for anew,
and a detection that overlaps a followed object keeps its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends import BACKENDS, Context
from stkit_datasets.pseudo_labels.backends.following import Roster, Sheet
from stkit_datasets.pseudo_labels.backends.grounding_dino import GroundingDino
from stkit_datasets.pseudo_labels.backends.models import model
from stkit_datasets.pseudo_labels.backends.torch_tools import label, pictures, torch_device
from stkit_datasets.pseudo_labels.interfaces import (
    PROMPTS,
    BoolArray,
    FloatArray,
    Segmentation,
    UInt8Array,
    VideoClip,
)


@dataclass(frozen=True)
class GroundingDinoSam2Options:
    """How the two are run.

    Attributes:
        model: weights of Grounding DINO.
        revision: another commit of them than the pinned one.
        sam2_revision: another commit of SAM 2's weights.
        detect_every: frames from one key frame to the next.
        batch_size: key frames that Grounding DINO gets at a time.
        min_box_confidence: boxes below are not followed [P2 B.1].
        min_text_confidence: the same for the match with the prompt [P2 B.1].
        min_iou: a detection that overlaps a followed mask's box so much is the same object.
        max_missed: key frames that an object may stay undetected.
        half: compute in bfloat16 on a GPU.
    """

    model: str = "grounding_dino_base"
    revision: str | None = None
    sam2_revision: str | None = None
    detect_every: int = 10
    batch_size: int = 4
    min_box_confidence: float = 0.4
    min_text_confidence: float = 0.3
    min_iou: float = 0.5
    max_missed: int = 1
    half: bool = True

    def __post_init__(self) -> None:
        if self.detect_every < 1:
            raise ConfigError(f"detect_every must be at least 1, got {self.detect_every}")


class GroundingDinoSam2:
    """See ``SemanticsBackend``.

    Args:
        detector: finds boxes.
        network: a ``Sam2VideoModel``.
        processor: its ``Sam2VideoProcessor``.
        options: how they are run.
        device: where.
        name: for the files.
    """

    Options = GroundingDinoSam2Options

    def __init__(
        self,
        detector: GroundingDino,
        network: Any,
        processor: Any,
        options: GroundingDinoSam2Options,
        device: Any,
        name: str,
    ) -> None:
        self._detector = detector
        self._network = network.to(device).eval()
        self._processor = processor
        self._options = options
        self._device = device
        self.name = name

    @classmethod
    def open(cls, options: GroundingDinoSam2Options, context: Context) -> Self:
        """Load the weights of both."""
        import transformers

        device = torch_device(context.device)
        entry = BACKENDS["semantics", "grounding_dino_sam2"]
        dino = model(options.model, entry.models)
        sam2 = model("sam2_large", entry.also)
        revision = options.revision or dino.revision
        sam2_revision = options.sam2_revision or sam2.revision
        detector = GroundingDino(
            transformers.AutoModelForZeroShotObjectDetection.from_pretrained(
                dino.repository, revision=revision
            ),
            transformers.AutoProcessor.from_pretrained(dino.repository, revision=revision),
            device,
            options.batch_size,
            options.min_box_confidence,
            options.min_text_confidence,
        )
        network = transformers.Sam2VideoModel.from_pretrained(
            sam2.repository, revision=sam2_revision
        )
        processor = transformers.Sam2VideoProcessor.from_pretrained(
            sam2.repository, revision=sam2_revision
        )
        name = label("grounding_dino_sam2", dino.repository, revision)
        name += "+" + label("sam2", sam2.repository, sam2_revision).partition(":")[2]
        return cls(detector, network, processor, options, device, name)

    def find(self, clip: VideoClip, prompts: Sequence[str] = PROMPTS) -> Segmentation:
        """Find at key frames and follow from each to the next."""
        t, height, width = clip.images.shape[:3]
        keys = list(range(0, t, self._options.detect_every))
        found = list(self._detector.detect(clip.images[keys], prompts))
        roster = Roster(self._options.min_iou, self._options.max_missed)
        sheet = Sheet(t, height, width)
        for key, boxes in zip(keys, found, strict=True):
            roster.update(boxes)
            if not roster.followed:
                continue
            # One frame further than is kept: where the objects are at the next key frame.
            stop = min(key + self._options.detect_every + 1, t)
            own = np.array([item.box for item in roster.followed])
            for offset, masks in enumerate(self._followed(clip.images[key:stop], own)):
                if offset < self._options.detect_every:
                    sheet.put(
                        key + offset,
                        [item.number for item in roster.followed],
                        masks,
                        [item.box_confidence for item in roster.followed],
                        [item.text_confidence for item in roster.followed],
                    )
                for item, mask in zip(roster.followed, masks, strict=True):
                    if mask.any():
                        item.box = mask_box(mask)
        return sheet.segmentation(roster.categories, clip.width_px, clip.height_px)

    def _followed(self, images: UInt8Array, boxes: FloatArray) -> Iterator[BoolArray]:
        """Yield (K, H, W) masks of each frame, from K boxes in the first one."""
        import torch

        height, width = images.shape[1:3]
        half = self._options.half and self._device.type == "cuda"
        dtype = torch.bfloat16 if half else torch.float32
        network = self._network.to(dtype)
        session = self._processor.init_video_session(
            video=pictures(images), inference_device=self._device, dtype=dtype
        )
        corners = boxes * np.array([width, height, width, height])
        self._processor.add_inputs_to_inference_session(
            inference_session=session,
            frame_idx=0,
            obj_ids=list(range(1, len(boxes) + 1)),
            input_boxes=[corners.tolist()],
        )
        with torch.inference_mode():
            network(inference_session=session, frame_idx=0)
            for output in network.propagate_in_video_iterator(session):
                order = [output.object_ids.index(i) for i in range(1, len(boxes) + 1)]
                logits = output.pred_masks[order].float()
                masks = torch.nn.functional.interpolate(
                    logits, (height, width), mode="bilinear", align_corners=False
                )
                yield (masks[:, 0] > 0).cpu().numpy()


def mask_box(mask: BoolArray) -> FloatArray:
    """Return the box around an (h, w) mask that is not empty, as shares of the picture.

    >>> mask_box(np.array([[False, True], [False, True]])).tolist()
    [0.5, 0.0, 1.0, 1.0]
    """
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)
    return np.asarray(corners / np.array([width, height, width, height]))
