"""The quantities in a text: numbers with their units, ranges and compounds, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from .numbers import BEFORE, NUMBER, parse_number
from .units import UNIT, Kind, is_preposition, unit_of


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of a text in SI.

    Attributes:
        value: in SI units of its kind, or the plain number where the kind is bare or other.
        kind: what it measures.
        start: offset of its first character.
        end: offset behind its last character, unit included.
        digits: offset behind the number itself.
        low: lower end, where a range was given.
        high: upper end, where a range was given.
    """

    value: float
    kind: Kind
    start: int
    end: int
    digits: int
    low: float | None = None
    high: float | None = None


_FEET_AND_INCHES = (
    r"(?P<feet>\d+(?:\.\d+)?) ?(?:'|ft\.?|feet|foot)[ ,]{0,2}(?:and )?(?P<inches>\d+(?:\.\d+)?)"
    r" ?(?:\"|''|in\b|inch(?:es)?\b)"
)
_TOKEN = re.compile(
    rf"{BEFORE}(?:(?P<code>\d{{1,2}}:\d\d(?::\d\d)?(?:\.\d+)?)(?!\d)"
    rf"|{_FEET_AND_INCHES}"
    rf"|(?P<number>{NUMBER})(?![\d:]*:\d)(?:{UNIT})?)"
)
#: How a number can begin. Looking for this first is several times as fast.
_OPENING = re.compile(r"[\d.(]")
_TOLERANCE = re.compile(r" ?\(? ?(?:±|\+/-|\+-|\+ ?/ ?- ?) ?\d+(?:\.\d+)? ?%?\)? ?")
_ISH = re.compile(r"(?<=\d)(?: ?-?ish\b|\+(?= ?[a-z]))")
_ABOUT = r"(?:about |around |approximately |roughly |perhaps |maybe |nearly |almost |~ ?)?"
_TO = re.compile(rf" ?(?:-|to|>|~|till|until|through|up to|and up to|\.\.+) ?{_ABOUT}$")
_AND = re.compile(rf" ?(?:and|to|&|-|or) ?{_ABOUT}$")
_BETWEEN = re.compile(rf"\b(?:between|from|range of|ranging from|ranges from) ?{_ABOUT}$")
_COMPOUND = re.compile(r" ?(?:and |, ?)?")
_OR = re.compile(rf" ?(?:or|/) ?(?:even |possibly )?{_ABOUT}$")
#: "10 or 12 m" is a range, "10 m or 50 m" are two answers; this ratio lies between.
_OR_RATIO = 2.0
_OPERAND_BEFORE = re.compile(r"[+×*/÷·=(-] ?$|\dx ?$|\d x $")


def quantities(text: str) -> list[Quantity]:
    """Return every number of a normalised text with its unit, ranges merged to the midpoint."""
    return _merge(text, _scan(text))


def drop_tolerances(text: str) -> str:
    """Remove "± 0.5", keeping the value it belongs to and the unit behind it."""
    if "±" in text or "+" in text:
        text = _TOLERANCE.sub(" ", text)
    return _ISH.sub("", text) if "+" in text or "ish" in text else text


def _scan(text: str) -> list[Quantity]:
    found: list[Quantity] = []
    position = 0
    for opening in _OPENING.finditer(text):
        if opening.start() < position:
            continue
        match = _TOKEN.match(text, opening.start())
        if match is None:
            continue
        start, end = match.span()
        position = end
        if match.group("code"):
            found.append(Quantity(0.0, Kind.TIME, start, end, end))
            continue
        if match.group("feet"):
            metres = float(match.group("feet")) * 0.3048 + float(match.group("inches")) * 0.0254
            found.append(Quantity(metres, Kind.DISTANCE, start, end, end))
            continue
        digits = match.end("number")
        kind, size = unit_of(match)
        if kind is Kind.DISTANCE and _is_not_a_length(text, match):
            kind, size, end = Kind.BARE, 1.0, digits
        number = parse_number(match.group("number"))
        if number is None:
            found.append(Quantity(float("inf"), kind, start, end, digits))
        else:
            found.append(Quantity(number * size, kind, start, end, digits))
    return found


def _is_not_a_length(text: str, match: re.Match[str]) -> bool:
    unit = match.group("unit")
    if unit in ("'", '"'):  # a closing quotation mark, not feet or inches
        return text[match.start() - 1 : match.start()] == unit or text.count(unit) % 2 == 0
    return is_preposition(unit, text[match.end() : match.end() + 12])


def _merge(text: str, found: list[Quantity]) -> list[Quantity]:
    merged: list[Quantity] = []
    for item in found:
        joined = _range(text, merged[-1], item) if merged else None
        if joined is None:
            merged.append(item)
        else:
            merged[-1] = joined
    return merged


def _range(text: str, first: Quantity, second: Quantity) -> Quantity | None:
    """Join two neighbours to a range, a conversion of one end, or "5 km 200 m"; else None."""
    between = text[first.end : second.start]
    if len(between) > 24 or "\n" in between or first.low is not None:
        return None
    if first.kind is second.kind is Kind.DISTANCE and _COMPOUND.fullmatch(between):
        size = _size(text, first)  # "1 km 200 m": the rest is less than one of the larger unit
        if second.value < size and first.value % size == 0:
            return replace(second, value=first.value + second.value, start=first.start)
    kind = second.kind if first.kind is Kind.BARE else first.kind
    if Kind.BARE not in (first.kind, second.kind) and first.kind is not second.kind:
        return None
    opened = _BETWEEN.search(text, max(0, first.start - 40), first.start)
    alternative = _OR.match(between)
    spoken = _TO.match(between) or (opened and _AND.match(between))
    if not spoken and not alternative:
        return None
    size = _size_of_bare(text, first, second)
    low, high = first.value, second.value
    if first.kind is Kind.BARE and second.kind is not Kind.BARE:
        low *= size
    elif second.kind is Kind.BARE and first.kind is not Kind.BARE:
        if not opened and "to" not in between:
            return None
        high *= size
    if alternative and not opened and not low <= high <= low * _OR_RATIO:
        return None
    if "-" in between and not opened and (low >= high or _is_operand(text, second)):
        return None
    if "~" in between and _OPERAND_BEFORE.search(text, max(0, first.start - 6), first.start):
        return None  # "13.4 × 3.25 ~ 43.5" is a result
    return replace(second, value=(low + high) / 2, kind=kind, start=first.start, low=low, high=high)


def _is_operand(text: str, item: Quantity) -> bool:
    return text[item.end : item.end + 3].lstrip()[:1] == "="


def _size_of_bare(text: str, first: Quantity, second: Quantity) -> float:
    """Return the SI size of the unit that one end has and the other borrows."""
    owner = second if first.kind is Kind.BARE else first
    return _size(text, owner)


def _size(text: str, item: Quantity) -> float:
    match = _TOKEN.match(text, item.start)
    return unit_of(match)[1] if match and match.group("number") else 1.0
