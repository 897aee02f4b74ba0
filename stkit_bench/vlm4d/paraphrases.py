"""Other words for an option, tried where a text has none of the option's own. Standard library."""

from __future__ import annotations

import re

__all__ = ["paraphrases"]

#: Other words for an option, tried where no option's own words are there.
_PARAPHRASES = (
    (r"(?:to the |toward the )?left", r"leftward"),
    (r"(?:to the |toward the )?right", r"rightward"),
    (r"(up|down)(?:ward)?", r"\1ward|\1"),
    (r"back", r"backward"),
    (
        r"not moving|stationary|staying in place|not move|no movement",
        r"stationary|motionless|standing still|not mov(?:e|ing)|staying in place"
        r"|remain(?:s|ed|ing)? (?:still|in place)",
    ),
    (
        r"(?:not|no) (?:spin|rotat)(?:n?ing|ion|e|s)?",
        r"(?:not|without(?: any)?) (?:spin|rotat)(?:e|es|n?ing)?",
    ),
    (r"(?:not|no) turn(?:ing|s)?", r"(?:not|without(?: any)?) turn(?:s|ing)?"),
    (
        r"(?:coming |getting |moving )?closer|coming toward|(?:closer )?toward the camera",
        r"(?:toward|approach(?:es|ing)|closer to) the (?:camera|viewer)",
    ),
    (
        r"(?:going |getting |moving )?(?:further )?away|(?:further )?away from the camera",
        r"away from the (?:camera|viewer)|(?:mov|driv|walk|runn|fly)(?:es|s|ing) away(?! from)",
    ),
    (r"0", r"none|never|no times?|there (?:are|is|were|was) no"),
)
_PARAPHRASE_PATTERNS = tuple((re.compile(p), other) for p, other in _PARAPHRASES)
_ABSENT = re.compile(r"(?:there (?:is|are) )?no (.+?)(?: there| in th(?:e|is) (?:video|scene)s?)?")
_SHOW = (
    r"(?:contain|show|include|depict|feature|have|see|seen|any|an?|visible|presence|of|actual|signs?"
    r"|evidence)"
)
_SEEN = r"(?:visible|present|shown|seen|depicted|in the|there)"


def paraphrases(owners: dict[str, str]) -> re.Pattern[str] | None:
    """Return a pattern with a group per option letter, or None where nothing is known.

    Args:
        owners: folded option text to its letter.
    """
    groups: dict[str, list[str]] = {}
    for text, letter in owners.items():
        for pattern, other in _PARAPHRASE_PATTERNS:
            match = pattern.fullmatch(text)
            if match:
                groups.setdefault(letter, []).append(match.expand(other))
        absent = _ABSENT.fullmatch(text)
        if absent:
            groups.setdefault(letter, []).append(_absence(absent.group(1)))
    if not groups:
        return None
    return re.compile(
        "|".join(rf"(?P<{letter}>\b(?:{'|'.join(p)})\b)" for letter, p in groups.items())
    )


def _absence(noun: str) -> str:
    """Return a pattern of the ways to say that a thing is not to be seen."""
    stem = re.escape(re.sub(r"(?<=..)(?<!s)e?s$", "", noun))
    thing = rf"{stem}(?:s?e?s|s?e)?".replace("people", "(?:people|person)")
    return rf"not?(?: {_SHOW})* {thing}|{thing} not {_SEEN}"
