"""How uncertain a target is whose positions were estimated and not annotated.

A source of estimated positions gives a standard deviation with every centre (``Tracks.sigmas_m``,
the same along every axis, independent from frame to frame) and one of the clip's scale
(``Tracks.scale_sigma``, shared by all centres). Both are carried through to first order. Numpy
only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from stkit_datasets.clip import FloatArray, Tracks
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question
from stkit_datasets.tasks.names import Task

_STORED_DECIMALS = 6


def uncertainty_si(observation: Observation, question: Question) -> float | None:
    """Return the standard deviation of what a question's target was computed from.

    ================================  ========================================================
    ``traveled_distance``             of the distance, in m
    ``traveling_speed``               of the speed, in m/s
    ``traveled_distance_comparison``  of the difference of the two distances, in m
    ``traveling_speed_comparison``    of the difference of the two speeds, in m/s
    ``movement_direction``            of the angle between the first step and the last, in rad
    ``direction_timestamp``           of the angle between the first step and the displacement
                                      over the asked stretch, in rad
    ``movement_direction_comparison`` of the angle between the two displacements, in rad
    ================================  ========================================================

    None for annotated sources, and where a centre of the run has no known deviation.
    """
    if observation.clip.tracks.sigmas_m is None:
        return None
    value = _BY_TASK[question.task](observation, question)
    return round(value, _STORED_DECIMALS) if math.isfinite(value) else None


def distance_variance_m2(centers_m: FloatArray, sigmas_m: FloatArray) -> float:
    """Variance of the sum of step lengths over one run, from that of its centres.

    A centre between two steps counts by how much the path bends there: on a straight line only
    the two ends matter.

    Args:
        centers_m: (T, 3) of the run.
        sigmas_m: (T,) standard deviation of each along any one axis.
    """
    steps = np.diff(centers_m, axis=0)
    lengths = np.linalg.norm(steps, axis=1, keepdims=True)
    directions = np.divide(steps, lengths, out=np.zeros_like(steps), where=lengths > 0)
    none = np.zeros((1, 3))
    gradient = np.concatenate([none, directions]) - np.concatenate([directions, none])
    return float(((gradient * gradient).sum(axis=1) * sigmas_m**2).sum())


def heading_variance(tracks: Tracks, track: int, first: int, last: int) -> float:
    """Variance in rad² of the heading in the ground plane from one frame's centre to another's."""
    assert tracks.sigmas_m is not None
    moved = tracks.centers_m[track, last, :2] - tracks.centers_m[track, first, :2]
    variance = tracks.sigmas_m[track, first] ** 2 + tracks.sigmas_m[track, last] ** 2
    squared = float(moved @ moved)
    # No displacement has no heading; beyond half a turn an angle is simply unknown.
    return min(float(variance) / squared, math.pi**2) if squared > 0 else math.pi**2


def _distance_variance(observation: Observation, track: int, question: Question) -> float:
    tracks, run = observation.clip.tracks, slice(question.start, question.stop)
    assert tracks.sigmas_m is not None
    return distance_variance_m2(tracks.centers_m[track, run], tracks.sigmas_m[track, run])


def _distance(observation: Observation, question: Question) -> float:
    # The scale is shared: of a difference it moves the difference only.
    lengths = [
        observation.distance_m(track, question.start, question.stop) for track in question.objects
    ]
    scaled = lengths[0] - lengths[1] if len(lengths) == 2 else lengths[0]
    variance = sum(_distance_variance(observation, track, question) for track in question.objects)
    return math.hypot(math.sqrt(variance), scaled * observation.clip.tracks.scale_sigma)


def _speed(observation: Observation, question: Question) -> float:
    return _distance(observation, question) / observation.duration_s(question.start, question.stop)


def _angle(observation: Observation, *runs: tuple[int, int, int]) -> float:
    """Deviation of the angle between two displacements, each (track, first, last frame)."""
    tracks = observation.clip.tracks
    variance = sum(heading_variance(tracks, *run) for run in dict.fromkeys(runs))
    return min(math.sqrt(variance), math.pi)


def _direction(observation: Observation, question: Question) -> float:
    (track,), first, last = question.objects, question.start, question.stop - 1
    return _angle(observation, (track, first, first + 1), (track, last - 1, last))


def _timestamp(observation: Observation, question: Question) -> float:
    (track,), first = question.objects, question.start
    assert question.span is not None
    return _angle(observation, (track, first, first + 1), (track, *question.span))


def _directions_compared(observation: Observation, question: Question) -> float:
    first, last = question.start, question.stop - 1
    return _angle(observation, *((track, first, last) for track in question.objects))


_BY_TASK: dict[Task, Callable[[Observation, Question], float]] = {
    Task.TRAVELED_DISTANCE: _distance,
    Task.TRAVELING_SPEED: _speed,
    Task.TRAVELED_DISTANCE_COMPARISON: _distance,
    Task.TRAVELING_SPEED_COMPARISON: _speed,
    Task.MOVEMENT_DIRECTION: _direction,
    Task.DIRECTION_TIMESTAMP: _timestamp,
    Task.MOVEMENT_DIRECTION_COMPARISON: _directions_compared,
}
