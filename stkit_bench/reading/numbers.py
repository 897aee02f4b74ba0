"""Numbers as models write them: digits in every convention, fractions and number words."""

from __future__ import annotations

import re

from .vocabulary import vocabulary

_UNITS = {
    "zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7,
    "eight": 8, "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13,
    "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18,
    "nineteen": 19, "dozen": 12, "couple": 2,
}  # fmt: skip
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fourty": 40, "fifty": 50, "sixty": 60,
    "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000}
_PARTS = {
    "half": 0.5, "quarter": 0.25, "quarters": 0.25, "third": 1 / 3, "thirds": 1 / 3,
    "fifth": 0.2, "fifths": 0.2, "tenth": 0.1, "tenths": 0.1,
}  # fmt: skip

_WORDS = "|".join(sorted([*_UNITS, *_TENS, *_SCALES], key=len, reverse=True))
_PART_WORDS = "|".join(sorted(_PARTS, key=len, reverse=True))
_COUNT = (
    rf"(?:an? (?=hundred|thousand|dozen|couple))?"
    rf"(?:\d+(?:\.\d+)?[ -](?=hundred|thousand|million|dozen))?(?:{_WORDS})"
    rf"(?:(?:[ -]|(?<=hundred) and |(?<=thousand) and )(?:{_WORDS})\b){{0,10}}"
    rf"(?: point(?: (?:{_WORDS}|oh)\b){{1,6}})?"
)
_AFTER_LONE_ONE = re.compile(
    r"[ -]*(?:$|[.!]?$|o'? ?clock|(?:kilo|centi|milli)?met(?:er|re)|foot|feet|inch|yard|mile"
    r"|km|cm|m\b|ft|mph|second|sec\b|s\b|hour|minute|knot)"
)
_ONE = frozenset(["one"])
#: A lone "one" counts only at the start of the text, or with a unit or "and a half" behind it.
_AN_ONE = re.compile(rf"one\b(?:(?<=\Aone)|(?={_AFTER_LONE_ONE.pattern}))")
_RUN = re.compile(
    rf"\b(?P<times>one|two|three|four)[ -](?P<many>{_PART_WORDS})\b(?! (?:object|car|box|frame))"
    rf"|\b(?P<count>{_COUNT})\b(?: and(?: an?)? (?P<extra>{_PART_WORDS})\b)?"
    rf"|\b(?:an? |one[ -])?(?P<part>half|quarter|third)(?: (?:of )?(?:an? )?)"
    r"(?=(?:kilo|centi)?met(?:er|re)|mile|km|m\b|mi\b|foot|inch|yard|second|minute|hour"
    r"|dozen|hundred|thousand)"
)
_ANY_WORD = frozenset([*_UNITS, *_TENS, *_SCALES, *_PARTS])
_HALF_AFTER_DIGITS = re.compile(r"\b(\d+)(?: and)? (?:an? )?(half|quarter|third)\b")
#: "two to three hundred": both ends are hundreds.
_SHARED_SCALE = re.compile(
    rf"\b({'|'.join(list(_UNITS)[1:10])}) (to|or) ({'|'.join(list(_UNITS)[1:10])}) "
    r"(hundred|thousand)\b"
)
_OF_A = re.compile(r"(?<=\d) of an? (?=(?:kilo|centi)?met(?:er|re)|mile|km|foot|second|minute)")
_ONE_LATER = re.compile(r"\b(an?|one) ([a-z/]+?) and an? (half|quarter)\b")


def _value(words: str) -> float:
    """Add up a run such as ``a hundred and twenty-five point five``."""
    whole, _, decimals = words.partition(" point ")
    total, current = 0.0, 0.0
    for word in re.split(r"[ ,-]+", whole):
        if word in _UNITS:
            current = current * 12 if word == "dozen" and current else current + _UNITS[word]
        elif word in _TENS:
            current += _TENS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif word in _SCALES:
            total += (current or 1) * _SCALES[word]
            current = 0.0
        elif word[:1].isdigit():
            current += float(word)
    digits = "".join("0" if w == "oh" else str(_UNITS.get(w, "")) for w in decimals.split())
    return total + current + (float(f"0.{digits}") if digits else 0.0)


def _write(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")


def _replace(match: re.Match[str]) -> str:
    if match.group("part"):
        return f"{_write(_PARTS[match.group('part')])} "
    if match.group("times"):
        return _write(_UNITS[match.group("times")] * _PARTS[match.group("many")])
    words, extra = match.group("count"), match.group("extra")
    if words in ("one", "couple") and not extra:
        rest = match.string[match.end() :]
        if match.start() == 0 and _AFTER_LONE_ONE.match(rest):
            return "1" if words == "one" else "2"
        if words == "couple" or not _AFTER_LONE_ONE.match(rest):
            return match.group()
    return _write(_value(words) + (_PARTS[extra] if extra else 0.0))


def words_to_digits(text: str) -> str:
    """Write number words as digits: "twenty-five point five metres" becomes "25.5 metres".

    A lone "one" is left alone unless a unit follows, because it is mostly a pronoun.
    """
    named = vocabulary(text) & _ANY_WORD
    if not named or (named == _ONE and not _AN_ONE.search(text)):
        return text
    if not named.isdisjoint(_SCALES):
        text = _SHARED_SCALE.sub(r"\1 \4 \2 \3 \4", text)
    in_parts = not named.isdisjoint(_PARTS)
    if in_parts:
        text = _ONE_LATER.sub(lambda m: f"{_write(1 + _PARTS[m.group(3)])} {m.group(2)}", text)
    if "couple" in named:
        text = re.sub(r"\b(?:a )?couple of\b", "2", text)
    if "dozen" in named:
        text = re.sub(r"\b(?:half a|a half) dozen\b", "6", text)
    text = _OF_A.sub(" ", _RUN.sub(_replace, text))
    if not in_parts:
        return text
    return _HALF_AFTER_DIGITS.sub(lambda m: _write(float(m.group(1)) + _PARTS[m.group(2)]), text)


_POWER = r"(?:×|x|\*|·) ?10 ?\^? ?\(? ?[-+]?\d{1,3}\)?"
#: One number. Commas and single spaces group by threes; a comma before one or two digits, or
#: after a lone zero, is a decimal comma.
NUMBER = (
    r"(?:"
    rf"\d{{1,9}}(?:\.\d{{1,12}})? ?{_POWER}"
    r"|\d{1,12}(?:\.\d{1,12})?e[-+]?\d{1,3}(?!\w)"
    r"|\(?\d{1,6}\)?/\(?\d{1,6}\)?(?![\d/])"
    r"|\d{1,4} \d{1,2}/\d{1,2}(?![\d/])"
    r"|\d{1,3}(?:\.\d{3})+,\d{1,2}(?!\d)"
    r"|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?!,?\d)"
    r"|[1-9]\d{0,2}(?: \d{3})+(?:[.,]\d{1,2})?(?![ .,]?\d)"
    r"|0,\d{1,4}(?![\d,])"
    r"|\d{1,6},\d{1,2}(?![\d,])"
    r"|\d+(?:\.\d+)?"
    r"|\.\d+"
    r")"
)
#: What may not stand directly before a number: "v2", "1.2.3", "3:05".
BEFORE = r"(?<![a-z_\d.])(?<!\d[,:/])"

_MIXED = re.compile(r"(\d+) (\d+)/(\d+)$")
_FRACTION = re.compile(r"\(?(\d+)\)?/\(?(\d+)\)?$")
_SCIENTIFIC = re.compile(r"(\d+(?:\.\d+)?) ?(?:×|x|\*|·) ?10 ?\^? ?\(? ?([-+]?\d+)\)?$")


def parse_number(text: str) -> float | None:
    """Return the value of one match of :data:`NUMBER`, or None where it is not finite."""
    if text.isdigit() and len(text) < 300:
        return float(text)
    if mixed := _MIXED.match(text):
        whole, top, bottom = (float(g) for g in mixed.groups())
        return whole + top / bottom if bottom else None
    if fraction := _FRACTION.match(text):
        top, bottom = (float(g) for g in fraction.groups())
        return top / bottom if bottom else None
    if power := _SCIENTIFIC.match(text):
        text = f"{power.group(1)}e{power.group(2)}"
    elif "," in text:
        text = _without_groups(text)
    value = float(text.replace(" ", ""))
    return value if value < float("inf") else None


def _without_groups(text: str) -> str:
    head, _, tail = text.rpartition(",")
    if "." in head or " " in head.strip():  # 1.200,5 and 1 200,5
        return f"{head.replace('.', '').replace(',', '')}.{tail}"
    if len(tail.split(".")[0].strip()) == 3 and head != "0":
        return text.replace(",", "")
    return f"{head}.{tail}"
