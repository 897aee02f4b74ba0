"""References in, one padded batch out: text-only, image, multi-image and video samples together.

- The labels are the tokens of the answers and of the end of each answer's turn. They are found
  where the batch is put together, from the lengths of its parts: masks that templates return can be
  all zero without an error.
- A prompt is the very text that the model is given when it is asked, generation prompt included.
- Frames go to the processor as arrays, none is sampled away there, and no visual token is cut off.
- The model takes clips of one length. Shorter ones are filled up with black frames whose tokens are
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

from trainers.mixture import Mixture
from trainers.samples import Message, Sample, SampleError

logger = logging.getLogger(__name__)

IGNORED = -100
_MEAN_AND_DEVIATION = 0.5
VISION = ("as_is", "any", "both")


@dataclass
class Encoded:
    """One sample as tensors.

    Attributes:
        input_ids: (L,) with a visual token for every visual feature.
        labels: (L,) the token where it is to be learned, else -100.
        images: per image (P, 3, H, W) patches; P is 1 for each of several images.
        image_sizes: per image (height, width) in pixels of the picture.
        videos: per video (T, 3, H, W).
    """

    input_ids: Tensor
    labels: Tensor
    images: list[Tensor]
    image_sizes: list[Tensor]
    videos: list[Tensor]


class Encoder:
    """One sample to tensors, with the model's own processor.

    Args:
        processor: of LLaVA-OneVision.
        pixel_dtype: what pixels are stored as; half precision halves what workers hand over.

    Raises:
        ValueError: the processor has not the published mean and deviation, 0.5 each: the class's
            defaults are those of another vision tower, and pixels would silently be off.
    """

    def __init__(self, processor: Any, pixel_dtype: torch.dtype = torch.float32) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.pixel_dtype = pixel_dtype
        for part in (processor.image_processor, processor.video_processor):
            scale = (*part.image_mean, *part.image_std)
            if any(value != _MEAN_AND_DEVIATION for value in scale):
                raise ValueError(
                    f"{type(part).__name__} has mean {part.image_mean} and deviation "
                    f"{part.image_std}, expected {_MEAN_AND_DEVIATION} each as published"
                )

    def __call__(self, sample: Sample) -> Encoded:
        """Encode a sample.

        Raises:
            SampleError: its messages do not fit its pictures, or leave nothing to learn.
        """
        images, sizes, image_texts = self._images(sample)
        videos, video_texts = self._videos(sample)
        ids: list[int] = []
        labels: list[int] = []
        texts = (iter(image_texts), iter(video_texts))
        for text, learned in self.parts(sample.messages):
            if not learned:
                text = self._with_visual_tokens(text, *texts)
            tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            ids += tokens
            labels += tokens if learned else [IGNORED] * len(tokens)
        if any(next(rest, None) is not None for rest in texts):
            raise SampleError("the sample has more pictures than its messages name")
        if all(label == IGNORED for label in labels):
            raise SampleError("the sample has no answer to learn")
        return Encoded(torch.tensor(ids), torch.tensor(labels), images, sizes, videos)

    def parts(self, messages: Sequence[Message]) -> list[tuple[str, bool]]:
        """Split a conversation into texts that are given and texts that are learned, in turn.

        Raises:
            SampleError: the template writes a conversation otherwise than its beginning.
        """
        parts: list[tuple[str, bool]] = []
        written = ""
        for number, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            given = self._render(messages[:number], asks=True)
            whole = self._render(messages[: number + 1], asks=False)
            answer = message["content"][0]["text"]
            if not given.startswith(written) or answer not in whole[len(written) :]:
                raise SampleError("the chat template does not keep what stands before an answer")
            ending = whole[whole.rindex(answer) + len(answer) :]
            closing, eos, after = ending.partition(self.tokenizer.eos_token)
            parts += [(given[len(written) :], False), (answer + closing + eos, True)]
            if after:
                parts.append((after, False))
            written = whole
        return parts

    def _render(self, messages: Sequence[Message], *, asks: bool) -> str:
        text: str = self.processor.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=asks
        )
        return text

    def _with_visual_tokens(self, text: str, images: Any, videos: Any) -> str:
        for token, expansions in (
            (self.processor.image_token, images),
            (self.processor.video_token, videos),
        ):
            head, *rest = text.split(token)
            for piece in rest:
                expansion = next(expansions, None)
                if expansion is None:
                    raise SampleError(f"the messages name more of {token} than there are")
                head += expansion + piece
            text = head
        return text

    def _images(self, sample: Sample) -> tuple[list[Tensor], list[Tensor], list[str]]:
        if not sample.images:
            return [], [], []
        # A list of lists says that these belong to one sample: only a single image is cut up.
        inputs = self.processor.image_processor(images=[list(sample.images)], return_tensors="pt")
        texts = [
            self.processor.replace_image_token(inputs, index) for index in range(len(sample.images))
        ]
        pixels = inputs["pixel_values"].to(self.pixel_dtype)
        return list(pixels), list(inputs["image_sizes"]), texts

    def _videos(self, sample: Sample) -> tuple[list[Tensor], list[str]]:
        videos, texts = [], []
        for clip in sample.videos:
            # One by one: clips of a sample may differ in size and length.
            frames = torch.from_numpy(clip).permute(0, 3, 1, 2)
            inputs = self.processor.video_processor(
                videos=[frames], do_sample_frames=False, return_tensors="pt"
            )
            texts.append(self.processor.replace_video_token(inputs, 0))
            videos.append(inputs["pixel_values_videos"][0].to(self.pixel_dtype))
        return videos, texts


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


def tokens_per_frame(processor: Any) -> int:
    """Return the visual tokens of a frame: those of an image, halved in height and width."""
    side = int(processor.num_image_tokens**0.5)
    return ((side + 1) // 2) ** 2


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
