"""What the reader takes from the question: unit, colours, polarity, clock and video length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from .clock import O_CLOCK, clock_mentions
from .normalize import normalize, plain
from .numbers import words_to_digits
from .sentences import sentences
from .units import Kind, named_unit

COLORS: tuple[str, ...] = (
    "red", "green", "blue", "yellow", "orange", "purple", "cyan", "magenta",
)  # fmt: skip

_COLOR = re.compile(rf"\b({'|'.join(COLORS)})\b")
_POLARITY = re.compile(
    r"\b(?:(?P<less>(?:less|least)(?: (?:quickly|quick|far|fast|rapidly|swiftly|distance|ground"
    r"|speed))?"
    r"|lesser|more slowly|most slowly|short(?:er|est)|small(?:er|est)|slow(?:er|est|ly)?|low(?:er"
    r"|est)"
    r"|fewer|fewest|near(?:er|est)|minimum|minimal|stays? behind|lags?)"
    r"|(?P<more>more|most|f[au]rther|f[au]rthest|long(?:er|est)|great(?:er|est)|larg(?:er|est)"
    r"|bigg(?:er|est)|high(?:er|est)|fast(?:er|est)|quick(?:er|est|ly)|maximum|swift(?:er|est)"
    r"|rapid))\b"
)
_SAME = re.compile(
    r"\b(?:same|match|identical|parallel|share|similar|alike|aligned|equal|agree|coincide|common)\b"
)
_DIFFERENT = re.compile(
    r"\b(?:differ(?:ent|ently|s)?|opposite|diverge|another direction|apart|unlike|disagree|distinct"
    r"|separate ways|other than)\b"
)
_SECONDS = r"(\d+(?:[.,]\d+)?)[ -]*(?:seconds?|secs?|s)\b"
_LENGTHS = (
    re.compile(
        rf"(?:video|clip|footage|recording|it|sequence|duration|length|lasts?)(?: [a-z]+){{0,4}}?"
        rf" ?(?:lasts?(?: for)?|is|of|:|=|runs for|has a (?:length|duration) of) ?(?:about "
        rf"|only )?{_SECONDS}"
    ),
    re.compile(rf"{_SECONDS}[ -]*(?:long|video|clip|footage|in length|in duration)"),
    re.compile(rf"\b(?:lasts?|lasting)(?: for)? (?:about )?{_SECONDS}"),
)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_ON_DIAL = re.compile(r"\b(?:for|to|toward|at) (\d{1,2}) on (?:the|a) (?:dial|clock)")
_FRAME_TIME = re.compile(r"(\d+(?:\.\d+)?) ?s\b(?=,| and|\.|$)")


@dataclass(frozen=True, slots=True)
class Question:
    """The parts of a question (or of a whole prompt) on which a reading can depend.

    Attributes:
        distance_unit: metres per unit asked for, None where no unit is named.
        speed_unit: metres per second per unit asked for, None where no unit is named.
        colors: the colours of the boxes in order, each once.
        wants_more: True for "farther" and "faster", False for "less" and "slower".
        yes_is_same: whether "yes" says that the directions are the same.
        clock: the hour asked about.
        length_s: the length of the video.
        asks_interval: whether the question is about a part of the video.
    """

    distance_unit: float | None = None
    speed_unit: float | None = None
    colors: tuple[str, ...] = ()
    wants_more: bool | None = None
    yes_is_same: bool = True
    clock: int | None = None
    length_s: float | None = None
    asks_interval: bool = False


@lru_cache(maxsize=4096)
def parse_question(question: str | None) -> Question:
    """Read a question, in any wording; what it does not say stays unset."""
    if not question:
        return Question()
    text = plain(normalize(question))
    colors = tuple(dict.fromkeys(m.group(1) for m in _COLOR.finditer(text)))
    polarities = list(_POLARITY.finditer(text))
    same, different = _SAME.search(text), _DIFFERENT.search(text)
    return Question(
        distance_unit=named_unit(text, Kind.DISTANCE),
        speed_unit=named_unit(text, Kind.SPEED),
        colors=colors,
        wants_more=bool(polarities[-1].group("more")) if polarities else None,
        yes_is_same=not different or (same is not None and same.start() < different.start()),
        clock=_asked_clock(words_to_digits(text)),
        length_s=video_length(text),
        asks_interval=_asks_interval(text),
    )


def _asked_clock(text: str) -> int | None:
    """Return the hour asked about: that of the last sentence which names exactly one."""
    if dial := _ON_DIAL.search(text):
        return int(dial.group(1))
    if not re.search(O_CLOCK, text):
        return None
    asked: int | None = None
    for start, end in sentences(text):
        hours = {mention.hour for mention in clock_mentions(text[start:end])}
        if len(hours) == 1:
            asked = hours.pop()
    return asked


def _asks_interval(text: str) -> bool:
    """Whether the last sentence, or the last two, name exactly two numbers: a start and an end."""
    spans = sentences(text)
    return any(
        len(_NUMBER.findall(text, spans[-count][0])) == 2 for count in (1, 2) if count <= len(spans)
    )


def video_length(text: str) -> float | None:
    """Return the video's length in seconds where a text states it or lists its frame times."""
    for pattern in _LENGTHS:
        match = pattern.search(text)
        if match:
            return float(match.group(1).replace(",", "."))
    times = [float(t) for t in _FRAME_TIME.findall(text)]
    return times[-1] if len(times) >= 3 and times == sorted(times) else None
