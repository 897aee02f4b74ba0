"""The four options of a question: their spellings, and where a text names them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from stkit_bench.reading.normalize import BOX_CLOSE, BOX_OPEN, normalize

__all__ = ["ARTICLE_MARK", "MARK", "Mention", "Options", "fold", "marked", "options_of"]

#: An upper-case option letter that stands alone becomes the character this far above it, so that
#: it stays apart from the article "a" once the text is in lower case.
_MARK_OFFSET = 0xE010 - ord("A")
MARK = "[\ue010-\ue029]"
ARTICLE_MARK = chr(ord("A") + _MARK_OFFSET)

_MARKUP = str.maketrans(dict.fromkeys(f"*_#~|{BOX_OPEN}{BOX_CLOSE}", " "))
_NUMBER_WORDS = {
    word: str(value)
    for value, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
        " fifteen sixteen seventeen eighteen nineteen twenty".split()
    )
}
_NUMBER_WORD = re.compile(rf"\b(?:{'|'.join(_NUMBER_WORDS)})\b")
_SPELLINGS = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:counter|anti)[ -]?(?:clock[ -]?wise)\b", "counterclockwise"),
        (r"\bclock-wise\b", "clockwise"),
        (r"\b(to|up|down|for|back|left|right|in|out|after|side)wards\b", r"\1ward"),
        (r"\bfarther\b", "further"),
        (r"\b(?:is|are|was|were|does|do|did)n'?t\b", "not"),
        (r"\b(?:does|do|did|is|are|was|were) not\b", "not"),
        (r"\bther are\b", "there are"),
        (r"[^\w\ue010-\ue029]+", " "),
    )
)
#: Other words for an option, tried where the option's own words are not there.
_PARAPHRASES = (
    (re.compile(r"^(?:to the )?left$"), r"leftward|(?:to|toward)(?: the| its| their| his| her)? left"),
    (re.compile(r"^(?:to the )?right$"), r"rightward|(?:to|toward)(?: the| its| their| his| her)? right"),
    (re.compile(r"^(?:to the )?(up|down|for|back)(?:ward)?$"), r"\1ward"),
    (
        re.compile(r"^(?:not moving|stationary|staying in place|not move|no movement)$"),
        r"stationary|motionless|standing still|not mov(?:e|ing)|staying in place|remain(?:s|ed|ing)? still",
    ),
    (re.compile(r"^not (spin|rotat|turn)(?:n?ing)$"), r"not \1(?:e|es|n?ing)?"),
)  # fmt: skip
_ABSENT = re.compile(r"^(?:there (?:is|are) )?no (.+?)(?: there| in th(?:e|is) (?:video|scene)s?)?$")
_NEGATED = re.compile(
    r"(?:\b(?:not|no|never|nor|neither|without|than|instead of|opposed to|except|unlike|excluding"
    r"|eliminat\w+|rul\w+ out|versus)(?: (?:the|a|an|to|toward|towards|from|moving|going|turning"
    r"|in|any|of|be|just|simply|only|either|option|on|at|it|is|it's))*) $"
)
_ONWARD = re.compile(r" (?:side )?(?:of \w+ \w+ )?to (?:the |its |their )?")
_PLACE = re.compile(r"\b(?:on|at|from|near|in|bottom|top) (?:the |its |their |his |her |one )?$")
_BODY_PART = re.compile(r" (?:hand|foot|leg|arm|eye|shoulder|knee|elbow|thumb)s?\b")


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


def fold(text: str) -> str:
    """Return normalised text as plain words: digits for number words, one spelling, no marks."""
    for pattern, plain in _SPELLINGS:
        text = pattern.sub(plain, text)
    return _NUMBER_WORD.sub(lambda m: _NUMBER_WORDS[m.group()], text).strip()


@dataclass(frozen=True)
class Options:
    """The options of one question, ready to be looked for.

    Attributes:
        keys: upper-case letter to the key as it was given.
        texts: folded text of each upper-case letter.
        letters: finds an option letter that stands alone.
        named: finds any option's own words, the longest first.
        paraphrased: finds other words for an option; one group per option.
    """

    keys: dict[str, str]
    texts: dict[str, str]
    letters: re.Pattern[str]
    named: re.Pattern[str]
    paraphrased: re.Pattern[str] | None
    _owners: dict[str, str]

    def letter(self, mark: str) -> str:
        """Return the option letter of a mark."""
        return chr(ord(mark) - _MARK_OFFSET)

    def at_start(self, folded: str) -> str | None:
        """Return the option whose words the text begins with; the longest one."""
        match = self.named.match(folded)
        return self._owners[match.group()] if match else None

    def exactly(self, folded: str) -> str | None:
        """Return the option whose words the text is."""
        return self._owners.get(folded)

    def mentions(self, folded: str, *, of_motion: bool = False) -> list[Mention]:
        """Return the options that a text names without denying them, by place.

        With ``of_motion`` a place is no mention: "the one on the left" says nothing of a way.
        """
        found = [
            Mention(self._owners[m.group()], m.start(), m.end())
            for m in self.named.finditer(folded)
        ]
        if not found and self.paraphrased is not None:
            found = [
                Mention(str(m.lastgroup), m.start(), m.end())
                for m in self.paraphrased.finditer(folded)
            ]
        starts = {mention.start for mention in found}
        return [
            m
            for m in found
            if not _denied(folded, m, starts) and not (of_motion and _is_place(folded, m))
        ]


def _denied(folded: str, mention: Mention, starts: set[int]) -> bool:
    if _BODY_PART.match(folded, mention.end):
        return True
    onward = _ONWARD.match(folded, mention.end)
    if onward is not None and onward.end() in starts:  # "from left to right" goes right
        return True
    return bool(_NEGATED.search(folded, max(0, mention.start - 60), mention.start))


def _is_place(folded: str, mention: Mention) -> bool:
    return bool(_PLACE.search(folded, max(0, mention.start - 20), mention.start))


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
        letters=re.compile(rf"(?<![^\W_])[{''.join(keys)}](?![^\W_])(?!['’][a-z])"),
        named=re.compile(rf"\b(?:{named})\b"),
        paraphrased=_paraphrased(owners),
        _owners=owners,
    )


def _paraphrased(owners: dict[str, str]) -> re.Pattern[str] | None:
    groups: dict[str, list[str]] = {}
    for text, letter in owners.items():
        for pattern, other in _PARAPHRASES:
            match = pattern.match(text)
            if match:
                groups.setdefault(letter, []).append(match.expand(other))
        absent = _ABSENT.match(text)
        if absent:
            noun = re.escape(absent.group(1).removesuffix("s"))
            groups.setdefault(letter, []).append(rf"no (?:\w+ )?{noun}s?")
    if not groups:
        return None
    return re.compile(
        "|".join(rf"(?P<{letter}>\b(?:{'|'.join(p)})\b)" for letter, p in groups.items())
    )
