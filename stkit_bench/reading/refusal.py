"""Models that decline to answer."""

from __future__ import annotations

import re

from .sentences import sentences
from .vocabulary import vocabulary

_CANNOT = (
    r"(?:(?:can ?not|can ?'?t|could ?n(?:o|')t|could not|unable to|not able to)"
    r"(?! (?:keep|catch|match|compete|overtake))|impossible(?: to)?"
    r"|not possible(?: to)?|isn'?t possible|not feasible|am not capable|incapable of|no way (?:to"
    r"|of)"
    r"|not sure|don'?t know|do not know|unsure|won'?t be able|infeasible)"
)
_LACK = (
    r"(?:insufficient|not enough|inadequate|not sufficient|lack(?:s|ing)?|no (?:reliable "
    r"|clear )?(?:scale|reference"
    r"|way|information|data|indication|video|visible)|without (?:\w+ ){0,4}(?:scale|reference"
    r"|information|calibration|data|context|measurements?|details|knowing)|not (?:provided|given"
    r"|specified|stated|available|visible|shown|present|clear|determinable|discernible|known)"
    r"|unclear|undetermined|unknown|indeterminate|undeterminable|cannot be|can't be|can not be"
    r"|don'?t (?:have|see)|do not (?:have|see)|(?:do|does|did)(?: not|n't) (?:provide|contain"
    r"|include|show"
    r"|specify|allow)|need more|more information|more context|no answer|n/a"
    r"|there (?:is|are|was|were) no (?:\w+ ){0,2}(?:object|box|car|vehicle)s?)"
)
_SORRY = r"(?:sorry|apologi[sz]e|apologies|as an ai|i'm just an|unfortunately)"
_REFUSAL = re.compile(rf"\b(?:{_CANNOT}|{_LACK}|{_SORRY})\b|\b(?:difficult|hard|challenging) to\b")
#: One of these words stands in everything that declines; "t" is that of "can't".
_REFUSAL_WORDS = frozenset((
    "cannot", "cant", "could", "couldno", "couldnt", "unable", "not", "impossible",
    "isnt", "incapable", "no", "dont", "unsure", "wont", "infeasible",
    "insufficient", "inadequate", "lack", "lacks", "lacking", "without", "unclear",
    "undetermined", "unknown", "indeterminate", "undeterminable", "t", "need", "information",
    "context", "n", "sorry", "apologise", "apologize", "apologies", "ai", "just", "unfortunately",
    "difficult", "hard", "challenging",
))  # fmt: skip
#: How such a word stands in a text, where that is not by itself.
_IN_TEXT = {"t": "'t", "n": "n/a"}
_ONLY_NONE = re.compile(r"\W*(?:none|null|nan|n/?a|unknown|unsure|\?+|-+|nothing)\W*")
#: What follows these words in the sentence of a refusal is the estimate after all.
_BUT = re.compile(
    r"(?:\bbut\b|\bhowever\b|\bthough\b|\byet\b|\bnevertheless|\bstill,|\bapproximately\b|\babout\b"
    r"|\broughly\b|\baround\b|~|\bestimat(?:e|ed|es)\b(?! (?:the|how|its|an?|of|exact|accurate))"
    r"|\bit (?:appears|seems|looks)\b|\bi(?:'d| would) (?:say|guess)|\bmy (?:best )?guess"
    r"|, (?:the|it) (?:object|car|vehicle|person|appears|seems|moves|travels|red|blue))"
)
_ABOUT_TOPIC = re.compile(r"(?:about|around) (?:the|its|how|this|that|any)\b")
_ANSWERED_BEFORE = re.compile(r"\d|.{12}(?:, but\b|\bbut [^,]{0,20}$|\balthough\b|\bthough\b)")
_ALTHOUGH = re.compile(r"^\W*(?:although|though|while|even though|even if|despite|without)\b")


def split_refusals(text: str) -> tuple[bool, str]:
    """Return whether the model declines anywhere, and the text without the sentences that do.

    An estimate that follows in the same sentence stays.
    """
    needles = [_IN_TEXT.get(word, word) for word in _REFUSAL_WORDS & vocabulary(text)]
    if not needles:
        return _ONLY_NONE.fullmatch(text) is not None, text
    spans = sentences(text)
    declining = {start for start, end in spans if _declines(text, start, end, needles)}
    if not declining:
        return _ONLY_NONE.fullmatch(text) is not None, text
    kept: list[str] = []
    for start, end in spans:
        sentence = text[start:end]
        for _ in range(4 if start in declining else 0):  # "sorry, but I can't tell" does so twice
            match = _REFUSAL.search(sentence)
            if match is None:
                break
            sentence = _tail(sentence, match)
        kept.append(sentence + text[end : end + 1])
    return True, " ".join(kept)


def _declines(text: str, start: int, end: int, needles: list[str]) -> bool:
    for needle in needles:
        if text.find(needle, start, end) >= 0:
            return _REFUSAL.search(text, start, end) is not None
    return False


def _tail(sentence: str, refusal: re.Match[str]) -> str:
    if _ALTHOUGH.match(sentence):
        comma = sentence.find(",", refusal.end())
        if comma >= 0:
            return sentence[comma + 1 :]
    for match in _BUT.finditer(sentence, refusal.end()):
        if not _ABOUT_TOPIC.match(sentence, match.start()):
            return sentence[match.start() :]
    before = sentence[: refusal.start()]
    return before if _ANSWERED_BEFORE.search(before) else ""
