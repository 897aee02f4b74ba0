"""The seven tasks by name, in the order of the papers' tables."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["COMPARISONS", "TASKS", "Task"]


class Task(StrEnum):
    """One of the seven question types of STKit (P1/P2 Table 1)."""

    TRAVELED_DISTANCE = "traveled_distance"
    TRAVELING_SPEED = "traveling_speed"
    MOVEMENT_DIRECTION = "movement_direction"
    DIRECTION_TIMESTAMP = "direction_timestamp"
    TRAVELED_DISTANCE_COMPARISON = "traveled_distance_comparison"
    TRAVELING_SPEED_COMPARISON = "traveling_speed_comparison"
    MOVEMENT_DIRECTION_COMPARISON = "movement_direction_comparison"


TASKS: tuple[Task, ...] = tuple(Task)

COMPARISONS: tuple[Task, ...] = (
    Task.TRAVELED_DISTANCE_COMPARISON,
    Task.TRAVELING_SPEED_COMPARISON,
    Task.MOVEMENT_DIRECTION_COMPARISON,
)
