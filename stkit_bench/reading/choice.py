"""Which of two objects a response chooses, whatever way round it says so."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from .comparatives import NOT, sign_of
from .mentions import Mention, mentions_of
from .numbers import words_to_digits
from .quantity import drop_tolerances, quantities
from .question import COLORS, Question
from .result import Reading, Reason, unreadable
from .segments import Segment
from .sentences import CONCLUSION, FIRST_THOUGHT, sentences
from .units import Kind

_TIE = re.compile(
    r"\b(?:equal(?:ly)?|tie(?:d)?|identical|no (?:clear |noticeable |significant "
    r"|visible )?difference"
    r"|the same(?: (?:total |average |overall |approximate )?(?:distance|speed|amount|pace|rate"
    r"|velocity))?"
    r"(?! (?:video|direction|frame|time|lane|road|period|interval|shared))|similar (?:distances?"
    r"|speeds?|pace)"
    r"|neither|both (?:are|remain) (?:stationary|parked|static)|roughly equal|both)\b"
)
_DIRECT = re.compile(
    r"\b(?:answer|it is|it's|it was|is the one|the one|choose|select|option|chosen|winner)\b"
)
_TOPIC = {
    "distance": re.compile(
        r"\b(?:f[au]rther|f[au]rthest|distance|path|far|ground|longer|shorter|route)\b"
    ),
    "speed": re.compile(
        r"\b(?:fast|faster|fastest|slow|slower|slowest|speed|velocity|slowly|quick\w*|pace)\b"
    ),
}
_CLAUSE = re.compile(
    r"(?:,|-) ?(?:while|whereas|but|and|though|although|yet|with|compared to which|so|therefore"
    r"|thus|hence"
    r"|making|meaning|which means)\b|;|\b(?:since|because)\b|,? as (?:the|it)\b|\b(?:while"
    r"|whereas)\b"
)
#: "red > blue", "red (3 m/s) < blue"
_ORDER = re.compile(
    rf"(?:{'|'.join(COLORS)})\b[^<>,.;]{{0,25}}([<>])\W*(?:[a-z]_)?\W*"
    rf"(?:{'|'.join(COLORS)})"
)
#: "The red box, as …": the answer first, then its reason.
_LEAD = re.compile(
    r"[^,;]{1,60}, ?(?:as (?:the|it)|since|because|given)\b"
    rf"|(?:the )?(?:{'|'.join(COLORS)})(?: one)?(?: box)?(?::(?!\W*$)| -)[^\d]+$"
)
#: "Although the cyan one is faster, the yellow one …"
_CONCESSION = re.compile(r"\W*(?:although|though|while|even though|despite|whereas)\b[^,]{1,120},")
_ASKING = re.compile(
    r"\b(?:to (?:determine|compare|find|figure out|answer|assess|identify)|we need|let'?s|let us"
    r"|i need|whether"
    r"|which (?:one|object|of)|the question|if the|compare)\b"
)


@dataclass(frozen=True, slots=True)
class _Claim:
    """One clause's word about an object: sign +1 more, -1 less, 0 only named."""

    color: str
    sign: int
    score: int


def read_choice(segment: Segment, question: Question, topic: str) -> Reading:
    """Read the colour that answers a comparison of ``topic`` ("distance" or "speed").

    Without a question the grammatical subject of the comparison is the choice.
    """
    text = segment.text
    colors = question.colors if len(question.colors) == 2 else ()
    mentions = mentions_of(text, colors)
    pair = colors or tuple(dict.fromkeys(m.color for m in mentions))
    claims = _claims(text, mentions, topic)
    signed = [c for c in claims if c.sign]
    direct = [c for c in claims if not c.sign]
    if len(pair) > 2:
        return _named_only(signed or direct, pair)
    strongest = max((c.score for c in signed), default=0)
    if signed and not any(c.score > strongest for c in direct):
        best = max(c.score for c in signed)
        return _resolve([c for c in signed if c.score == best][-1], question, pair)
    if direct:
        return Reading(choice=max(reversed(direct), key=lambda c: c.score).color)
    if by_value := _by_value(text, mentions, topic, question):
        return Reading(choice=by_value)
    if _TIE.search(text):
        return unreadable(Reason.TIE)
    distinct = {m.color for m in mentions if not m.reference}
    if len(distinct) == 1:
        return Reading(choice=distinct.pop())
    return unreadable(Reason.AMBIGUOUS if distinct else Reason.NO_CHOICE)


def _resolve(claim: _Claim, question: Question, pair: tuple[str, ...]) -> Reading:
    if question.wants_more is None or (claim.sign > 0) == question.wants_more:
        return Reading(choice=claim.color)
    others = [color for color in pair if color != claim.color]
    return Reading(choice=others[0]) if len(others) == 1 else unreadable(Reason.NO_CHOICE)


def _named_only(claims: list[_Claim], pair: tuple[str, ...]) -> Reading:
    chosen = {claim.color for claim in claims}
    return Reading(choice=chosen.pop()) if len(chosen) == 1 else unreadable(Reason.AMBIGUOUS)


def _claims(text: str, mentions: list[Mention], topic: str) -> list[_Claim]:
    claims: list[_Claim] = []
    spans = sentences(text)
    everyone = {m.color for m in mentions}
    for order, (start, end) in enumerate(spans):
        sentence = text[start:end]
        inside = [m for m in mentions if start <= m.start < end]
        asking = text[end : end + 1] == "?" or (_both(inside) and _ASKING.search(sentence))
        if not inside or (asking and len(spans) > 1):
            continue
        score = (4 if CONCLUSION.search(sentence) else 0) + (1 if order == 0 else 0)
        doubted = FIRST_THOUGHT.search(sentence)
        cuts = [start, *(start + m.start() for m in _CLAUSE.finditer(sentence)), end]
        concession = _CONCESSION.match(sentence)
        if concession:
            cuts = sorted({*cuts, start + concession.end()})
        parts = []
        for low, high in pairwise(cuts):
            here = [m for m in inside if low <= m.start < high]
            early = doubted is not None and low <= start + doubted.start() < high
            claim = _clause_claim(
                text[low:high], here, score - 6 if early else score, topic, everyone
            )
            if claim:
                parts.append(claim)
        signed = [c for c in parts if c.sign]
        if not signed:  # "the red one, while moving, goes less far than …" was cut in pieces
            whole = _clause_claim(sentence, inside, score, topic, everyone)
            signed = [whole] if whole and whole.sign else []
        lead = _LEAD.match(sentence) if order == 0 else None
        if lead and not (parts[0].sign if parts else signed):
            signed = []
            parts = [_Claim(inside[0].color, 0, score + 3)]
        claims += signed or parts
    return claims


def _both(inside: list[Mention]) -> bool:
    return len({m.color for m in inside}) > 1


def _clause_claim(
    clause: str, here: list[Mention], score: int, topic: str, everyone: set[str]
) -> _Claim | None:
    subjects = [m for m in here if not m.reference]
    if not subjects:
        return _passive(clause, here, score)
    order = _ORDER.search(clause)
    sign = (1 if order.group(1) == ">" else -1) if order else sign_of(clause)
    color = subjects[0].color
    if order and len(subjects) == 2:
        return _Claim(color, sign, score)
    if sign:
        if len({m.color for m in subjects}) > 1 and not any(m.reference for m in here):
            if not re.search(r"\b(?:so|therefore|than|between|of)\b", clause):
                return None
            color = subjects[-1].color
        on_topic = 2 if _TOPIC[topic].search(clause) else 0
        return _Claim(color, sign, score + on_topic)
    if len({m.color for m in subjects}) > 1:
        return None
    names_only = len(clause.split()) <= 7 and not re.search(r"\d|\bmov|\btravel|:", clause)
    if len(everyone) == 1 or _DIRECT.search(clause) or names_only or score >= 4:
        if NOT.search(clause):
            return None
        return _Claim(color, 0, score + (2 if _DIRECT.search(clause) else 0))
    return None


def _passive(clause: str, here: list[Mention], score: int) -> _Claim | None:
    """Read "the greater distance is covered by red" and "it is not blue"."""
    by = [m for m in here if re.search(r"\bby (?:the |that |object |one |in )*", clause)]
    sign = sign_of(clause)
    if by and sign and not re.search(r"\bthan\b|compared", clause):
        return _Claim(by[0].color, sign, score)
    return None


def _by_value(text: str, mentions: list[Mention], topic: str, question: Question) -> str | None:
    """Compare the values given to the two colours ("red: 12 m, blue: 30 m")."""
    if len({m.color for m in mentions}) != 2:
        return None
    kind = Kind.DISTANCE if topic == "distance" else Kind.SPEED
    found = quantities(words_to_digits(drop_tolerances(text)))
    usable = [q for q in found if q.kind is kind] or [q for q in found if q.kind is Kind.BARE]
    values: dict[str, float] = {}
    for item in usable:
        before = [m for m in mentions if m.start < item.start]
        if before:
            values[before[-1].color] = item.value
    if len(values) != 2:
        return None
    (first, a), (second, b) = values.items()
    if a == b:
        return None
    wants_more = question.wants_more is not False
    return first if (a > b) == wants_more else second
