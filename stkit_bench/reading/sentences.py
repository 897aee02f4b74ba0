"""Sentences, and what marks one of them as the conclusion."""

from __future__ import annotations

import re
from functools import lru_cache

#: It opens with a set of characters, which the regex engine looks for quickly.
_END = re.compile(
    r"[\n;。.!?](?:(?<=\n)\n*|(?<=[;。])\s*"
    r"|(?<=[.!?])(?<!\bno.)(?<!\bfig.)[.!?]*[\"')\]]*(?:\s+|$))"
)

CONCLUSION = re.compile(
    r"\b(?:therefore|thus|hence|consequently|in conclusion|to conclude|in summary|to summarize"
    r"|overall|so,? (?:the|it|its|i|we|my|that|this|they|both|answer|yes|no|red|green|blue|yellow"
    r"|orange|purple|cyan|magenta|about|approximately|a)|as a result|accordingly|final(?:ly)?"
    r"|concluded?|conclusion|altogether|in short|all in all|based on (?:this|these|the above"
    r"|my|our|that)|this (?:means|suggests|indicates|gives)|answer|best estimate|i(?:'d| would)"
    r" (?:say|estimate|guess)|my (?:estimate|guess))\b"
)
HYPOTHETICAL = re.compile(
    r"\b(?:assum\w+|suppos\w+|if (?:we|the|it|each|one|you|this|i(?! had to| were to| have to"
    r"| must))|for example|for instance"
    r"|typical(?:ly)?|usual(?:ly)?|generally|standard|would need|say,)\b"
)

#: A first impression, which the model then gives up.
FIRST_THOUGHT = re.compile(
    r"\b(?:at first (?:glance|sight|look)|at first,? (?:i|it)\b|(?:initially|at first|originally"
    r"|first),? i"
    r"|(?:my )?(?:first|initial) (?:thought|guess|impression|instinct|estimate|reading)"
    r"|(?:it )?(?:might|may|could) (?:seem|look|appear)|seem(?:s|ed) to .{1,60}, but|one might)\b"
)


@lru_cache(maxsize=16)
def sentences(text: str) -> tuple[tuple[int, int], ...]:
    """Return the offsets of every sentence; line breaks and semicolons end one too."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _END.finditer(text):
        if match.start() > start:
            spans.append((start, match.start()))
        start = match.end()
    if start < len(text):
        spans.append((start, len(text)))
    return tuple(spans)
