"""Responses in sentences: the conclusion, a short answer, the last thing said. Standard library."""

from __future__ import annotations

import re
from functools import partial

from .options import Options
from .spans import NOTHING, Settled, named, settle
from .spelling import fold, marked

__all__ = ["concluding_sentence", "last_claim", "short_response"]

_SENTENCE = re.compile(r"(?:[^.!?。\n,]|[.!?](?=\S)|,(?! which means))+(?:,(?= which means))?")
_CONCLUDES = re.compile(
    r"\b(?:therefore|thus|hence|consequently|in conclusion|conclu\w+|in summary|overall"
    r"|final(?:ly)?|so,? (?:the|it|they|he|she|this)|accordingly|as a result|answer|which means)\b",
    re.IGNORECASE,
)
_WONDERS = re.compile(
    r"\b(?:to (?:determine|answer|identify|decide|find|solve|analy[sz]e|assess|evaluate|figure)"
    r"|whether|question|if|options?|let'?s|we need|i need|i will|would|could|might|may|possibl\w+"
    r"|either|asks|assum\w+)\b",
    re.IGNORECASE,
)
_SURE = re.compile(
    r"\b(?:evident|clear(?:ly)?|indicat\w+|suggest\w*|confirm\w*|conclu\w+|show\w*|therefore|thus"
    r"|hence|appear\w*|seem\w*|consistent(?:ly)?|definit\w+|observ\w+|overall)\b",
    re.IGNORECASE,
)
_SHORT_WORDS = 60
_NO = re.compile(r"\b(?:not|no|never|none)\b")
_UNDECIDED = re.compile(
    r"\b(?:can ?not|can't|unable to|impossible to|not possible to|difficult to)"
    r"(?: be)?(?: \w+ly)? (?:determin|conclud|identif|ascertain|tell|say|decid|choos|answer)",
    re.IGNORECASE,
)
#: "- D: no robot there: a robot is to be seen" weighs an option and claims nothing.
_OPTION_WEIGHED = re.compile(r"[\s*>\-\"'(]*(?:[Oo]ption )?\(?[A-Z][\"'*]*[):.][\s*\"']")


def concluding_sentence(text: str, options: Options) -> Settled | None:
    """Read the last sentence that concludes and names an option."""
    for sentence in reversed(_SENTENCE.findall(text[-2000:])):
        if _CONCLUDES.search(sentence):
            settled = named(sentence, options)
            if settled is not None:
                return settled
    return None


def short_response(text: str, options: Options) -> Settled | None:
    """Read a few sentences by the last one that names one option."""
    if len(text) > 1000 or len(text.split()) > _SHORT_WORDS:
        return None
    sentences = _SENTENCE.findall(text)
    if len(sentences) == 1 and (settled := settle(text, options)) and settled.letter:
        return settled
    words = [fold(marked(sentence, options.letters)) for sentence in reversed(sentences)]
    readers = (
        lambda said: [m.letter for m in options.mentions(said, of_motion=True)],
        lambda said: [m.letter for m in options.mentions(said)],
        lambda said: [m.letter for m in options.paraphrased(said)],
        lambda said: [letter for letter in (options.closest(said),) if letter],
        lambda said: [options.exactly("no")] if _NO.search(said) else [],
    )
    for reader in readers:
        for said in words:
            letters = set(reader(said)) - {None}
            if len(letters) == 1:
                return Settled(letters.pop())
    return NOTHING


def last_claim(text: str, options: Options) -> Settled | None:
    """Read a response that breaks off by the last thing it says about an option in words.

    Numbers are left out: in a text about frames they count many things.
    """
    if all(words.isdigit() for words in options.texts.values()):
        return None
    if _UNDECIDED.search(text, max(0, len(text) - 500)):
        return NOTHING
    said = [
        (sentence, fold(marked(sentence, options.letters)))
        for line in reversed(text[-3000:].split("\n"))
        if not _OPTION_WEIGHED.match(line)
        for sentence in reversed(_SENTENCE.findall(line))
        if not _WONDERS.search(sentence)
    ]
    for read in (partial(options.mentions, of_motion=True), options.paraphrased):
        for sentence, words in said:
            letters = {mention.letter for mention in read(words)}
            if letters:
                sure = len(letters) == 1 and _SURE.search(sentence)
                return Settled(letters.pop()) if sure else NOTHING
    return None
