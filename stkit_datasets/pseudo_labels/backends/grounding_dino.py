"""Grounding DINO from transformers: pictures and prompts to boxes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_datasets.pseudo_labels.backends.torch_tools import as_maps, batches, pictures
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray, UInt8Array

_SPECIAL_AND_DOTS = (".", "?")


@dataclass(frozen=True, eq=False)
class Boxes:
    """K boxes in one picture, the surest first.

    Attributes:
        boxes: (K, 4) x0, y0, x1, y1 as shares of the picture's width and height, 0 to 1.
        categories: K prompts.
        box_confidences: (K,) of the surest token of all, as the published demos take it.
        text_confidences: (K,) mean over the tokens of the prompt that was matched.
    """

    boxes: FloatArray
    categories: tuple[str, ...]
    box_confidences: FloatArray
    text_confidences: FloatArray

    def __len__(self) -> int:
        return len(self.categories)


class GroundingDino:
    """Finds boxes.

    Args:
        network: a ``GroundingDinoForObjectDetection``.
        processor: its ``GroundingDinoProcessor``.
        device: where.
        batch_size: pictures at a time.
        min_box_confidence: boxes below are not returned [P2 B.1].
        min_text_confidence: the same for the match with the prompt [P2 B.1].
        nms_iou: of two boxes that overlap more, whatever their prompts, the surer one stays:
            the prompts name one thing several ways.
    """

    def __init__(
        self,
        network: Any,
        processor: Any,
        device: Any,
        batch_size: int = 4,
        min_box_confidence: float = 0.4,
        min_text_confidence: float = 0.3,
        nms_iou: float = 0.7,
    ) -> None:
        self._network = network.to(device).eval()
        self._processor = processor
        self._device = device
        self._batch_size = batch_size
        self._min_box, self._min_text = min_box_confidence, min_text_confidence
        self._nms_iou = nms_iou

    def detect(self, images: UInt8Array, prompts: Sequence[str]) -> Iterator[Boxes]:
        """Yield the boxes in each of (T, H, W, 3) pictures."""
        import torch

        text = ". ".join(prompt.lower() for prompt in prompts) + "."
        for part in batches(len(images), self._batch_size):
            inputs = self._processor(
                images=pictures(images[part.start : part.stop]),
                text=[text] * len(part),
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                outputs = self._network(**inputs)
            spans = self._token_spans(inputs["input_ids"][0].tolist(), prompts)
            scores = as_maps(outputs.logits.sigmoid()).astype(np.float64)
            boxes = as_maps(outputs.pred_boxes).astype(np.float64)
            for own_scores, own_boxes in zip(scores, boxes, strict=True):
                yield self._chosen(own_scores, own_boxes, spans, prompts)

    def _token_spans(self, ids: list[int], prompts: Sequence[str]) -> list[list[int]]:
        """Positions of each prompt's tokens: prompts are parted by dots."""
        tokenizer = self._processor.tokenizer
        ends = {tokenizer.convert_tokens_to_ids(token) for token in _SPECIAL_AND_DOTS}
        passed = {tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id}
        spans: list[list[int]] = [[]]
        for position, token in enumerate(ids):
            if token in ends:
                spans.append([])
            elif token not in passed:
                spans[-1].append(position)
        return spans[: len(prompts)]

    def _chosen(
        self,
        scores: FloatArray,
        boxes: FloatArray,
        spans: list[list[int]],
        prompts: Sequence[str],
    ) -> Boxes:
        """Choose among (Q, tokens) scores and (Q, 4) boxes of one picture."""
        means = np.stack([scores[:, span].mean(axis=1) for span in spans], axis=1)
        best = means.argmax(axis=1)
        text = means[np.arange(len(means)), best]
        sure = scores.max(axis=1)
        kept = np.flatnonzero((sure >= self._min_box) & (text >= self._min_text))
        kept = kept[np.argsort(-sure[kept], kind="stable")]
        half = boxes[kept, 2:] / 2
        corners = np.concatenate([boxes[kept, :2] - half, boxes[kept, :2] + half], axis=1)
        corners = np.clip(corners, 0.0, 1.0)
        stay = _apart(corners, self._nms_iou)
        stay &= (corners[:, 2:] > corners[:, :2]).all(axis=1)
        kept, corners = kept[stay], corners[stay]
        return Boxes(corners, tuple(prompts[i] for i in best[kept]), sure[kept], text[kept])


def ious(left: FloatArray, right: FloatArray) -> FloatArray:
    """Return (M, K) intersections over unions of (M, 4) and (K, 4) boxes.

    >>> ious(np.array([[0.0, 0, 2, 1]]), np.array([[1.0, 0, 3, 1]])).round(3).tolist()
    [[0.333]]
    """
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (left, right)]
    union = areas[0][:, None] + areas[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _apart(boxes: FloatArray, limit: float) -> BoolArray:
    """Tell which of (K, 4) boxes, the surest first, overlap no surer one by more than the limit."""
    overlaps = ious(boxes, boxes)
    stay = np.ones(len(boxes), dtype=np.bool_)
    for i in range(len(boxes)):
        stay[i] = not (stay[:i] & (overlaps[i, :i] > limit)).any()
    return stay
