"""Answers to VLM4D: a project's own JSONL, and the published files with the judge's verdicts."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_bench.files import FileError, read_jsonl

from .items import Item

__all__ = ["JudgedResponse", "answers_to", "read_judged"]


@dataclass(frozen=True)
class JudgedResponse:
    """One published response with the published judge's verdict.

    Attributes:
        id: the official id, unique within a split only.
        correct: the judge's flag.
        extracted: what the judge took for the answer, ``"B: left"`` for example.
        answer: the text of the right option, as the file has it.
    """

    id: str
    question: str
    choices: dict[str, Any]
    response: str | None
    answer: Any
    extracted: str
    correct: bool

    def is_right(self, letter: str | None) -> bool:
        """Whether a letter stands for the right answer's text."""
        return letter is not None and self.choices[letter] == self.answer

    @property
    def letter_and_flag_agree(self) -> bool:
        """Whether the letter that the judge took for the answer deserves the judge's flag.

        True also where the judge names no letter: then there is nothing to hold against the flag.
        """
        letter, colon, _ = self.extracted.partition(":")
        if colon and letter.strip() in self.choices:
            return self.is_right(letter.strip()) == self.correct
        return True


def read_judged(path: Path) -> list[JudgedResponse]:
    """Read a published file of judged responses, JSON or gzipped JSON.

    Raises:
        FileError: the file is missing or broken; the message names the file, item and rule.
    """
    data = _json(path)
    if not isinstance(data, list) or not data:
        raise FileError(path, "must be a JSON list of judged responses that is not empty")
    return [_judged(path, number, entry) for number, entry in enumerate(data)]


def answers_to(items: Sequence[Item], paths: Sequence[Path]) -> list[str | None]:
    """Gather one model's responses to the items from one or more files.

    Args:
        items: the questions.
        paths: JSONL files with ``id`` (``real/validation_1``) and ``response`` on each line, or
            published files of judged responses (``.json``, ``.json.gz``).

    Returns:
        One response per item; None where no file has one.

    Raises:
        FileError: a file is broken, answers an unknown question or one that was answered before.
    """
    places = {item.id: place for place, item in enumerate(items)}
    responses: list[str | None] = [None] * len(items)
    answered: dict[int, Path] = {}
    for path in paths:
        for identity, response, where in _responses(path, items, places):
            place = places.get(identity)
            if place is None:
                raise FileError(path, f"{where}id {identity!r} is not among the questions")
            if place in answered:
                raise FileError(path, f"{where}id {identity!r} is answered in {answered[place]}")
            answered[place] = path
            responses[place] = response
    return responses


def _responses(
    path: Path, items: Sequence[Item], places: Mapping[str, int]
) -> list[tuple[str, str | None, str]]:
    if path.name.endswith((".json", ".json.gz")):
        return _judged_responses(path, items, places)
    found = []
    for number, line in read_jsonl(path):
        for key in ("id", "response"):
            if key not in line:
                raise FileError(path, f"key {key!r} is missing", number)
        identity, response = line["id"], line["response"]
        if not isinstance(identity, str):
            raise FileError(path, f"id must be a text, got {identity!r}", number)
        if response is not None and not isinstance(response, str):
            raise FileError(path, f"response must be a text or null, got {response!r}", number)
        found.append((identity, response, f"line {number}: "))
    return found


def _judged_responses(
    path: Path, items: Sequence[Item], places: Mapping[str, int]
) -> list[tuple[str, str | None, str]]:
    """Tell by the questions which split a published file answers; its options must be ours."""
    rows = read_judged(path)
    asked = {(row.id, row.question.strip()) for row in rows}
    matches = Counter(item.split for item in items if (item.official_id, item.question) in asked)
    split = max(matches, key=lambda name: (matches[name], name), default="real")
    found = []
    for row in rows:
        identity = f"{split}/{row.id}"
        ours = items[places[identity]].choices if identity in places else {}
        theirs = {letter: str(text).strip() for letter, text in row.choices.items()}
        if ours and ours != theirs:
            raise FileError(path, f"id {row.id!r}: options must be {ours}, got {theirs}")
        found.append((identity, row.response, ""))
    return found


def _json(path: Path) -> Any:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        return json.loads(content.decode("utf-8-sig"))
    except (OSError, EOFError, zlib.error) as error:
        raise FileError(path, f"cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise FileError(path, f"must be JSON: {error}") from error


_TYPES = {"id": str, "question": str, "choices": dict, "correct": bool}


def _judged(path: Path, number: int, entry: Any) -> JudgedResponse:
    if not isinstance(entry, dict):
        raise FileError(path, f"item {number}: must be an object, got {type(entry).__name__}")
    for key in ("response", "ground_truth_answer", "extracted_answer", *_TYPES):
        if key not in entry:
            raise FileError(path, f"item {number} (id {entry.get('id')!r}): key {key!r} is missing")
    for key, kind in _TYPES.items():
        if not isinstance(entry[key], kind):
            raise FileError(
                path,
                f"item {number} (id {entry.get('id')!r}): {key} must be {kind.__name__}, "
                f"got {type(entry[key]).__name__}",
            )
    response = entry["response"]
    if response is not None and not isinstance(response, str):
        raise FileError(path, f"item {number} (id {entry['id']!r}): response must be text or null")
    return JudgedResponse(
        id=entry["id"],
        question=entry["question"],
        choices=entry["choices"],
        response=response,
        answer=entry["ground_truth_answer"],
        extracted=str(entry["extracted_answer"] or ""),
        correct=entry["correct"],
    )
