"""Average speed of one object, over its whole appearance or an interval."""

from __future__ import annotations

from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, measured
from stkit_datasets.tasks.names import Task

TASK = Task.TRAVELING_SPEED


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about every object that qualifies."""
    return measured(observation, seed, TASK, observation.speed_mps)
