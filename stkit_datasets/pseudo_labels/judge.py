"""Filter 2: a vision-language model is asked four yes/no questions about a clip [P2 B.1, Table 9].

All four must be yes. What is asked is the paper's, the sentences are our own and can be replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.interfaces import UInt8Array, VlmJudge

CRITERIA = ("occlusion", "camera_motion", "detection", "tracking")
_YES_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_OTHER = re.compile(r"\b(yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Judgement:
    """What a model said of one clip.

    Attributes:
        answers: criterion -> yes, no, or None where the response was neither.
        responses: criterion -> the response itself.
    """

    answers: Mapping[str, bool | None]
    responses: Mapping[str, str]

    @property
    def passed(self) -> bool:
        """Whether all answers are yes."""
        return all(answer is True for answer in self.answers.values())

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why it did not pass, such as ``vlm: occlusion`` or ``vlm: tracking unreadable``."""
        return tuple(
            f"vlm: {name}" if answer is False else f"vlm: {name} unreadable"
            for name, answer in self.answers.items()
            if answer is not True
        )


def judge(
    images: UInt8Array, model: VlmJudge, questions: Mapping[str, str] | None = None
) -> Judgement:
    """Ask a model all four questions about (T, H, W, 3) frames with the boxes drawn on them."""
    questions = default_questions() if questions is None else questions
    responses = {name: model.ask(images, questions[name]) for name in CRITERIA}
    return Judgement({name: yes_or_no(text) for name, text in responses.items()}, responses)


def yes_or_no(response: str) -> bool | None:
    """Read a response: it must begin with yes or no, and not say the other one later.

    >>> yes_or_no("Yes."), yes_or_no("**no**, it is hidden"), yes_or_no("I cannot tell")
    (True, False, None)
    """
    begin = _YES_NO.match(response)
    if begin is None:
        return None
    said = {word.lower() for word in _OTHER.findall(response)}
    return begin[1].lower() == "yes" if len(said) == 1 else None


@cache
def default_questions() -> Mapping[str, str]:
    """Return the project's own sentences, by criterion."""
    text = resources.files(__package__).joinpath("questions.json").read_text(encoding="utf-8")
    return _checked(Path("questions.json"), text)


def read_questions(path: Path) -> Mapping[str, str]:
    """Read other sentences: a JSON object with the four criteria as keys.

    Raises:
        SourceError: it is not that.
    """
    try:
        return _checked(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(path, f"cannot be read: {error}") from error


def _checked(path: Path, text: str) -> Mapping[str, str]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise SourceError(path, f"expected JSON: {error}") from error
    if not isinstance(values, dict) or set(values) != set(CRITERIA):
        raise SourceError(path, f"expected an object with the keys {', '.join(CRITERIA)}")
    for name, value in values.items():
        if not isinstance(value, str) or not value.strip():
            raise SourceError(path, f"expected a question, got {value!r}", name)
    return values
