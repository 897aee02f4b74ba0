"""The questions of VLM4D from the official files, checked item by item, known faults flagged.

The files are published at https://huggingface.co/datasets/shijiezhou/VLM4D: ``real_mc.json`` (1,371
questions) and ``synthetic_mc.json`` (445), each a JSON list of objects with ``id``, ``video`` (a
URL), ``question``, ``choices`` (letters to texts) and ``answer`` (a text of the choices).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stkit_bench.files import FileError

__all__ = ["FILES", "GROUPS", "LAST_EXOCENTRIC", "SPLITS", "Fault", "Item", "find_files", "load"]

SPLITS = ("real", "synthetic")
FILES = {"real": "real_mc.json", "synthetic": "synthetic_mc.json"}
#: Where the files may lie below the folder that is given.
_FOLDERS = (".", "data", "QA")
#: Real questions up to this number are about third-person video, the later ones first-person.
LAST_EXOCENTRIC = 922
GROUPS = {
    "real_egocentric": "real",
    "real_exocentric": "real",
    "synthetic_directional": "synthetic",
    "synthetic_false_positive": "synthetic",
}
_ID = re.compile(r"validation_(\d{1,6})")
_VIDEO = re.compile(r"(?:^|/)(videos_(real|synthetic)/[^?#]+\.\w{2,5})$")


class Fault:
    """What can be wrong with a published item; the names stand in :attr:`Item.faults`."""

    EQUAL_OPTIONS = "equal_options"  # two letters stand for the same text
    INTEGER_OPTIONS = "integer_options"  # options or answer are numbers, not texts
    ANSWER_NOT_AN_OPTION = "answer_not_an_option"  # nothing can be right: never scored


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: ``real/validation_1``; the official files number both splits from 1.
        split: ``real`` or ``synthetic``.
        group: one of :data:`GROUPS`.
        category: the kind of motion where the file names one, else None.
        video: path below the data folder, such as ``videos_real/davis/camel.mp4``.
        choices: letter to text; numbers are written as texts.
        answer: the text of the right option, as in the file.
        letters: every letter whose text is the answer; two for an item with equal options, none
            where the answer is not among the options.
        faults: see :class:`Fault`.
    """

    id: str
    split: str
    group: str
    category: str | None
    video: str
    video_url: str
    question: str
    choices: dict[str, str]
    answer: str
    letters: tuple[str, ...]
    faults: tuple[str, ...]

    @property
    def official_id(self) -> str:
        """The id in the official file, unique within a split only."""
        return self.id.partition("/")[2]

    def is_right(self, letter: str | None) -> bool:
        """Whether a letter stands for the right answer's text."""
        return letter in self.letters


def load(path: str | Path) -> list[Item]:
    """Read one official file, or both from the folder that holds them.

    Args:
        path: ``real_mc.json``, ``synthetic_mc.json``, or a folder with one or both, directly or
            in ``data`` or ``QA``.

    Raises:
        FileError: a file is missing or broken; the message names the file, the item and the rule.
    """
    path = Path(path)
    if not path.is_dir():
        return _checked(path)
    found = find_files(path)
    if not found:
        raise FileError(path, f"holds neither {' nor '.join(FILES.values())}")
    return [item for file in found.values() for item in _checked(file)]


def find_files(folder: Path) -> dict[str, Path]:
    """Return the official files below a folder by split; one that is missing is left out."""
    found = {}
    for split, name in FILES.items():
        for place in _FOLDERS:
            file = folder / place / name
            if file.is_file():
                found[split] = file
                break
    return found


def _checked(path: Path) -> list[Item]:
    items: list[Item] = []
    seen: dict[str, int] = {}
    for number, entry in enumerate(_entries(path)):
        item = _item(path, number, entry)
        if item.id in seen:
            raise _error(path, number, entry, f"id repeats that of item {seen[item.id]}")
        if items and item.split != items[0].split:
            raise _error(path, number, entry, "video is of another split than those before")
        seen[item.id] = number
        items.append(item)
    if not items:
        raise FileError(path, "holds no questions")
    return items


def _entries(path: Path) -> Iterator[dict[str, Any]]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise FileError(path, f"cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"must be JSON: {error}") from error
    if not isinstance(data, list):
        raise FileError(path, f"must be a JSON list of questions, got {type(data).__name__}")
    for number, entry in enumerate(data):
        if not isinstance(entry, dict):
            raise FileError(path, f"item {number}: must be an object, got {type(entry).__name__}")
        yield entry


def _error(path: Path, number: int, entry: dict[str, Any], rule: str) -> FileError:
    return FileError(path, f"item {number} (id {entry.get('id')!r}): {rule}")


def _item(path: Path, number: int, entry: dict[str, Any]) -> Item:
    def wrong(rule: str) -> FileError:
        return _error(path, number, entry, rule)

    for key in ("id", "video", "question", "choices", "answer"):
        if key not in entry:
            raise wrong(f"key {key!r} is missing")
    for key in ("id", "video", "question"):
        if not isinstance(entry[key], str) or not entry[key].strip():
            raise wrong(f"{key} must be a text, got {entry[key]!r}")
    named = _ID.fullmatch(entry["id"])
    if named is None:
        raise wrong("id must be 'validation_' and a number")
    video = _VIDEO.search(entry["video"])
    if video is None or ".." in PurePosixPath(video.group(1)).parts:
        raise wrong(
            f"video must end in videos_real/… or videos_synthetic/…, got {entry['video']!r}"
        )
    category = entry.get("category")
    if category is not None and not isinstance(category, str):
        raise wrong(f"category must be a text, got {category!r}")
    choices, answer = _choices(entry, wrong), _text(entry["answer"], "answer", wrong)
    split = video.group(2)
    letters = tuple(letter for letter, text in choices.items() if text == answer)
    return Item(
        id=f"{split}/{entry['id']}",
        split=split,
        group=_group(split, int(named.group(1)), answer),
        category=category,
        video=video.group(1),
        video_url=entry["video"],
        question=entry["question"].strip(),
        choices=choices,
        answer=answer,
        letters=letters,
        faults=tuple(_faults(entry, choices, letters)),
    )


def _choices(entry: dict[str, Any], wrong: Any) -> dict[str, str]:
    choices = entry["choices"]
    if not isinstance(choices, dict) or len(choices) < 2:
        raise wrong(f"choices must be an object of two or more options, got {choices!r}")
    for letter in choices:
        if not re.fullmatch("[A-Z]", letter):
            raise wrong(f"choices must have capital letters as keys, got {letter!r}")
    return {letter: _text(text, f"choice {letter}", wrong) for letter, text in choices.items()}


def _text(value: Any, name: str, wrong: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise wrong(f"{name} must be a text or a whole number, got {value!r}")
    return str(value).strip()


def _group(split: str, number: int, answer: str) -> str:
    if split == "real":
        return "real_exocentric" if number <= LAST_EXOCENTRIC else "real_egocentric"
    absent = answer.lower() == "no" or answer.lower().startswith("no ")
    return "synthetic_false_positive" if absent else "synthetic_directional"


def _faults(
    entry: dict[str, Any], choices: dict[str, str], letters: tuple[str, ...]
) -> Iterator[str]:
    if len({text.lower() for text in choices.values()}) < len(choices):
        yield Fault.EQUAL_OPTIONS
    if any(isinstance(value, int) for value in (*entry["choices"].values(), entry["answer"])):
        yield Fault.INTEGER_OPTIONS
    if not letters:
        yield Fault.ANSWER_NOT_AN_OPTION
