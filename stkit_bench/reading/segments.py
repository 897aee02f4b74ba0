"""Where in a response the answer stands: tags, boxes, JSON, "Final answer:", or all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .markers import answer_markers, last_correction
from .normalize import BOX_CLOSE, BOX_OPEN, plain

_THINK = r"(?:think|thinking|thought|thoughts|reasoning|analysis|reflection|scratchpad|cot)"
_THOUGHT_END = re.compile(rf"[<\[◁]/{_THINK}[>\]▷]")
_THOUGHT_START = re.compile(rf"[<\[◁]{_THINK}[>\]▷]")
_ANSWER_NAMES = r"(?:answer|final_answer|final|output|response|result)"
_ANSWER_OPEN = re.compile(rf"[<\[]{_ANSWER_NAMES}[>\]]")
_ANSWER_CLOSE = re.compile(rf"[<\[]/{_ANSWER_NAMES}[>\]]")
_BOX = re.compile(f"{BOX_OPEN}([^{BOX_OPEN}{BOX_CLOSE}]{{0,2000}}){BOX_CLOSE}")
_TAG = re.compile(r"</?[a-z][a-z_ ]{0,30}/?>")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the response, without markup.

    Attributes:
        text: normalised text.
        strong: whether the model itself marked this as its answer.
        bold: numbers and words that the model printed in bold.
        declined: whether sentences that decline to answer were taken out of it.
        corrected: whether this is what follows the model's last correction of itself.
    """

    text: str
    strong: bool
    bold: frozenset[str] = frozenset()
    declined: bool = False
    corrected: bool = False


_BOLD = re.compile(r"\*\*([^*\n]{1,120})\*\*|__([^_\n]{1,120})__")
_BOLD_ATOM = re.compile(r"\d+(?:[.,]\d+)*|[a-z]+")


def without_thought(text: str) -> str:
    """Drop the model's thinking, unless it wrote nothing besides."""
    if "think" not in text and "/" not in text:
        return text
    closings = list(_THOUGHT_END.finditer(text))
    outside = text
    if closings:  # templates that open the block in the prompt show only its end
        outside = text[closings[-1].end() :]
        if not outside.strip():  # the answer may stand before the thinking
            opening = _THOUGHT_START.search(text)
            outside = text[: opening.start()] if opening else ""
    opening = _THOUGHT_START.search(outside)
    if opening:  # cut off in the middle of its thinking
        before = outside[: opening.start()]
        outside = before if before.strip() else outside[opening.end() :]
    return outside if outside.strip() else _TAG.sub(" ", text)


def segments(text: str, from_json: Callable[[object], str | None]) -> Iterator[Segment]:
    """Yield the places to read, the most authoritative first and the whole text last.

    Args:
        text: a normalised response.
        from_json: the task's way to write a parsed JSON value as a sentence, None where the
            value holds nothing for it.
    """
    text = without_thought(text)
    bold = _bold(text)
    if "answer" in text or "output" in text or "final" in text or "result" in text:
        for opened in list(_ANSWER_OPEN.finditer(text))[:-3:-1]:
            closed = _ANSWER_CLOSE.search(text, opened.end())
            inside = text[opened.end() : closed.start() if closed else len(text)]
            yield from _inside(inside, from_json, bold)
    for match in reversed(list(_BOX.finditer(text))):
        yield Segment(plain(match.group(1)).strip(), True, bold)
    if "{" in text or "[" in text:
        yield from _json_segments(text, from_json, bold)
    body = plain(_TAG.sub(" ", text) if "<" in text else text)
    correction = last_correction(body)
    for start, end in reversed(answer_markers(body)):
        rest = body[end:].strip()
        if rest:
            if correction > start:
                yield Segment(body[correction:], False, bold, corrected=True)
                correction = 0
            paragraph = re.split(
                r"\n\s*\n|\n(?=[a-z ]{0,20}(?:explanation|reason|note|because))", rest
            )
            yield Segment(paragraph[0], True, bold)
            if len(paragraph) > 1:
                yield Segment(rest, True, bold)
            break
    if correction:
        yield Segment(body[correction:], False, bold, corrected=True)
    yield Segment(body, False, bold)


def _inside(
    text: str, from_json: Callable[[object], str | None], bold: frozenset[str]
) -> Iterator[Segment]:
    if "{" in text:
        yield from _json_segments(text, from_json, bold)
    for match in reversed(list(_BOX.finditer(text))):
        yield Segment(plain(match.group(1)).strip(), True, bold)
    yield Segment(plain(text).strip(), True, bold)


def _bold(text: str) -> frozenset[str]:
    if "**" not in text and "__" not in text:
        return frozenset()
    return frozenset(
        atom.group()
        for match in _BOLD.finditer(text)
        for atom in _BOLD_ATOM.finditer(match.group(1) or match.group(2))
    )


_OPENING = re.compile(r"[{\[](?=\s*[{\[\"'\d}\]])")
_DECODER = json.JSONDecoder()
#: At most this many opening brackets are tried, so that "{{{{…" costs nothing.
_MAX_TRIES = 24


def _json_segments(
    text: str, from_json: Callable[[object], str | None], bold: frozenset[str]
) -> Iterator[Segment]:
    values: list[object] = []
    position = tries = 0
    while tries < _MAX_TRIES:
        opening = _OPENING.search(text, position)
        if opening is None:
            break
        tries += 1
        value, end = _decode(text, opening.start())
        if value is not None:
            values.append(value)
        position = end
    for value in reversed(values):
        sentence = from_json(value)
        if sentence:
            yield Segment(sentence, True, bold)


def _decode(text: str, start: int) -> tuple[object, int]:
    """Parse JSON at ``start``; Python's single quotes and trailing commas are forgiven."""
    window = text[start : start + 4000]
    if window.count("{") + window.count("[") > 100:  # deep nesting is no answer
        return None, start + 1
    try:
        value, length = _DECODER.raw_decode(window)
        return value, start + length
    except ValueError:
        pass
    closing = window.find("}")
    if closing < 0:
        return None, start + 1
    forgiving = re.sub(r",\s*([}\]])", r"\1", window[: closing + 1].replace("'", '"'))
    try:
        return json.loads(forgiving), start + closing + 1
    except ValueError:
        return None, start + 1
