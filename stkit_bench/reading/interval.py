"""Start and end, in seconds, of the time in which the object moves in a direction."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .clock import O_CLOCK, ClockMention, clock_mentions
from .numbers import words_to_digits
from .question import Question, video_length
from .result import Reading, Reason, unreadable
from .segments import Segment
from .sentences import CONCLUSION, sentences
from .vocabulary import vocabulary

_NOT_A_TIME = re.compile(
    r"\bframes? ?(?:#|no\.? ?)?\d+(?: ?(?:-|to|and|through"
    r"|,) ?(?:frames? ?)?\d+(?![.:\d]))*(?! ?s\b)"
    r"|\b\d+(?:st|nd|rd|th)\b(?: (?:and \d+\w+ )?frames?)?|\b\d+ frames?\b"
    r"|(?<![\d.])\d+(?:\.\d+)? ?(?:%|percent|°|degrees?|km/h|mph|m/s|fps|hz|met(?:er|re)s?|m|cm"
    r"|ft|feet"
    r"|pixels?|px|times|objects?|cars?)(?![a-z])"
    r"|\b(?:object|car|box|vehicle|step|case|option) ?#?\d+\b"
)
_S = r" ?(?:seconds?|secs?|s|\")(?![a-z])(?: mark)?"
_T = (
    r"(?<![\d.:])(?:t ?= ?|at |second |~ ?|about |around |approximately |roughly |the )*"
    r"(\d{1,2}:\d\d(?::\d\d)?(?:\.\d+)?|\d+(?: ?min(?:ute)?s?(?: and)? \d+(?:\.\d+)?)"
    r"|\d+(?:[.,]\d+)?(?: ?min(?:ute)?s?\b)?|\.\d+)(?![\d:])"
    rf"(?:{_S}|[- ]second mark)?"
)
_SEP = (
    r"(?:-|to|till|until|through|up to|>|~|\.\.+"
    r"|and (?:ends?|ending|stops?|lasts until|continu\w+ (?:until|till|to|through))(?: at| by)?)"
)
_RANGE = re.compile(rf"{_T}[ ,]*{_SEP} ?(?:the )?{_T}")
_UNTIL = re.compile(rf"{_T}[^\d.;\n]{{0,60}}?\b(?:until|till|up to) {_T}")
_BETWEEN = re.compile(rf"\b(?:between|from) {_T} ?(?:and|-|to|&) ?{_T}")
_PAIR = re.compile(rf"[\[(<] ?{_T} ?[,;] ?{_T} ?[\])>]|(?<![\d.,] )(?<!\d){_T}, ?{_T}(?! ?,? ?\d)")
_LIST = re.compile(rf"{_T}(?:, ?(?:and )?(?:[\d.]+)(?:{_S})?){{1,60}}(?:,? and |, ?){_T}")
_ORDINAL_SECOND = re.compile(r"\b(\d+)(?:st|nd|rd|th)\b(?=[^.;\n]{0,20}\bseconds?\b)(?! frame)")
#: The end may be told in a sentence of its own: "It starts at 3 s. It ends at 7 s."
_END_IN_NEXT_SENTENCE = re.compile(
    r"[\n;.](?:(?<=[\n;])[\n;]*|(?<=\.)(?=\s))(?=\W*(?:(?:it|the|this|that|and|then|object|movement|motion|car"
    r"|vehicle) )"
    r"{0,3}(?:end(?:s|ing|ed)?|stop(?:s|ped)?|to|until|finish\w*|ceas\w+|by|lasts until"
    r"|(?:continu|keep|hold|maintain|stay|remain|retain|go)\w*(?: [a-z]+){0,4} (?:until|till"
    r"|to))\b(?! of)[^\n.]{0,30}\d)"
)
_LABELLED = re.compile(
    r"\b(?:start(?:s|ed|ing)?|beg[iau]n(?:s|ning)?|onset|commences?|from)"
    rf"(?:[_ ]?(?:time|timestamp|second|s))?[^\d\n]{{0,60}}?{_T}[^\d]{{1,100}}?"
    r"\b(?:end(?:s|ed|ing)?|stop(?:s|ped|ping)?|ceas(?:es?|ed|ing)|finish(?:es|ed)?|until|till"
    r"|conclud(?:es|ed)|lasts|continu(?:es|ed|ing)|to|up to|by)(?:[_ ]?(?:time|timestamp|second"
    r"|s))?"
    rf"(?:(?!\bfor\b)[^\d\n]){{0,40}}?{_T}"
)
_FOR_SECONDS = re.compile(
    rf"\b(?:start(?:s|ed|ing)?|beg[iau]n(?:s|ning)?|from|at)[^\d\n]{{0,30}}?{_T}[^\d\n]{{1,40}}?"
    r"\b(?:for|lasting|lasts|duration of|continu\w+ for)(?: for)?(?: an?(?: total)? (?:duration"
    r"|period|total|span)"
    rf"(?: of)?)? {_T}"
)
_FIRST = re.compile(rf"\b(?:first|initial|opening) {_T}(?: ?seconds?)?")
_LAST = re.compile(rf"\b(?:last|final|closing) {_T}(?: ?seconds?)?")
_END_WORD = (
    r"(?:the )?(?:very )?(?:end|finish|close|(?:video|clip|footage|recording) (?:ends|is over"
    r"|stops))\b"
    r"(?: of the (?:video|clip|footage|sequence|recording))?"
)
_TO_END = re.compile(
    rf"{_T}[^\d\n.;]{{0,60}}?(?:(?:until|till|to|through|and|-|end(?: time)?:) {_END_WORD}"
    rf"|onwards?\b"
    rf"|on\b(?=[.,;]|$)"
    r"|for the (?:rest|remainder)|for the remaining|thereafter)"
    rf"|\b(?:after|since) {_T}|\bfrom {_T} (?:onwards?|on)\b"
)
_FROM_START = re.compile(
    rf"\b(?:from |at )?(?:the )?(?:very )?(?:start|beginning|outset)\b[^\d\n.;]{{0,50}}?"
    rf"(?:to|until|till|through|-|up to) {_T}|\b(?:until|till|up to|before) {_T}"
)
_WHOLE = re.compile(
    r"\b(?:throughout|(?:for|during) the (?:duration|length) of|(?:during|for|over"
    r"|in) the (?:entire|whole|full)|(?:entire|whole"
    r"|full) (?:duration|"
    r"video|clip|length|time|sequence)|all the time|the whole time|always|constantly|from (?:the )?"
    r"(?:start|beginning) (?:to|until|till) (?:the )?(?:end|finish))\b"
)
#: One of these words stands in each of those.
_WHOLE_WORDS = frozenset((
    "throughout", "duration", "length", "entire", "whole", "full", "always", "constantly",
    "start", "beginning",
))  # fmt: skip
_AT = re.compile(rf"{_T}")
_DIGIT = re.compile(r"\d")
_NUMBERS = re.compile(r"\d[\d.:]*")
_NEVER_WORDS = frozenset(["never", "no", "not", "t", "stationary"])
_NEVER = re.compile(
    r"\b(?:never|at no (?:point|time)|(?:does|did|do) ?(?:not|n't) (?:\w+ ){0,2}(?:move|head"
    r"|travel|go|face"
    r"|turn|exhibit|appear)|no (?:point|moment|time|interval|timestamp|frame|evidence|movement"
    r"|motion"
    r"|instance)|not (?:move|moving|head|heading)|is (?:not|n't) (?:mov|head|travel)\w+"
    r"|stationary)\b"
)
_OF_VIDEO = re.compile(
    r"\b(?:video|clip|footage|recording|sequence)(?: \w+){0,3} (?:is|lasts?|spans?|runs|covers"
    r"|length|"
    r"duration)\b|\b(?:frames? (?:are|were)|sampled|duration of the video|long\b)"
)
_OPEN_END = -1.0


@dataclass(frozen=True, slots=True)
class _Interval:
    start: float
    end: float
    at: int
    score: int


def read_interval(segment: Segment, question: Question) -> Reading:
    """Read the interval; swapped ends are sorted, a single instant has no extent."""
    text = words_to_digits(segment.text)
    if _DIGIT.search(text):
        text = _END_IN_NEXT_SENTENCE.sub(" ", text)
        if "second" in text:
            text = _ORDINAL_SECOND.sub(r"\1", text)
    length = question.length_s if question.length_s is not None else video_length(text)
    found, lacks_length = _all_intervals(text, length, question.clock, segment)
    if found:
        best = max(i.score for i in found)
        top = [i for i in found if i.score == best]
        chosen = _longest_of_last_sentence(text, top, segment.strong)
        low, high = sorted((chosen.start, chosen.end))
        if not high < 1e7:
            return unreadable(Reason.OUT_OF_RANGE)
        return Reading(start_s=low, end_s=high)
    if lacks_length:
        return unreadable(Reason.NO_LENGTH)
    never = not _NEVER_WORDS.isdisjoint(vocabulary(text)) and _NEVER.search(text)
    return unreadable(Reason.NEVER if never else Reason.NO_TIME)


def _longest_of_last_sentence(text: str, top: list[_Interval], strong: bool) -> _Interval:
    if not strong:
        start = max((s for s, e in sentences(text) if s <= top[-1].at), default=0)
        top = [i for i in top if i.at >= start]
    return max(top, key=lambda i: abs(i.end - i.start))


def _all_intervals(
    text: str, length: float | None, clock: int | None, segment: Segment
) -> tuple[list[_Interval], bool]:
    found: list[_Interval] = []
    lacks_length = False
    hinted = "all the time" in text or not _WHOLE_WORDS.isdisjoint(vocabulary(text))
    whole = hinted and _WHOLE.search(text) is not None
    for start, end in sentences(text):
        sentence = text[start:end]
        if not _DIGIT.search(sentence) and not (whole and _WHOLE.search(sentence)):
            continue
        cleaned = _without_other_numbers(sentence)
        spans = _sentence_intervals(cleaned)
        if not spans:
            continue
        clocks = clock_mentions(sentence)
        base = _score(sentence)
        for low, high, at in spans:
            score = base + _about_asked_clock(clocks, at, clock, spans[0][2])
            if high == _OPEN_END or low == _OPEN_END:
                lacks_length |= length is None
                if length is None:
                    continue
                low, high = (length - high, length) if low == _OPEN_END else (low, length)
            bold = 3 if segment.bold and _in_bold(cleaned[at : at + 30], segment.bold) else 0
            extent = 2 if high != low else 0
            found.append(_Interval(max(low, 0.0), high, start + at, score + bold + extent))
    return found, lacks_length


def _in_bold(text: str, bold: frozenset[str]) -> bool:
    numbers = re.findall(r"\d+(?:\.\d+)?", text)
    return bool(numbers) and numbers[0] in bold


def _about_asked_clock(
    clocks: list[ClockMention], at: int, asked: int | None, first_at: int
) -> int:
    """Return points for an interval whose clock is the asked one, and against any other.

    Where the sentence opens with a clock each interval belongs to the clock before it, else to
    the one behind it.
    """
    if asked is None or not clocks:
        return 0
    before = [c.hour for c in clocks if c.start < at]
    behind = [c.hour for c in clocks if c.start >= at]
    if len(clocks) == 1:
        hour = clocks[0].hour
    elif before and (not behind or clocks[0].start < first_at):
        hour = before[-1]
    else:
        hour = behind[0]
    return 6 if hour == asked else -4


def _score(sentence: str) -> int:
    score = 4 if CONCLUSION.search(sentence) else 0
    if _OF_VIDEO.search(sentence):
        score -= 5
    if _NEVER.search(sentence):
        score -= 3
    return score


def _without_other_numbers(sentence: str) -> str:
    """Blank clocks, frame numbers and quantities that are no times, keeping all offsets."""
    for pattern in (_CLOCKS, _NOT_A_TIME):
        sentence = pattern.sub(lambda m: " " + "_" * (len(m.group()) - 1), sentence)
    return sentence


_CLOCKS = re.compile(
    rf"(?<![\d.:])\d{{1,2}}(?::00)?(?: ?(?:-|to|or|and) ?\d{{1,2}})?[ -]*{O_CLOCK}"
    r"(?: ?\(\d{1,2}\))?|\bclock (?:direction )?(?:of )?\d{1,2}\b"
)


def seconds(text: str) -> float:
    """Return one time in seconds: "3.5", "0:03", "1:02:03" or "1 min 5"."""
    text = text.replace(",", ".")
    if ":" in text:
        total = 0.0
        for part in text.split(":"):
            total = total * 60 + float(part)
        return total
    minutes = re.match(r"(\d+(?:\.\d+)?) ?min\w*(?: and)? ?(\d+(?:\.\d+)?)?", text)
    if minutes:
        return float(minutes.group(1)) * 60 + float(minutes.group(2) or 0)
    return float(text)


def _sentence_intervals(text: str) -> list[tuple[float, float, int]]:
    """Return (start, end, offset) of each interval; ``_OPEN_END`` stands for the video's end."""
    if not _DIGIT.search(text):
        return [(0.0, _OPEN_END, m.start()) for m in _WHOLE.finditer(text)][:1]
    if len(_NUMBERS.findall(text)) < 2:
        return _open_intervals(text)
    closed: list[tuple[float, float, int]] = []
    taken: set[int] = set()
    for pattern in (_BETWEEN, _RANGE, _LIST, _LABELLED, _UNTIL, _PAIR):
        if closed and pattern is not _RANGE:
            return closed
        for match in pattern.finditer(text):
            if match.start() not in taken:  # "from 3 to 5" is also a plain "3 to 5"
                ends = [seconds(g) for g in match.groups() if g is not None]
                closed.append((ends[0], ends[1], match.start()))
                taken.update(range(*match.span()))
    for match in _FOR_SECONDS.finditer(text):
        start = seconds(match.group(1))
        closed.append((start, start + seconds(match.group(2)), match.start()))
    return closed or _open_intervals(text)


def _open_intervals(text: str) -> list[tuple[float, float, int]]:
    if match := _FIRST.search(text):
        return [(0.0, seconds(match.group(1)), match.start())]
    if match := _LAST.search(text):
        return [(_OPEN_END, seconds(match.group(1)), match.start())]
    if match := _TO_END.search(text):
        start = next(g for g in match.groups() if g is not None)
        return [(seconds(start), _OPEN_END, match.start())]
    if match := _FROM_START.search(text):
        end = next(g for g in match.groups() if g is not None)
        return [(0.0, seconds(end), match.start())]
    if match := _WHOLE.search(text):
        return [(0.0, _OPEN_END, match.start())]
    instants = [(seconds(m.group(1)), m.start()) for m in _AT.finditer(text)]
    if not instants:
        return []
    return [(instants[0][0], instants[-1][0], instants[0][1])]
