"""Which of two objects is faster, or slower."""

from __future__ import annotations

from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, compared
from stkit_datasets.tasks.names import Task

TASK = Task.TRAVELING_SPEED_COMPARISON


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about pairs whose average speeds over the shared run are clearly apart."""
    gap = observation.config.min_speed_gap_mps
    return compared(observation, seed, TASK, observation.speed_mps, gap)
