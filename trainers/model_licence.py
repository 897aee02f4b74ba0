"""The licence of tuned weights, by one rule: as strict as the strictest part they are made from.

The parts are the base model and every source of the data. What the sources of STKit allow stands in
``stkit_datasets/licences.py``; what is not known is not guessed, the user states it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from stkit_datasets.errors import ConfigError
from stkit_datasets.licences import LICENCES
from trainers.samples import ROW_FORMATS

RULE = (
    "The weights are under the strictest of the licences of what they were made from, the base "
    "model and all data: non-commercial if any part is, share-alike if any part is, and under the "
    "terms of each source where one of them is under an agreement with its owner."
)

FREE = ("apache-2.0", "mit", "bsd-2-clause", "bsd-3-clause", "cc-by-4.0", "cc0-1.0")
_LABEL = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_OTHER = "other"
_OTHER_NAME = "terms-of-each-source"
_CUSTOM = "custom"

BASE_MODELS = {"llava-hf/llava-onevision-qwen2-7b-ov-hf": "apache-2.0"}
"""Hub name -> licence, as the models' own pages state it."""


@dataclass(frozen=True)
class Part:
    """Something that weights are made from.

    Attributes:
        what: its name.
        label: the Hub's identifier of its licence, ``other`` where it has none; None if unknown.
        terms: the licence in words, or why it is not known.
    """

    what: str
    label: str | None
    terms: str


@dataclass(frozen=True)
class ModelLicence:
    """The licence of weights.

    Attributes:
        label: the Hub's identifier.
        name: of a licence that the Hub has no identifier for.
        parts: what it follows from.
        stated: whether the user stated it.
    """

    label: str
    name: str | None
    parts: tuple[Part, ...]
    stated: bool

    @property
    def non_commercial(self) -> bool:
        """Whether a part is known not to allow commercial use."""
        return any(_rank(part.label) for part in self.parts)


_GENERAL = {
    "LLaVA-Video-178K": Part(
        "LLaVA-Video-178K", LICENCES["llava_video"].label, LICENCES["llava_video"].terms
    ),
    # Its page states the licence (huggingface.co/datasets/lmms-lab/LLaVA-OneVision-Data).
    "LLaVA-OneVision-Data": Part(
        "LLaVA-OneVision-Data", "apache-2.0",
        "Apache-2.0, as its page states; the pictures belong to their own sources",
    ),
    "OpenSpatialDataset": Part(
        "OpenSpatialDataset", None, "its page on the Hub states no licence"
    ),
}  # fmt: skip
_VLM4D = "the questions are under MIT, their videos under terms of their own"


def published_name(path: str) -> str | None:
    """Return the general data set whose name is among the folders of a path or of a Hub name."""
    return next((part for part in PurePath(path).parts if part in _GENERAL), None)


def parts_of(facts: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the base model and all data of a run, earlier runs on the same weights included."""
    base = facts["base"]
    found = [] if base.get("earlier") else [_base(base)]
    if base.get("earlier"):
        found += parts_of(base["earlier"])
    for source in facts["sources"]:
        found += source_parts(source)
    return tuple(dict.fromkeys(found))


def source_parts(source: Mapping[str, Any]) -> list[Part]:
    """Return what a source of a run holds: one part for every source of STKit, else one."""
    if source["format"] in ROW_FORMATS:
        return [_stkit(name) for name in source["rows"]]
    general = _GENERAL.get(source.get("data_set") or "")
    if general is not None:
        return [general]
    told = _VLM4D if source["format"] == "vlm4d" else "data that STKit does not know"
    return [Part(f"source {source['name']!r}", None, told)]


def derive(parts: Sequence[Part], stated: str | None = None) -> ModelLicence:
    """Return the licence of weights made from some parts.

    Args:
        parts: what they are made from.
        stated: the licence as the user states it, needed where a part's is not known.

    Raises:
        ConfigError: a part's licence is not known and none is stated, or the one stated allows
            what a known part does not.
    """
    unknown = [part for part in parts if part.label is None or _rank(part.label) is None]
    known = [part for part in parts if part not in unknown]
    strictest = max((_strictness(part.label) for part in known), default=(0, "apache-2.0"))
    if stated is None:
        if unknown:
            told = "; ".join(f"{part.what}: {part.terms}" for part in unknown)
            raise ConfigError(
                f"the licence of the model cannot be told ({told}); read the terms and state what "
                "the model may be published under: --license NAME"
            )
        label = strictest[1] if strictest[0] else _base_label(parts)
        return ModelLicence(label, _OTHER_NAME if label == _OTHER else None, tuple(parts), False)
    if not _LABEL.fullmatch(stated):
        raise ConfigError(f"--license takes an identifier of the Hub, got {stated!r}")
    if (_rank(stated) or 0) < strictest[0]:
        strict = [part for part in known if _strictness(part.label)[0] > (_rank(stated) or 0)]
        told = "; ".join(f"{part.what}: {part.terms}" for part in strict)
        raise ConfigError(
            f"--license {stated} allows more than what the model is made from ({told})"
        )
    return ModelLicence(stated, _OTHER_NAME if stated == _OTHER else None, tuple(parts), True)


def _rank(label: str | None) -> int | None:
    """How strict a licence is, from 0; None for one that is not known here."""
    if label is None:
        return None
    if label in FREE:
        return 0
    if label == _OTHER:
        return 3
    if label.startswith("cc-by-nc-sa"):
        return 2
    return 1 if label.startswith("cc-by-nc") else None


def _strictness(label: str | None) -> tuple[int, str]:
    # Of two versions of one licence the later takes in what is under the earlier.
    return (_rank(label) or 0, label or "")


def _base_label(parts: Iterable[Part]) -> str:
    return next(part.label for part in parts if part.label is not None)


def _base(base: Mapping[str, Any]) -> Part:
    name = base["name"]
    if base["random_weights"]:
        return Part(f"{name}, its configuration alone", "apache-2.0", "random weights, nobody's")
    label = base.get("licence") or BASE_MODELS.get(name)
    if label is None:
        place = "no card in its folder" if base["kind"] == "folder" else "read its page"
        return Part(f"the base model {name}", None, place)
    if _rank(label) is None:
        return Part(f"the base model {name}", None, f"{label!r}, which this rule does not know")
    return Part(f"the base model {name}", label, label)


def _stkit(name: str) -> Part:
    terms = LICENCES.get(name)
    if terms is None or name == _CUSTOM:
        return Part(f"rows of {name!r}", None, "the terms of the data's owner")
    return Part(terms.title, terms.label, terms.terms)
