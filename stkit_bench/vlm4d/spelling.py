"""One spelling for options and responses. Standard library only."""

from __future__ import annotations

import re
from functools import lru_cache

from stkit_bench.reading.normalize import BOX_CLOSE, BOX_OPEN, normalize

__all__ = ["ARTICLE_MARK", "MARK", "content", "fold", "letter_of", "marked"]

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
#: A denied part of a sentence, up to the next comma-free turn.
_DENIAL = re.compile(r"\b(?:not|no|never)\b(?: (?!but\b)\w+){0,8}")
_FILLERS = frozenset({
    "a", "an", "the", "of", "in", "on", "to", "is", "are", "was", "were", "be", "it", "he", "she",
    "they", "its", "his", "her", "their", "and", "with", "at", "there", "some", "video", "scene",
    "moving", "coming", "going", "getting",
})  # fmt: skip
_ENDINGS = re.compile(r"(?<=\w{3})(?:ing|ed|es|s|e|selve|selves|self)$")


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


def letter_of(mark: str) -> str:
    """Return the option letter of a mark."""
    return chr(ord(mark) - _MARK_OFFSET)


def content(folded: str) -> frozenset[str]:
    """Return the stems of the words that tell something and are not denied."""
    words = _DENIAL.sub(" ", folded).split()
    return frozenset(_ENDINGS.sub("", word) for word in words if word not in _FILLERS)
