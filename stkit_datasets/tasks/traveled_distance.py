"""Traveled distance of one object, over its whole appearance or an interval."""

from __future__ import annotations

from stkit_datasets import kinematics
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question, appearances, draw_interval
from stkit_datasets.tasks.names import Task

TASK = Task.TRAVELED_DISTANCE


def questions(observation: Observation, seed: int) -> list[Question]:
    """Ask once about the whole appearance and once about an interval of every object."""
    found = []
    for track, start, stop in appearances(observation):
        runs = [
            ("whole", (start, stop)),
            ("interval", draw_interval(observation, TASK, track, seed)),
        ]
        for form, run in runs:
            if run is not None:
                value = kinematics.traveled_distance_m(
                    observation.clip.tracks.centers_m[track], *run
                )
                found.append(Question(TASK, (track,), form, *run, value_si=value))
    return found
