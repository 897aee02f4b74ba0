"""Which option a free-text response settles on, read by rules. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from stkit_bench.reading.normalize import MAX_CHARACTERS, cap
from stkit_bench.reading.segments import without_thought

from .options import ARTICLE_MARK, MARK, Options, fold, marked, options_of

__all__ = ["READER_VERSION", "read_choice"]

#: Changes whenever a rule changes what some response is read as.
READER_VERSION = "1.0.0"

#: What follows a marker is looked at this far.
_SPAN = 400


@dataclass(frozen=True, slots=True)
class _Settled:
    """The word is final, also when it is that no single option was chosen."""

    letter: str | None


_NONE = _Settled(None)


def read_choice(response: str | None, choices: Mapping[str, object]) -> str | None:
    """Return the letter of the option that a response settles on.

    The model's own "final answer" counts before anything else, its last one if there are several;
    then an answer marked in other ways, an option that is the whole first or last line, and the
    options named in a concluding sentence. A text that argues for nothing, or for several
    options at once, gives None.

    Args:
        response: the model's text; None for no response.
        choices: option letters to option texts, as in the official files; texts may be numbers.

    Raises:
        TypeError: the response is neither a string nor None.
        ValueError: a key of the choices is not a single letter.

    Examples:
        >>> read_choice("The car goes left. The final answer is: C", {"A": "right", "C": "left"})
        'C'
        >>> read_choice("not right but left", {"A": "right", "C": "left"})
        'C'
        >>> read_choice("A or C", {"A": "right", "C": "left"}) is None
        True
    """
    options = options_of(choices)
    if response is None:
        return None
    if not isinstance(response, str):
        raise TypeError(f"`response` must be a string or None, got {type(response).__name__}")
    text = without_thought(cap(response)).strip()
    if not text:
        return None
    for stage in _STAGES:
        settled = stage(text, options)
        if settled is not None:
            return None if settled.letter is None else options.keys[settled.letter]
    return None


# --- what the model marks as its answer ------------------------------------------------------

_BOXED = re.compile(r"\\f?boxed\s*\{((?:[^{}]|\{[^{}]*\}){0,200})\}")
_TAG = re.compile(r"<(?:final_)?answer>\s*(.{0,400}?)\s*(?:</(?:final_)?answer>|$)", re.I | re.S)
_JSON = re.compile(r"[\"'](?:final[ _]?)?(?:answer|choice|option|letter)[\"']\s*:\s*[\"']?([^\"'{}\n]{1,200})", re.I)  # fmt: skip

_ADJECTIVES = (
    r"(?:final|correct|right|best|accurate|appropriate|most likely|likely|logical|suitable"
    r"|reasonable|plausible|closest|fitting|valid|overall|selected|chosen|my|our)"
)
_BEFORE = re.compile(
    rf"(?:{_ADJECTIVES}\W{{1,4}}|^\W*|\n\W*|\bthe |[.:!?]\W{{1,4}})(?:a|A)$", re.IGNORECASE
)
_LINK = re.compile(
    r"(?: choice| option| letter)?[\"'*_ )]*(?: (?:to|for|from|among|based on|given|in|here)\b[^.:\n]{0,60}?)?"
    r"\s*(?:(?::|=|->|→)|\b(?:is|was|would be|should be|must be|will be|has to be|are|remains)\b)"
    r"[\s:\"'*_]*(?:that\b)?",
    re.I,
)

_MARKERS = (
    ("nswer", _BEFORE, _LINK),
    ("NSWER", _BEFORE, _LINK),
    ("答案", re.compile(""), re.compile(r"(?:应该|应|就)?(?:是|为|：|:)\W*")),
    ("选项", re.compile("(?:正确|最终|最佳)的?$"), re.compile(r"(?:应该|应|就)?(?:是|为|：|:)\W*")),
)


def _after_boxes(text: str, options: Options) -> _Settled | None:
    for sign, pattern in (("boxed", _BOXED), ("nswer>", _TAG), ("{", _JSON)):
        if sign in text:
            found = pattern.findall(text)
            if found and (settled := _settle(found[-1], options)):
                return settled
    return None


def _after_markers(text: str, options: Options) -> _Settled | None:
    """Read what follows the last "… answer is"; an empty one gives way to the one before."""
    promised = False
    for word, before, link in _MARKERS:
        for start in _from_the_end(text, word):
            match = link.match(text, start + len(word))
            if match is None or not before.search(text, max(0, start - 25), start):
                continue
            settled = _settle(text[match.end() : match.end() + _SPAN], options)
            if settled is not None:
                return settled
            promised = True
    return _NONE if promised else None


def _from_the_end(text: str, word: str) -> Iterator[int]:
    position = text.rfind(word)
    for _ in range(8):
        if position < 1:
            return
        yield position
        position = text.rfind(word, 0, position)


_CHOSEN_AFTER = re.compile(
    rf"\b{_ADJECTIVES} (?:option|choice|selection|conclusion|response|direction|statement)\b"
    r"(?: (?:to|for|from|among|based on|given|here)\b[^.:\n]{0,60}?)?\W{0,3}"
    r"(?::|\b(?:is|would be|should be|must be|will be|are)\b)[\s:]*"
    r"|\b(?:i|we) (?:would |will |'ll |'d |can |must |therefore |thus )?(?:choose|select|pick|go with|opt for)\b[\s:]*"
    r"|\b(?:therefore|thus|hence|so|conclu\w+)\b[^.\n:]{0,80}:[\s]*(?=\W{0,3}[A-Z]\b)",
    re.I,
)
_CHOSEN_BEFORE = re.compile(
    r"\b(?:option|choice|answer) [\"'(*]*([A-Z])\b[^.\n]{0,60}? (?:is|seems|appears|would be|as) "
    r"(?:the |to be )*(?:most |best )?(?:correct|right|accurate|best|appropriate|likely|answer|plausible|fitting|suitable|final)"
)


def _after_other_words(text: str, options: Options) -> _Settled | None:
    for match in reversed(list(_CHOSEN_AFTER.finditer(text))):
        settled = _settle(text[match.end() : match.end() + _SPAN], options)
        if settled is not None:
            return settled
    chosen = {m.group(1) for m in _CHOSEN_BEFORE.finditer(text)} & options.keys.keys()
    return _Settled(chosen.pop()) if len(chosen) == 1 else None


# --- lines that are an option and nothing else -----------------------------------------------


def _whole_line(text: str, options: Options) -> _Settled | None:
    """Read a first or last line that is a letter, an option, or both."""
    lines = [text[:_SPAN].split("\n", 1)[0], text[-_SPAN:].rsplit("\n", 1)[-1]]
    for line in lines:
        letter = _only_an_option(line, options)
        if letter is not None:
            return _Settled(letter)
    return None


def _only_an_option(line: str, options: Options) -> str | None:
    text = marked(line, options.letters)
    head = _HEAD.match(text)
    words = fold(text)
    if (letter := options.exactly(words)) is not None:
        return letter
    if head is None:
        lone = _LONE.fullmatch(text)
        letter = lone.group(1).upper() if lone else ""
        return letter if letter in options.keys else None
    letter = options.letter(head.group(1))
    rest = fold(text[head.end() :])
    if rest == "" or options.exactly(rest) == letter or options.texts[letter] == rest:
        return letter
    return None


# --- conclusions in sentences ----------------------------------------------------------------

_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?](?=\S)[^.!?\n]*)*")
_CONCLUDES = re.compile(
    r"\b(?:therefore|thus|hence|consequently|in conclusion|conclu\w+|in summary|overall|final(?:ly)?"
    r"|so,? (?:the|it|they|he|she|this)|accordingly|as a result|answer)\b",
    re.I,
)
_SHORT_WORDS = 40


def _concluding_sentence(text: str, options: Options) -> _Settled | None:
    sentences = _SENTENCE.findall(text[-2000:])
    for sentence in reversed(sentences):
        if _CONCLUDES.search(sentence):
            settled = _named(sentence, options)
            if settled is not None:
                return settled
    return None


def _last_claim(text: str, options: Options) -> _Settled | None:
    """Read a response that breaks off by the last thing it says about an option in words.

    Numbers are left out: in a text about frames they count many things.
    """
    if all(words.isdigit() for words in options.texts.values()):
        return None
    for sentence in reversed(_SENTENCE.findall(text[-3000:])):
        if _WONDERS.search(sentence):
            continue
        found = options.mentions(fold(marked(sentence, options.letters)), of_motion=True)
        letters = {mention.letter for mention in found}
        if letters:
            sure = len(letters) == 1 and _SURE.search(sentence)
            return _Settled(letters.pop()) if sure else _NONE
    return None


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


def _short_response(text: str, options: Options) -> _Settled | None:
    if len(text) < 1000 and len(text.split()) <= _SHORT_WORDS:
        return _settle(text, options)
    return None


# --- reading one stretch ---------------------------------------------------------------------

_WRAP = r"[\s\"'$(\[{<:=.,>-]*"
_LEAD = (
    rf"{_WRAP}(?:(?:the |an? )?(?:option|choice|letter|answer|correct|definitely|clearly|likely"
    rf"|most|probably|is|be|indeed|also|still|simply|either|number)\b{_WRAP})*"
)
_HEAD = re.compile(rf"{_LEAD}({MARK})(?=[^\w]|$)")
_LONE = re.compile(rf"{_LEAD}([a-z])[\s\"'$)\]}}.:>]*")
_JOINED = re.compile(
    rf"[\s\"')\]}}]*(?:,? ?(?:and|or|nor)\b(?:/or\b)?|[,/&+])[\s\"'(\[]*(?:option |choice |letter )?[\"'(\[]*({MARK})(?!\w)"
)
_ONLY_LETTERS = re.compile(rf"(?:\W|{MARK})*")
_ALL_MARKS = frozenset(chr(code) for code in range(ord(MARK[1]), ord(MARK[3]) + 1))
_VERB_AFTER_A = re.compile(
    r" (?:is|as|because|since|based|with|for|from|given|seems|would|appears|but|which|that|due|in) "
)
_NO_MARK = rf"(?:(?!{MARK})[\W_])*"
_PLACEHOLDER = re.compile(rf"{_NO_MARK}(?:(?:letter|answer|option|your answer|x)\b{_NO_MARK})?")


def _settle(span: str, options: Options) -> _Settled | None:
    """Read the first line of what a model marked as its answer; None when it holds nothing."""
    line = _first_line(span)
    text = marked(line, options.letters)
    if _PLACEHOLDER.fullmatch(text):
        return None
    words = fold(text)
    if (letter := options.exactly(words)) is not None:
        return _Settled(letter)
    head = _HEAD.match(text)
    if head is not None:
        settled = _from_letter(text, head, options)
        if settled is not None:
            return settled
    lone = _LONE.fullmatch(text)
    if lone is not None and lone.group(1).upper() in options.keys:
        return _Settled(lone.group(1).upper())
    return _named(line, options) or _NONE


def _first_line(span: str) -> str:
    for line in span.split("\n"):
        if any(character.isalnum() for character in line):
            return line
    return ""


def _from_letter(text: str, head: re.Match[str], options: Options) -> _Settled | None:
    letter = options.letter(head.group(1))
    rest = text[head.end() :]
    joined = _JOINED.match(rest)
    if joined is not None and joined.group(1) != head.group(1):
        return _NONE
    if (more := _ONLY_LETTERS.fullmatch(rest)) and set(more.group()) & _ALL_MARKS - {head.group(1)}:
        return _NONE
    words = fold(rest)
    if head.group(1) == ARTICLE_MARK and rest[:1] == " " and rest[1:2].isalpha():
        own = options.texts[letter]
        if not (words.startswith(own) and own) and not _VERB_AFTER_A.match(rest):
            return None
    other = options.at_start(words)
    if other is not None and options.texts[other] != options.texts[letter]:
        own = options.texts[letter]
        if not (own and words.startswith(own)):
            return _NONE  # the letter says one thing and its words another
    return _Settled(letter)


def _named(sentence: str, options: Options) -> _Settled | None:
    """Return the one option that a sentence names, by letter or else in words."""
    text = marked(sentence, options.letters)
    letters = {
        options.letter(m.group(1)) for m in _LETTER_NAMED.finditer(text)
    }
    if len(letters) == 1:
        return _Settled(letters.pop())
    if letters:
        return _NONE
    named = {mention.letter for mention in options.mentions(fold(text))}
    if len(named) == 1:
        return _Settled(named.pop())
    return _NONE if named else None


_LETTER_NAMED = re.compile(
    rf"(?<!\w)({MARK})(?:(?=[\"')\]:.,;}}]|$)|(?<!{ARTICLE_MARK})(?!\w))"
)

_STAGES: tuple[Callable[[str, Options], _Settled | None], ...] = (
    _after_boxes,
    _after_markers,
    _whole_line,
    _after_other_words,
    _short_response,
    _concluding_sentence,
    _last_claim,
)
assert MAX_CHARACTERS > _SPAN
