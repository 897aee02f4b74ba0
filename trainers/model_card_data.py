"""What a model's card says of the data: tables, notes, and what it was all about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from stkit_datasets.sources import SOURCES
from stkit_datasets.sources.pseudo_labelled import PseudoLabelledSource
from stkit_datasets.tasks.names import TASKS
from trainers.model_licence import source_parts
from trainers.samples import ROW_FORMATS

Facts = Mapping[str, Any]

_RENDERED = ("gta", "simulation", "vkitti2")
_FORMATS = {
    "llava": "conversations in the form of LLaVA",
    "openspatial": "OpenSpatialDataset, its regions drawn as colored boxes",
    "vlm4d": "VLM4D's questions, answered by letter",
}
_CAMERAS = 12  # that a line of the limits names


def stages(facts: Facts) -> list[Facts]:
    """Return the facts of all trainings of the weights, the first one first."""
    earlier = facts["base"].get("earlier")
    return [*(stages(earlier) if earlier else []), facts]


def kind_of(origin: str) -> str:
    """Return how the answers of a source of STKit came about, in words."""
    if origin == "simulation":
        return "simulated"
    if origin in _RENDERED:
        return "rendered by a game or a simulator, annotated by it"
    if origin not in SOURCES:
        return "not known to this version of STKit"
    module, attribute = SOURCES[origin].split(":")
    made = getattr(import_module(module), attribute)
    return "pseudo-labelled" if issubclass(made, PseudoLabelledSource) else "annotated"


def seen(facts: Facts) -> list[str]:
    """Return a line for every source of STKit: cameras, frame rate, distances, speeds."""
    lines = []
    for origin, rows in rows_of(facts):
        cameras = rows["cameras"]
        shown = names_text(cameras[:_CAMERAS]) or "without names"
        if len(cameras) > _CAMERAS:
            shown += f" and {len(cameras) - _CAMERAS} more"
        spans = [_span(rows["distance_m"], "m traveled"), _span(rows["speed_mps"], "m/s")]
        domains = ", ".join(rows["domains"]) or "no domain stated"
        told = [
            f"- `{origin}` ({kind_of(origin)}, {domains}): cameras {shown}",
            f"{', '.join(f'{value:g}' for value in rows['fps'])} frames a second",
            "; ".join(span for span in spans if span) or "no distances or speeds asked",
        ]
        lines.append("; ".join(told) + ".")
    return lines


def sources_table(facts: Facts) -> str:
    """Return every source as it was taken, one line a kind of data."""
    several = len(stages(facts)) > 1
    body = []
    for number, one in enumerate(stages(facts), 1):
        for source in one["sources"]:
            at = source["revision"] or source["digest"]
            end = (short(at) if at else "not known",)
            first = (str(number),) if several else ()
            for entry in _entries(source):
                body.append((*first, *entry, *end))
    head = ("source", "made from", "answers", "samples", "licence", "revision")
    return table(("training", *head) if several else head, body)


def _entries(source: Facts) -> Iterable[tuple[str, str, str, str, str]]:
    name = f"`{source['name']}`"
    if source["format"] not in ROW_FORMATS:
        (part,) = source_parts(source)
        made = source.get("data_set") or _FORMATS[source["format"]]
        count = f"{'at most ' if source['at_most'] else ''}{source['samples']:,}"
        yield name, made, "as published", count, part.terms
        return
    for (origin, rows), part in zip(source["rows"].items(), source_parts(source), strict=True):
        clips = f"{rows['clips']:,} clip{'' if rows['clips'] == 1 else 's'}"
        count = f"{rows['samples']:,} ({clips})"
        yield name, part.what, kind_of(origin), count, part.terms


def sources_notes(facts: Facts) -> str:
    """Return what the table's words mean, and what was left out."""
    kinds = {kind_of(origin) for origin, _ in rows_of(facts)}
    notes = []
    if "pseudo-labelled" in kinds:
        notes.append(
            "*Pseudo-labelled*: the 3D positions behind the answers were estimated from the video "
            "by other models, not measured; those models' own licences are not recorded here."
        )
    if "simulated" in kinds:
        notes.append("*Simulated*: drawn by a small renderer whose world is known exactly.")
    unread = sum(one["run"]["unreadable_samples"] for one in stages(facts))
    if unread:
        notes.append(f"{unread:,} samples could not be read and were replaced by others.")
    held = [s["name"] for one in stages(facts) for s in one["sources"] if s.get("held_out")]
    if held:
        notes.append(f"A share of the videos of {names_text(held)} was held out for a test.")
    notes.append("A revision is a commit on the Hub, or a digest of the lists or of the row files.")
    return "\n\n".join(notes)


def tasks_table(facts: Facts) -> str:
    """Return how many samples of each task of STKit there were."""
    found: dict[str, dict[str, int]] = {}
    for origin, rows in rows_of(facts):
        counts = found.setdefault(origin, {})
        for task, count in rows["tasks"].items():
            counts[task] = counts.get(task, 0) + count
    if not found:
        return "No question of STKit's own tasks is among it."
    body = [
        (f"`{task}`", *(f"{counts.get(str(task), 0):,}" for counts in found.values()))
        for task in TASKS
    ]
    return table(("task", *(f"`{origin}`" for origin in found)), body)


def rows_of(facts: Facts) -> list[tuple[str, Facts]]:
    """Return the rows of STKit by where they are from, of all trainings."""
    return [
        (origin, rows)
        for one in stages(facts)
        for source in one["sources"]
        for origin, rows in (source["rows"] or {}).items()
    ]


def only_rendered(facts: Facts) -> bool:
    """Whether there were rows of STKit, and all of them of drawn scenes."""
    origins = {origin for origin, _ in rows_of(facts)}
    return bool(origins) and origins <= set(_RENDERED)


def root(base: Facts) -> Facts:
    """Return the base model that the first of several trainings began with."""
    earlier = base.get("earlier")
    return root(earlier["base"]) if earlier else base


def linked(base: Facts) -> str:
    """Return a model's name, as a link where it is on the Hub."""
    if base["kind"] == "hub":
        return f"[{base['name']}](https://huggingface.co/{base['name']})"
    return f"`{base['name']}`"


def short(at: str) -> str:
    """Return a commit, or the beginning of a digest."""
    kind, _, digest = at.rpartition(":")
    return f"`{kind}:{digest[:16]}`" if kind else f"`{digest}`"


def _span(edges: Sequence[float] | None, unit: str) -> str:
    if edges is None:
        return ""
    low, middle, high = edges
    return f"{low:g} to {high:g} {unit} (median {middle:g})"


def names_text(names: Sequence[str]) -> str:
    """Return names as code, with commas."""
    return ", ".join(f"`{name}`" for name in names)


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    rows = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
