"""How uncertain a target is whose positions were estimated and not annotated.

A source of estimated positions gives a standard deviation with every centre (``Tracks.sigmas_m``,
the same along every axis, independent from frame to frame) and one of the clip's scale
(``Tracks.scale_sigma``, shared by all centres). Both are carried through to first order, and then
made to agree with errors by a table of factors (``pseudo_labels/factors.py``). Numpy only.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from stkit_datasets.clip import FloatArray, Tracks
from stkit_datasets.observation import Observation
from stkit_datasets.pseudo_labels.factors import UncertaintyTable, current_table
from stkit_datasets.tasks.base import Question
from stkit_datasets.tasks.names import Task

_STORED_DECIMALS = 6


def uncertainty_si(
    observation: Observation, question: Question, table: UncertaintyTable | None = None
) -> float | None:
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

    None for annotated sources, and where a centre of the run has no known deviation. Angles are
    at most half a turn uncertain.

    Args:
        observation: the clip as one camera sees it.
        question: one of its questions.
        table: the factors; None takes ``factors.current_table()``.
    """
    if observation.clip.tracks.sigmas_m is None:
        return None
    factors = (current_table() if table is None else table).tasks[str(question.task)]
    value = factors.sigma(*deviations(observation, question))
    if not math.isfinite(value):
        return None
    if question.task in ANGLES:
        value = min(value, math.pi)
    return round(value, _STORED_DECIMALS)


def deviations(observation: Observation, question: Question) -> tuple[float, float]:
    """Return to first order what the centres' deviations and the scale's make of a target.

    In m, m/s or rad as in ``uncertainty_si``; NaN where a centre has no known deviation. An angle
    does not depend on the scale.
    """
    return _BY_TASK[question.task](observation, question)


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


def _distance(observation: Observation, question: Question) -> tuple[float, float]:
    # The scale is shared: of a difference it moves the difference only.
    lengths = [
        observation.distance_m(track, question.start, question.stop) for track in question.objects
    ]
    scaled = lengths[0] - lengths[1] if len(lengths) == 2 else lengths[0]
    variance = sum(_distance_variance(observation, track, question) for track in question.objects)
    return math.sqrt(variance), abs(scaled) * observation.clip.tracks.scale_sigma


def _speed(observation: Observation, question: Question) -> tuple[float, float]:
    lasts_s = observation.duration_s(question.start, question.stop)
    from_centers, from_scale = _distance(observation, question)
    return from_centers / lasts_s, from_scale / lasts_s


def _angle(observation: Observation, *runs: tuple[int, int, int]) -> tuple[float, float]:
    """Deviation of the angle between two displacements, each (track, first, last frame)."""
    tracks = observation.clip.tracks
    variance = sum(heading_variance(tracks, *run) for run in dict.fromkeys(runs))
    return min(math.sqrt(variance), math.pi), 0.0


def displacements(question: Question) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Return the two displacements whose angle a question on direction is about.

    Each is (track, first frame, last frame): an object's first step and its last; its first step
    and the stretch asked about; or the whole run of two objects.
    """
    first, last = question.start, question.stop - 1
    if question.task == Task.MOVEMENT_DIRECTION_COMPARISON:
        a, b = question.objects
        return (a, first, last), (b, first, last)
    (track,) = question.objects
    if question.task == Task.DIRECTION_TIMESTAMP:
        assert question.span is not None
        return (track, first, first + 1), (track, *question.span)
    return (track, first, first + 1), (track, last - 1, last)


def _direction(observation: Observation, question: Question) -> tuple[float, float]:
    return _angle(observation, *displacements(question))


ANGLES = (
    Task.MOVEMENT_DIRECTION,
    Task.DIRECTION_TIMESTAMP,
    Task.MOVEMENT_DIRECTION_COMPARISON,
)
"""Tasks whose target was computed from an angle."""

_BY_TASK: dict[Task, Callable[[Observation, Question], tuple[float, float]]] = {
    Task.TRAVELED_DISTANCE: _distance,
    Task.TRAVELING_SPEED: _speed,
    Task.TRAVELED_DISTANCE_COMPARISON: _distance,
    Task.TRAVELING_SPEED_COMPARISON: _speed,
    **dict.fromkeys(ANGLES, _direction),
}
