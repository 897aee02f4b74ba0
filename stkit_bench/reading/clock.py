"""The clock direction at the end of the video."""

from __future__ import annotations

import re
from dataclasses import dataclass

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
_ENDING = re.compile(
    r"\b(?:ends?|ending|ended|finally?|final|last|close|eventually|now"
    r"|by then|turn(?:s|ed|ing)? to|finish\w*|conclu\w+)\b"
)
_TOWARD = re.compile(r"\b(?:towards?|head\w*|direction of|bound for)\b")
#: "12 o'clock from 0 to 3 s, 1 o'clock from 3 to 5 s": the later clocks share the first one's verb.
_LIST_GOES_ON = re.compile(
    r"[^a-z]*(?:(?:from|to|s|sec|seconds?|and|then|for|between|at|until|the|directions?|next)\b"
    r"[^a-z]*)*"
)

_WORD_HOURS: tuple[tuple[re.Pattern[str], int | None], ...] = (
    (
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
        re.compile(
            r"\b(?:straight|forwards?|(?:straight |directly )ahead|ahead|onward|same direction"
            r"|initial direction)\b"
        ),
        12,
    ),
    (re.compile(r"\b(?:rightwards?|right(?!-hand (?:lane|side of the road)))\b"), 3),
    (
        re.compile(
            r"\b(?:backwards?|behind|reverse|reversing|revers(?:es|ed)|opposite direction|u-turn"
            r"|rear)\b"
        ),
        6,
    ),
    (re.compile(r"\b(?:leftwards?|left(?!-hand (?:lane|side of the road)))\b"), 9),
)
_DEGREES = re.compile(
    r"(\d+(?:\.\d+)?) ?(?:°|degrees?|deg)(?: (?:\w+ ){0,4}?)?[ ,(]*"
    r"(?P<sense>clockwise|counter-?\s?clockwise|anti-?clockwise|(?:to (?:the|its) )?right"
    r"|(?:to (?:the|its) )?left)"
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
        return _reading(_choose(text, mentions, segment))
    for attempt in (_bare_hour, _degrees, _words):
        reading = attempt(text, segment)
        if reading is not None:
            return reading
    return unreadable(Reason.NO_CLOCK)


def _reading(hour: int | None) -> Reading:
    if hour is None:
        return unreadable(Reason.AMBIGUOUS)
    return unreadable(Reason.OUT_OF_RANGE) if hour < 1 else Reading(clock=hour)


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
    if _ENDING.search(before):
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
        return _reading(_hour(stripped))
    if _CHAIN.fullmatch(stripped):
        return _reading(_hour(stripped.rpartition(">")[2].strip()))
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


def _degrees(text: str, segment: Segment) -> Reading | None:
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


def _words(text: str, segment: Segment) -> Reading | None:
    """Read plain words of direction, where no clock was given."""
    found: list[tuple[int, int | None]] = []
    taken = text
    for pattern, hour in _WORD_HOURS:
        found += [(m.start(), hour) for m in pattern.finditer(taken)]
        taken = pattern.sub(lambda m: " " * len(m.group()), taken)
    found = [(at, hour) for at, hour in found if not _is_origin(text, at)]
    if not found:
        return None
    found.sort(key=lambda pair: pair[0])
    endings = [pair for pair in found if _ENDING.search(text, max(0, pair[0] - 60), pair[0])]
    hours = {hour for _, hour in endings or found}
    if len(hours) == 1 or not segment.strong:
        return _reading((endings or found)[-1][1])
    return unreadable(Reason.AMBIGUOUS)


def _is_origin(text: str, at: int) -> bool:
    before = text[max(0, at - 24) : at]
    return bool(_ORIGIN.search(before))


_ORIGIN = re.compile(r"\b(?:from|not|initially|on|side,?|starts?) (?:the |its )?$")
