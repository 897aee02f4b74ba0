"""What a task makes of an observation: questions with their machine-readable truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from stkit_datasets.config import TIME_TOLERANCE_S
from stkit_datasets.observation import Observation
from stkit_datasets.seeding import stable_digest, stable_index
from stkit_datasets.tasks.names import Task


@dataclass(frozen=True, slots=True)
class Question:
    """One question about one or two objects of a clip, before it is put into words.

    Attributes:
        task: the task's id.
        objects: track indices; two for a comparison, in the order in which they are named.
        form: the group of sentences: ``whole`` or ``interval``, ``more`` or ``less``, ``same`` or
            ``different``.
        start: first frame of the run the target was computed over.
        stop: its exclusive end.
        value_si: distance in metres or speed in m/s.
        clock: the direction, 1 to 12: the answer of one task, the question of another.
        span: frames from which to which the object moves in the asked direction.
        winner: which of ``objects`` answers a comparison of quantities, 0 or 1.
        same: whether two objects move in the same direction.
        values_si: both compared quantities, for the audit.
    """

    task: Task
    objects: tuple[int, ...]
    form: str
    start: int
    stop: int
    value_si: float | None = None
    clock: int | None = None
    span: tuple[int, int] | None = None
    winner: int | None = None
    same: bool | None = None
    values_si: tuple[float, ...] = ()


def question_key(observation: Observation, seed: int, task: str, *parts: str | int) -> bytes:
    """Digest that a task draws its choices from: the same on every machine."""
    clip = observation.clip
    return stable_digest(clip.source, clip.clip_id, clip.camera.name, seed, task, *parts)


def draw_interval(
    observation: Observation, task: Task, track: int, seed: int
) -> tuple[int, int] | None:
    """Draw frames [start, stop) inside an appearance, or None where no interval is worth asking.

    Both ends lie on the grid, at least ``min_interval_s`` apart; the object's net displacement
    between them is at least ``min_displacement_m``, so that noise is never the answer; and the
    interval is not the whole appearance, which has questions of its own.
    """
    config, (first, end) = observation.config, _run(observation, track)
    starts, lasts = np.triu_indices(end - first, 1)
    times = observation.clip.timestamps_s[first:end]
    moved = observation.clip.tracks.centers_m[track, first:end]
    moved = moved[lasts] - moved[starts]
    worth_asking = (
        (times[lasts] - times[starts] >= config.min_interval_s - TIME_TOLERANCE_S)
        & ((moved * moved).sum(axis=1) >= config.min_displacement_m**2)
        & (lasts - starts < end - first - 1)
    )
    options = np.flatnonzero(worth_asking)
    if len(options) == 0:
        return None
    key = question_key(observation, seed, task, observation.clip.tracks.track_ids[track])
    drawn = options[stable_index(len(options), key)]
    return first + int(starts[drawn]), first + int(lasts[drawn]) + 1


def measured(
    observation: Observation, seed: int, task: Task, value_of: Callable[[int, int, int], float]
) -> list[Question]:
    """Ask for a quantity of every object: once over its whole appearance, once over an interval.

    Args:
        observation: the clip as one camera sees it.
        seed: the build's seed.
        task: the task's id.
        value_of: the quantity of (track, start, stop) in SI units.
    """
    found = []
    for track, start, stop in appearances(observation):
        interval = draw_interval(observation, task, track, seed)
        for form, run in (("whole", (start, stop)), ("interval", interval)):
            if run is not None:
                value = value_of(track, *run)
                found.append(Question(task, (track,), form, *run, value_si=value))
    return found


def _run(observation: Observation, track: int) -> tuple[int, int]:
    return int(observation.starts[track]), int(observation.stops[track])


def appearances(observation: Observation) -> Iterator[tuple[int, int, int]]:
    """Yield (track, start, stop) of every object that qualifies."""
    for track in observation.objects.tolist():
        yield track, *_run(observation, track)


def shared_pairs(observation: Observation) -> Iterator[tuple[int, int, int, int]]:
    """Yield (a, b, start, stop) of every two objects that are visible together long enough."""
    objects: Sequence[int] = observation.objects.tolist()
    for position, a in enumerate(objects):
        for b in objects[position + 1 :]:
            start, stop = observation.shared_run(a, b)
            if observation.lasts(start, stop, observation.config.min_shared_s):
                yield a, b, start, stop


def pair_key(observation: Observation, seed: int, task: Task, a: int, b: int) -> bytes:
    """Digest of one pair in one task."""
    ids = observation.clip.tracks.track_ids
    return question_key(observation, seed, task, ids[a], ids[b])


def compared(
    observation: Observation,
    seed: int,
    task: Task,
    value_of: Callable[[int, int, int], float],
    min_gap: float,
) -> list[Question]:
    """Ask which of two objects has the greater (or smaller) quantity over their shared run.

    Args:
        observation: the clip as one camera sees it.
        seed: the build's seed.
        task: the comparison's id.
        value_of: the compared quantity of (track, start, stop) in SI units.
        min_gap: least difference of the two, in m or m/s.
    """
    config = observation.config
    fair: list[tuple[bytes, Question]] = []
    for a, b, start, stop in shared_pairs(observation):
        values = [value_of(track, start, stop) for track in (a, b)]
        low, high = sorted(values)
        if high - low < min_gap or high < config.min_ratio * low:
            continue
        key = pair_key(observation, seed, task, a, b)
        # The draws below use bytes of one digest that do not overlap with each other.
        named, polarity = ((a, b), (b, a))[key[0] & 1], ("more", "less")[key[1] & 1]
        ordered = tuple(values if named == (a, b) else values[::-1])
        more = int(ordered[1] > ordered[0])
        winner = more if polarity == "more" else 1 - more
        question = Question(task, named, polarity, start, stop, winner=winner, values_si=ordered)
        fair.append((key, question))
    return [question for _, question in sorted(fair, key=lambda item: item[0])[: config.max_pairs]]
