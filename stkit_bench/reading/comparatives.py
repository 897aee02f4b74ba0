"""Words that say more or less of an object, and what turns them round."""

from __future__ import annotations

import re

_LESS = re.compile(
    r"\b(?:less(?:er)?|least|f?ewer|short(?:er|est)|small(?:er|est)|slow(?:er|est|ly)?|m(?:ore"
    r"|ost) (?:slow(?:ly)?|little)"
    r"|(?:can ?not|can't|could(?: not|n't)|unable to|fail(?:s|ed)? to|struggles to|(?:does|did|do)"
    r"(?: not|n't)) (?:keep (?:up|pace)|catch|match)"
    r"|low(?:er|est)|minimal(?:ly)?|barely|hardly|almost (?:still|stationary)|stationary|parked"
    r"|static"
    r"|motionless|(?:stays?|remain(?:s|ed)?|stands?|stood) (?:still|static|in place|parked|put"
    r"|mostly still)"
    r"|not mov(?:e|ing)|(?:does|did|is|has)(?:n't| not) (?:appear to |seem to )?mov\w+"
    r"|falls? behind|lags?"
    r"|lagg(?:ed|ing)|trails?|stays behind|at rest|little (?:movement|motion|distance|ground)"
    r"|half (?:as|the|that|of)|(?:short|small|tiny) (?:distance|path|way)"
    r"|a little\b(?! (?:more|f[au]rther|faster))"
    r"|(?:outpaced|exceeded|surpassed|overtaken|outrun|outdistanced|beaten|passed) by|almost as"
    r"|nearly as"
    r"|close to the start)\b"
)
_MORE = re.compile(
    r"\b(?:more|most(?! of)|f[au]rther|f[au]rthest|long(?:er|est)|great(?:er|est)|larg(?:er|est)"
    r"|bigg(?:er|est)|high(?:er|est)|fast(?:er|est)|quick(?:er|est)|swift(?:er|est)|speedier"
    r"|(?:twice|double|triple|\d+(?:\.\d+)? times|times) (?:as|the|that)|exceed(?:s|ed)?"
    r"|outpac(?:es|ed|ing)"
    r"|surpass(?:es|ed)|overtak(?:es|en|ing)|overtook|outruns?"
    r"|only (?:the )?\w+ (?:\w+ ){0,3}mov\w+"
    r"|(?:zip|speed|rac|driv|go|mov|fl|rush|run|rid|zoom|sail)\w* past|gain(?:s|ing) on"
    r"|goes beyond|pass(?:es|ed) (?:the|by)|pull(?:s|ed|ing) (?:away|ahead)|outdistanc(?:es|ed"
    r"|ing))\b"
)
_AS = re.compile(r"\bas (?:far|fast|much|long|quick(?:ly)?|great|high|rapid(?:ly)?|large|many)\b")
#: Standing for a while is slow, where nothing is compared.
_WAITING = re.compile(
    r"\b(?:wait(?:s|ed|ing)?|idl(?:es|ing)|queu\w+|stuck|(?:stay|remain|keep)s? (?:near|close"
    r"|around|in)\b"
    r"|(?:only|just) (?:moves? )?slightly|moves? slightly|only moves?)\b(?! more|(?: \w+)? f[au])"
)
_QUICKLY = re.compile(
    r"\b(?:considerabl[ey]|significantly|substantially|rapidly|quickly|a lot|fast)\b"
)
NOT = re.compile(
    r"\b(?:not|n't|never|nor|neither|isn't|doesn't|didn't|wasn't|hasn't)\b[^,.;]{0,24}$"
    r"|n't\b[^,.;]{0,24}$"
)


def sign_of(clause: str) -> int:
    """Return +1 for "farther, faster", -1 for "less, slower", turned round by "not"."""
    less, more, as_far = _LESS.search(clause), _MORE.search(clause), _AS.search(clause)
    if as_far and NOT.search(clause[: as_far.start()]):
        return -1
    if less and (more is None or less.start() <= more.start() or less.start() < more.end()):
        return 1 if NOT.search(clause[: less.start()]) else -1
    if more:
        if clause.startswith("less", more.end() + 1):
            return -1
        return -1 if NOT.search(clause[: more.start()]) else 1
    slow, quick = _WAITING.search(clause), _QUICKLY.search(clause)
    if slow or not quick:
        return -1 if slow else 0
    return -1 if NOT.search(clause[: quick.start()]) else 1
