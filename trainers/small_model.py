"""Make a small LLaVA-OneVision with random weights, and its processor, without a download.

    python trainers/small_model.py --size tiny --out models/tiny
    python trainers/small_model.py --size small --words data/stkit/simulation --out models/small

``tiny`` (151 thousand parameters, 56 px, 4 tokens a frame) is for trying recipes out on a CPU: it
goes through all that the large model goes through. Its tokens are bytes. ``small`` (1.3 million
parameters, 64 px, 16 tokens a frame) learns from simulated scenes whose videos are 64 px high, see
docs/training.md. ``--words`` names rows of `stkit build`, from whose prompts and answers it takes
the tokens that are common.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pyarrow.dataset import dataset
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
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
    """The sides of a model; ``vision`` and ``text`` are (width, MLP width, layers, heads).

    ``learns`` asks for random weights that a short training can start from, see :func:`_widen`.
    """

    image_px: int
    vision: tuple[int, int, int, int]
    text: tuple[int, int, int, int]
    kv_heads: int
    patch_px: int = 14
    learns: bool = False


SIZES = {
    "tiny": Size(image_px=56, vision=(32, 64, 2, 4), text=(64, 128, 2, 4), kv_heads=2),
    "small": Size(
        image_px=64,
        patch_px=8,
        vision=(96, 192, 2, 4),
        text=(128, 384, 4, 4),
        kv_heads=4,
        learns=True,
    ),
}

_N_MERGED_TOKENS = 1024
_N_SENTENCES = 20_000


def sentences(folder: Path) -> list[str]:
    """Return prompts and answers of the training rows below a folder, at most 20,000 rows.

    Raises:
        FileNotFoundError: there are no training rows.
    """
    files = sorted(folder.rglob("train-*.parquet"))
    if not files:
        raise FileNotFoundError(f"{folder}: no train-*.parquet; `stkit build` writes them")
    rows = dataset(files).head(_N_SENTENCES, columns=["prompt", "answer"])
    return [*rows["prompt"].to_pylist(), *rows["answer"].to_pylist()]


def tokenizer(words: Sequence[str] = ()) -> PreTrainedTokenizerFast:
    """Return bytes as tokens, with the special tokens of the published model.

    Args:
        words: texts whose common parts become tokens of their own, 1,024 tokens in all.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: number for number, letter in enumerate(alphabet)}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    if words:
        trainer = trainers.BpeTrainer(
            vocab_size=_N_MERGED_TOKENS, initial_alphabet=alphabet, show_progress=False
        )
        backend.train_from_iterator(words, trainer)
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


def processor(size: Size, words: Sequence[str] = ()) -> LlavaOnevisionProcessor:
    """Return the processor, with mean and deviation 0.5 as published; see :func:`tokenizer`."""
    half = [0.5, 0.5, 0.5]
    sides = {"height": size.image_px, "width": size.image_px}
    common: dict[str, Any] = {"size": sides, "image_mean": half, "image_std": half}
    return LlavaOnevisionProcessor(
        image_processor=LlavaOnevisionImageProcessor(image_grid_pinpoints=_grid(size), **common),
        tokenizer=tokenizer(words),
        video_processor=LlavaOnevisionVideoProcessor(**common),
        num_image_tokens=(size.image_px // size.patch_px) ** 2,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )


def model(
    size: Size, seed: int = 0, vocabulary: PreTrainedTokenizerFast | None = None
) -> LlavaOnevisionForConditionalGeneration:
    """Return a model with random weights, the same for the same seed."""
    words = vocabulary or tokenizer()

    def sides(of: tuple[int, int, int, int]) -> dict[str, int]:
        names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
        return dict(zip(names, of, strict=True))

    config = LlavaOnevisionConfig(
        vision_config={
            "model_type": "siglip_vision_model",
            **sides(size.vision),
            "image_size": size.image_px,
            "patch_size": size.patch_px,
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
    drawn = LlavaOnevisionForConditionalGeneration(config)
    if size.learns:
        _widen(drawn)
    return drawn


_EMBEDDING_STD = 0.3  # ours: beside the unit variance of what the layers add
_ENDS_OF_BRANCHES = ("o_proj", "out_proj", "down_proj", "fc2")


@torch.no_grad()
def _widen(drawn: LlavaOnevisionForConditionalGeneration) -> None:
    """Draw the weights anew so that layers keep the variance of their inputs.

    The published deviation of 0.02 suits widths of thousands. At a width of 128 it shrinks what a
    layer sees to a quarter, and attention stays uniform for most of a short training.
    """
    for name, weight in drawn.named_parameters():
        if "embed_tokens" in name or "position_embedding" in name or "newline" in name:
            weight.normal_(std=_EMBEDDING_STD)
        elif weight.ndim > 1 and "lm_head" not in name:
            gain = 0.5 if any(part in name for part in _ENDS_OF_BRANCHES) else 1.0
            weight.normal_(std=gain / math.sqrt(weight[0].numel()))


def save(size: Size, folder: Path, seed: int = 0, words: Sequence[str] = ()) -> Path:
    """Write model and processor as ``from_pretrained`` reads them."""
    reads = processor(size, words)
    model(size, seed, reads.tokenizer).save_pretrained(folder)
    reads.save_pretrained(folder)
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Write one model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SIZES), default="tiny")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--words", type=Path, help="rows whose common words become tokens")
    asked = parser.parse_args(arguments)
    words = [] if asked.words is None else sentences(asked.words)
    save(SIZES[asked.size], asked.out, asked.seed, words)


if __name__ == "__main__":
    main()
