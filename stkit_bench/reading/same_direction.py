"""Whether two objects are said to move in the same direction."""

from __future__ import annotations

import re
from bisect import bisect_left

from .clock import clock_mentions
from .numbers import words_to_digits
from .question import COLORS, Question
from .result import Reading, Reason, unreadable
from .segments import Segment
from .sentences import CONCLUSION, sentences
from .vocabulary import vocabulary

SAME, DIFFERENT = "same", "different"

_WAY = r"(?:directions?|ways?|headings?|course|path|orientation|bearings?|trajector(?:y|ies)|lane)"
_SAME = re.compile(
    r"\bno (?:\w+ )?difference\b|\b(?:the )?(?:same|identical|matching|common|shared|one|similar"
    r"|consistent)"
    rf"(?: (?:general|overall|relative|clock|movement|travel|exact|basic|approximate"
    rf"|forward))*[ -]{_WAY}\b"
    r"|\bsame\b(?! (?:time|video|frame|lane|road|speed|pace|street|scene|size|object|period|rate"
    r"|camera))"
    r"|\b(?:in )?parallel\b|\balongside (?:each other|one another)|\bin unison\b|\baligned\b"
    r"|\bmatch(?:es)?\b"
    r"|\bdirections? (?:of travel )?(?:are|is) (?:similar|alike|identical|equal|consistent)"
    r"|\bfollow(?:s|ing)? (?:each other|one another|the same|behind|the (?:red|green|blue|yellow"
    r"|orange|purple"
    r"|cyan|magenta)|it)\b|\btogether in\b|\bshare\b|\bsimilar(?:ly)? (?:direct|head)\w*"
    r"|\bsimilarly\b"
)
_DIFFERENT = re.compile(
    rf"\b(?:different|differing|opposite|opposing|separate|distinct|other|another|divergent"
    rf"|contrary|reverse)"
    rf"(?: (?:general|overall|relative|clock|movement|travel))*[ -]{_WAY}\b|\bdifferent(?:ly)?\b"
    r"(?! (?:time|speed|lane|position|size|color|object|rate|pace|location|distance|part|type"
    r"|kind|frame)s?)"
    r"|\bopposite(?:ly| of| to)?\b(?! (?:side|lane|end)s?)|\bdiverg\w+|\bperpendicular\w*"
    r"|\borthogonal\w*"
    r"|\b(?:away from|towards?) (?:each other|one another)|\bhead-on\b|\bdiffer(?:s|ed)?\b"
    r"|\bapart\b"
    r"|\b(?:paths|trajectories|courses|routes|headings) (?:\w+ )?(?:cross|intersect)\b"
    r"|\bcross(?:es|ing)? (?:paths|each other|in front)|\bintersect\w*|\bright angles?\b"
    r"|\bcontrasting\b|\bunrelated\b|\bin contrast\b|\bmismatch\w*|\b(?:one"
    r"|other)(?: \w+){1,6} (?:while|and) the"
    r" other(?: (?:one|object))?(?: \w+){1,6}"
)
#: One of these words stands in each of those.
_SAME_WORDS = frozenset((
    "difference", "same", "identical", "matching", "common", "shared", "one", "similar", "alike",
    "consistent", "parallel", "alongside", "unison", "aligned", "match", "matches", "equal",
    "follow", "follows", "following", "together", "share", "similarly",
))  # fmt: skip
_DIFFERENT_WORDS = frozenset((
    "different", "differently", "differing", "opposite", "oppositely", "opposing", "separate",
    "distinct", "other", "another", "contrary", "reverse", "head", "differ", "differs", "differed",
    "apart", "cross", "crosses", "crossing", "angle", "angles", "contrasting", "contrast",
    "unrelated",
))  # fmt: skip
_DIFFERENT_STEMS = ("diverg", "perpendicular", "orthogonal", "intersect", "mismatch")
_NOT = re.compile(
    r"\b(?:not|no|never|neither|nor|cannot|without|hardly|rarely|fail(?:s|ed)? to|instead of"
    r"|rather than"
    r"|isn't|aren't|don't|doesn't|didn't|wasn't|weren't)\b[^.;:,]{0,48}$|n't\b[^.;:,]{0,48}$"
)
_YES = re.compile(
    r"^[^a-z]*(?:(?:well|so|sure|ok|okay|the (?:short )?answer is|answer|i (?:think|believe"
    r"|would say)|it (?:seems|appears|looks)(?: that| like)?)[ ,:]+)?"
    r"(?:yes|yeah|yep|true|correct|affirmative|indeed|they (?:do|are)\b(?=[.,!]|$)|it (?:does"
    r"|is)\b(?=[.,!]|$))"
    r"(?!\s*(?:/|or)\s*no)\b"
)
_NO = re.compile(
    r"^[^a-z]*(?:(?:well|so|sorry|the (?:short )?answer is|answer|i (?:think|believe"
    r"|would say)|it (?:seems|appears|looks)(?: that| like)?)[ ,:]+)?"
    r"(?:nope|no(?![a-z ]*\b(?:difference|clear|scale|way)\b)|false|incorrect|negative"
    r"|i (?:do not|don't) (?:think|believe) (?:so|they do)\b|they (?:do not|don't|are not"
    r"|aren't)(?=[.,!]|$)|not? really)\b"
)
_YES_OR_NO = re.compile(r"(?:yes|no)(?![a-z])")
_LATER_YES_NO = re.compile(
    r"\b(?:answer(?: is|:)|so,?|therefore,?|thus,?|hence,?|overall[,:]?) \W*(yes|no)\b"
    r"|[\n.] ?\W*(yes|no)\W*$"
)
_OTHER = {SAME: DIFFERENT, DIFFERENT: SAME}
#: "Same direction? No."
_OWN_QUESTION = re.compile(r"\?\W{0,6}(yes|no)\b")
#: The conclusion is a bare yes or no.
_CONCLUDING_YES_NO = re.compile(
    r"\b(?:so|therefore|thus|hence|overall|in conclusion|finally|conclusion)\b[ ,:]{0,4}(?:overall"
    r"|the answer is)?"
    r"[ ,:]{0,4}(?:yes|no)\W*$"
)
#: What an object heads for, the words of which one must be there, and how it is said.
_HEADINGS: tuple[tuple[str, frozenset[str], re.Pattern[str]], ...] = tuple(
    (name, frozenset(words.split()), re.compile(pattern))
    for name, words, pattern in (
        ("left", "left leftward leftwards", r"left(?<!\wleft)(?:wards?)?\b"),
        ("right", "right rightward rightwards", r"right(?<!\wright)(?:wards?)?\b"),
        (
            "away",
            "away forward forwards straight ahead",
            r"\b(?:away\b(?! from (?:each|one))|(?:forwards?|straight|ahead)\b)",
        ),
        (
            "toward",
            "toward towards backward backwards oncoming approaches approaching closer",
            r"\b(?:towards? (?:the )?(?:camera|viewer|ego|us)|backwards?|oncoming"
            r"|approach(?:es|ing)|com(?:es|ing) closer)\b",
        ),
        ("up", "up upward upwards top", r"\b(?:up(?:wards?)?|top)\b"),
        ("down", "down downward downwards bottom", r"\b(?:down(?:wards?)?|bottom)\b"),
        *(
            (name, f"{name} {name}bound {name}ward {name}wards", rf"\b{name}(?:bound|wards?)?\b")
            for name in ("north", "south", "east", "west")
        ),
    )
)
_FROM = re.compile(r"\bfrom (?:the )?$")
_OBJECT = re.compile(
    rf"\b(?:{'|'.join(COLORS)})\b|\b(?:first|second|other|former|latter)\b|\bobject [12ab]\b"
    rf"|\bone\b"
)
_BOTH = re.compile(r"\b(?:both|they|together|the two|these two|each)\b")
_BOTH_WORDS = frozenset(["both", "they", "together", "two", "each"])
_LIKEWISE_WORDS = frozenset(["so", "likewise", "well", "too", "as"])
_LIKEWISE = re.compile(r"\bso (?:does|do|is|are)\b|\blikewise\b|\bas well\b|\btoo\b|\bas does\b")
_STILL = re.compile(
    r"\b(?:stationary|parked|not moving|motionless|remains? still|standing still|does(?: not"
    r"|n't) move)\b"
)
_ASKING = re.compile(
    r"\b(?:to determine|whether|if the(?:y| two| objects)|let'?s|we need|the question|asks?)\b"
)


def read_same_direction(segment: Segment, question: Question) -> Reading:
    """Read ``same`` or ``different``; a stated direction outweighs yes or no."""
    text = segment.text
    if "?" in text and (asked := _OWN_QUESTION.search(text)):
        verdict = _verdict(
            re.split(r"[.?\n]", text[max(0, asked.start() - 200) : asked.start()])[-1]
        )
        if verdict:
            agreed = asked.group(1) == "yes"
            return Reading(choice=verdict if agreed else _OTHER[verdict])
    stated, concluding = _statements(text)
    answer = _yes_no(text, question.yes_is_same)
    if answer and _CONCLUDING_YES_NO.search(text):
        return Reading(choice=answer)
    if concluding:
        return Reading(choice=concluding[-1])
    if stated and len(set(stated)) == 1:
        return Reading(choice=stated[-1])
    if answer:
        return Reading(choice=answer)
    if stated:
        return Reading(choice=stated[-1])
    inferred = _inferred(text)
    if inferred:
        return Reading(choice=inferred)
    return unreadable(Reason.NO_CHOICE)


def _statements(text: str) -> tuple[list[str], list[str]]:
    """Return what each sentence states, and what the concluding sentences state."""
    stated: list[str] = []
    concluding: list[str] = []
    words = vocabulary(text)
    marks: list[int] = []
    if not _SAME_WORDS.isdisjoint(words):
        marks += [m.start() for m in _SAME.finditer(text)]
    if not _DIFFERENT_WORDS.isdisjoint(words) or any(s in text for s in _DIFFERENT_STEMS):
        marks += [m.start() for m in _DIFFERENT.finditer(text)]
    marks.sort()
    spans = sentences(text) if marks else ()
    for start, end in spans:
        sentence = text[start:end]
        if bisect_left(marks, start) == bisect_left(marks, end):
            continue
        if len(spans) > 1 and (text[end : end + 1] == "?" or _ASKING.search(sentence)):
            continue
        verdict = _verdict(sentence)
        if verdict:
            stated.append(verdict)
            if CONCLUSION.search(sentence):
                concluding.append(verdict)
    return stated, concluding


def _verdict(sentence: str) -> str | None:
    found: list[tuple[int, str]] = []
    for pattern, plainly, negated in ((_SAME, SAME, DIFFERENT), (_DIFFERENT, DIFFERENT, SAME)):
        for match in pattern.finditer(sentence):
            before = re.sub(r"^\W*no\b[,.: ]", " ", sentence[: match.start()])
            found.append((match.start(), negated if _NOT.search(before) else plainly))
    if not found:
        return None
    return max(found)[1]


def _yes_no(text: str, yes_is_same: bool) -> str | None:
    later = list(_LATER_YES_NO.finditer(text)) if _YES_OR_NO.search(text) else []
    if later:
        said_yes = "yes" in later[-1].groups()
    elif _YES.search(text):
        said_yes = True
    elif _NO.search(text):
        said_yes = False
    else:
        return None
    return SAME if said_yes == yes_is_same else DIFFERENT


def _inferred(text: str) -> str | None:
    """Compare what is said of each object, where nothing is said of both."""
    hours = []
    if "clo" in text:
        hours = [m.hour for m in clock_mentions(words_to_digits(text)) if m.hour]
    if len(hours) >= 2:
        return SAME if hours[0] == hours[-1] else DIFFERENT
    objects = {m.group() for m in _OBJECT.finditer(text)}
    words = vocabulary(text)
    alike = (not _BOTH_WORDS.isdisjoint(words) and _BOTH.search(text)) or (
        not _LIKEWISE_WORDS.isdisjoint(words) and _LIKEWISE.search(text)
    )
    if not alike and len(objects) < 2:
        return None
    headings = [
        name
        for name, needed, pattern in _HEADINGS
        if not needed.isdisjoint(words)
        for m in pattern.finditer(text)
        if not _FROM.search(text, max(0, m.start() - 12), m.start())
    ]
    names = set(headings)
    if alike and (len(names) == 1 or hours):
        return SAME
    if len(headings) >= 2 and len(objects) >= 2:
        return SAME if len(names) == 1 else DIFFERENT
    return DIFFERENT if _STILL.search(text) and len(objects) >= 2 else None
