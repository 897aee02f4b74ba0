"""VLM4D: four-way multiple choice about motion in real and synthetic videos.

``read_choice`` needs the standard library only; the other names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .choice import READER_VERSION, read_choice

if TYPE_CHECKING:
    from .items import Item, load
    from .prompt_forms import prompts
    from .scores import VlmScores, score_vlm4d

__all__ = [
    "READER_VERSION",
    "Item",
    "VlmScores",
    "load",
    "prompts",
    "read_choice",
    "score_vlm4d",
]

_HOMES = {
    "Item": ".items",
    "VlmScores": ".scores",
    "load": ".items",
    "prompts": ".prompt_forms",
    "score_vlm4d": ".scores",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
