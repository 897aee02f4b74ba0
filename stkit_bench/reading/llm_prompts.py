"""What a language model is told so that it reads a response: one prompt a task, as data.

The files of ``prompts/`` hold our own sentences; a folder with files of the same names and fields
replaces them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from stkit_datasets.tasks.names import TASKS

from .replies import ReplyError, reading_of

__all__ = ["Prompt", "PromptError", "load_prompts"]


class PromptError(ValueError):
    """A prompt's file breaks a rule; the message names the file and the rule."""


@dataclass(frozen=True)
class Prompt:
    """How one task's responses are read.

    Attributes:
        task: its name.
        system: the system message.
        shots: responses with the replies that are wanted for them.
        schema: the JSON Schema of a reply.
    """

    task: str
    system: str
    shots: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of all that the model is told."""
        told = json.dumps([self.system, self.shots, self.schema], ensure_ascii=False)
        return hashlib.sha256(told.encode()).hexdigest()[:16]

    def messages(self, response: str) -> list[dict[str, str]]:
        """Return the conversation; of the question and its target nothing is in it."""
        found = [{"role": "system", "content": self.system}]
        for said, reply in (*self.shots, (response, None)):
            found.append({"role": "user", "content": said})
            if reply is not None:
                found.append({"role": "assistant", "content": reply})
        return found


def load_prompts(folder: Path | None = None) -> dict[str, Prompt]:
    """Return the prompt of every task.

    Args:
        folder: holds ``<task>.json`` for each of the seven; None for the package's own.

    Raises:
        PromptError: a file is missing, or holds something else than ``system`` (a text or a list of
            them), ``shots`` (each with a ``response`` and a valid ``reply``) and ``schema``.
    """
    root = files(__package__).joinpath("prompts") if folder is None else folder
    found = {}
    for task in TASKS:
        name = f"{task}.json"
        try:
            data = json.loads(root.joinpath(name).read_text("utf-8"))
            found[task.value] = _prompt(task.value, data)
        except (OSError, ValueError, KeyError, TypeError) as error:
            where = name if folder is None else folder / name
            told = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise PromptError(f"{where}: {told}") from error
    return found


def _prompt(task: str, data: Mapping[str, Any]) -> Prompt:
    system, shots = data["system"], []
    for shot in data["shots"]:
        reply = json.dumps(shot["reply"], ensure_ascii=False)
        try:
            reading_of(task, reply)
        except ReplyError as error:
            raise ValueError(f"the reply to {shot['response']!r}: {error}") from error
        shots.append((str(shot["response"]), reply))
    text = system if isinstance(system, str) else "\n".join(system)
    if not isinstance(data["schema"], dict):
        raise TypeError("schema must be an object")
    return Prompt(task, text, tuple(shots), data["schema"])
