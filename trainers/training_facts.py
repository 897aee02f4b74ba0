"""What a run was, written beside its weights: all that a model's card says comes from here.

``training_facts.json`` holds the base model with its revision, every source as it was taken, the
settings in the form of a recipe, how far the run went, and the versions of the libraries. It names
no folder of the machine and no user.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from stkit_datasets._version import __version__
from stkit_datasets.atomic import write_text
from trainers.arguments import DataArguments, ModelArguments, SftArguments
from trainers.mixture import Mixture
from trainers.samples import ROW_FORMATS
from trainers.taken_data import digest_of, plain_source, taken, unplaced

FACTS = "training_facts.json"
FORMAT = 1
"""Raise it whenever the layout changes."""

Facts = dict[str, Any]

_LIBRARIES = ("torch", "transformers", "trl", "accelerate", "peft", "datasets", "tokenizers")
_ALWAYS = {
    DataArguments: ("mixture_seed", "max_frames"),
    ModelArguments: ("dtype",),
    SftArguments: (
        *("learning_rate", "lr_scheduler_type", "num_train_epochs", "max_steps", "warmup_steps"),
        *("weight_decay", "max_grad_norm", "optim", "seed", "bf16", "per_device_train_batch_size"),
    ),
}
_WHERE_SET = {
    DataArguments: ("mixture_size", "streaming", "vision"),
    ModelArguments: (
        *("attn_implementation", "from_config", "train_vision_tower", "use_peft", "load_in_4bit"),
        *("load_in_8bit", "bnb_4bit_quant_type", "use_bnb_nested_quant"),
    ),
    SftArguments: (
        *("fp16", "tf32", "data_seed", "adam_beta1", "adam_beta2", "adam_epsilon"),
        *("gradient_checkpointing", "train_sampling_strategy", "neftune_noise_alpha"),
        *("lr_scheduler_kwargs", "label_smoothing_factor"),
    ),
}
_LORA = (
    *("lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "lora_modules_to_save"),
    *("lora_target_parameters", "use_rslora", "use_dora"),
)


class FactsError(ValueError):
    """The facts of a run are missing or broken; the message names the file and the fact."""


def gather(
    mixture: Mixture,
    data_args: DataArguments,
    model_args: ModelArguments,
    args: SftArguments,
) -> Facts:
    """Return what is known once the model is loaded; ``write`` adds the rest.

    Args:
        mixture: the samples, prepared unless they are streamed.
        data_args: the samples' settings.
        model_args: the model's settings.
        args: the run's settings.
    """
    base, settings = _base(model_args), recipe(data_args, model_args, args)
    if base["kind"] == "hub":
        settings = {"model_name_or_path": base["name"], "model_revision": base["revision"],
                    **settings}  # fmt: skip
    return {
        "format": FORMAT,
        "base": base,
        "sources": taken(mixture, streaming=data_args.streaming),
        "recipe": settings,
        "versions": _versions(),
    }


def write(facts: Facts, state: Any, args: SftArguments) -> None:
    """Write the facts beside the result.

    Adds how far the run went, and a digest of the weights that it ended in: facts and weights that
    are not of one run do not pass for it.

    Args:
        facts: what ``gather`` returned.
        state: the trainer's, at the end.
        args: the run's settings; the result lies in ``output_dir`` already.
    """
    folder = Path(args.output_dir)
    log = folder / "unreadable.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    device = torch.cuda.get_device_name() if args.device.type == "cuda" else "CPU"
    run = {
        "steps": int(state.global_step),
        "epochs": round(float(state.epoch or 0), 4),
        "samples_seen": int(state.global_step) * args.samples_per_step,
        "unreadable_samples": len({json.loads(line)["id"] for line in lines}),
        "processes": int(args.world_size),
        "device": device,
    }
    write_for({**facts, "run": run}, folder)


def write_for(facts: Facts, folder: Path) -> None:
    """Write facts beside weights that they hold for."""
    whole = {**facts, "weights": weights_digest(folder)}
    text = json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(folder / FACTS, text + "\n")


def read(folder: Path) -> Facts:
    """Read and check the facts of a run.

    Raises:
        FactsError: there are none, or one is missing; names it.
    """
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FactsError(
            f"{path}: missing; expected the output folder of a training that came to its end"
        ) from error
    except (OSError, ValueError) as error:
        raise FactsError(f"{path}: must be JSON: {error}") from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT:
        raise FactsError(f"{path}: format must be {FORMAT}")
    _check(facts, str(path))
    if facts["weights"] != weights_digest(folder):
        raise FactsError(f"{path}: the weights beside it are not those of this training")
    return facts


NEEDED: dict[str, type | tuple[type, ...]] = {
    "base.name": str,
    "base.kind": str,
    "base.revision": str,
    "base.random_weights": bool,
    "recipe.learning_rate": float,
    "recipe.lr_scheduler_type": str,
    "recipe.optim": str,
    "recipe.bf16": bool,
    "recipe.mixture_seed": int,
    "recipe.global_batch_size": int,
    "recipe.max_frames": int,
    "recipe.seed": int,
    "recipe.sources": list,
    "run.steps": int,
    "run.epochs": (int, float),
    "run.samples_seen": int,
    "run.unreadable_samples": int,
    "run.processes": int,
    "run.device": str,
    "versions.stkit": str,
    "versions.torch": str,
    "versions.transformers": str,
    "versions.trl": str,
}


def _check(facts: Facts, where: str) -> None:
    for name, kind in NEEDED.items():
        section, _, key = name.partition(".")
        value = facts.get(section, {}).get(key)
        if not isinstance(value, kind):
            raise FactsError(f"{where}: the fact {name} is missing")
    if not isinstance(facts.get("weights"), str):
        raise FactsError(f"{where}: the fact weights is missing")
    sources = facts.get("sources")
    if not isinstance(sources, list) or not sources:
        raise FactsError(f"{where}: the fact sources is missing")
    for number, source in enumerate(sources):
        for key, type_ in (("name", str), ("format", str), ("place", str), ("samples", int)):
            if not isinstance(source.get(key), type_):
                raise FactsError(f"{where}: the fact sources[{number}].{key} is missing")
        for key in ("data_set", "at_most", "revision", "digest"):
            if key not in source:
                raise FactsError(f"{where}: the fact sources[{number}].{key} is missing")
        if source["format"] in ROW_FORMATS and not source.get("rows"):
            raise FactsError(f"{where}: the fact sources[{number}].rows is missing")
    if facts["base"].get("earlier") is not None:
        _check(facts["base"]["earlier"], f"{where}: base.earlier")


# --- the base model ---------------------------------------------------------------------------


def _base(model_args: ModelArguments) -> Facts:
    name = str(model_args.model_name_or_path)
    folder = Path(name)
    if not folder.is_dir():
        return {
            "name": name,
            "kind": "hub",
            "revision": _commit(name, model_args.model_revision),
            "random_weights": model_args.from_config,
            "licence": None,
            "earlier": None,
        }
    earlier, licence = _earlier(folder)
    return {
        "name": folder.resolve().name,
        "kind": "folder",
        "revision": weights_digest(folder),
        "random_weights": model_args.from_config,
        "licence": licence,
        # Weights that were tuned before bring along what they were tuned on.
        "earlier": None if model_args.from_config else earlier,
    }


def _commit(name: str, revision: str | None) -> str | None:
    """Return the commit of the Hub that a model was loaded from: the cache files it under that."""
    from huggingface_hub import constants, try_to_load_from_cache

    found = try_to_load_from_cache(
        name, "config.json", cache_dir=constants.HF_HUB_CACHE, revision=revision
    )
    return Path(found).parent.name if isinstance(found, str) else None


def weights_digest(folder: Path) -> str:
    """Return the SHA-256 of a model's configuration and weights, names and contents."""
    files = sorted([*folder.glob("config.json"), *folder.glob("*.safetensors")])
    return digest_of(files)


def _earlier(folder: Path) -> tuple[Facts | None, str | None]:
    """Return the facts of a model's own training, and the licence that its card states."""
    from huggingface_hub import ModelCard

    if (folder / FACTS).exists():
        try:
            return read(folder), None
        except FactsError:
            return None, None  # weights that were changed since: nobody knows what they are under
    card = folder / "README.md"
    if not card.is_file():
        return None, None
    stated = ModelCard.load(card, ignore_metadata_errors=True).data.license
    return None, stated if isinstance(stated, str) else None


# --- the settings -----------------------------------------------------------------------------


def recipe(data_args: DataArguments, model_args: ModelArguments, args: SftArguments) -> Facts:
    """Return what decides the result, as a recipe that trains it again.

    Folders outside ``data_root`` and everything about logging and storing are left out.
    """
    found: Facts = {"model_name_or_path": unplaced(str(model_args.model_name_or_path))}
    groups: tuple[Any, ...] = (data_args, model_args, args)
    for one in groups:
        kind = type(one)
        defaults = {f.name: f.default for f in fields(kind)}
        for name in _ALWAYS[kind]:
            found[name] = _plain(getattr(one, name))
        optional = (*_WHERE_SET[kind], *(_LORA if one is model_args and one.use_peft else ()))
        for name in optional:
            value = _plain(getattr(one, name, None))
            if value is not None and value != _plain(defaults.get(name)):
                found[name] = value
    found["global_batch_size"] = args.samples_per_step
    found["sources"] = [plain_source(config) for config in data_args.sources]
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    return value


def _versions() -> dict[str, str]:
    found = {"stkit": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
