"""Which of two objects travels farther, or less far."""

from __future__ import annotations

from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, compared
from stkit_datasets.tasks.names import Task

TASK = Task.TRAVELED_DISTANCE_COMPARISON


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask about pairs whose distances over the shared run are clearly apart."""
    gap = observation.config.min_distance_gap_m
    return compared(observation, seed, TASK, observation.distance_m, gap)
