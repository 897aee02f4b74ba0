"""The clock direction at the end of the video."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .bearings import ENDING, hour_reading, read_degrees, read_words
from .numbers import words_to_digits
from .result import Reading, Reason, unreadable
from .segments import Segment
from .sentences import CONCLUSION, sentences

#: "3 o'clock", "3 oclock", "3-o'clock", "3:00 o'clock", "03:00".
O_CLOCK = r"(?:o ?['\"]? ?-?clo(?:ck|k)|clock(?= (?:direction|position)))"
_CLOCK = re.compile(
    rf"(?<![\d.:])(?P<hour>\d{{1,2}})(?P<half>:00|:[0-5]\d|\.\d+| 1/2)?[ -]*{O_CLOCK}"
)
#: What joins a clock to the number or clock before it: "2-3 o'clock", "2 or 3 o'clock".
_JOINED = re.compile(
    rf"(?<![\d.:])(?P<first>\d{{1,2}})(?::00)?(?:[ -]*{O_CLOCK})?(?: (?:direction|position))?"
    r" ?(?P<sep>-|to|or|and|/|>|towards?|until) ?(?:maybe |the |about |around |toward )?$"
)
_TURNING = re.compile(r"\b(?:from|turn\w*|shift\w*|chang\w+|mov\w+|rotat\w+)[^.;]{0,20}$")
_BETWEEN = re.compile(r"\b(?:between|either)(?: (?:the|about|roughly|approximately))* ?$")
_TIME_OF_DAY = re.compile(r"(?<![\d:.])(0?[1-9]|1[0-2]|00?):00(?![:\d])")
_BARE = re.compile(r"(?<![\d.:/a-z-])(\d{1,2})(?![\d:/a-z%°-]|\.\d)(?: ?h\b)?")
#: "12 > 1 > 2": the directions in turn.
_CHAIN = re.compile(r"\d{1,2}(?: ?> ?\d{1,2})+")
_DIGIT = re.compile(r"\d")
_BARE_BEFORE = re.compile(
    r"(?:^|[:=(\[\"]|\b(?:direction|clock|toward|towards|answer|is|to|hour|at|position|heading))"
    r" ?(?:about |approximately |roughly |around |~)?$"
)
_BARE_AFTER = re.compile(r" ?(?:$|[.,;)\]}\"'(\n]|direction\b|on (?:the|a) clock|position\b|hour)")

#: A clock that only says where the object came from, or restates the convention.
_REFERENCE_BEFORE = re.compile(
    r"\b(?:initial(?:ly)?|starting|started|starts?|begin(?:s|ning)?|began|at first|first|originally"
    r"|original|reference|referred|relative to|assum\w+|consider\w*|define[sd]?|where|treat\w*"
    r"|convention|represents?|from|if|not|rather than|instead of|away from|previous(?:ly)?|than"
    r"|with"
    r"|away|was|between frames?)\b[^.;,]{0,30}$"
)
_REFERENCE_AFTER = re.compile(
    r"(?: (?:direction|position))? ?(?:,? ?(?:being|is|as|means|represents|corresponds to|would be"
    r"|refers to|indicates|denotes|=)(?: \w+){0,2} (?:the |its |straight |right\b|left\b|first"
    r"|initial"
    r"|forward|reverse|north|up\b|behind|directly|object)|\(?(?:its )?(?:initial|starting|reference"
    r"|first)|at (?:first|the (?:start|beginning))|initially)"
)
_TOWARD = re.compile(r"\b(?:towards?|head\w*|direction of|bound for)\b")
#: "12 o'clock from 0 to 3 s, 1 o'clock from 3 to 5 s": the later clocks share the first one's verb.
_LIST_GOES_ON = re.compile(
    r"[^a-z]*(?:(?:from|to|s|sec|seconds?|and|then|for|between|at|until|the|directions?|next)\b"
    r"[^a-z]*)*"
)


@dataclass(frozen=True, slots=True)
class ClockMention:
    """A clock direction somewhere in a text; hour is None for a half hour or a wide range."""

    hour: int | None
    start: int
    end: int


def _hour(digits: str) -> int | None:
    hour = int(digits)
    if hour in (0, 24):
        return 12
    return hour if 1 <= hour <= 12 else -1


def _between(first: int, second: int) -> int | None:
    """Return the hour half way on the shorter arc, None where that is not one whole hour."""
    gap = (second - first) % 12
    if gap == 0:
        return first
    if gap in (2, 4):
        return (first + gap // 2 - 1) % 12 + 1
    if gap in (8, 10):
        return (second + (12 - gap) // 2 - 1) % 12 + 1
    return None


def clock_mentions(text: str) -> list[ClockMention]:
    """Return every clock direction that is written as one; -1 stands for an hour beyond 12."""
    found: list[ClockMention] = []
    if "clo" not in text:
        return found
    for match in _CLOCK.finditer(text):
        start, end = match.span()
        exact = match.group("half") in (None, ":00", ".0", ".00")
        hour = _hour(match.group("hour")) if exact else None
        joined = _JOINED.search(text, max(0, start - 48), start)
        if joined:
            pair = _pair(text, joined, hour)
            if pair is not _SEPARATE:
                if found and found[-1].end > joined.start():
                    found.pop()
                start, hour = joined.start(), pair
        found.append(ClockMention(hour, start, end))
    return found


_SEPARATE = -2


def _pair(text: str, joined: re.Match[str], second: int | None) -> int | None:
    """Return the hour that "A to B o'clock" stands for, ``_SEPARATE`` where A is not joined."""
    first = _hour(joined.group("first"))
    if first is None or second is None or -1 in (first, second):
        return second
    separator = joined.group("sep")
    before = text[max(0, joined.start() - 40) : joined.start()]
    if separator in (">", "toward", "towards", "until"):
        return second
    if separator == "to" and _TURNING.search(before):
        return second
    if separator == "and" and not _BETWEEN.search(before):
        return _SEPARATE
    return _between(first, second)


def read_clock(segment: Segment) -> Reading:
    """Read the hour toward which the object moves at the end."""
    text = words_to_digits(segment.text)
    mentions = clock_mentions(text)
    if not mentions and ":00" in text:
        mentions = [ClockMention(_hour(m.group(1)), *m.span()) for m in _TIME_OF_DAY.finditer(text)]
    if mentions:
        return hour_reading(_choose(text, mentions, segment))
    for attempt in (_bare_hour, read_degrees, read_words):
        reading = attempt(text, segment)
        if reading is not None:
            return reading
    return unreadable(Reason.NO_CLOCK)


def _choose(text: str, mentions: list[ClockMention], segment: Segment) -> int | None:
    """Return the hour with the best context; among equals the last, in an answer the first."""
    spans = sentences(text)
    best: tuple[int, int] | None = None
    hour: int | None = None
    previous = index = inherited = 0
    for order, mention in enumerate(mentions):
        while index < len(spans) - 1 and spans[index][1] <= mention.start:
            index += 1
        start, end = spans[index] if spans else (0, len(text))
        before = text[max(start, previous, mention.start - 120) : mention.start]
        sentence = text[max(start, mention.start - 300) : mention.start]
        after = text[mention.end : min(end, mention.end + 60)]
        score = _score(before, sentence, after)
        if _TOWARD.search(before):
            inherited = 1
        elif not _LIST_GOES_ON.fullmatch(before):
            inherited = 0
        score += inherited
        if str(mention.hour) in segment.bold:
            score += 2
        previous = mention.end
        rank = (score, -order if segment.strong else order)
        if best is None or rank > best:
            best, hour = rank, mention.hour
    return hour


def _score(before: str, sentence: str, after: str) -> int:
    score = 0
    if CONCLUSION.search(sentence):
        score += 3
    if ENDING.search(before):
        score += 3
    if _AT_END.search(after):
        score += 3
    if _REFERENCE_AFTER.match(after):
        score -= 6
    elif _REFERENCE_BEFORE.search(before):
        score -= 5
    return score


_AT_END = re.compile(
    r"\b(?:at|by|when|as|toward|in) the (?:very )?(?:end|close|last|final)|video ends"
)


def _bare_hour(text: str, segment: Segment) -> Reading | None:
    stripped = text.strip(" .!\"'()[]{}:*\n")
    if re.fullmatch(r"\d{1,2}", stripped):
        return hour_reading(_hour(stripped))
    if _CHAIN.fullmatch(stripped):
        return hour_reading(_hour(stripped.rpartition(">")[2].strip()))
    if not _DIGIT.search(stripped):
        return None
    hours = [
        int(m.group(1))
        for m in _BARE.finditer(text)
        if _BARE_BEFORE.search(text, max(0, m.start() - 16), m.start())
        and _BARE_AFTER.match(text, m.end())
        and 1 <= int(m.group(1)) <= 12
    ]
    if not hours:
        return None
    return Reading(clock=hours[0] if segment.strong else hours[-1])
