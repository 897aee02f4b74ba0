"""Objects that are said not to move."""

from __future__ import annotations

import re

from .vocabulary import vocabulary

_STILL = re.compile(
    r"\b(?:(?:did|does|do|has|have|is|was|are|were)(?: not|n't) (?:actually |really |appear to "
    r"|seem to |"
    r"be )?(?:mov\w+|travel\w*|cover\w*|chang\w+ (?:its )?position)|stationary|motionless|immobile"
    r"|parked|remain(?:s|ed)? (?:still|static|in place|at rest|fixed)|stands? still|standing still"
    r"|not moving|no (?:movement|motion|displacement|distance)|static|at rest|never moves?)\b"
)
#: One of these words stands in each of those.
_STILL_WORDS = frozenset((
    "not", "t", "stationary", "motionless", "immobile", "parked", "still", "static", "place",
    "rest", "fixed", "no", "never",
))  # fmt: skip
#: A clause about something else: "the camera is stationary", not "the car in the video is parked".
_ABOUT_OTHERS = re.compile(
    r"(?:^|[.;,:\n] *|\b(?:and|while|but|because|since|as|so|that|if|although|though|where) )"
    r"(?:the |this |each |its )?(?:camera|background|other|frame|image|video)(?: \w+){0,2}"
    r" (?:is|are|remains?|appears|stays?)\b[^.,;\n]*"
    r"|\bin the background (?:is|are|remains?|appears?|stays?)\b[^.,;\n]*"
)
#: Something else was meant to stand still, then.
_MOVES = re.compile(
    r"mov(?:ing(?:(?<=\bis moving)|(?<=\bare moving)|(?<=\bkeeps moving)|(?<=\bstarts moving))"
    r"|es(?<!\wmoves)(?<!never moves))\b"
)


def stands_still(text: str) -> bool:
    """Whether the object is said to stand still, and nothing to move."""
    if _STILL_WORDS.isdisjoint(vocabulary(text)) or _MOVES.search(text) or not _STILL.search(text):
        return False
    return _STILL.search(_ABOUT_OTHERS.sub("", text)) is not None
