"""SAM 3 from transformers: prompts to objects that are found and followed in one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stkit_datasets.pseudo_labels.backends import BACKENDS, Context
from stkit_datasets.pseudo_labels.backends.following import Sheet
from stkit_datasets.pseudo_labels.backends.models import model
from stkit_datasets.pseudo_labels.backends.torch_tools import label, pictures, torch_device
from stkit_datasets.pseudo_labels.interfaces import PROMPTS, Segmentation, VideoClip


@dataclass(frozen=True)
class Sam3Options:
    """How it is run.

    Attributes:
        model: which weights.
        revision: another commit of them than the pinned one.
        half: compute in bfloat16 on a GPU.
    """

    model: str = "sam3"
    revision: str | None = None
    half: bool = True


class Sam3:
    """See ``SemanticsBackend``. Its one score serves as confidence of the box and of the text.

    Args:
        network: a ``Sam3VideoModel``.
        processor: its ``Sam3VideoProcessor``.
        options: how it is run.
        device: where.
        name: for the files.
    """

    Options = Sam3Options

    def __init__(
        self, network: Any, processor: Any, options: Sam3Options, device: Any, name: str
    ) -> None:
        import torch

        half = options.half and device.type == "cuda"
        self._dtype = torch.bfloat16 if half else torch.float32
        self._network = network.to(device, self._dtype).eval()
        self._processor = processor
        self._device = device
        self.name = name

    @classmethod
    def open(cls, options: Sam3Options, context: Context) -> Self:
        """Load the weights."""
        from transformers import Sam3VideoModel, Sam3VideoProcessor

        chosen = model(options.model, BACKENDS["semantics", "sam3"].models)
        revision = options.revision or chosen.revision
        network = Sam3VideoModel.from_pretrained(chosen.repository, revision=revision)
        processor = Sam3VideoProcessor.from_pretrained(chosen.repository, revision=revision)
        name = label("sam3", chosen.repository, revision)
        return cls(network, processor, options, torch_device(context.device), name)

    def find(self, clip: VideoClip, prompts: Sequence[str] = PROMPTS) -> Segmentation:
        """Find and follow what matches any prompt; of objects at the same place the surer wins."""
        import torch

        t, height, width = clip.images.shape[:3]
        session = self._processor.init_video_session(
            video=pictures(clip.images), inference_device=self._device, dtype=self._dtype
        )
        session = self._processor.add_text_prompt(session, list(prompts))
        sheet = Sheet(t, height, width)
        numbers: dict[int, int] = {}
        categories: list[str] = []
        with torch.inference_mode():
            for output in self._network.propagate_in_video_iterator(session):
                found = self._processor.postprocess_outputs(session, output)
                ids = [int(i) for i in found["object_ids"]]
                prompt_of = {
                    int(i): text for text, own in found["prompt_to_obj_ids"].items() for i in own
                }
                for i in ids:
                    if i not in numbers:
                        numbers[i] = len(numbers)
                        categories.append(prompt_of[i])
                scores = np.clip([float(score) for score in found["scores"]], 0.0, 1.0).tolist()
                masks = found["masks"].cpu().numpy().reshape(len(ids), height, width)
                sheet.put(output.frame_idx, [numbers[i] for i in ids], masks, scores, scores)
        return sheet.segmentation(categories, clip.width_px, clip.height_px)
