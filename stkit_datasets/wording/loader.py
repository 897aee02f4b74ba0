"""Reads sets of sentences from JSON, ours or a user's, and checks every slot in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.seeding import stable_hex
from stkit_datasets.wording.slots import (
    COMMON_PROMPT_RULES,
    TASK_RULES,
    SlotRule,
    broken_rule,
)

Groups: TypeAlias = Mapping[str, tuple[str, ...]]

_TASK_KEYS = ("task", "questions", "paraphrases", "answers", "convention")


class WordingError(SourceError):
    """A file of sentences is unreadable or breaks a rule; names file, group, index and slot."""


@dataclass(frozen=True)
class CommonPrompt:
    """The sentences in front of every question; see ``stkit_datasets.prompt``."""

    video: str
    one_object: str
    two_objects: str


@dataclass(frozen=True)
class TaskWording:
    """The sentences of one task, each with slots in braces.

    Attributes:
        task: the task's id.
        questions: group name to variants; the groups stand in ``slots.TASK_RULES``.
        paraphrases: the same groups, asking the same in clearly different words.
        answers: group name to variants.
        convention: what a model must be told to answer at all, or None.
    """

    task: str
    questions: Groups
    paraphrases: Groups
    answers: Groups
    convention: str | None = None


@dataclass(frozen=True)
class Wording:
    """Every sentence that a build can write."""

    common_prompt: CommonPrompt
    tasks: Mapping[str, TaskWording]

    def __getitem__(self, task: str) -> TaskWording:
        """Return the sentences of one task."""
        if task not in self.tasks:
            raise ConfigError(f"unknown task {task!r}, expected one of {', '.join(self.tasks)}")
        return self.tasks[str(task)]

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any sentence."""
        content = [vars(self.common_prompt), [vars(task) for task in self.tasks.values()]]
        return stable_hex(json.dumps(content, sort_keys=True))


@dataclass(frozen=True)
class _Document:
    name: str
    content: dict[str, Any]


def load_wording(path: str | Path | None = None) -> Wording:
    """Load the package's sentences, with a user's own in the place of some or all of them.

    A user's file holds one object as in this package's JSON files, or a list of such objects; a
    folder holds any number of such ``*.json`` files. Each object replaces the task that it
    names, or the common prompt. The number of variants is free. An object without
    ``paraphrases`` or ``convention`` keeps the package's.

    Args:
        path: a JSON file or a folder of them; None for the package's sentences alone.

    Raises:
        WordingError: a file is missing, unreadable, or holds a sentence that breaks a rule; the
            message names the file, the group, the index and the slot.
    """
    shipped = _shipped()
    return shipped if path is None else _replaced(shipped, _read_user(Path(path)))


@cache
def _shipped() -> Wording:
    folder = resources.files("stkit_datasets.wording")
    common = _parse_common(_read(folder / "common_prompt.json", "common_prompt.json")[0])
    tasks = {}
    for task in TASK_RULES:
        name = f"{task}.json"
        tasks[task] = _parse_task(_read(folder / name, name)[0], None)
    return Wording(common, tasks)


def _replaced(base: Wording, documents: list[_Document]) -> Wording:
    common, tasks = base.common_prompt, dict(base.tasks)
    seen: dict[str, str] = {}
    for document in documents:
        if "common_prompt" in document.content:
            key, common = "common_prompt", _parse_common(document)
        else:
            key = _task_name(document)
            tasks[key] = _parse_task(document, base.tasks[key])
        if key in seen:
            raise WordingError(document.name, f"{key!r} is given already in {seen[key]}")
        seen[key] = document.name
    return replace(base, common_prompt=common, tasks=tasks)


def _read_user(path: Path) -> list[_Document]:
    if path.is_dir():
        files = sorted(path.glob("*.json"))
        if not files:
            raise WordingError(path, "expected at least one *.json file in this folder")
        return [document for file in files for document in _read(file, str(file))]
    if not path.is_file():
        raise WordingError(path, "expected a JSON file or a folder of them, found nothing")
    return _read(path, str(path))


def _read(file: Traversable | Path, name: str) -> list[_Document]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise WordingError(name, f"expected JSON in UTF-8: {error}") from error
    items = content if isinstance(content, list) else [content]
    if not items or not all(isinstance(item, dict) for item in items):
        raise WordingError(name, "expected a JSON object, or a list of at least one")
    return [_Document(name, item) for item in items]


def _task_name(document: _Document) -> str:
    task = document.content.get("task")
    if not isinstance(task, str) or task not in TASK_RULES:
        expected = ", ".join(TASK_RULES)
        raise WordingError(document.name, f"expected one of {expected}, got {task!r}", "task")
    return task


def _parse_common(document: _Document) -> CommonPrompt:
    if set(document.content) != {"common_prompt"}:
        raise WordingError(document.name, "expected the key 'common_prompt' and no other")
    sentences = _check_names(
        document.name,
        "common_prompt",
        document.content["common_prompt"],
        tuple(COMMON_PROMPT_RULES),
    )
    for group, rule in COMMON_PROMPT_RULES.items():
        _check_sentence(document.name, f"common_prompt.{group}", sentences[group], rule)
    return CommonPrompt(**sentences)


def _parse_task(document: _Document, base: TaskWording | None) -> TaskWording:
    name, content = document.name, document.content
    task = _task_name(document)
    rule = TASK_RULES[task]
    if unknown := set(content) - set(_TASK_KEYS):
        raise WordingError(
            name, f"unknown key {min(unknown)!r}, expected {', '.join(_TASK_KEYS)}", task
        )
    keeps_paraphrases = base is not None and "paraphrases" not in content
    return TaskWording(
        task=task,
        questions=_parse_groups(name, "questions", content, rule.questions),
        paraphrases=base.paraphrases
        if base is not None and keeps_paraphrases
        else _parse_groups(name, "paraphrases", content, rule.questions),
        answers=_parse_groups(name, "answers", content, rule.answers),
        convention=_parse_convention(document, base, rule.needs_convention),
    )


def _parse_convention(document: _Document, base: TaskWording | None, needed: bool) -> str | None:
    sentence = document.content.get("convention")
    if sentence is None:
        if base is not None:
            return base.convention
        if needed:
            raise WordingError(document.name, "expected a sentence, found none", "convention")
        return None
    return _check_sentence(document.name, "convention", sentence, SlotRule(frozenset()))


def _parse_groups(
    name: str, kind: str, content: dict[str, Any], rules: Mapping[str, SlotRule]
) -> Groups:
    groups = _check_names(name, kind, content.get(kind), tuple(rules))
    return {
        group: _parse_variants(name, f"{kind}.{group}", groups[group], rule)
        for group, rule in rules.items()
    }


def _parse_variants(name: str, where: str, variants: object, rule: SlotRule) -> tuple[str, ...]:
    if not isinstance(variants, list) or not variants:
        raise WordingError(name, "expected a list of at least one sentence", where)
    return tuple(
        _check_sentence(name, f"{where}[{index}]", sentence, rule)
        for index, sentence in enumerate(variants)
    )


def _check_names(
    name: str, where: str, groups: object, expected: tuple[str, ...]
) -> dict[str, Any]:
    if not isinstance(groups, dict):
        raise WordingError(name, f"expected an object with {', '.join(expected)}", where)
    if missing := [group for group in expected if group not in groups]:
        raise WordingError(name, f"lacks {missing[0]!r}, expected {', '.join(expected)}", where)
    if unknown := set(groups) - set(expected):
        raise WordingError(
            name, f"unknown group {min(unknown)!r}, expected {', '.join(expected)}", where
        )
    return groups


def _check_sentence(name: str, where: str, sentence: object, rule: SlotRule) -> str:
    if not isinstance(sentence, str) or not sentence.strip():
        raise WordingError(name, f"expected a sentence, got {sentence!r}", where)
    if broken := broken_rule(sentence, rule):
        raise WordingError(name, broken, where)
    return sentence
