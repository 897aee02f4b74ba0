"""Plain words of direction, as hours of the clock: "turns left", "90° clockwise"."""

from __future__ import annotations

import re

from .result import Reading, Reason, unreadable
from .segments import Segment
from .vocabulary import vocabulary

#: Words of the ways between two hours; "fronts" and its like are none.
_OBLIQUE = frozenset((
    "front", "forward", "forwards", "ahead", "upper", "top", "up", "rear", "back", "backward",
    "backwards", "lower", "bottom", "down", "slight", "slightly", "diagonal", "diagonally", "veer",
    "veers", "veered", "veering", "bear", "bears", "bearing",
))  # fmt: skip
_BACK = frozenset(
    ["backward", "backwards", "behind", "reverse", "reversing", "reverses", "reversed"]
) | frozenset(["opposite", "u", "rear"])
#: The words of which one must be there, the phrases, and their hour; None lies between two hours.
_WORD_HOURS: tuple[tuple[frozenset[str], re.Pattern[str], int | None], ...] = (
    (
        _OBLIQUE,
        re.compile(
            r"\b(?:front|forward|ahead|upper|top|up|rear|back|backward|lower|bottom|down|slightly"
            r"|diagonal(?:ly)?)s?[ -](?:and |(?:and )?to(?:wards?)? (?:the |its )?"
            r"|a bit )?"
            r"(?:right|left)(?:ward)?s?\b|\b(?:slight(?:ly)?|diagonal(?:ly)?|veer\w*"
            r"|bear\w*)"
            r"(?: \w+){0,3} (?:right|left)\b|\b(?:right|left)[ -](?:forward|backward|front|back)\b"
        ),
        None,
    ),
    (
        frozenset(["straight", "forward", "forwards", "ahead", "onward", "same", "initial"]),
        re.compile(
            r"\b(?:straight|forwards?|(?:straight |directly )ahead|ahead|onward|same direction"
            r"|initial direction)\b"
        ),
        12,
    ),
    (
        frozenset(["right", "rightward", "rightwards"]),
        re.compile(r"right(?<!\wright)(?:wards?|(?!-hand (?:lane|side of the road)))\b"),
        3,
    ),
    (
        _BACK,
        re.compile(
            r"\b(?:backwards?|behind|reverse|reversing|revers(?:es|ed)|opposite direction|u-turn"
            r"|rear)\b"
        ),
        6,
    ),
    (
        frozenset(["left", "leftward", "leftwards"]),
        re.compile(r"left(?<!\wleft)(?:wards?|(?!-hand (?:lane|side of the road)))\b"),
        9,
    ),
)
_DEGREES = re.compile(
    r"(\d+(?:\.\d+)?) ?(?:°|degrees?|deg)(?: (?:\w+ ){0,4}?)?[ ,(]*"
    r"(?P<sense>clockwise|counter-?\s?clockwise|anti-?clockwise|(?:to (?:the|its) )?right"
    r"|(?:to (?:the|its) )?left)"
)
_ORIGIN = re.compile(r"\b(?:from|not|initially|on|side,?|starts?) (?:the |its )?$")
ENDING = re.compile(
    r"\b(?:ends?|ending|ended|finally?|final|last|close|eventually|now"
    r"|by then|turn(?:s|ed|ing)? to|finish\w*|conclu\w+)\b"
)


def hour_reading(hour: int | None) -> Reading:
    """Return the reading of an hour; None is ambiguous, below 1 out of range."""
    if hour is None:
        return unreadable(Reason.AMBIGUOUS)
    return unreadable(Reason.OUT_OF_RANGE) if hour < 1 else Reading(clock=hour)


def read_degrees(text: str, segment: Segment) -> Reading | None:
    """Read a turn stated with its sense, relative to the first direction."""
    matches = list(_DEGREES.finditer(text)) if "°" in text or "deg" in text else []
    if not matches:
        return None
    match = matches[0] if segment.strong else matches[-1]
    hours = float(match.group(1)) / 30 % 12
    if "left" in match.group("sense") or match.group("sense").startswith(("counter", "anti")):
        hours = -hours % 12
    if not abs(hours % 1 - 0.5) >= 0.05:
        return unreadable(Reason.AMBIGUOUS)
    return Reading(clock=round(hours) % 12 or 12)


def read_words(text: str, segment: Segment) -> Reading | None:
    """Read plain words of direction, where no clock was given."""
    found: list[tuple[int, int | None]] = []
    taken = text
    words = vocabulary(text)
    for needed, pattern, hour in _WORD_HOURS:
        if needed.isdisjoint(words):
            continue
        here = [(m.start(), hour) for m in pattern.finditer(taken)]
        if here:
            found += here
            taken = pattern.sub(lambda m: " " * len(m.group()), taken)
    found = [(at, hour) for at, hour in found if not _is_origin(text, at)]
    if not found:
        return None
    found.sort(key=lambda pair: pair[0])
    endings = [pair for pair in found if ENDING.search(text, max(0, pair[0] - 60), pair[0])]
    hours = {hour for _, hour in endings or found}
    if len(hours) == 1 or not segment.strong:
        return hour_reading((endings or found)[-1][1])
    return unreadable(Reason.AMBIGUOUS)


def _is_origin(text: str, at: int) -> bool:
    return _ORIGIN.search(text, max(0, at - 24), at) is not None
