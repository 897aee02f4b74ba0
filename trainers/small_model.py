"""Make a small LLaVA-OneVision with random weights, and its processor, without a download.

    python trainers/small_model.py --size tiny --out models/tiny

``tiny`` (151 thousand parameters, 56 px, 4 tokens a frame) is for trying recipes out on a CPU: it
goes through all that the large model goes through. Tokens are bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaOnevisionProcessor,
    PreTrainedTokenizerFast,
)
from transformers.models.llava_onevision.image_processing_llava_onevision import (
    LlavaOnevisionImageProcessor,
)
from transformers.models.llava_onevision.video_processing_llava_onevision import (
    LlavaOnevisionVideoProcessor,
)

PATCH_PX = 14
_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>")

# The layout of the published template: all images, all videos, then the text; an assistant's turn
# starts with a space before the line break that the generation prompt does not have.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + ' ' }}"
    "{% for item in message['content'] if item['type'] == 'image' %}{{ '<image>' }}{% endfor %}"
    "{% for item in message['content'] if item['type'] == 'video' %}{{ '<video>' }}{% endfor %}"
    "{% for item in message['content'] if item['type'] == 'text' %}{{ '\n' + item['text'] }}"
    "{% endfor %}{{ '<|im_end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@dataclass(frozen=True)
class Size:
    """The sides of a model; ``vision`` and ``text`` are (width, MLP width, layers, heads)."""

    image_px: int
    vision: tuple[int, int, int, int]
    text: tuple[int, int, int, int]
    kv_heads: int


SIZES = {
    "tiny": Size(image_px=56, vision=(32, 64, 2, 4), text=(64, 128, 2, 4), kv_heads=2),
}


def tokenizer() -> PreTrainedTokenizerFast:
    """Return bytes as tokens, with the special tokens of the published model."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(list(_SPECIAL))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>", "<image>", "<video>"],
    )


def _grid(size: Size) -> list[list[int]]:
    sides = (size.image_px, 2 * size.image_px)
    return [[height, width] for height in sides for width in sides]


def processor(size: Size) -> LlavaOnevisionProcessor:
    """Return the processor, with mean and deviation 0.5 as published."""
    half = [0.5, 0.5, 0.5]
    sides = {"height": size.image_px, "width": size.image_px}
    common: dict[str, Any] = {"size": sides, "image_mean": half, "image_std": half}
    return LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(image_grid_pinpoints=_grid(size), **common),
        tokenizer=tokenizer(),
        video_processor=LlavaOnevisionVideoProcessor(**common),
        num_image_tokens=(size.image_px // PATCH_PX) ** 2,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def model(size: Size, seed: int = 0) -> LlavaOnevisionForConditionalGeneration:
    """Return a model with random weights, the same for the same seed."""
    words = tokenizer()

    def sides(of: tuple[int, int, int, int]) -> dict[str, int]:
        names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        return dict(zip(names, of, strict=True))

    config = LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            **sides(size.vision),
            "image_size": size.image_px,
            "patch_size": PATCH_PX,
            "vision_use_head": False,
        },
        text_config={
            "model_type": "qwen2",
            **sides(size.text),
            "num_key_value_heads": size.kv_heads,
            "vocab_size": len(words),
            "tie_word_embeddings": False,
            "bos_token_id": None,
            "eos_token_id": words.eos_token_id,
            "pad_token_id": words.pad_token_id,
        },
        image_token_id=words.convert_tokens_to_ids("<image>"),
        video_token_id=words.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=_grid(size),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    return LlavaOnevisionForConditionalGeneration(config)


def save(size: Size, folder: Path, seed: int = 0) -> Path:
    """Write model and processor as ``from_pretrained`` reads them."""
    model(size, seed).save_pretrained(folder)
    processor(size).save_pretrained(folder)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="tiny")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    save(SIZES[asked.size], asked.out, asked.seed)


if __name__ == "__main__":
    main()
