"""Units as models spell them, and how much each is in SI.

The sizes are those of :mod:`stkit_datasets.units`; yards, millimetres, nautical miles and knots,
which no question asks for but some models answer in, are added here.
"""

from __future__ import annotations

import re
from enum import StrEnum

from stkit_datasets.units import UNITS


class Kind(StrEnum):
    """What a number measures."""

    DISTANCE = "distance"
    SPEED = "speed"
    TIME = "time"
    BARE = "bare"  # no unit at all
    OTHER = "other"  # frames, pixels, degrees, percent, areas, accelerations …


_LENGTHS: dict[str, float] = {
    r"kilomet(?:er|re)s?|kms?": UNITS["km"].si,
    r"centimet(?:er|re)s?|cms?": UNITS["cm"].si,
    r"millimet(?:er|re)s?|mms?": 0.001,
    r"decimet(?:er|re)s?|dm": 0.1,
    r"nautical miles?|nmi": 1852.0,
    r"met(?:er|re|ro)s?|mtrs?|mts?|m": UNITS["m"].si,
    r"feet|foot|fts?|'(?!\w)": UNITS["ft"].si,
    r"inch(?:es)?|ins?|\"": UNITS["in"].si,
    r"yards?|yds?": 0.9144,
    r"miles?|mi": UNITS["mi"].si,
}
_SPEEDS: dict[str, float] = {
    r"mph|m\.p\.h\.?": UNITS["mph"].si,
    r"km/?hr?s?|kmph|kph|k\.p\.h\.?|km\.h": UNITS["km/h"].si,
    r"mps|m\.p\.s\.?|msec\^?-1|ms\^?-1": UNITS["m/s"].si,
    r"ftps|fps": UNITS["ft/s"].si,
    r"knots?|kts?|kn": 1852.0 / 3600.0,
}
_TIMES: dict[str, float] = {
    r"seconds?|secs?|s": 1.0,
    r"minutes?|mins?": 60.0,
    r"hours?|hrs?|h": 3600.0,
    r"milliseconds?|msecs?|ms": 0.001,
}
# No rate stands for these, so "m/s over 20 frames" has one speed and one count.
_OTHERS = (
    r"%|percent|°|degrees?|deg|frames?|px|pixels?|pix|hz|kg|times|x|o'? ?clock|units?|steps?"
    r"|lanes?|cars?|car[- ]lengths?|vehicles?|objects?|people|points?|blocks?|body[- ]lengths?"
    r"|square \w+|cubic \w+|st|nd|rd|th"
)

_LENGTH = "|".join(_LENGTHS)
_TIME = "|".join(_TIMES)
_PER = r"(?: ?/ ?| ?per | an? (?=sec|min|hour|hr)| (?:each|every) (?=sec|min|hour))"
#: A unit after a number: a length, a rate or anything countable.
UNIT = (
    r"[ -]?(?P<unit>"
    rf"(?P<speed>{'|'.join(_SPEEDS)})(?![a-z0-9])(?! ?/)"
    rf"|(?P<length>{_LENGTH})(?:"
    rf"{_PER}(?P<over>{_TIME})"
    rf"|[ ·.*×]{{0,3}}(?P<over_power>s|sec|h|hr)(?:\^? ?\(?-1\)?)"
    r"|(?P<rate_of_other>(?: ?/ ?| per )(?:[a-z]+|[\d.]+ ?(?:seconds?|secs?|s)\b)))?(?![a-z])"
    r"(?P<power> ?\^ ?-?[2-9]|[23]\b|/s\b|(?: per|/) ?second| squared)?(?!\d)"
    rf"|(?P<time>{_TIME})(?![a-z0-9'])"
    rf"|(?P<other>{_OTHERS})(?![a-z])"
    r")"
)

_IN_AS_PREPOSITION = re.compile(
    r" (?:the|this|that|these|an?|its|his|their|about|around|approximately|roughly|just|only|under"
    r"|total|all|each|one|both|real|terms|my|our)\b| ~? ?\d"
)


def _table(sizes: dict[str, float]) -> list[tuple[re.Pattern[str], float]]:
    return [(re.compile(pattern), size) for pattern, size in sizes.items()]


_LENGTH_TABLE, _SPEED_TABLE, _TIME_TABLE = _table(_LENGTHS), _table(_SPEEDS), _table(_TIMES)
_CACHE: dict[str, float] = {}


def _size(spelling: str, table: list[tuple[re.Pattern[str], float]]) -> float:
    size = _CACHE.get(spelling)
    if size is None:
        size = next(size for pattern, size in table if pattern.fullmatch(spelling))
        _CACHE[spelling] = size  # the spellings are few, so this stays small
    return size


def unit_of(match: re.Match[str]) -> tuple[Kind, float]:
    """Return what a match of :data:`UNIT` measures and its size in SI."""
    group = match.group
    if not group("unit"):
        return Kind.BARE, 1.0
    if spelling := group("speed"):
        return Kind.SPEED, _size(spelling, _SPEED_TABLE)
    if spelling := group("length"):
        if group("rate_of_other") or group("power"):
            return Kind.OTHER, 1.0
        size = _size(spelling, _LENGTH_TABLE)
        if over := group("over") or group("over_power"):
            return Kind.SPEED, size / _size(over, _TIME_TABLE)
        return Kind.DISTANCE, size
    if spelling := group("time"):
        return Kind.TIME, _size(spelling, _TIME_TABLE)
    return Kind.OTHER, 1.0


def is_preposition(spelling: str, rest: str) -> bool:
    """Whether the "in" after a number is a preposition, as in "moved 12 in the video"."""
    return spelling == "in" and bool(_IN_AS_PREPOSITION.match(rest))


_NAMED = re.compile(
    rf"(?:\b(?:in|using|as|unit(?:s)?(?: is| are|:)?|how many)\s+|[(\[_])(?P<named>"
    rf"(?:{_LENGTH})(?:(?: ?/ ?| ?per | an |_per_|p)(?:{_TIME}))?|{'|'.join(_SPEEDS)})"
    r"(?=$|[\s)\].,:;?!\"'_])"
)
_NAMED_PARTS = re.compile(
    rf"(?P<length>{_LENGTH})(?:(?: ?/ ?| ?per | an |_per_|p)(?P<over>{_TIME}))?"
)


def named_unit(text: str, kind: Kind) -> float | None:
    """Return the size of the unit that a text asks for or labels: "in feet", "(km/h)", "_m".

    The last such unit of the right kind counts.
    """
    found: float | None = None
    for match in _NAMED.finditer(text):
        spelling = match.group("named")
        speed = next((s for p, s in _SPEED_TABLE if p.fullmatch(spelling)), None)
        parts = _NAMED_PARTS.fullmatch(spelling)
        if speed is not None:
            found = speed if kind is Kind.SPEED else found
        elif parts is not None:
            over = parts.group("over")
            size = _size(parts.group("length"), _LENGTH_TABLE)
            if over and kind is Kind.SPEED:
                found = size / _size(over, _TIME_TABLE)
            elif not over and kind is Kind.DISTANCE:
                found = size
    return found
