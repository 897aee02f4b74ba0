"""The sentences of prompts, questions and answers: JSON, one file a task, and their loader.

Slots stand in braces and are filled by :func:`fill`: ``{color}`` for one object, ``{color_a}`` and
``{color_b}`` in the order named by a question about two, ``{answer_color}`` and ``{other_color}``
in the answer of a distance or speed comparison (first the object that the question asks for),
``{start}``, ``{end}``, ``{distance}``, ``{speed}`` and ``{clock}``.
"""

from stkit_datasets.wording.loader import (
    CommonPrompt,
    TaskWording,
    Wording,
    WordingError,
    load_wording,
)
from stkit_datasets.wording.slots import TASK_RULES, direction_answer_group, fill

__all__ = [
    "TASK_RULES",
    "CommonPrompt",
    "TaskWording",
    "Wording",
    "WordingError",
    "direction_answer_group",
    "fill",
    "load_wording",
]
