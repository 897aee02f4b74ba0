"""One sample to tensors, with the model's own processor.

- The labels are the tokens of the answers and of the end of each answer's turn. They are found
  where the sample is put together, from the lengths of its parts: masks that templates return can
  be all zero without an error.
- A prompt is the very text that the model is given when it is asked, generation prompt included.
- Frames go to the processor as arrays, none is sampled away there, and no visual token is cut off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from trainers.samples import Message, Sample, SampleError

IGNORED = -100
_MEAN_AND_DEVIATION = 0.5


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


def tokens_per_frame(processor: Any) -> int:
    """Return the visual tokens of a frame: those of an image, halved in height and width."""
    side = int(processor.num_image_tokens**0.5)
    return ((side + 1) // 2) ** 2
