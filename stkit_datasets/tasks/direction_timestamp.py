"""When one object moves in a given clock direction."""

from __future__ import annotations

from stkit_datasets.kinematics import direction_runs
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, appearances
from stkit_datasets.tasks.names import Task

TASK = Task.DIRECTION_TIMESTAMP


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about every direction that an object keeps long enough; none in sports.

    The target reaches from the start of the run's first step to the end of its last step.
    """
    if observation.clip.domain == "sports":
        return []
    found = []
    for track, start, stop in appearances(observation):
        runs = direction_runs(observation.clocks[track], start, stop)
        for clock, (first, last) in sorted(runs.items()):
            if observation.lasts(first, last + 1, observation.config.min_direction_s):
                found.append(
                    Question(TASK, (track,), "whole", start, stop, clock=clock, span=(first, last))
                )
    return found
