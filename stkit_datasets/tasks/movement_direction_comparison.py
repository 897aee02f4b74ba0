"""Whether two objects move in the same direction."""

from __future__ import annotations

from stkit_datasets.kinematics import heading_difference_deg
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, pair_key, shared_pairs
from stkit_datasets.tasks.names import Task

TASK = Task.MOVEMENT_DIRECTION_COMPARISON


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about pairs whose headings over the shared run are clearly alike or clearly apart.

    An object's heading is that of its net displacement over the shared run, which must be a
    moving one by the same rule as everywhere. Half of the pairs asked about have either answer,
    where there are enough. None in sports.
    """
    if observation.clip.domain == "sports":
        return []
    config, centers = observation.config, observation.clip.tracks.centers_m
    by_answer: dict[bool, list[tuple[bytes, Question]]] = {True: [], False: []}
    for a, b, start, stop in shared_pairs(observation):
        moved = centers[[a, b], stop - 1] - centers[[a, b], start]
        if ((moved * moved).sum(axis=1) < config.min_displacement_m**2).any():
            continue
        difference = heading_difference_deg(moved[0], moved[1])
        if config.same_direction_deg < difference < config.different_direction_deg:
            continue
        same = difference <= config.same_direction_deg
        key = pair_key(observation, seed, TASK, a, b)
        named, asked = ((a, b), (b, a))[key[0] & 1], ("same", "different")[key[1] & 1]
        question = Question(TASK, named, asked, start, stop, same=same, values_si=(difference,))
        by_answer[same].append((key, question))
    each = max(config.max_pairs // 2, 1)
    found = [item for items in by_answer.values() for item in sorted(items, key=_key)[:each]]
    return [question for _, question in sorted(found, key=_key)]


def _key(item: tuple[bytes, Question]) -> bytes:
    return item[0]
