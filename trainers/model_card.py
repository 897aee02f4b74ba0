"""The card of a tuned model: a template, filled with the facts of its training and its scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

import yaml
from huggingface_hub import ModelCardData

from stkit_datasets.card import template
from trainers.model_card_data import (
    linked,
    only_rendered,
    root,
    seen,
    short,
    sources_notes,
    sources_table,
    stages,
    table,
    tasks_table,
)
from trainers.model_licence import RULE, ModelLicence
from trainers.model_scores import Scored, eval_results, scores_text
from trainers.samples import ROW_FORMATS

TEMPLATE = "model_card.md"

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """What is published.

    Attributes:
        repository: ``ORG/NAME``.
        adapter: whether the weights are an adapter beside its base model.
        merged: whether an adapter was merged into its base model.
        parameters: of the whole model.
        dtype: of the weights.
    """

    repository: str
    adapter: bool
    merged: bool
    parameters: int
    dtype: str


def model_card(
    facts: Facts, published: Published, licence: ModelLicence, scores: Sequence[Scored]
) -> str:
    """Return the README of a model.

    Args:
        facts: as ``training_facts.read`` returns them.
        published: what the card stands beside.
        licence: of the weights.
        scores: of benches that were asked.
    """
    return Template(template(TEMPLATE)).substitute(
        yaml=f"---\n{metadata(facts, published, licence, scores).to_yaml()}\n---",
        name=published.repository.rpartition("/")[2],
        repo=published.repository,
        introduction=_introduction(facts, published),
        warnings=_warnings(facts, licence),
        needed=_needed(published),
        max_frames=facts["recipe"]["max_frames"],
        scores=scores_text(scores),
        base_line=_base_line(facts["base"]),
        sources_table=sources_table(facts),
        sources_notes=sources_notes(facts),
        tasks_table=tasks_table(facts),
        settings_table=_settings_table(facts, published),
        recipe=yaml.safe_dump(dict(facts["recipe"]), sort_keys=False).strip(),
        limits=_limits(facts),
        licence=_licence_text(licence),
        licences_table=table(
            ("part", "licence"), [(part.what, part.terms) for part in licence.parts]
        ),
    )


def metadata(
    facts: Facts, published: Published, licence: ModelLicence, scores: Sequence[Scored]
) -> ModelCardData:
    """Return the YAML of the card, the scores as a model index."""
    base = root(facts["base"])
    on_hub = base["name"] if base["kind"] == "hub" and not base["random_weights"] else None
    relation = "adapter" if published.adapter else "finetune"
    tags = ["video", "kinematics", "spatio-temporal reasoning", "stkit", "trl", "sft"]
    data_sets = [source["path"] for one in stages(facts) for source in one["sources"]
                 if source["place"] == "hub"]  # fmt: skip
    return ModelCardData(
        base_model=on_hub,
        base_model_relation=relation if on_hub else None,
        datasets=sorted(set(data_sets)) or None,
        language=["en"],
        library_name="peft" if published.adapter else "transformers",
        license=licence.label,
        license_name=licence.name,
        license_link=None if licence.name is None else "README.md",
        pipeline_tag="image-text-to-text",
        tags=[*tags, "simulation"] if only_rendered(facts) else tags,
        model_name=published.repository.rpartition("/")[2] if scores else None,
        eval_results=eval_results(scores) or None,
    )


# --- the sections -----------------------------------------------------------------------------


def _introduction(facts: Facts, published: Published) -> str:
    base = root(facts["base"])
    named = f"`{base['name']}`"
    if base["random_weights"]:
        made = f"A model of the configuration of {named}, trained from random weights"
    elif published.adapter:
        made = f"An adapter (LoRA) for {linked(base)}, tuned"
    else:
        made = f"{linked(base)}, tuned"
    merged = "; the adapter is merged into the weights" if published.merged else ""
    rows = any(
        source["format"] in ROW_FORMATS for one in stages(facts) for source in one["sources"]
    )
    what = (
        "questions about how objects in short video clips move: how far, how fast, which way, "
        "when, and which of two"
        if rows
        else "the data named below"
    )
    size = f"{published.parameters / 1e9:.2f} billion"
    if published.parameters < 1e7:
        size = f"{published.parameters:,}"
    return f"{made} with STKit on {what}{merged}. {size} parameters, stored as {published.dtype}."


def _warnings(facts: Facts, licence: ModelLicence) -> str:
    told = []
    if only_rendered(facts):
        told.append(
            "**Its questions about motion are all about drawn scenes, not about real video. That "
            "it answers them says nothing about how well it judges real video.**"
        )
    if licence.non_commercial:
        told.append("**Not for commercial use: see the licence below.**")
    return "\n\n".join(told) or "See its limits below before you rely on an answer."


def _needed(published: Published) -> str:
    wanted = "`pip install transformers torch torchvision accelerate av datasets`"
    if published.adapter:
        return f"With {wanted} and `pip install peft`; the base model is fetched by itself:"
    return f"With {wanted}, and no code of STKit:"


def _base_line(base: Facts) -> str:
    base = root(base)
    at = base["revision"]
    weights = "its configuration, random weights" if base["random_weights"] else "its weights"
    if base["kind"] == "hub":
        return f"Base model: {linked(base)}, revision `{at}` ({weights})."
    return f"Base model: `{base['name']}`, a local folder, {short(at)} ({weights})."


def _settings_table(facts: Facts, published: Published) -> str:
    recipe, run = facts["recipe"], facts["run"]
    body = [
        ("learning rate", f"{recipe['learning_rate']:g}, {recipe['lr_scheduler_type']}"),
        ("global batch", str(recipe["global_batch_size"])),
        ("optimizer", str(recipe["optim"])),
        ("steps", f"{run['steps']:,} ({run['epochs']:g} epochs)"),
        ("samples seen", f"{run['samples_seen']:,}"),
        ("frames", f"at most {recipe['max_frames']} a clip"),
        ("tuned", _tuned(recipe)),
        ("precision", "bf16 arithmetic" if recipe["bf16"] else str(recipe.get("dtype", "float32"))),
        ("seed", f"{recipe['seed']}, of the mixture {recipe['mixture_seed']}"),
        ("processes", f"{run['processes']} on {run['device']}"),
        ("versions", ", ".join(f"{name} {at}" for name, at in facts["versions"].items())),
    ]
    return table(("setting", "value"), body)


def _tuned(recipe: Facts) -> str:
    vision = "" if recipe.get("train_vision_tower", True) else ", not the vision tower"
    if recipe.get("use_peft"):
        return f"adapters (LoRA, rank {recipe.get('lora_r', 16)}){vision}"
    return f"all weights{vision}"


def _limits(facts: Facts) -> str:
    lines = seen(facts)
    if lines:
        lines = ["What its questions about motion were about; nothing is known beyond it:", "",
                 *lines, ""]  # fmt: skip
    lines += [
        f"- It saw at most {facts['recipe']['max_frames']} frames of a clip.",
        "- Objects are named by the color of a box that is drawn into the video; without the box "
        "it was not taught which object is meant.",
        "- Directions are clock hours about the vertical, with the object's own first step as 12.",
        "- It gives a number whether or not it can know it, and says nothing of its doubt. Do not "
        "use it where an error can hurt somebody.",
        "- What the base model learned before, and its limits, are the matter of its own card.",
    ]
    if only_rendered(facts):
        lines.append("- It has seen no real video with questions about motion.")
    return "\n".join(lines)


def _licence_text(licence: ModelLicence) -> str:
    named = f"`{licence.label}`" + (f" ({licence.name})" if licence.name else "")
    how = " as stated by whoever published it" if licence.stated else ""
    ends = "The owners' current texts decide; read them before you use or pass on the weights."
    return f"{named}{how}. {RULE} {ends}"
