"""The folder that goes to the Hub: only the files that belong, and a look at whether they work."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig

from stkit_datasets.errors import SourceError
from trainers.encoder import Encoder
from trainers.training_facts import FACTS, Facts, weights_digest, write_for

PROCESSOR = (
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json"),
    *("chat_template.jinja", "chat_template.json", "tokenizer.json", "tokenizer_config.json"),
    *("special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt"),
)
MODEL = ("config.json", "generation_config.json")
WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"
ADAPTER, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"

_QUESTION = "How far does it travel?"


def is_adapter(folder: Path) -> bool:
    """Whether what lies there is an adapter."""
    return (folder / ADAPTER_CONFIG).is_file()


def stage(folder: Path, out: Path, facts: Facts, *, merge: bool) -> None:
    """Put what belongs on the Hub into a folder; large files are linked to.

    Args:
        folder: the result of a run.
        out: an empty folder.
        facts: of the run.
        merge: write an adapter into its base model's weights.

    Raises:
        SourceError: a file is missing, or weights are not there as safetensors; names it.
    """
    adapter = bool(facts["recipe"].get("use_peft"))
    if merge and not adapter:
        raise SourceError(folder, "--merge is for adapters, and this is a whole model")
    if (folder / ADAPTER).is_file() and ((folder / WHOLE).is_file() or (folder / INDEX).is_file()):
        raise SourceError(folder, "holds an adapter and a whole model: weights of two trainings")
    for name in PROCESSOR:
        if (folder / name).is_file():
            _link(folder / name, out / name)
    if merge:
        _stage_merged(folder, out, facts)
        return
    _link(folder / FACTS, out / FACTS)
    if adapter:
        _stage_adapter(folder, out, facts)
    else:
        _stage_whole(folder, out)


def _stage_whole(folder: Path, out: Path) -> None:
    for name in (MODEL[0], *_weight_files(folder)):
        if not (folder / name).is_file():
            raise SourceError(folder / name, "missing; expected a whole model")
        _link(folder / name, out / name)
    if (folder / MODEL[1]).is_file():
        _link(folder / MODEL[1], out / MODEL[1])


def _weight_files(folder: Path) -> list[str]:
    """Name the weights' files; others that happen to lie there are not among them."""
    if not (folder / INDEX).is_file():
        if not (folder / WHOLE).is_file():
            raise SourceError(folder / WHOLE, "missing; weights must be there as safetensors")
        return [WHOLE]
    if (folder / WHOLE).is_file():
        raise SourceError(folder, f"holds {WHOLE} and {INDEX}: weights of two trainings")
    index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    return [INDEX, *sorted(set(index["weight_map"].values()))]


def _stage_adapter(folder: Path, out: Path, facts: Facts) -> None:
    base, config = facts["base"], _adapter_config(folder, facts)
    if base["kind"] != "hub":
        raise SourceError(
            folder,
            f"the adapter's base model {base['name']!r} is a folder that nobody else has; push "
            "with --merge",
        )
    config |= {"base_model_name_or_path": base["name"], "revision": base["revision"]}
    (out / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    _link(folder / ADAPTER, out / ADAPTER)


def _stage_merged(folder: Path, out: Path, facts: Facts) -> None:
    from peft import PeftModel

    base, path = facts["base"], _adapter_config(folder, facts)["base_model_name_or_path"]
    if base["kind"] == "folder" and weights_digest(Path(path)) != base["revision"]:
        raise SourceError(path, "is not the base model that the adapter was trained on")
    model = AutoModelForImageTextToText.from_pretrained(
        path,
        revision=base["revision"] if base["kind"] == "hub" else None,
        dtype=getattr(torch, facts["recipe"].get("dtype") or "float32"),
    )
    merged = PeftModel.from_pretrained(model, folder).merge_and_unload()
    # Under the names of the trainer's own checkpoints.
    merged.save_pretrained(out, save_original_format=False)
    write_for(facts, out)


def _adapter_config(folder: Path, facts: Facts) -> dict[str, Any]:
    for name in (ADAPTER, ADAPTER_CONFIG):
        if not (folder / name).is_file():
            raise SourceError(folder / name, "missing; weights must be there as safetensors")
    if facts["base"]["random_weights"]:
        raise SourceError(folder, "an adapter of random weights is of no use to anybody")
    config: dict[str, Any] = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    return config


def _link(file: Path, place: Path) -> None:
    try:
        os.symlink(file.resolve(), place)
    except OSError:
        shutil.copyfile(file, place)


# --- whether it works -------------------------------------------------------------------------


def check(folder: Path) -> tuple[int, str]:
    """Load what would go to the Hub as its users will, and look whether it is sound.

    Returns:
        The parameters of the whole model, and the type of the weights that are published.

    Raises:
        SourceError: a name or a shape does not fit, a weight is no number, or the processor, its
            chat template or the generation settings are not those of the model.
    """
    processor = _check_processor(folder)
    dtype = _check_numbers(folder)
    _check_generation(folder)
    model, told = AutoModelForImageTextToText.from_pretrained(
        folder, dtype="auto", output_loading_info=True
    )
    if not is_adapter(folder):
        wrong = [f"{kind.replace('_', ' ')} {sorted(map(str, told[kind]))[:3]}"
                 for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
                 if told.get(kind)]  # fmt: skip
        if wrong:
            raise SourceError(folder, f"the weights do not fit the model: {'; '.join(wrong)}")
    else:
        _check_adapter(folder, model)
    _check_together(folder, model, processor)
    return sum(p.numel() for n, p in model.named_parameters() if ".lora_" not in n), dtype


def _check_processor(folder: Path) -> Any:
    try:
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise SourceError(folder, f"no processor goes with the model: {error}") from error
    if not hasattr(processor, "video_processor"):
        raise SourceError(folder, f"{type(processor).__name__} is not the processor of this model")
    try:
        Encoder(processor)
    except ValueError as error:
        raise SourceError(folder, str(error)) from error
    if not processor.chat_template:
        raise SourceError(folder, "the processor has no chat template")
    content = [{"type": "video"}, {"type": "text", "text": _QUESTION}]
    asked = [{"role": "user", "content": content}]
    text = processor.apply_chat_template(asked, add_generation_prompt=True)
    without = processor.apply_chat_template(asked, add_generation_prompt=False)
    if text.count(processor.video_token) != 1 or _QUESTION not in text or text == without:
        raise SourceError(folder, f"the chat template does not ask about a video: {text!r}")
    return processor


def _check_numbers(folder: Path) -> str:
    kinds = set()
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118 - it is no mapping
                values = opened.get_tensor(name)
                kinds.add(str(values.dtype).removeprefix("torch."))
                if values.is_floating_point() and not torch.isfinite(values).all():
                    raise SourceError(file, "holds values that are no finite numbers", name)
    return ", ".join(sorted(kinds))


def _check_generation(folder: Path) -> None:
    if not (folder / MODEL[1]).is_file():
        return  # an adapter's are its base model's
    try:
        GenerationConfig.from_pretrained(folder).validate(strict=True)
    except ValueError as error:
        raise SourceError(folder / MODEL[1], f"is not sound: {error}") from error


def _check_adapter(folder: Path, model: Any) -> None:
    stored = load_file(folder / ADAPTER)
    loaded = model.get_adapter_state_dict()
    plain = {name.removeprefix("base_model.model."): value for name, value in stored.items()}
    lost = sorted(plain.keys() ^ loaded.keys())
    if lost:
        raise SourceError(folder / ADAPTER, f"does not fit the base model: {lost[:3]}")
    for name, value in plain.items():
        if not torch.equal(value.float(), loaded[name].float()):
            raise SourceError(folder / ADAPTER, "is not loaded as it is stored", name)


def _check_together(folder: Path, model: Any, processor: Any) -> None:
    config, tokenizer = model.config, processor.tokenizer
    pairs = (
        ("image", config.image_token_id, processor.image_token),
        ("video", config.video_token_id, processor.video_token),
    )
    for name, number, token in pairs:
        if tokenizer.convert_tokens_to_ids(token) != number:
            raise SourceError(folder, f"model and processor have different {name} tokens")
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        raise SourceError(folder, "the tokenizer has more tokens than the model")
    ends = model.generation_config.eos_token_id
    if tokenizer.eos_token_id not in (ends if isinstance(ends, list) else [ends]):
        raise SourceError(
            folder / MODEL[1], f"eos_token_id must hold {tokenizer.eos_token_id}, the end of a "
                               f"turn, or answers never end; got {ends}"
        )  # fmt: skip
