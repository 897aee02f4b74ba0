"""References in, one padded batch out: text-only, image, multi-image and video samples together.

The model takes clips of one length. Shorter ones are filled up with black frames whose tokens are
masked: no other token sees them, and positions are counted without them.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainers.encoder import IGNORED, Encoded, Encoder, tokens_per_frame
from trainers.mixture import Mixture
from trainers.samples import SampleError

logger = logging.getLogger(__name__)

VISION = ("as_is", "any", "both")


class Collator:
    """A batch of references to the model's inputs.

    Args:
        mixtures: what the references point into; their ``part`` says into which.
        encoder: one sample to tensors.
        vision: ``as_is``; ``any`` adds one masked black frame to a batch without pictures, so that
            every process has gradients for the vision tower; ``both`` adds a masked image and a
            masked frame wherever one of the two is missing, so that every process calls the
            tower equally often.
        max_unreadable: the run stops when this process has met more samples that cannot be read.
        log_file: where their names and reasons are appended, one JSON object a line.
    """

    def __init__(
        self,
        mixtures: Sequence[Mixture],
        encoder: Encoder,
        *,
        vision: str = "any",
        max_unreadable: int = 100,
        log_file: Path | None = None,
    ) -> None:
        if vision not in VISION:
            raise ValueError(f"vision must be one of {', '.join(VISION)}, got {vision!r}")
        self.mixtures, self.encoder, self.vision = tuple(mixtures), encoder, vision
        self.max_unreadable, self.log_file = max_unreadable, log_file
        self._unreadable = multiprocessing.Value("l", 0)  # shared with the workers
        self._last: Encoded | None = None

    def __call__(self, references: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Read, encode and pad a batch."""
        return self.pad([self.read(reference) for reference in references])

    def read(self, reference: Mapping[str, Any]) -> Encoded:
        """Read one sample or, when it cannot be read, the next of its source that can.

        Raises:
            SampleError: there were more unreadable samples than the run puts up with.
        """
        mixture = self.mixtures[reference.get("part", 0)]
        wanted: Mapping[str, Any] | None = reference
        step = 0
        while wanted is not None:
            source, record, name = mixture.where(wanted)
            try:
                self._last = self.encoder(source.sample(record))
            except SampleError as error:
                self._skip(name, error)
            else:
                return self._last
            step += 1
            wanted = mixture.neighbour(reference, step)
        if self._last is None:
            raise SampleError(f"{name} cannot be read, and no sample was read before it")
        return self._last

    def _skip(self, name: str, error: SampleError) -> None:
        with self._unreadable.get_lock():
            self._unreadable.value += 1
            count = self._unreadable.value
        logger.warning("skipped %s: %s", name, error)
        if self.log_file is not None:
            self.log_file.parent.mkdir(parents=True, exist_ok=True)
            with self.log_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"id": name, "reason": str(error)}) + "\n")
        if count > self.max_unreadable:
            raise SampleError(
                f"{count} samples cannot be read, max_unreadable is {self.max_unreadable}; "
                f"the last was {name}: {error}"
            ) from error

    def pad(self, rows: Sequence[Encoded]) -> dict[str, Tensor]:
        """Bring encoded samples to one length and stack them.

        Returns:
            ``input_ids``, ``attention_mask`` and ``labels`` (B, L); ``position_ids`` (B, L) where
            masked tokens lie between others; ``pixel_values`` (images, patches, 3, H, W) with
            ``image_sizes`` and ``batch_num_images``; ``pixel_values_videos`` (videos, T, 3, H, W).
        """
        processor = self.encoder.processor
        rows = [*rows[:-1], self._with_idle_pictures(rows)]
        longest = max((len(clip) for row in rows for clip in row.videos), default=0)
        filled = [self._filled(row, longest) for row in rows]
        length = max(len(ids) for ids, _, _ in filled)
        pad_id = processor.tokenizer.pad_token_id
        batch = {
            "input_ids": torch.full((len(rows), length), pad_id),
            "attention_mask": torch.zeros((len(rows), length), dtype=torch.long),
            "labels": torch.full((len(rows), length), IGNORED),
        }
        for number, parts in enumerate(filled):
            for name, values in zip(("input_ids", "labels", "attention_mask"), parts, strict=True):
                batch[name][number, : len(values)] = values
        unlearned = (batch["labels"] == IGNORED).all(1)
        if unlearned.any():
            raise SampleError(f"rows {unlearned.nonzero().flatten().tolist()} have no label")
        seen = batch["attention_mask"]
        if ((seen[:, 1:] - seen[:, :-1]) > 0).any():
            batch["position_ids"] = (seen.cumsum(1) - 1).clamp(min=0)
        images = [image for row in rows for image in row.images]
        if images:
            batch["pixel_values"] = _stacked(images)
            batch["image_sizes"] = torch.stack([size for row in rows for size in row.image_sizes])
            counts = [len(row.images) for row in rows if row.images]
            batch["batch_num_images"] = torch.tensor(counts)
        if longest:
            batch["pixel_values_videos"] = _stacked([clip for row in rows for clip in row.videos])
        return batch

    def _filled(self, row: Encoded, n_frames: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return ids, labels and mask with masked tokens for the frames that clips lack."""
        video_id = self.encoder.processor.video_token_id
        seen = torch.ones_like(row.input_ids)
        ids, labels = row.input_ids, row.labels
        if row.videos:
            at = (ids == video_id).nonzero().flatten()
            end = 0
            inserts = []
            for clip in row.videos:
                # T frames of equal size and one token that ends the clip.
                per_frame = tokens_per_frame(self.encoder.processor)
                end += len(clip) * per_frame + 1
                inserts.append((int(at[end - 1]), (n_frames - len(clip)) * per_frame))
            for place, count in reversed(inserts):
                ids = _inserted(ids, place, count, video_id)
                labels = _inserted(labels, place, count, IGNORED)
                seen = _inserted(seen, place, count, 0)
        return ids, labels, _without_idle(seen, row)

    def _with_idle_pictures(self, rows: Sequence[Encoded]) -> Encoded:
        """Return the last row with the masked pictures that the batch lacks after its end."""
        last = rows[-1]
        has_image = any(row.images for row in rows)
        has_video = any(row.videos for row in rows)
        wants_video = self.vision == "both" or (self.vision == "any" and not has_image)
        wants_image = self.vision == "both"
        if not (wants_image and not has_image) and not (wants_video and not has_video):
            return last
        processor, idle = self.encoder.processor, 0
        ids = [last.input_ids]
        images, sizes, videos = list(last.images), list(last.image_sizes), list(last.videos)
        size = processor.video_processor.size
        black = torch.zeros(1, 3, size["height"], size["width"], dtype=self.encoder.pixel_dtype)
        if wants_image and not has_image:
            # Two images of a row are not cut up: one patch and the end of a line each.
            count = 2 * (processor.num_image_tokens + 1)
            ids.append(torch.full((count,), processor.image_token_id))
            images += [black, black]
            sizes += [torch.tensor(black.shape[-2:])] * 2
            idle += count
        if wants_video and not has_video:
            count = tokens_per_frame(self.encoder.processor) + 1
            ids.append(torch.full((count,), processor.video_token_id))
            videos.append(black)
            idle += count
        labels = torch.cat([last.labels, torch.full((idle,), IGNORED)])
        return IdleEncoded(torch.cat(ids), labels, images, sizes, videos, idle=idle)


@dataclass
class IdleEncoded(Encoded):
    """A sample whose last ``idle`` tokens are masked."""

    idle: int = 0


def _without_idle(seen: Tensor, row: Encoded) -> Tensor:
    if isinstance(row, IdleEncoded):
        seen[len(seen) - row.idle :] = 0
    return seen


def _inserted(values: Tensor, place: int, count: int, value: int) -> Tensor:
    return torch.cat([values[:place], values.new_full((count,), value), values[place:]])


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Stack tensors that differ in their first side, filling up with zeros."""
    most = max(len(tensor) for tensor in tensors)
    return torch.stack(
        [
            torch.cat([tensor, tensor.new_zeros(most - len(tensor), *tensor.shape[1:])])
            for tensor in tensors
        ]
    )
