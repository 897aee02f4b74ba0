"""One stretch of a response that should hold the answer: the option it settles on.

Standard library only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .options import Options
from .spelling import ARTICLE_MARK, MARK, fold, letter_of, marked

__all__ = ["NOTHING", "Settled", "named", "only_an_option", "settle"]


@dataclass(frozen=True, slots=True)
class Settled:
    """The word is final, also when it is that no single option was chosen (None)."""

    letter: str | None


NOTHING = Settled(None)

_WRAP = r"[\s\"'$(\[{<:=.,>-]*"
_LEAD = (
    rf"{_WRAP}(?:(?:the |an? )?(?:option|choice|letter|answer|correct|definitely|clearly|likely"
    rf"|most|probably|is|be|indeed|also|still|simply|either|number)\b{_WRAP})*"
)
_HEAD = re.compile(rf"{_LEAD}({MARK})(?=[^\w]|$)")
_LONE = re.compile(rf"{_LEAD}([a-z])[\s\"'$)\]}}.:>]*")
_JOINED = re.compile(
    rf"[\s\"'$)\]}}]*(?:,? ?(?:and|or|nor)\b(?:/or\b)?|[,/&+])[\s\"'$(\[]*(?:option |choice "
    rf"|letter )?[\"'$(\[]*({MARK})(?!\w)"
)
_OR_ANOTHER = re.compile(rf"\bor[\s\"'$(\[]*(?:option |choice )?[\"'$(\[]*({MARK})(?!\w)")
_CONDITION = re.compile(r"[\s\"'$)\]}]*[(,]? ?if\b")
_ONLY_LETTERS = re.compile(rf"(?:[\W_]|{MARK})*")
_VERB_AFTER_A = re.compile(
    r" (?:is|as|because|since|based|with|for|from|given|seems|would|appears|but|which|that|due|in"
    r"|or|and) "
)
_LETTER_NAMED = re.compile(
    rf"(?<!\w)(?<!not )({MARK})(?:(?=[\"')\]:.,;}}]|$| (?:or|and|is)\b)|(?<!{ARTICLE_MARK})(?!\w))"
)
_PARENTHESIS = re.compile(r"\([^()\n]*\)")
_NO_MARK = rf"(?:(?!{MARK})[\W_])*"
_PLACEHOLDER = re.compile(
    rf"{_NO_MARK}(?:(?:letter|answer|option|your answer|x)\b{_NO_MARK}"
    r"|letter\b,? (?:where|\(?based) .*)?"
)


def settle(span: str, options: Options) -> Settled | None:
    """Read the first line of what a model marked as its answer.

    Returns:
        None when it holds no answer: it is empty, a placeholder, or speaks of something else.
    """
    line = _first_line(span)
    text = marked(line, options.letters)
    if _PLACEHOLDER.fullmatch(text) or text.startswith("if "):
        return None
    if (letter := options.exactly(fold(text))) is not None:
        return Settled(letter)
    head = None if text.startswith("not ") else _HEAD.match(text)
    if head is not None:
        settled = _from_letter(text, head, options)
        if settled is not None:
            return _unless_others_follow(settled, span, line, options)
    if (letter := _lone_letter(text, options)) is not None:
        return Settled(letter)
    return named(line, options) or NOTHING


def named(sentence: str, options: Options, *, of_motion: bool = False) -> Settled | None:
    """Return the one option that a sentence names, by its letter or else in words.

    Returns:
        :data:`NOTHING` when it names several, None when it names none.
    """
    text = marked(sentence, options.letters)
    letters = {letter_of(m.group(1)) for m in _LETTER_NAMED.finditer(text)}
    if not letters:
        words = fold(text)
        found = options.mentions(words, of_motion=of_motion) or options.paraphrased(words)
        letters = {mention.letter for mention in found}
    if not letters:
        return None
    if len(letters) == 1:
        return Settled(letters.pop())
    plain = _PARENTHESIS.sub(" ", sentence)
    return named(plain, options, of_motion=of_motion) or NOTHING if plain != sentence else NOTHING


def only_an_option(line: str, options: Options) -> Settled | None:
    """Return the option that the line is, by letter, in words, or both; else None."""
    text = marked(line, options.letters)
    if (letter := options.exactly(fold(text))) is not None:
        return Settled(letter)
    head = _HEAD.match(text)
    if head is None:
        lone = _lone_letter(text, options)
        return Settled(lone) if lone else None
    letter = letter_of(head.group(1))
    rest = fold(text[head.end() :])
    if rest in ("", options.texts[letter]):
        return Settled(letter)
    return NOTHING if options.exactly(rest) else None


def _first_line(span: str) -> str:
    for line in span.split("\n"):
        if any(character.isalnum() for character in line):
            return line
    return ""


def _lone_letter(text: str, options: Options) -> str | None:
    """Read "b" and "(b)"; within a sentence a lower-case letter may be an article."""
    lone = _LONE.fullmatch(text)
    letter = lone.group(1).upper() if lone else ""
    return letter if letter in options.keys else None


def _from_letter(text: str, head: re.Match[str], options: Options) -> Settled | None:
    mark, rest = head.group(1), text[head.end() :]
    letter = letter_of(mark)
    own, words = options.texts[letter], fold(rest)
    says_own = bool(own) and words.startswith(own)
    for pattern in (_JOINED.match, _OR_ANOTHER.search):
        another = pattern(rest)
        if another is not None and another.group(1) != mark:
            return NOTHING
    if _CONDITION.match(rest):
        return NOTHING
    an_article = mark == ARTICLE_MARK and rest[:1] == " " and rest[1:2].isalpha()
    if an_article and not says_own and not _VERB_AFTER_A.match(rest):
        return None
    other = options.at_start(words)
    if other is not None and options.texts[other] != own:
        return NOTHING  # the letter says one thing and its words another
    if (
        says_own
        and words[len(own) :].startswith(" or ")
        and options.at_start(words[len(own) + 4 :])
    ):
        return NOTHING
    return Settled(letter)


def _unless_others_follow(settled: Settled, span: str, line: str, options: Options) -> Settled:
    """Several letters one after another and nothing else, also on lines of their own."""
    whole = marked(span, options.letters) if span.strip() != line.strip() else ""
    for text in (marked(line, options.letters), whole):
        if text and _ONLY_LETTERS.fullmatch(text) and len(set(re.findall(MARK, text))) > 1:
            return NOTHING
    return settled
