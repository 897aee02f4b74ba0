"""Where a response speaks of one of the two objects: by its box, by order or by what it is."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from .question import COLORS
from .sentences import sentences
from .vocabulary import vocabulary

_SYNONYMS = {
    "violet": "purple", "lavender": "purple", "indigo": "purple", "pink": "magenta",
    "fuchsia": "magenta", "aqua": "cyan", "teal": "cyan", "turquoise": "cyan", "crimson": "red",
    "scarlet": "red", "lime": "green", "navy": "blue", "amber": "orange", "golden": "yellow",
}  # fmt: skip
_LIGHT_BLUE = re.compile(r"\b(?:light|sky|bright)[ -]blue\b")
#: Not \b: "d_red" is a mention too.
_COLOR = re.compile(rf"(?<![a-z])(?:{'|'.join([*COLORS, *_SYNONYMS])})(?:dish|ish)?(?![a-z])")
_BOXED = re.compile(
    r"[ -](?:colou?red )?(?:(?:bounding|annotated|outlined?)[ -])?(?:box|rectangle|bbox|outline"
    r"|frame|border|square|annotation|marker)"
)
_THING = (
    r"(?:car|truck|bus|vehicle|van|suv|sedan|taxi|person|man|woman|pedestrian|cyclist|player|bike"
    r"|bicycle|motorcycle|shirt|jacket|jersey|object|pickup|trailer|dress|coat|pants|train)"
)
#: "the blue truck in the red box": the first colour is paint, the second names the object.
_PAINT = re.compile(
    rf"[ -](?:\w+ ){{0,2}}{_THING}\b,?(?: \w+){{0,4}}? (?:in|with|inside|within|by|has)(?: (?:the|a"
    rf"|an))? "
)
#: What a colour names without meaning the box: a person's clothes, or the scene.
_NO_OBJECT = re.compile(
    r"[ -](?:(?:traffic|brake|tail|stop|lane|road|center|dashed|solid|double|fire|parking) ?)?"
    r"(?:lights?|sky|lanes?|lines?|markings?|t-shirt|shirt|jacket|jersey|dress|coat|pants|shorts"
    r"|helmet|hat|cap|vest|backpack|signs?|signals?|cones?|hydrant|buildings?|trees?|grass|curb"
    r"|court|uniform|hoodie|sweater|flag|awning|wall|arrow)\b"
)
_NOUN = (
    r"(?:motorcyclist|motorcycle|motorbike|pedestrian|cyclist|bicyclist|bicycle|biker|minivan"
    r"|pickup"
    r"|hatchback|ambulance|scooter|trailer|person|runner|jogger|walker|sedan|truck|woman|train"
    r"|child"
    r"|jeep|taxi|tram|bike|lady|girl|boy|suv|van|bus|car|cab|man|dog)"
)
_NOUN_AFTER_THE = re.compile(rf"\bthe (?:\w+ )?({_NOUN})\b")
_NOUN_BEFORE = re.compile(
    rf"\b({_NOUN})\b,?(?: [\w-]+){{0,4}}? (?:in|inside|within|by|with|has)(?: [\w-]+){{0,3}} ?$"
)
_NOUN_BEHIND = re.compile(
    rf"(?:[ -](?:boxed|marked))?(?: (?:bounding )?box(?:'s)?)?[ :]*\(?(?:(?:the|an?) )?"
    rf"(?:(?!than|and|or|is|the|while|whereas|has|{'|'.join(COLORS)})[\w-]+ ){{0,2}}?({_NOUN})\b"
)
#: They open with letters, not with \\b, which the regex engine looks for quickly.
_ORDINALS = (
    re.compile(
        r"(?:first|former|1st)(?<![a-z]first)(?<![a-z]former)(?= |$|[.,)])"
        r"(?! (?:frame|second|half|part|few))"
    ),
    re.compile(
        r"(?:second|latter|2nd)(?<![a-z]second)(?<![a-z]latter)(?= |$|[.,)])"
        r"(?! (?:frame|half|part|of))"
    ),
)
_ORDINAL_WORDS = frozenset(["first", "former", "1st", "second", "latter", "2nd"])
#: "object A" is the first, "object 2" the second.
_NUMBERED = {
    noun: re.compile(rf"{noun} ?(?:(?P<first>1|a|one)|2|b|two)\b")
    for noun in ("object", "option", "car", "vehicle", "box", "person", "number", "#")
}
_ALONE = (re.compile(r"(?:a|1)\)?\W*"), re.compile(r"(?:b|2)\)?\W*"))

#: A colour behind one of these is only what the chosen one is compared with.
_REFERENCE = re.compile(
    r"(?:\b(?:than|compared (?:to|with)|in comparison (?:to|with)|comparison to|versus"
    r"|relative to|unlike"
    r"|whereas|rather than|instead of|as opposed to|as (?:far|fast|much|long|quickly|great|high"
    r"|rapidly) as"
    r"|(?:twice|double|half|triple|times) (?:the \w+ (?:of|as)|that of)|(?:outpaced|exceeded"
    r"|surpassed"
    r"|overtaken|outrun|passed|outdistanced|beaten) by)(?: [\w'-]+){0,8}"
    r"|\b(?:overtak(?:es|ing)|overtook|outpac(?:es|ing)|surpass(?:es|ing)|outdistances|exceeds"
    r"|keep(?:s|ing)? (?:up|pace) with|catch(?:es|ing)? up (?:with|to))"
    r"(?: (?!while\b|whereas\b|and\b|but\b|wh\w+\b)[\w'-]+){0,8}"
    r"|\b(?:over|beyond|exceed(?:s|ed)?|outpac(?:es|ed)|surpass(?:es|ed)|overtak(?:es|ing)|overtook"
    r"|behind|ahead of|past|gain(?:s|ing) on|and not|but not|passes|not)(?: (?:that|those|the|of"
    r"|one|object|car|vehicle"
    r"|distance"
    r"|speed|annotated|marked|in|with|by|inside|person|truck|bus|pedestrian|is|it|a))*)[ (]*$"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """One mention of an object.

    Attributes:
        color: the colour of its box.
        start: offset of its first character.
        end: offset behind its last character.
        reference: whether the chosen object is only compared with it.
    """

    color: str
    start: int
    end: int
    reference: bool


def mentions_of(text: str, colors: tuple[str, ...]) -> list[Mention]:
    """Return every mention of an object in order; ``colors`` are the two that the question names.

    Where no colour is named, "the first object" and "object B" follow the question's order.
    """
    found = _by_color(text, colors)
    if not found:
        return _by_order(text, colors)
    return _with_nouns(text, found) if _NOUN_AFTER_THE.search(text) else found


def _by_color(text: str, colors: tuple[str, ...]) -> list[Mention]:
    if "cyan" in colors:
        text = _LIGHT_BLUE.sub(lambda m: "cyan".ljust(len(m.group())), text)
    found: list[tuple[str, int, int, bool]] = []
    for match in _COLOR.finditer(text):
        word = re.sub(r"(?:d)?ish$", "", match.group())
        color = word if word in COLORS else _SYNONYMS.get(word, "")
        if color and (not colors or color in colors):
            boxed = bool(_BOXED.match(text, match.end()))
            found.append((color, match.start(), match.end(), boxed))
    kept = [
        item
        for index, item in enumerate(found)
        if item[3] or not _is_paint(text, item[2], found[index + 1 : index + 2])
    ]
    kept = [item for item in kept if item[3] or not _NO_OBJECT.match(text, item[2])] or kept
    starts = [start for _, start, _, _ in kept]
    return [Mention(c, s, e, _is_reference(text, s, starts)) for c, s, e, _ in kept]


def _with_nouns(text: str, found: list[Mention]) -> list[Mention]:
    """Add "the truck" where it stands in a sentence of its own and one box alone holds a truck."""
    at = sorted(m.start for m in found)
    spans = [
        (start, end)
        for start, end in sentences(text)
        if bisect_left(at, start) == bisect_left(at, end)
    ]
    named = [m for start, end in spans for m in _NOUN_AFTER_THE.finditer(text, start, end)]
    if not named:
        return found
    owners: dict[str, set[str]] = {}
    for mention in found:
        before = _NOUN_BEFORE.search(text, max(0, mention.start - 60), mention.start)
        behind = _NOUN_BEHIND.match(text, mention.end)
        for match in (before, behind):
            if match:
                owners.setdefault(match.group(1), set()).add(mention.color)
    added = list(found)
    starts = sorted([m.start for m in found] + [m.start() for m in named])
    for match in named:
        colors = owners.get(match.group(1), set())
        if len(colors) == 1:
            start = match.start()
            reference = _is_reference(text, start, starts)
            added.append(Mention(next(iter(colors)), start, match.end(), reference))
    return sorted(added, key=lambda m: m.start)


def _is_paint(text: str, end: int, following: list[tuple[str, int, int, bool]]) -> bool:
    if not following or not following[0][3]:
        return False
    return bool(_PAINT.fullmatch(text, end, following[0][1]))


def _is_reference(text: str, start: int, others: list[int]) -> bool:
    """Whether a mention at ``start`` is only compared with; another in between takes that part."""
    match = _REFERENCE.search(text, max(0, start - 90), start)
    return match is not None and not any(match.start() < other < start for other in others)


def _by_order(text: str, colors: tuple[str, ...]) -> list[Mention]:
    """Read "the first object", "object B" by the order in which the question names them."""
    if not colors:
        return []
    for color, alone in zip(colors, _ALONE, strict=True):
        if len(text) < 20 and alone.fullmatch(text):
            return [Mention(color, 0, len(text), False)]
    found = [
        (m.start(), m.end(), colors[0] if m.group("first") else colors[1])
        for noun, pattern in _NUMBERED.items()
        if noun in text
        for m in pattern.finditer(text)
    ]
    if not _ORDINAL_WORDS.isdisjoint(vocabulary(text)):
        found += [
            (m.start(), m.end(), color)
            for color, pattern in zip(colors, _ORDINALS, strict=True)
            for m in pattern.finditer(text)
        ]
    found.sort()
    starts = [start for start, _, _ in found]
    return [Mention(c, s, e, _is_reference(text, s, starts)) for s, e, c in found]
