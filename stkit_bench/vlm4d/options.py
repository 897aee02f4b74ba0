"""The options of a question: their spellings, and where a text names them. Standard library."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stkit_bench.reading.normalize import BOX_CLOSE, BOX_OPEN, normalize

__all__ = ["ARTICLE_MARK", "MARK", "Mention", "Options", "fold", "marked", "options_of"]

#: An upper-case option letter that stands alone becomes the character this far above it, so that
#: it stays apart from the article "a" once the text is in lower case.
_MARK_OFFSET = 0xE010 - ord("A")
MARK = "[\ue010-\ue029]"
ARTICLE_MARK = chr(ord("A") + _MARK_OFFSET)

_MARKUP = str.maketrans(dict.fromkeys(f"*_#~|{BOX_OPEN}{BOX_CLOSE}", " "))
_NUMBER_WORDS = {
    "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6",
    "seven": "7", "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12",
    "thirteen": "13", "fourteen": "14", "fifteen": "15", "sixteen": "16", "seventeen": "17",
    "eighteen": "18", "nineteen": "19", "twenty": "20", "once": "1", "twice": "2", "thrice": "3",
}  # fmt: skip
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b")
#: "once the car stops" and "one of them" count nothing.
_NOT_COUNTED = re.compile(
    r"\bonce(?= (?:the|it|he|she|they|an?|this|that|we|you) )"
    r"|(?<=the )\bone\b|(?<=this )\bone\b|(?<=each )\bone\b|(?<=no )\bone\b"
    r"|(?<=left )\bone\b|(?<=right )\bone\b|(?<=other )\bone\b|(?<=same )\bone\b"
    r"|\bone(?= (?:of|that|which|who|is|on|in|with|another|side|can|by|direction)\b)"
)
_SPELLINGS = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:counter|anti)[ -]?clock[ -]?wise\b", "counterclockwise"),
        (r"\bclock-wise\b", "clockwise"),
        (r"\b(to|up|down|for|back|left|right|in|out|after|side)wards\b", r"\1ward"),
        (r"\bfarther\b", "further"),
        (r"\b(?:is|are|was|were|does|do|did|has|have) ?(?:not\b|n'?t\b)", "not"),
        (r"\bther are\b", "there are"),
        (r"\b(left|right|top|bottom)(?: end| edge| hand)?(?: side)?(?: of (?:the|its|their) \w+)?"
         r" to (?:the |its |their )?(left|right|top|bottom)\b", r"\1 to \2"),
    )
)  # fmt: skip
_NOT_WORDS = re.compile(r"[^\w\ue010-\ue029]+")
#: Other words for an option, tried where no option's own words are there.
_PARAPHRASES = (
    (r"(?:to the |toward the )?left", r"leftward"),
    (r"(?:to the |toward the )?right", r"rightward"),
    (r"(up|down)(?:ward)?", r"\1ward|\1"),
    (r"back", r"backward"),
    (
        r"not moving|stationary|staying in place|not move|no movement",
        r"stationary|motionless|standing still|not mov(?:e|ing)|staying in place"
        r"|remain(?:s|ed|ing)? (?:still|in place)",
    ),
    (
        r"(?:not|no) (spin|rotat|turn)(?:n?ing|ion|e|s)?",
        r"(?:not|without(?: any)?) \1(?:e|es|n?ing)?",
    ),
    (r"(?:coming |getting |moving )?closer|coming toward", r"toward the (?:camera|viewer)"),
    (r"(?:going |getting |moving )?(?:further )?away", r"away from the (?:camera|viewer)"),
    (r"0", r"none|never|no times?"),
)
_PARAPHRASE_PATTERNS = tuple((re.compile(p), other) for p, other in _PARAPHRASES)
_ABSENT = re.compile(r"(?:there (?:is|are) )?no (.+?)(?: there| in th(?:e|is) (?:video|scene)s?)?")
_NEGATED = re.compile(
    r"(?:\b(?:not|no|never|nor|neither|without|than|instead of|opposed to|except|unlike|excluding"
    r"|eliminat\w+|rul\w+ out|versus)(?: (?:the|a|an|to|toward|from|moving|going|turning|it"
    r"|in|any|of|be|just|simply|only|either|option|on|at|is|its))*) $"
)
_COMES_FROM = re.compile(r"\bfrom (?:the |its |their |his |her )?$")
_ONWARD = re.compile(r" to (?:the |its |their )?")
_TOWARD = re.compile(r" (?:the |its |their |his |her )?")
_PLACE = re.compile(r"\b(?:on|at|from|near|in|bottom|top) (?:the |its |their |his |her |one )?$")
_JOIN = re.compile(r" (?:or|and)(?: to| toward)?(?: the| its| their)? ")
_MOVES = re.compile(
    r"\b(?:mov|go|head|turn|walk|run|fly|rotat|spin|travel|swim|driv|ski|rid|roll|jump|step)\w* "
    r"(?:to |toward )?(?:the |its |their |his |her )?$"
)
_BODY_PART = re.compile(r" (?:hand|foot|leg|arm|eye|shoulder|knee|elbow|thumb)s?\b")
_SIDES_OF_A_BODY = frozenset(("both", "neither", "both hands", "both equally", "both feet"))


#: A denied part of a sentence, up to the next comma-free turn.
_DENIAL = re.compile(r"\b(?:not|no|never)\b(?: (?!but\b)\w+){0,8}")
_WAYS = frozenset(
    ("left", "right", "up", "down", "clockwise", "counterclockwise", "forward", "backward")
)
_FILLERS = frozenset({
    "a", "an", "the", "of", "in", "on", "to", "is", "are", "was", "were", "be", "it", "he", "she",
    "they", "its", "his", "her", "their", "and", "with", "at", "there", "some", "video", "scene",
    "moving", "coming", "going", "getting",
})  # fmt: skip
_ENDINGS = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e|selve|selves|self)$")


_SIDE_OF_A_BODY = re.compile(r"\b(?:left|right) (?:hand|foot|leg|arm)s?\b")


def _content(folded: str) -> frozenset[str]:
    """Return the stems of the words that tell something and are not denied."""
    words = _DENIAL.sub(" ", folded).split()
    return frozenset(_ENDINGS.sub("", word) for word in words if word not in _FILLERS)


@dataclass(frozen=True, slots=True)
class Mention:
    """An option named in a text, ``start`` to ``end`` in the folded text."""

    letter: str
    start: int
    end: int


def marked(text: str, letters: re.Pattern[str]) -> str:
    """Return the text normalised, its upper-case option letters kept apart as marks."""
    found = letters.sub(lambda m: chr(ord(m.group()) + _MARK_OFFSET), text)
    return " ".join(normalize(found).translate(_MARKUP).split())


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Return normalised text as plain words: digits for number words, one spelling, no signs."""
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    if "on" in text:
        text = _NOT_COUNTED.sub("some", text)
    text = _NUMBER_WORD.sub(lambda m: _NUMBER_WORDS[m.group()], text)
    return _NOT_WORDS.sub(" ", text).strip()


@dataclass(frozen=True)
class Options:
    """The options of one question, ready to be looked for.

    Attributes:
        keys: upper-case letter to the key as it was given.
        texts: folded text of each upper-case letter.
        letters: finds an option letter that stands alone.
    """

    keys: dict[str, str]
    texts: dict[str, str]
    letters: re.Pattern[str]
    _named: re.Pattern[str]
    _paraphrased: re.Pattern[str] | None
    _owners: dict[str, str]
    _about_hands: bool

    def letter(self, mark: str) -> str:
        """Return the option letter of a mark."""
        return chr(ord(mark) - _MARK_OFFSET)

    def at_start(self, folded: str) -> str | None:
        """Return the option whose words the text begins with; the longest one."""
        match = self._named.match(folded)
        return self._owners[match.group()] if match else None

    def exactly(self, folded: str) -> str | None:
        """Return the option whose words the text is."""
        return self._owners.get(folded)

    def mentions(self, folded: str, *, of_motion: bool = False) -> list[Mention]:
        """Return the options that a sentence names without denying them, by place.

        Where several are named, those behind a verb of motion count: "the right car goes uphill".
        With ``of_motion`` a place is no mention: "the one on the left" says nothing of a way.
        """
        found = [
            Mention(self._owners[m.group()], m.start(), m.end())
            for m in self._named.finditer(folded)
        ]
        return self._meant(found, folded, of_motion)

    def paraphrased(self, folded: str) -> list[Mention]:
        """Return the options that a sentence names in other words, by place."""
        if self._paraphrased is None:
            return []
        found = self._paraphrased.finditer(folded)
        mentions = [Mention(str(m.lastgroup), m.start(), m.end()) for m in found]
        return self._meant(mentions, folded, of_motion=False)

    def _meant(self, found: list[Mention], folded: str, of_motion: bool) -> list[Mention]:
        starts = {mention.start for mention in found}
        kept = [
            m
            for m in found
            if not self._denied(folded, m, starts)
            and not (of_motion and _PLACE.search(folded, max(0, m.start - 20), m.start))
        ]
        if len({m.letter for m in kept}) > 1 and not _alternatives(kept, folded):
            moved = [m for m in kept if _MOVES.search(folded, max(0, m.start - 40), m.start)]
            return moved or kept
        return kept

    def closest(self, folded: str) -> str | None:
        """Return the option that shares clearly the most of its own words with a sentence.

        Words that all options share tell nothing, nor does what is denied; more than half of an
        option's other words must be there.
        """
        if not self._about_hands:
            folded = _SIDE_OF_A_BODY.sub(" ", folded)
        said = _content(folded)
        words = {letter: _content(text) for letter, text in self.texts.items()}
        shared = frozenset.intersection(*words.values())
        scores = sorted(
            (
                (len((own - shared) & said) / len(own - shared), letter)
                for letter, own in words.items()
                if own - shared and own & _WAYS <= said
            ),
            reverse=True,
        )
        if not scores or scores[0][0] <= 0.5 or (len(scores) > 1 and scores[1][0] == scores[0][0]):
            return None
        return scores[0][1]

    def _denied(self, folded: str, mention: Mention, starts: set[int]) -> bool:
        if not self._about_hands and _BODY_PART.match(folded, mention.end):
            return True
        onward = _ONWARD.match(folded, mention.end)  # "left to right" goes right
        if onward is None and folded[mention.start : mention.end] == "toward":
            onward = _TOWARD.match(folded, mention.end)  # "towards the left" goes left
        if onward is not None and onward.end() in starts:
            return True
        before = max(0, mention.start - 60)
        leads_on = " to " in folded[mention.start : mention.end]
        if not leads_on and _COMES_FROM.search(folded, before, mention.start):
            return True
        return bool(_NEGATED.search(folded, before, mention.start))


def _alternatives(mentions: list[Mention], folded: str) -> bool:
    """Whether two of them are joined: "left or right" chooses neither."""
    between = (folded[a.end : b.start] for a, b in pairwise(mentions))
    return any(_JOIN.fullmatch(words) for words in between)


def options_of(choices: Mapping[str, object]) -> Options:
    """Prepare the options of one question; the same ones are prepared once.

    Raises:
        ValueError: there are no choices, or a key is not a single letter or repeats another.
    """
    return _prepared(tuple((key, str(value)) for key, value in choices.items()))


@lru_cache(maxsize=8192)
def _prepared(choices: tuple[tuple[str, str], ...]) -> Options:
    keys = {key.upper(): key for key, _ in choices}
    if not choices or len(keys) < len(choices) or not all(re.fullmatch("[A-Z]", k) for k in keys):
        raise ValueError(
            f"choices must have one or more different single letters as keys, "
            f"got {[key for key, _ in choices]}"
        )
    texts = {key.upper(): fold(normalize(value)) for key, value in choices}
    owners: dict[str, str] = {}
    for letter, text in texts.items():
        if text:
            owners.setdefault(text, letter)
    spelled = sorted(owners, key=len, reverse=True)
    named = "|".join(re.escape(text) for text in spelled) or r"(?!)"
    return Options(
        keys=keys,
        texts=texts,
        letters=re.compile(rf"(?<![^\W_])(?<![Nn]/)[{''.join(keys)}](?![^\W_])(?!['’][a-z])"),
        _named=re.compile(rf"\b(?:{named})\b"),
        _paraphrased=_paraphrases(owners),
        _owners=owners,
        _about_hands=any(t in _SIDES_OF_A_BODY or "hand" in t.split() for t in owners),
    )


def _paraphrases(owners: dict[str, str]) -> re.Pattern[str] | None:
    groups: dict[str, list[str]] = {}
    for text, letter in owners.items():
        for pattern, other in _PARAPHRASE_PATTERNS:
            match = pattern.fullmatch(text)
            if match:
                groups.setdefault(letter, []).append(match.expand(other))
        absent = _ABSENT.fullmatch(text)
        if absent:
            groups.setdefault(letter, []).append(_absence(absent.group(1)))
    if not groups:
        return None
    return re.compile(
        "|".join(rf"(?P<{letter}>\b(?:{'|'.join(p)})\b)" for letter, p in groups.items())
    )


def _absence(noun: str) -> str:
    """Return a pattern of the ways to say that a thing is not to be seen."""
    stem = re.escape(re.sub(r"(?<=..)(?<!s)e?s$", "", noun))
    thing = rf"{stem}(?:s?e?s|s?e)?".replace("people", "(?:people|person)")
    return rf"not?(?: {_SHOW})* {thing}|{thing} not {_SEEN}"


_SHOW = (
    r"(?:contain|show|include|depict|feature|have|see|seen|any|an?|visible|presence|of|actual|signs?"
    r"|evidence)"
)
_SEEN = r"(?:visible|present|shown|seen|depicted|in the|there)"
