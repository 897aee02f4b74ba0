"""The two ways in which VLM4D asks: for the answer at once, and for reasoning first.

The wording is this project's own; only the two forms and the lettered options are the paper's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .items import Item

__all__ = ["FORMS", "prompts"]

_INSTRUCTIONS = {
    "direct": (
        "Reply with the letter of the one option that is right, and nothing else. Do not explain."
    ),
    "cot": (
        "Look at how things move from frame to frame and reason step by step before you decide. "
        "Then end with a line of its own that reads\nFinal answer: X\nwhere X is the letter of "
        "the one option that is right."
    ),
}
FORMS = tuple(_INSTRUCTIONS)


def prompts(item: Item | Mapping[str, Any], form: str) -> str:
    """Return the text that is given to a model together with the video.

    Args:
        item: a question with its options; a mapping needs ``question`` and ``choices``.
        form: ``direct`` for the letter alone, ``cot`` for reasoning first.

    Raises:
        ValueError: the form is unknown.
    """
    if form not in _INSTRUCTIONS:
        raise ValueError(f"`form` must be one of {', '.join(FORMS)}, got {form!r}")
    if isinstance(item, Item):
        question, choices = item.question, item.choices
    else:
        question, choices = item["question"], item["choices"]
    options = "\n".join(f"{letter}. {str(text).strip()}" for letter, text in choices.items())
    asked = f"Watch the video and answer the question.\n\n{question}\n{options}"
    return f"{asked}\n\n{_INSTRUCTIONS[form]}"
