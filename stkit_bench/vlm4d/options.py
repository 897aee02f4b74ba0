"""The options of a question, and where a text names them. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from stkit_bench.reading.normalize import normalize

from .paraphrases import paraphrases
from .spelling import content, fold

__all__ = ["Mention", "Options", "options_of"]

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


_WAYS = frozenset(
    ("left", "right", "up", "down", "clockwise", "counterclockwise", "forward", "backward")
)
_SIDE_OF_A_BODY = re.compile(r"\b(?:left|right) (?:hand|foot|leg|arm)s?\b")


@dataclass(frozen=True, slots=True)
class Mention:
    """An option named in a text, ``start`` to ``end`` in the folded text."""

    letter: str
    start: int
    end: int


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
        said = content(folded)
        words = {letter: content(text) for letter, text in self.texts.items()}
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
        _paraphrased=paraphrases(owners),
        _owners=owners,
        _about_hands=any(t in _SIDES_OF_A_BODY or "hand" in t.split() for t in owners),
    )
