"""A LLaVA-OneVision of 161 thousand random weights, saved like a published one, for the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] if part['type'] == 'video' %}<video>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"]
_SIDE_PX, _PATCH_PX = 56, 14


def tokenizer() -> Any:
    """One token a byte, and the special ones."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: n for n, letter in enumerate(letters)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(text, special=True) for text in _SPECIAL])
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        extra_special_tokens={"image_token": "<image>", "video_token": "<video>"},
    )


def _text_config(tokens: Any) -> Any:
    from transformers import Qwen2Config

    return Qwen2Config(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=len(tokens),
        max_position_embeddings=16384,
        bos_token_id=None,
        eos_token_id=tokens.eos_token_id,
        pad_token_id=tokens.pad_token_id,
    )


def save_text_only(folder: Path, seed: int = 0) -> Path:
    """Write a language model without vision, and its tokenizer, and return the folder."""
    import torch
    from transformers import Qwen2ForCausalLM

    tokens = tokenizer()
    tokens.chat_template = CHAT_TEMPLATE
    torch.manual_seed(seed)
    Qwen2ForCausalLM(_text_config(tokens)).save_pretrained(folder)
    tokens.save_pretrained(folder)
    return folder


def save(folder: Path, seed: int = 0) -> Path:
    """Write model and processor below ``folder`` and return it."""
    import torch
    import transformers as t

    tokens = tokenizer()
    text = _text_config(tokens)
    vision = t.SiglipVisionConfig(
        hidden_size=48,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=_SIDE_PX,
        patch_size=_PATCH_PX,
        vision_use_head=False,
    )
    config = t.LlavaOnevisionConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokens.convert_tokens_to_ids("<image>"),
        video_token_index=tokens.convert_tokens_to_ids("<video>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_grid_pinpoints=[[_SIDE_PX, _SIDE_PX]],
        tie_word_embeddings=False,
    )
    torch.manual_seed(seed)
    model = t.LlavaOnevisionForConditionalGeneration(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            # Default weights are so small that every input gives the same words.
            if weight.ndim > 1:
                weight.mul_(8.0)
    model.generation_config.eos_token_id = tokens.eos_token_id
    model.generation_config.pad_token_id = tokens.pad_token_id
    model.save_pretrained(folder)
    size = {"height": _SIDE_PX, "width": _SIDE_PX}
    # The class defaults are CLIP's mean and deviation; published models use these.
    shades = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    processor = t.LlavaOnevisionProcessor(
        image_processor=t.LlavaOnevisionImageProcessor(
            size=size, image_grid_pinpoints=[[_SIDE_PX, _SIDE_PX]], **shades
        ),
        tokenizer=tokens,
        video_processor=t.LlavaOnevisionVideoProcessor(size=size, **shades),
        num_image_tokens=(_SIDE_PX // _PATCH_PX) ** 2,
        vision_feature_select_strategy="full",
        chat_template=CHAT_TEMPLATE,
    )
    processor.save_pretrained(folder)
    return folder
