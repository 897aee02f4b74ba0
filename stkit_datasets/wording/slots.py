"""Which sentences each task needs, which slots stand in them, and how a slot is filled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_SLOT = re.compile(r"\{([a-z][a-z_]*)\}")
# The papers print their slots so; pasted as they are they would stand in every question.
_BRACKETED = re.compile(r"\[[A-Z][A-Z0-9_ ]*\]")


@dataclass(frozen=True)
class SlotRule:
    """The slots of every sentence in one group.

    Attributes:
        needed: slots that each sentence must hold.
        optional: slots that a sentence may hold besides.
    """

    needed: frozenset[str]
    optional: frozenset[str] = frozenset()

    @property
    def allowed(self) -> frozenset[str]:
        """All slots that may appear."""
        return self.needed | self.optional


@dataclass(frozen=True)
class TaskRule:
    """The groups of sentences of one task, by name, with their slots."""

    questions: Mapping[str, SlotRule]
    answers: Mapping[str, SlotRule]
    needs_convention: bool = False

    @property
    def object_count(self) -> int:
        """How many objects a question is about, 1 or 2."""
        return 2 if any("color_a" in rule.needed for rule in self.questions.values()) else 1


def _rule(needed: str, optional: str = "") -> SlotRule:
    return SlotRule(frozenset(needed.split()), frozenset(optional.split()))


def _one_object(quantity: str) -> TaskRule:
    # The common prompt names the color too, so a sentence may leave it out.
    return TaskRule(
        questions={"whole": _rule("", "color"), "interval": _rule("start end", "color")},
        answers={
            "whole": _rule(quantity, "color"),
            "interval": _rule(f"{quantity} start end", "color"),
        },
    )


_MAGNITUDE_COMPARISON = TaskRule(
    questions={"more": _rule("color_a color_b"), "less": _rule("color_a color_b")},
    answers={
        "more": _rule("answer_color", "other_color"),
        "less": _rule("answer_color", "other_color"),
    },
)


def direction_answer_group(asked: str, truth: str) -> str:
    """Return the answer group for a direction comparison.

    Whether "yes" is right depends on what was asked and on what is true, hence four groups.

    Args:
        asked: the polarity of the question, ``"same"`` or ``"different"``.
        truth: the target's choice, ``"same"`` or ``"different"``.
    """
    for name, value in (("asked", asked), ("truth", truth)):
        if value not in ("same", "different"):
            raise ValueError(f"`{name}` must be 'same' or 'different', got {value!r}")
    return f"asked_{asked}_is_{truth}"


TASK_RULES: Mapping[str, TaskRule] = {
    "traveled_distance": _one_object("distance"),
    "traveling_speed": _one_object("speed"),
    "movement_direction": TaskRule(
        questions={"whole": _rule("", "color")},
        answers={"whole": _rule("clock", "color")},
        needs_convention=True,
    ),
    "direction_timestamp": TaskRule(
        questions={"whole": _rule("clock", "color")},
        answers={"whole": _rule("start end", "clock color")},
        needs_convention=True,
    ),
    "traveled_distance_comparison": _MAGNITUDE_COMPARISON,
    "traveling_speed_comparison": _MAGNITUDE_COMPARISON,
    "movement_direction_comparison": TaskRule(
        questions={"same": _rule("color_a color_b"), "different": _rule("color_a color_b")},
        answers={
            direction_answer_group(asked, truth): _rule("", "color_a color_b")
            for asked in ("same", "different")
            for truth in ("same", "different")
        },
    ),
}

COMMON_PROMPT_RULES: Mapping[str, SlotRule] = {
    "video": _rule("seconds frames times"),
    "one_object": _rule("color"),
    "two_objects": _rule("color_a color_b"),
}


def braced(names: frozenset[str] | set[str]) -> str:
    """Write slot names as they stand in a sentence, sorted."""
    return ", ".join(f"{{{name}}}" for name in sorted(names)) or "none"


def broken_rule(sentence: str, rule: SlotRule) -> str | None:
    """Return what is wrong with a sentence's slots, or None when nothing is."""
    found = set(_SLOT.findall(sentence))
    if unknown := found - rule.allowed:
        return f"unknown slot {braced(unknown)}, allowed here: {braced(rule.allowed)}"
    if re.search(r"[{}]", _SLOT.sub("", sentence)):
        return f"a brace that is not part of a slot, allowed here: {braced(rule.allowed)}"
    if bracketed := _BRACKETED.search(sentence):
        return (
            f"{bracketed.group()} is no slot: slots are written in braces, allowed here: "
            f"{braced(rule.allowed)}"
        )
    if missing := rule.needed - found:
        return f"lacks slot {braced(missing)}, allowed here: {braced(rule.allowed)}"
    return None


def fill(sentence: str, slots: Mapping[str, str]) -> str:
    """Put values into a sentence's slots, capitalizing a value that begins the sentence.

    Values are inserted as they are: braces in them are not read as slots. Slots that the
    sentence does not hold are ignored, so that one mapping serves all sentences of a group.

    Raises:
        ValueError: the sentence holds a slot without a value.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in slots:
            raise ValueError(
                f"no value for slot {{{name}}} in {sentence!r}, got {braced(set(slots))}"
            )
        text = slots[name]
        return text[:1].upper() + text[1:] if match.start() == 0 else text

    return _SLOT.sub(value, sentence)
