"""The seven task ids, written once. Standard library only, so that anything may import it."""

from __future__ import annotations

from enum import StrEnum


class Task(StrEnum):
    """One of the seven kinds of question."""

    TRAVELED_DISTANCE = "traveled_distance"
    TRAVELING_SPEED = "traveling_speed"
    MOVEMENT_DIRECTION = "movement_direction"
    DIRECTION_TIMESTAMP = "direction_timestamp"
    TRAVELED_DISTANCE_COMPARISON = "traveled_distance_comparison"
    TRAVELING_SPEED_COMPARISON = "traveling_speed_comparison"
    MOVEMENT_DIRECTION_COMPARISON = "movement_direction_comparison"


TASKS: tuple[str, ...] = tuple(task.value for task in Task)
