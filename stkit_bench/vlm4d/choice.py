"""Which option a free-text response settles on, read by rules. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from stkit_bench.reading.normalize import cap
from stkit_bench.reading.segments import without_thought

from .options import Options, options_of
from .sentences import concluding_sentence, last_claim, short_response
from .spans import NOTHING, Settled, only_an_option, settle
from .spelling import fold, marked

__all__ = ["READER_VERSION", "read_choice"]

#: Changes whenever a rule changes what some response is read as.
READER_VERSION = "1.0.0"

#: How far behind a marker the answer is looked for.
_SPAN = 400


def read_choice(response: str | None, choices: Mapping[str, object]) -> str | None:
    """Return the letter of the option that a response settles on.

    The model's own "final answer" counts before anything else, its last one if there are several;
    then an answer marked in other ways, an option that is the whole first or last line, and the
    options named in a concluding sentence. A response that breaks off is read by the last thing it
    says. One that gives several options, or a letter with another option's words, settles on
    nothing.

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
_TAG = re.compile(
    r"<(?:final_)?answer>\s*(.{0,400}?)\s*(?:</(?:final_)?answer>|$)", re.IGNORECASE | re.DOTALL
)
_JSON = re.compile(
    r"[\"'](?:final[ _]?)?(?:answer|choice|option|letter)[\"']\s*:\s*[\"']?([^\"'{}\n]{1,200})",
    re.IGNORECASE,
)
_ADJECTIVES = (
    r"(?:final|correct|right|best|accurate|appropriate|most likely|likely|logical|suitable"
    r"|reasonable|plausible|closest|fitting|valid|overall|selected|chosen|my|our)"
)
_BEFORE = re.compile(
    rf"(?:{_ADJECTIVES}\W{{1,4}}|^\W*|\n\W*|\bthe |[.:!?]\W{{1,4}})(?:a|A)$", re.IGNORECASE
)
_LINK = re.compile(
    r"(?: choice| option| letter)?[\"'*_ )]*"
    r"(?:,? (?:to|for|from|among|based on|given|considering|in|here|therefore|then|thus)\b"
    r"[^.:\n]{0,100}?)?"
    r"\s*(?:(?::|=|->|→)|\b(?:is|was|would be|should be|must be|will be|has to be|are|remains)\b)"
    r"(?! (?:determined|based|found|one of|whichever|needed|required|dependent|derived|given by))"
    r"[\s:\"'*_]*(?:that\b)?",
    re.IGNORECASE,
)
_CHINESE_LINK = re.compile(r"(?:应该|应|就)?(?:是|为|：|:)\W*")
_MARKERS = (
    ("nswer", _BEFORE, _LINK),
    ("NSWER", _BEFORE, _LINK),
    ("答案", re.compile(""), _CHINESE_LINK),
    ("选项", re.compile("(?:正确|最终|最佳)的?$"), _CHINESE_LINK),
)
#: "If it moves left, the answer is …" answers nothing yet.
_CONDITIONAL = re.compile(
    r"(?:^|\n)\W*(?:\d+\.)?\W*(?:or,? |and |but )?if\b[^\n]*"
    r"(?::\s*\W*(?:the |my )?(?:final |correct )?a?)?$",
    re.IGNORECASE,
)


def _after_boxes(text: str, options: Options) -> Settled | None:
    for sign, pattern in (("boxed", _BOXED), ("nswer>", _TAG), ("{", _JSON)):
        if sign in text:
            found = pattern.findall(text)
            if found and (settled := settle(found[-1], options)):
                return settled
    return None


def _after_markers(text: str, options: Options) -> Settled | None:
    """Read what follows the last "… answer is"; an empty one gives way to the one before."""
    promised = False
    for word, before, link in _MARKERS:
        for start in _from_the_end(text, word):
            match = link.match(text, start + len(word))
            if match is None or not before.search(text, max(0, start - 25), start):
                continue
            promised = True
            if _CONDITIONAL.search(text, max(0, start - 200), start):
                continue
            settled = settle(text[match.end() : match.end() + _SPAN], options)
            if settled is not None:
                return _unless_contradicted(settled, text[max(0, start - 250) : start], options)
    return NOTHING if promised else None


def _from_the_end(text: str, word: str) -> Iterator[int]:
    position = text.rfind(word)
    for _ in range(8):
        if position < 0:
            return
        yield position
        position = text.rfind(word, 0, position)


_PAIR = re.compile(r"(?:^|\s|\*)\(?([A-Z])[):.][ *]{1,3}([^\n.(*]{1,80})")


def _unless_contradicted(settled: Settled, before: str, options: Options) -> Settled:
    """Let "D) right … the final answer is: D" settle nothing where D is another option."""
    pairs = [m for m in _PAIR.finditer(before) if m.group(1) in options.keys]
    if not pairs or pairs[-1].group(1) != settled.letter or len(before) - pairs[-1].end() > 40:
        return settled
    said = options.exactly(fold(marked(pairs[-1].group(2), options.letters)))
    same = said is None or options.texts[said] == options.texts[pairs[-1].group(1)]
    return settled if same else NOTHING


_CHOSEN_AFTER = re.compile(
    rf"\b{_ADJECTIVES} (?:option|choice|selection|conclusion|response|direction|statement)\b"
    r"(?: (?:to|for|from|among|based on|given|here)\b[^.:\n]{0,60}?)?\W{0,3}"
    r"(?::|\b(?:is|would be|should be|must be|will be|are)\b)[\s:]*"
    r"|\b(?:i|we) (?:would |will |can |must |therefore |thus )?"
    r"(?:choose|select|pick|go with|opt for)\b[\s:]*"
    r"|\b(?:therefore|thus|hence|so|conclu\w+)\b[^.\n:]{0,80}:\s*(?=\W{0,3}[A-Z]\b)",
    re.IGNORECASE,
)
_CHOSEN_BEFORE = re.compile(
    r"\b(?:[Oo]ption|[Cc]hoice|[Aa]nswer) [\"'(*]*([A-Z])\b[^.\n]{0,60}? "
    r"(?:is|seems|appears|would be|as) (?:the |to be )*(?:most |best )?"
    r"(?:correct|right|accurate|best|appropriate|likely|answer|plausible|fitting|suitable|final)"
)


def _after_other_words(text: str, options: Options) -> Settled | None:
    for match in reversed(list(_CHOSEN_AFTER.finditer(text))):
        settled = settle(text[match.end() : match.end() + _SPAN], options)
        if settled is not None:
            return settled
    chosen = {m.group(1) for m in _CHOSEN_BEFORE.finditer(text)} & options.keys.keys()
    return Settled(chosen.pop()) if len(chosen) == 1 else None


# --- lines that are an option and nothing else -----------------------------------------------


def _whole_line(text: str, options: Options) -> Settled | None:
    """Read a first or last line that is a letter, an option, or both; never one of a list."""
    lines = [line for line in text.split("\n") if line.strip()]
    for line, neighbour in ((lines[0], lines[1:2]), (lines[-1], lines[-2:-1])):
        settled = only_an_option(line[:_SPAN], options)
        if settled is None:
            continue
        listed = only_an_option(neighbour[0][:_SPAN], options) if neighbour else None
        return settled if listed in (None, settled) else NOTHING
    return None


def _leading_letter(text: str, options: Options) -> Settled | None:
    """Read "B. The car goes left, because …"; a list of options begins so, too."""
    lines = [line for line in text.split("\n") if line.strip()]
    starts = [m.group(1) for m in map(_LETTER_FIRST.match, lines) if m]
    if _LETTER_FIRST.match(text) is None or len(set(starts)) != 1:
        return None
    return settle(text, options)


_LETTER_FIRST = re.compile(r"[\s*\"'(\[]*(?:[Oo]ption )?([A-Z])[*\"']*[).:\]]")


_STAGES: tuple[Callable[[str, Options], Settled | None], ...] = (
    _after_boxes,
    _after_markers,
    _whole_line,
    _after_other_words,
    _leading_letter,
    concluding_sentence,
    short_response,
    last_claim,
)
