"""What a step costs, from the configuration alone: parameters, FLOP and memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, LlavaOnevisionConfig

_GROUPS = ("vision_tower", "multi_modal_projector", "embed_tokens", "lm_head", "language_model")


def config_7b() -> LlavaOnevisionConfig:
    """Return the configuration of llava-onevision-qwen2-7b, of which class defaults are not."""
    return LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 1152,
            "intermediate_size": 4304,
            "num_hidden_layers": 26,
            "num_attention_heads": 16,
            "image_size": 384,
            "patch_size": 14,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "qwen2",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 152128,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "max_position_embeddings": 32768,
            "tie_word_embeddings": False,
        },
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )


def parameter_counts(config: Any) -> dict[str, int]:
    """Return the parameters of every part of a model, which is not allocated for it."""
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        counts[next((group for group in _GROUPS if group in name), "other")] += parameter.numel()
    return dict(counts)


@dataclass(frozen=True)
class StepCost:
    """Cost of one sample, forward and backward.

    Attributes:
        vision: FLOP of the vision tower and the projector.
        language: FLOP of the language model's layers, attention counted in full.
        head: FLOP of the head over the positions that have a label.
        recomputed: FLOP of a second forward pass, under gradient checkpointing.
    """

    vision: float
    language: float
    head: float
    recomputed: float

    @property
    def model_flop(self) -> float:
        """What the model needs, the numerator of MFU; recomputing does not count."""
        return self.vision + self.language + self.head


def step_cost(
    config: Any, tokens: float, frames: float, label_tokens: float, *, checkpointing: bool = False
) -> StepCost:
    """Return the FLOP of one sample: 2 a parameter and token forward, twice that backward.

    Args:
        config: of LLaVA-OneVision.
        tokens: length of the sequence, visual tokens included.
        frames: pictures that go through the vision tower: frames, or patches of an image.
        label_tokens: positions with a label.
        checkpointing: whether layers are computed again on the way back.
    """
    counts, vision, text = parameter_counts(config), config.vision_config, config.text_config
    patches = (vision.image_size // vision.patch_size) ** 2
    tower = 2 * counts["vision_tower"] * patches
    tower += 4 * patches**2 * vision.hidden_size * vision.num_hidden_layers
    projector = 2 * counts["multi_modal_projector"] * patches
    layers = 2 * counts["language_model"] * tokens
    layers += 4 * tokens**2 * text.hidden_size * text.num_hidden_layers
    head = 2 * text.hidden_size * text.vocab_size * label_tokens
    pictures = frames * (tower + projector)
    again = layers + frames * tower if checkpointing else 0.0
    return StepCost(3 * pictures, 3 * layers, 3 * head, again)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device; activations are an estimate to within a third."""

    weights: float
    gradients: float
    optimizer: float
    activations: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations


def memory(
    config: Any,
    *,
    tokens: float,
    frames: float,
    batch: int,
    weight_bytes: int,
    trained: int | None,
    shards: int,
    checkpointing: bool,
) -> Memory:
    """Estimate the memory of a training step with AdamW.

    Args:
        config: of LLaVA-OneVision.
        tokens: length of a sequence.
        frames: pictures of a sample.
        batch: samples at once on one device.
        weight_bytes: of a stored weight: 4, or 2 for half precision.
        trained: parameters that are tuned; None for all.
        shards: devices that weights, gradients and optimizer are spread over.
        checkpointing: whether only the inputs of layers are kept.
    """
    n = sum(parameter_counts(config).values())
    tuned = n if trained is None else trained
    text, vision = config.text_config, config.vision_config
    patches = (vision.image_size // vision.patch_size) ** 2
    # Half-precision activations: the input of a layer, and all that one layer holds for backward.
    layer = 2 * (8 * text.hidden_size + 4 * text.intermediate_size)
    tower_layer = 2 * (8 * vision.hidden_size + 2 * vision.intermediate_size)
    kept_layers = 1 if checkpointing else text.num_hidden_layers
    kept_tower = 1 if checkpointing else vision.num_hidden_layers
    inputs = 2 * text.hidden_size * text.num_hidden_layers if checkpointing else 0
    tower_inputs = 2 * vision.hidden_size * vision.num_hidden_layers if checkpointing else 0
    activations = tokens * (layer * kept_layers + inputs)
    activations += frames * patches * (tower_layer * kept_tower + tower_inputs)
    return Memory(
        weights=n * weight_bytes / shards,
        gradients=tuned * weight_bytes / shards,
        optimizer=tuned * 8 / shards,
        activations=batch * activations,
    )
