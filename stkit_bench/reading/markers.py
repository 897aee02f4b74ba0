"""Words with which a model marks its answer ("Final answer:") or corrects itself ("wait, no")."""

from __future__ import annotations

import re
from collections.abc import Iterator

_NOUNS = (
    "answer", "estimation", "estimate", "conclusion", "verdict", "prediction", "result", "response",
    "choice", "ans", "final distance", "final speed", "final direction", "final time",
    "final interval",
)  # fmt: skip
_ADJECTIVES = re.compile(
    r"(?:\b(?:final|correct|best|overall|estimated|my|the|short|direct|predicted) +)+$"
)
_LINE_START = re.compile(r"(?:^|\n|[.;:!?] ) *$")
_SAYS = re.compile(
    r"\b(?: to (?:the|this|your) question)?(?: \([^()\n]{0,40}\))?"
    r"(?: *(?::|=|-|\n)+| +(?:is|was|would be|will be|should be|must be|are)\b:?)(?: that\b)?"
)
_EQUALS = re.compile(r" *[:=\n]+")
_COLON = re.compile(r" *:")
_A_EQUALS = re.compile(r"(?:^|\n|[.;:!?] ) *a *[:=\n]+")

#: Corrections, each behind the words of which one must stand in it.
_CORRECTIONS: tuple[tuple[tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (hints, re.compile(pattern))
    for hints, pattern in (
        (
            ("wait",),
            r"(?:^|[.!?\n(,;:-] ?|\b(?:no|hmm|oh|but|oops),? )wait\b(?=[,.!:;]| -| no\b| that\b"
            r"| i\b| it\b)(?:[ ,.!:;-]*(?:no|that's|that is|this is|i was|i am|it's)\b"
            r"[^.,;:]{0,40}[.,;:])?",
        ),
        (
            ("i thought", "i guessed", "i estimated", "i assumed", "i said", "i got"),
            r"\b(?:at first|initially|first|originally),? i (?:thought|guessed|estimated|assumed"
            r"|said|got)\b(?:[^.\n]|\.\d){0,80}?(?:\bbut\b|\bhowever\b|\.(?=\s))",
        ),
        (("scratch that",), r"\bscratch that\b"),
        (
            ("correction", "corrected", "correcting"),
            r"(?:^|[.!?\n] ?)correct(?:ion|ed|ing)[^.\n]{0,20}?:",
        ),
        (
            ("let me re", "let me correct"),
            r"\blet me (?:re-?(?:check|consider|evaluate|examine|calculate|compute|do|think)"
            r"|correct)\b",
        ),
        (
            ("on closer", "on second", "on further", "on a closer", "on a second", "on a further"),
            r"\bon (?:a )?(?:closer|second|further) (?:inspection|look|thought|examination|viewing"
            r"|glance)\b",
        ),
        (
            ("wrong", "not right", "incorrect", "not correct", "a mistake"),
            r"\b(?:that|this|which) ?(?:'s|is|was) (?:wrong|not right|incorrect|not correct"
            r"|a mistake)\b",
        ),
        (
            ("i made", "i see", "i stand"),
            r"\bi (?:made|see) (?:a|an|my) (?:mistake|error)\b|\bi stand corrected\b",
        ),
        (
            (" again",),
            r"\b(?:looking|checking|watching)(?: (?:at )?(?:the |it |more )?\w+)? again\b",
        ),
        (
            ("actually, no", "actually no", "no, actually", "no actually"),
            r"\b(?:no,? )?actually,? no\b|\bno,? actually\b",
        ),
        (("i mean",), r"\bi mean(?:t)?\b"),
    )
)


def answer_markers(body: str) -> list[tuple[int, int]]:
    """Return start and end of everything like "Final answer:", in order."""
    found = [
        span
        for noun in _NOUNS
        if noun in body
        for position in _positions(body, noun)
        if (span := _marker(body, noun, position))
    ]
    if "a:" in body or "a =" in body or "a=" in body or "a :" in body or "a\n" in body:
        found += [match.span() for match in _A_EQUALS.finditer(body)]
    return sorted(found)


def _positions(body: str, needle: str) -> Iterator[int]:
    position = body.find(needle)
    while position >= 0:
        yield position
        position = body.find(needle, position + len(needle))


def _marker(body: str, noun: str, start: int) -> tuple[int, int] | None:
    end = start + len(noun)
    before = max(0, start - 60)
    at_start = _LINE_START.search(body, before, start)
    if noun.startswith("final"):
        named = _COLON.match(body, end) if at_start else None
        return (start, named.end()) if named else None
    if adjectives := _ADJECTIVES.search(body, before, start):
        named = _SAYS.match(body, end)
        if named:
            return adjectives.start(), named.end()
    named = _EQUALS.match(body, end) if at_start else None
    return (start, named.end()) if named else None


def last_correction(body: str) -> int:
    """Return the offset behind the last words with which the model corrects itself, else 0."""
    last = 0
    for hints, pattern in _CORRECTIONS:
        for hint in hints:
            if hint in body:
                for position in _positions(body, hint):
                    window = (max(0, position - 40), position + 140)
                    for match in pattern.finditer(body, *window):
                        last = max(last, match.end())
    return last
