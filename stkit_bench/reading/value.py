"""Which of the many quantities in a response is the distance or the speed that was asked."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from .numbers import words_to_digits
from .quantity import Quantity, drop_tolerances, quantities
from .question import Question
from .result import Reading, Reason, unreadable
from .segments import Segment
from .sentences import CONCLUSION, HYPOTHETICAL, sentences
from .stillness import stands_still
from .units import Kind, named_unit

# Points for what stands around a candidate. Only their order matters: a stated total beats a
# conclusion, which beats bold print, which beats a verb of moving; assumptions lose to all.
_TOTAL, _CONCLUDES, _BOLD, _EQUALS, _VERB = 5, 5, 4, 3, 2
_OPERAND, _DESCRIBES, _ASSUMED, _STEP = -4, -6, -6, -2

_OF_INTEREST = {
    Kind.DISTANCE: re.compile(
        r"\b(?:total\w*|cumulative|path length|altogether|overall|sum|in all|entire|whole"
        r"|combined)\b"
    ),
    Kind.SPEED: re.compile(r"\b(?:averag(?:e[sd]?|ing)|mean|overall)\b"),
}
_VERBS = {
    Kind.DISTANCE: re.compile(
        r"\b(?:travel\w*|mov(?:e|es|ed|ing)|cover\w*|distance|went|goes|gone|displace\w*|path"
        r"|walk\w*"
        r"|r[au]ns?|drove|drives|journey\w*|amounts?|advance[sd]?|length|behind it)\b"
    ),
    Kind.SPEED: re.compile(
        r"\b(?:speed|velocity|travel\w*|mov(?:e|es|ed|ing)|going|drives?|driving|walk\w*|pace|rate|"
        r"runs?|running)\b"
    ),
}
_WRONG_ROLE = {
    Kind.DISTANCE: re.compile(
        r"\b(?:net displacement|straight[- ]line|wide|width|lane|tall|height|high|radius"
        r"|diameter|wheelbase|apart|gap|scale|marking"
        r"|spacing|resolution|crosswalk|car length|vehicle length|body length|away|initial"
        r"|from the camera|camera distance|depth)\b[^.;]{0,30}$"
        r"|\blength of (?:a|an|the|one|each|this) (?:car|vehicle|truck|bus|sedan|suv|person|lane)\b"
        r"[^.;]{0,30}$|\b(?:car|vehicle|truck|bus|sedan|lane)s? (?:is|are|being|has a length)\b"
        r"[^.;]{0,25}$|\beach\b[^.;]{0,25}$|\bwithin$|\bevery$|\b(?:camera"
        r"|ego)(?: \w+){0,3} (?:travel|mov|cover|driv)\w*[^.;]{0,24}$"
    ),
    Kind.SPEED: re.compile(
        r"\b(?:limit|max(?:imum)?|top|peak|min(?:imum)?|initial|initially|starting|final"
        r"|(?:ego|camera)(?: (?:vehicle|car))?(?:, which)?"
        r"|at first|instantaneous|accelerat\w+|decelerat\w+|slow(?:s|ing|ed)? down|speed(?:s"
        r"|ing)? up"
        r"|sped up|slows|drops|rises|varies|rang(?:es|ing))\b[^.;,]{0,30}$"
    ),
}
_WRONG_AFTER = {
    Kind.DISTANCE: re.compile(
        r" ?(?:long\b|wide\b|tall\b|high\b|in (?:length|width|height)\b|away\b|apart\b|ahead\b"
        r"|each\b"
        r"|from the (?:camera|ego|viewer|curb)|behind the|in front of|per\b|/|(?:lane|scale"
        r"|marking)"
        r"|for each|for (?:a|an) (?:car|sedan|vehicle|truck)\b|\) ?(?:long|wide|each|per)\b)"
    ),
    Kind.SPEED: re.compile(
        r" ?(?:speed )?(?:limit\b|at (?:first|the (?:start|beginning))|initially|zone\b)"
    ),
}
#: "if it goes at 15 km/h, it would cover 50 m": what follows is the estimate itself.
_CONSEQUENCE = re.compile(
    r",[^,]{0,60}(?:\bwould|'d|\bwill)(?: \w+){0,3}? (?:travel|cover|mov|go|walk|run"
    r"|drive)\w*\b[^,]*$"
)
_NEW_SENTENCE = re.compile(r"[.;!?]\s|\n")
#: Words that open the last step.
_FINALLY = re.compile(
    r"\W*(?:therefore|thus|hence|in conclusion|to conclude|in summary|so,|accounting for"
    r"|allowing for"
    r"|factoring in|including|rounding|adjusting)\b"
)
_STATED = re.compile(
    r"\b(?:distance (?:of|traveled|covered|is)|total|covering|traveling) ?\b[^,]*$"
)
_EQUALS_BEFORE = re.compile(r"(?:=|~|>|\bis|\bequals|\bgives|\byields|\bto) ?$")
_OPERATOR_AFTER = re.compile(
    r" ?\)? ?(?:[+×*/÷=·]|x \d|- \d|~ ?\d|times|plus|minus|divided|multipl)"
)
_OPERATOR_BEFORE = re.compile(r"(?:[+×*/÷·]|\d x|\bplus|\btimes|\bdivided by|\bminus) ?\(? ?$")
_THEN = re.compile(r"\b(?:first|then|another|next|additional|second part|segment|each)\b")

_ALONE = re.compile(
    r"[ ~=:(\[\"']*(?:(?:maybe|perhaps|about|around|approximately|roughly|probably|likely"
    r"|possibly|say"
    r"|i guess|i think|i'd say|i would say|i estimate|my guess is|just"
    r"|only)[ ,:]+){0,3}[ ~=:(\[\"']*"
)
_BARE_AFTER = re.compile(
    r" ?(?:$"
    r"|[.;!?)\]}\"'\n]|,(?! ?\d)|\(|\b(?:in|over|during|throughout|for|from|between|and|within"
    r"|by|as|at|which|based|while)\b)"
)
_BARE_FORBIDDEN = re.compile(
    r"(?:\b(?:frames?|objects?|ids?|track|figure|fig|camera|step|lanes?|t|time|timestamps?|second"
    r"|image|boxe?s?|bbox|coordinates?|position|option|level|version|at|[xy]\d?|factor|scale"
    r"|first|last|every|confidence|between|interval|from|to)"
    r"(?: ?(?:=|:|#))?|#|[\[(,:]\s*\[?|\b(?:t|time|timestamp|frame|[xy]|confidence) (?:is|of)) ?$"
)
_BARE_LABELLED = re.compile(r"(?:distance|speed|velocity|answer|estimate|total|value)[^\n]{0,40}$")


#: Not what was asked, where the question is about a part of the video.
_WHOLE = re.compile(
    r"\b(?:whole|entire|full|complete) (?:clip|video|footage|recording|sequence|duration|path)\b"
)


@dataclass(frozen=True, slots=True)
class _Candidate:
    item: Quantity
    score: int


def read_value(segment: Segment, kind: Kind, question: Question) -> Reading:
    """Read a distance in metres or a speed in metres per second from one segment.

    Args:
        segment: where to read.
        kind: :attr:`Kind.DISTANCE` or :attr:`Kind.SPEED`.
        question: gives a bare number its unit; says whether only a part of the video counts.
    """
    text = words_to_digits(drop_tolerances(segment.text))
    found = quantities(text)
    candidates = _candidates(text, found, kind, segment, question.asks_interval)
    if not candidates:
        unit = question.distance_unit if kind is Kind.DISTANCE else question.speed_unit
        return _without_unit(text, found, kind, unit, segment.strong)
    if segment.corrected and max(c.score for c in candidates) < 0:
        return unreadable(Reason.NO_NUMBER)
    if segment.declined and max(c.score for c in candidates) <= _ASSUMED // 2:
        return unreadable(Reason.REFUSAL)  # the only numbers are assumptions
    return _choose(text, candidates, segment.strong)


def _choose(text: str, candidates: list[_Candidate], strong: bool) -> Reading:
    best = max(c.score for c in candidates)
    top = [c.item for c in candidates if c.score == best]
    chosen = top[0] if strong else top[-1]
    for other in reversed(top):  # "12 m (39.4 ft)": a conversion repeats the value before it
        repeats = other.start < chosen.start and _same(other.value, chosen.value)
        if repeats and not _NEW_SENTENCE.search(text, other.end, chosen.start):
            chosen = other
    if not strong and len(top) > 1 and _alternatives(text, [c.item for c in candidates]):
        return unreadable(Reason.AMBIGUOUS)
    if not math.isfinite(chosen.value):
        return unreadable(Reason.OUT_OF_RANGE)
    return Reading(value_si=chosen.value)


def _same(a: float, b: float) -> bool:
    return math.isclose(a, b, rel_tol=0.04, abs_tol=0.01)


def _alternatives(text: str, items: list[Quantity]) -> bool:
    """Whether the last two candidates are offered as a choice ("10 m or 50 m")."""
    first, second = items[-2], items[-1]
    between = text[first.end : second.start]
    return bool(re.fullmatch(r",? ?or (?:even |maybe |about |perhaps )?", between)) and not _same(
        first.value, second.value
    )


def _candidates(
    text: str, found: list[Quantity], kind: Kind, segment: Segment, part_asked: bool
) -> list[_Candidate]:
    spans = sentences(text)
    candidates: list[_Candidate] = []
    index = 0
    previous_end = 0
    for item in found:
        if item.kind is kind:
            while index < len(spans) - 1 and spans[index][1] <= item.start:
                index += 1
            start, end = spans[index] if spans else (0, len(text))
            before = text[max(start, previous_end, item.start - 120) : item.start]
            sentence = text[max(start, item.start - 300) : item.start]
            score = _score(
                text, item, before, sentence, text[item.end : min(end, item.end + 40)], kind
            )
            if segment.bold and text[item.start : item.digits].strip() in segment.bold:
                score += _BOLD
            if part_asked and _WHOLE.search(text[max(start, previous_end) : end]):
                score += _DESCRIBES
            candidates.append(_Candidate(item, score))
            previous_end = item.end
    return candidates


def _score(text: str, item: Quantity, before: str, sentence: str, after: str, kind: Kind) -> int:
    score = 0
    if _OF_INTEREST[kind].search(before):
        score += _TOTAL
    if CONCLUSION.search(sentence):
        score += _CONCLUDES
    if _VERBS[kind].search(before):
        score += _VERB
    if _OPERATOR_AFTER.match(after) or _OPERATOR_BEFORE.search(before):
        score += _OPERAND
    elif _EQUALS_BEFORE.search(before):
        score += _EQUALS
    role = _WRONG_ROLE[kind].search(before)
    if role and _STATED.search(before, role.start()):
        role = None  # "from the camera, a distance of 31 m"
    if role or _WRONG_AFTER[kind].match(after):
        score += _DESCRIBES
    assumed = HYPOTHETICAL.search(sentence)
    if assumed and not _CONSEQUENCE.search(sentence, assumed.end()):
        score += _ASSUMED
    elif score >= 0 and _FINALLY.match(sentence):
        score += _CONCLUDES
    if _THEN.search(before):
        score += _STEP
    return score


def _without_unit(
    text: str, found: list[Quantity], kind: Kind, question_unit: float | None, strong: bool
) -> Reading:
    """Read a number without a unit, or say why none can be read."""
    kinds = {item.kind for item in found}
    bare = [q for q in found if q.kind is Kind.BARE and _is_bare_answer(text, q, strong)]
    if bare:
        chosen = bare[0] if strong else _labelled(text, bare)
        if not math.isfinite(chosen.value):
            return unreadable(Reason.OUT_OF_RANGE)
        label = text[max(0, chosen.start - 60) : chosen.start]
        line = label.rpartition("\n")[2] or label
        size = named_unit(line, kind) or question_unit or 1.0
        return Reading(value_si=chosen.value * size)
    if stands_still(text):
        return Reading(value_si=0.0)
    other = Kind.SPEED if kind is Kind.DISTANCE else Kind.DISTANCE
    if other in kinds:
        return unreadable(Reason.WRONG_QUANTITY)
    if kinds & {Kind.OTHER, Kind.BARE}:
        return unreadable(Reason.NO_UNIT)
    return unreadable(Reason.NO_NUMBER)


def _labelled(text: str, bare: list[Quantity]) -> Quantity:
    labelled = [q for q in bare if _BARE_LABELLED.search(text, max(0, q.start - 60), q.start)]
    return (labelled or bare)[-1]


def _is_bare_answer(text: str, item: Quantity, strong: bool) -> bool:
    before = text[max(0, item.start - 30) : item.start]
    alone = _ALONE.fullmatch(text[: item.start]) and not text[item.end :].strip(" .?!)]\"'")
    if alone:
        return True
    if not _BARE_AFTER.match(text, item.end):
        return False
    line = before.rpartition("\n")[2]
    if _BARE_FORBIDDEN.search(line) and not _BARE_LABELLED.search(line):
        return False
    return strong or bool(
        re.search(
            r"(?:=|:|~|\b(?:is|was|be|of|about|around|approximately|roughly|nearly|almost"
            r"|travel(?:s|ed)|moved?s?|cover(?:s|ed)|at|total(?:s|ed)?|to|estimated?))[ \"']*$",
            line,
        )
        or not line.strip()
    )
