"""Words with which a model marks its answer ("Final answer:") or corrects itself ("wait, no")."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .vocabulary import vocabulary

_COLON = re.compile(r" *:")
_NOUNS = frozenset((
    "answer", "estimation", "estimate", "conclusion", "verdict", "prediction", "result", "response",
    "choice", "ans",
))  # fmt: skip
#: Each is an answer at the start of a line, with what stands behind it.
_LABELS = (
    *((f"final {what}", _COLON) for what in ("distance", "speed", "direction", "time", "interval")),
    *((f"a{sign}", re.compile(r" *[:=\n]*")) for sign in (":", " =", "=", " :", "\n")),
)
_ADJECTIVES = frozenset(
    [
        "final",
        "correct",
        "best",
        "overall",
        "estimated",
        "my",
        "the",
        "short",
        "direct",
        "predicted",
    ]
)
_LAST_WORD = re.compile(r"\W")
_SAYS = re.compile(
    r"\b(?: to (?:the|this|your) question)?(?: \([^()\n]{0,40}\))?"
    r"(?: *(?::|=|-|\n)+| +(?:is|was|would be|will be|should be|must be|are)\b:?)(?: that\b)?"
)
_EQUALS = re.compile(r" *[:=\n]+")

#: Corrections, each behind the words of which one must be there and the phrases to look around.
_CORRECTIONS: tuple[tuple[frozenset[str], tuple[str, ...], re.Pattern[str]], ...] = tuple(
    (frozenset(words.split()), hints, re.compile(pattern))
    for words, hints, pattern in (
        (
            "wait",
            ("wait",),
            r"(?:^|[.!?\n(,;:-] ?|\b(?:no|hmm|oh|but|oops),? )wait\b(?=[,.!:;]| -| no\b| that\b"
            r"| i\b| it\b)(?:[ ,.!:;-]*(?:no|that's|that is|this is|i was|i am|it's)\b"
            r"[^.,;:]{0,40}[.,;:])?",
        ),
        (
            "thought guessed estimated assumed said got",
            ("i thought", "i guessed", "i estimated", "i assumed", "i said", "i got"),
            r"\b(?:at first|initially|first|originally),? i (?:thought|guessed|estimated|assumed"
            r"|said|got)\b(?:[^.\n]|\.\d){0,80}?(?:\bbut\b|\bhowever\b|\.(?=\s))",
        ),
        ("scratch", ("scratch that",), r"\bscratch that\b"),
        (
            "correction corrected correcting",
            ("correction", "corrected", "correcting"),
            r"(?:^|[.!?\n] ?)correct(?:ion|ed|ing)[^.\n]{0,20}?:",
        ),
        (
            "let",
            ("let me re", "let me correct"),
            r"\blet me (?:re-?(?:check|consider|evaluate|examine|calculate|compute|do|think)"
            r"|correct)\b",
        ),
        (
            "closer second further",
            ("on closer", "on second", "on further", "on a closer", "on a second", "on a further"),
            r"\bon (?:a )?(?:closer|second|further) (?:inspection|look|thought|examination|viewing"
            r"|glance)\b",
        ),
        (
            "wrong right incorrect correct mistake",
            ("wrong", "not right", "incorrect", "not correct", "a mistake"),
            r"\b(?:that|this|which) ?(?:'s|is|was) (?:wrong|not right|incorrect|not correct"
            r"|a mistake)\b",
        ),
        (
            "mistake error corrected",
            ("i made", "i see", "i stand"),
            r"\bi (?:made|see) (?:a|an|my) (?:mistake|error)\b|\bi stand corrected\b",
        ),
        (
            "again",
            (" again",),
            r"\b(?:looking|checking|watching)(?: (?:at )?(?:the |it |more )?\w+)? again\b",
        ),
        (
            "actually",
            ("actually, no", "actually no", "no, actually", "no actually"),
            r"\b(?:no,? )?actually,? no\b|\bno,? actually\b",
        ),
        ("mean meant", ("i mean",), r"\bi mean(?:t)?\b"),
    )
)
_CORRECTION_WORDS = frozenset(word for words, _, _ in _CORRECTIONS for word in words)


def answer_markers(body: str) -> list[tuple[int, int]]:
    """Return start and end of everything like "Final answer:", in order."""
    found = [
        span
        for noun in _NOUNS & vocabulary(body)
        for position in _positions(body, noun)
        if (span := _marker(body, noun, position))
    ]
    for label, behind in _LABELS:
        for start in _positions(body, label):
            end = behind.match(body, start + len(label))
            if end and _opens_line(body[max(0, start - 60) : start]):
                found.append((start, end.end()))
    return sorted(found)


def _opens_line(before: str) -> bool:
    """Whether a new line or sentence begins behind a text."""
    bare = before.rstrip(" ")
    return not bare or bare[-1] == "\n" or (bare[-1] in ".;:!?" and bare != before)


def _positions(body: str, needle: str) -> Iterator[int]:
    position = body.find(needle)
    while position >= 0:
        yield position
        position = body.find(needle, position + len(needle))


def _marker(body: str, noun: str, start: int) -> tuple[int, int] | None:
    end = start + len(noun)
    before = body[max(0, start - 60) : start]
    if before.endswith(" ") and _LAST_WORD.split(before.rstrip(" "))[-1] in _ADJECTIVES:
        named = _SAYS.match(body, end)
        if named:
            return start, named.end()
    named = _EQUALS.match(body, end)
    return (start, named.end()) if named and _opens_line(before) else None


def last_correction(body: str) -> int:
    """Return the offset behind the last words with which the model corrects itself, else 0."""
    last = 0
    said = vocabulary(body)
    if _CORRECTION_WORDS.isdisjoint(said):
        return last
    for words, hints, pattern in _CORRECTIONS:
        if words.isdisjoint(said):
            continue
        for hint in hints:
            for position in _positions(body, hint):
                window = (max(0, position - 40), position + 140)
                for match in pattern.finditer(body, *window):
                    last = max(last, match.end())
    return last
