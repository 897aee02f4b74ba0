"""Clock direction of one object at the end of the video."""

from __future__ import annotations

from stkit_datasets.kinematics import NO_DIRECTION
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, appearances
from stkit_datasets.tasks.names import Task

TASK = Task.MOVEMENT_DIRECTION


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about every object whose last visible step points somewhere; none in sports."""
    if observation.clip.domain == "sports":
        return []
    found = []
    for track, start, stop in appearances(observation):
        clock = int(observation.clocks[track, stop - 2])
        if clock != NO_DIRECTION:
            found.append(Question(TASK, (track,), "whole", start, stop, clock=clock))
    return found
