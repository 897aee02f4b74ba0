"""Filter 2 on built rows: what a vision-language model said of each video, kept in a file.

A line of the file is one answer: ``id`` of any row of the video, ``criterion``, ``response``, and
``model`` and ``question`` where they are known. A failed request leaves no line, so that it is
asked again and never counts against a video.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.judge import CRITERIA, Judgement, yes_or_no
from stkit_datasets.pseudo_labels.samples import Sample, View


@dataclass(frozen=True)
class VlmFilter:
    """What filter 2 makes of the rows.

    Attributes:
        kept: ids of rows whose video passed.
        dropped: id of a row whose video did not -> why, as ``vlm: occlusion``.
        waiting: ids of rows whose video is not judged in all four questions.
    """

    kept: tuple[str, ...]
    dropped: Mapping[str, tuple[str, ...]]
    waiting: tuple[str, ...]


Responses = dict[View, dict[str, str]]


def question_digest(question: str) -> str:
    """Name a sentence, so that answers to another one are not taken for its own."""
    return hashlib.sha256(question.encode()).hexdigest()[:12]


def read_judgements(
    path: Path,
    samples: Sequence[Sample],
    model: str | None = None,
    questions: Mapping[str, str] | None = None,
) -> Responses:
    """Read a file of answers; those about rows that are not here are passed over.

    Half a line at its end, which a killed run leaves, is not read.

    Args:
        path: the file.
        samples: the rows.
        model: refuse answers of another one.
        questions: refuse answers to other sentences, by criterion.

    Raises:
        SourceError: a line is no answer, or one of another model or to another sentence.
    """
    views = {sample.id: sample.view for sample in samples}
    out: Responses = {}
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(path, f"cannot be read: {error}") from error
    whole = text[: text.rfind("\n") + 1]
    for number, line in enumerate(whole.splitlines(), 1):
        if not line.strip():
            continue
        entry = _entry(path, number, line)
        _check_same(path, number, entry, model, questions)
        view = views.get(entry["id"])
        if view is not None:
            out.setdefault(view, {})[entry["criterion"]] = entry["response"]
    return out


def _entry(path: Path, number: int, line: str) -> dict[str, Any]:
    where = f"line {number}"
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise SourceError(path, f"expected JSON: {error}", where) from error
    texts = ("id", "criterion", "response")
    if not isinstance(entry, dict) or not all(isinstance(entry.get(k), str) for k in texts):
        raise SourceError(path, f"expected an object with the texts {', '.join(texts)}", where)
    if entry["criterion"] not in CRITERIA:
        rule = f"criterion must be one of {', '.join(CRITERIA)}, got {entry['criterion']!r}"
        raise SourceError(path, rule, where)
    return entry


def _check_same(
    path: Path,
    number: int,
    entry: Mapping[str, Any],
    model: str | None,
    questions: Mapping[str, str] | None,
) -> None:
    told = entry.get("model")
    if model is not None and told is not None and told != model:
        rule = f"an answer of {told!r}, not of {model!r}; give another file"
        raise SourceError(path, rule, f"line {number}")
    asked = entry.get("question")
    if questions is None or asked is None:
        return
    if asked != question_digest(questions[entry["criterion"]]):
        rule = "an answer to another sentence; give another file"
        raise SourceError(path, rule, f"line {number}")


def judgement_of(responses: Mapping[str, str]) -> Judgement | None:
    """Read the responses about one video; None where one of the four is missing."""
    if set(responses) != set(CRITERIA):
        return None
    answers = {name: yes_or_no(responses[name]) for name in CRITERIA}
    return Judgement(answers, dict(responses))


def filter_by_judgement(samples: Sequence[Sample], responses: Responses) -> VlmFilter:
    """Keep the rows whose video passed all four questions [P2 B.1]."""
    kept, waiting = [], []
    dropped: dict[str, tuple[str, ...]] = {}
    judged = {view: judgement_of(own) for view, own in responses.items()}
    for sample in samples:
        judgement = judged.get(sample.view)
        if judgement is None:
            waiting.append(sample.id)
        elif judgement.passed:
            kept.append(sample.id)
        else:
            dropped[sample.id] = judgement.reasons
    return VlmFilter(tuple(kept), dropped, tuple(waiting))


def low_quality(samples: Sequence[Sample], responses: Responses) -> dict[str, int]:
    """Count rows whose video a model says no to, by criterion, as in [P2 Table 10].

    Also ``judged``: rows with all four answers.
    """
    out = Counter[str]()
    for sample in samples:
        judgement = judgement_of(responses.get(sample.view, {}))
        if judgement is None:
            continue
        out["judged"] += 1
        out.update(name for name, answer in judgement.answers.items() if answer is False)
    return {name: out[name] for name in (*CRITERIA, "judged")}
