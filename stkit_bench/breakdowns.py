"""Scores of groups of questions: by every scenario attribute of a bench, beside chance.

An attribute names the groups that a question belongs to. Most put it into one; the box colors put
a comparison into two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_bench.blind import Blind
from stkit_bench.judging import ReadingLike, Reference, judge
from stkit_bench.reading.question import parse_question
from stkit_bench.results import Scores
from stkit_bench.scoring import score_judged

__all__ = ["ATTRIBUTES", "TRAINED_ON", "Attribute", "Breakdown", "BrokenDown", "break_down"]

#: The sources that the papers train on; nuPlan is in the benchmark alone [P1 4, 5.1].
TRAINED_ON = frozenset(
    {"nuscenes", "argoverse2", "ego_exo4d", "bdd100k", "llava_video", "multisports"}
)
_UNKNOWN = "not known"
#: Groups that have an order other than the alphabet's.
_ORDER = (
    *("few", "several", "many"),
    *("small", "medium", "large"),
    *("2", "1", "0.5", "0.25"),
    *("in plain view", "partly hidden"),
    *("in domain", "out of domain"),
    *("as built", "paraphrased"),
    *("whole", "interval", "two objects"),
    *("more", "less", "same", "different", "one object"),
)


@dataclass(frozen=True)
class Attribute:
    """What questions are grouped by.

    Attributes:
        head: for people.
        groups: the groups that a reference belongs to; none where it is not known.
    """

    head: str
    groups: Callable[[Reference], tuple[str, ...]]


@dataclass(frozen=True)
class BrokenDown:
    """One group.

    Attributes:
        scores: of its questions.
        blind: accuracies without the video, by name and task (see
            :meth:`stkit_bench.blind.Blind.accuracies`).
    """

    scores: Scores
    blind: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Breakdown:
    """Groups by one attribute, in their order."""

    name: str
    head: str
    groups: dict[str, BrokenDown]

    @property
    def tells(self) -> bool:
        """Whether there are at least two groups to tell apart."""
        return len(self.groups) > 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            group: {
                **found.scores.to_dict(),
                "blind": {
                    name: {task: None if value != value else value for task, value in by.items()}
                    for name, by in found.blind.items()
                },
            }
            for group, found in self.groups.items()
        }


def break_down(
    references: Sequence[Reference],
    readings: Sequence[ReadingLike | None],
    names: Sequence[str] | None = None,
    *,
    blind: Blind | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Breakdown]:
    """Score the groups of several attributes.

    Args:
        references: as :func:`stkit_bench.references` makes them of whole rows.
        readings: one per reference.
        names: of :data:`ATTRIBUTES`; None for all of which the references tell anything.
        blind: chance and baselines on the same references; worked out where it is not given.
        n_resamples: of the bootstrap.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: an attribute is unknown, or as :func:`stkit_bench.scoring.score`.
    """
    unknown = [name for name in names or () if name not in ATTRIBUTES]
    if unknown:
        raise ValueError(f"unknown attribute {unknown[0]!r}, expected {', '.join(ATTRIBUTES)}")
    judged = judge(references, readings)
    blind = blind or Blind.of(references)
    found = []
    for name in names or ATTRIBUTES:
        members = _members(references, ATTRIBUTES[name])
        if names is None and set(members) <= {_UNKNOWN}:
            continue
        groups = {}
        for group in sorted(members, key=_rank):
            rows = np.asarray(members[group])
            scores = score_judged(
                judged.take(rows), n_resamples=n_resamples, level=level, seed=seed
            )
            groups[group] = BrokenDown(scores, blind.accuracies(rows))
        found.append(Breakdown(name, ATTRIBUTES[name].head, groups))
    return found


def _members(references: Sequence[Reference], attribute: Attribute) -> dict[str, list[int]]:
    members: dict[str, list[int]] = {}
    for row, reference in enumerate(references):
        for group in attribute.groups(reference) or (_UNKNOWN,):
            members.setdefault(group, []).append(row)
    return members


def _rank(group: str) -> tuple[bool, int, str]:
    place = _ORDER.index(group) if group in _ORDER else len(_ORDER)
    return group == _UNKNOWN, place, group


def _plain(key: str) -> Callable[[Reference], tuple[str, ...]]:
    def groups(reference: Reference) -> tuple[str, ...]:
        value = reference.get(key)
        return () if value is None else (str(value),)

    return groups


def _either(key: str, no: str, yes: str) -> Callable[[Reference], tuple[str, ...]]:
    def groups(reference: Reference) -> tuple[str, ...]:
        value = reference.get(key)
        return () if value is None else (yes if value else no,)

    return groups


def _rate(reference: Reference) -> tuple[str, ...]:
    fps = reference.get("fps")
    return () if fps is None else (f"{fps:g}",)


def _domain_of_training(reference: Mapping[str, Any]) -> tuple[str, ...]:
    source = reference.get("source")
    return () if source is None else ("in domain" if source in TRAINED_ON else "out of domain",)


def _camera(reference: Reference) -> tuple[str, ...]:
    source, camera = reference.get("source"), reference.get("camera")
    return () if camera is None else (f"{source} {camera}" if source else str(camera),)


def _polarity(reference: Reference) -> tuple[str, ...]:
    if "polarity" not in reference:
        return ()
    return (str(reference["polarity"] or "one object"),)


def _form(reference: Reference) -> tuple[str, ...]:
    form = reference.get("form")
    if form is None:
        return ()
    return (str(form) if form in ("whole", "interval") else "two objects",)


def _colors(reference: Reference) -> tuple[str, ...]:
    return parse_question(reference.get("question")).colors


#: By the name that the command line takes.
ATTRIBUTES: dict[str, Attribute] = {
    "occlusion": Attribute("Occlusion", _either("occluded", "in plain view", "partly hidden")),
    "object_count": Attribute("Objects in view", _plain("object_count")),
    "camera_motion": Attribute("Camera motion", _plain("camera_motion")),
    "object_size": Attribute("Object size", _plain("object_size")),
    "fps": Attribute("Frames a second", _rate),
    "domain": Attribute("Domain", _plain("domain")),
    "source": Attribute("Source", _plain("source")),
    "in_domain": Attribute("Source trained on", _domain_of_training),
    "camera": Attribute("Camera", _camera),
    "box_color": Attribute("Box color", _colors),
    "paraphrase": Attribute("Words", _either("paraphrased", "as built", "paraphrased")),
    "polarity": Attribute("Asked for", _polarity),
    "form": Attribute("Asked about", _form),
}
