"""Questions made from labels, and how far their targets are from the truth. Numpy only.

The same questions as in the rows: whole appearances, intervals, comparisons, directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import kinematics
from stkit_datasets.clip import Clip, Tracks
from stkit_datasets.observation import observe
from stkit_datasets.pseudo_labels.accuracy import on_times
from stkit_datasets.pseudo_labels.factors import UncertaintyTable
from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.rows import RowConfig, ask
from stkit_datasets.tasks.base import Question
from stkit_datasets.tasks.names import TASKS, Task
from stkit_datasets.uncertainty import ANGLES, deviations, displacements

MEASURED = (Task.TRAVELED_DISTANCE, Task.TRAVELING_SPEED)
"""Tasks whose answer is the quantity itself, so that errors are told relative to it."""
_MIN_TRUE_M = 0.05
"""A true displacement shorter than this has no direction."""
_HOUR_RAD = math.pi / 6
_RIGHT_SHARE = 0.25
"""A quantity is right up to this share off the truth, as benchmark answers are [P2 4]."""


@dataclass(frozen=True, eq=False)
class QuestionErrors:
    """Q questions.

    Attributes:
        tasks: Q tasks.
        predicted: (Q,) the quantity behind the answer: distance, speed, difference of the two that
            are compared, or angle, in m, m/s or rad.
        true: (Q,) the same by the truth, over the same frames.
        from_positions: (Q,) its deviation to first order that comes from the centres.
        from_scale: (Q,) that comes from the clip's scale.
        wrong: (Q,) whether the answer is wrong: another winner or clock direction, same instead of
            different, a quantity more than a quarter off the truth; 0 or 1, NaN where the answer
            is an interval.
        clips: (Q,) number of the clip.
        keys: (Q,) what each is about, as of ``key_of``.
    """

    tasks: NDArray[np.str_]
    predicted: FloatArray
    true: FloatArray
    from_positions: FloatArray
    from_scale: FloatArray
    wrong: FloatArray
    clips: NDArray[np.int64]
    keys: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.tasks)

    @property
    def errors(self) -> FloatArray:
        """(Q,) predicted less true; of angles the shorter way round."""
        off = self.predicted - self.true
        turned = (off + np.pi) % (2 * np.pi) - np.pi
        return np.where(np.isin(self.tasks, [str(task) for task in ANGLES]), turned, off)

    def sigmas(self, table: UncertaintyTable) -> FloatArray:
        """(Q,) deviations as rows state them."""
        out = np.full(len(self), np.nan)
        for task in TASKS:
            own, factors = self.tasks == str(task), table.tasks[str(task)]
            squares = (factors.positions * self.from_positions[own]) ** 2
            squares += (factors.scale * self.from_scale[own]) ** 2 + factors.floor**2
            out[own] = np.minimum(np.sqrt(squares), np.pi if task in ANGLES else np.inf)
        return out

    def of(self, which: BoolArray) -> QuestionErrors:
        """Return some of the questions."""
        return QuestionErrors(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


def key_of(clip: str, task: str, objects: Sequence[str], start_s: float, end_s: float) -> str:
    """Name a question by what it is about, whichever source its row is from."""
    return "|".join([clip, task, "+".join(sorted(objects)), f"{start_s:.2f}", f"{end_s:.2f}"])


def joined(parts: Sequence[QuestionErrors]) -> QuestionErrors:
    """Put the questions of several clips below one another, clips numbered anew."""
    numbered = [
        replace(part, clips=np.full(len(part), number, dtype=np.int64))
        for number, part in enumerate(parts)
    ]
    columns: dict[str, Any] = {
        f.name: np.concatenate([getattr(part, f.name) for part in numbered])
        for f in fields(QuestionErrors)
    }
    return QuestionErrors(**columns)


def labelled_clip(labels: PseudoLabels, clip: Clip) -> Clip:
    """Return a clip with the labels for tracks, at the times of another one."""
    n, t = len(labels.track_ids), len(clip.timestamps_s)
    centers, boxes, sigmas = on_times(labels, clip.timestamps_s)
    seen = np.isfinite(sigmas)[..., None]
    sizes = np.full((n, 3), np.nan)
    sizes[labels.track_index] = labels.sizes_lwh_m
    tracks = Tracks(
        track_ids=labels.track_ids,
        categories=labels.categories,
        kinds=labels.kinds,
        centers_m=centers,
        sizes_lwh_m=np.where(seen, sizes[:, None], np.nan),
        rotations_wxyz=np.where(seen, [1.0, 0, 0, 0], np.nan),
        annotation_keys=np.full((n, t, 1), -1),
        sigmas_m=sigmas,
        scale_sigma=labels.scale_sigma,
    )
    return replace(
        clip, tracks=tracks, frames=None, files=(), boxes_px=boxes, camera_SE3_world=None
    )


def question_errors(
    labels: PseudoLabels, clip: Clip, match: Mapping[str, str], config: RowConfig | None = None
) -> QuestionErrors:
    """Ask what rows would ask of the labels, and compare with the truth.

    Args:
        labels: of the clip's video.
        clip: annotated.
        match: track of the labels -> track of the clip; questions about others are left out, and
            so are those over frames that are not annotated or, of angles, without true motion.
        config: what is asked.
    """
    config = RowConfig(video="none") if config is None else config
    observation = observe(labelled_clip(labels, clip), config.kinematics)
    place = {name: index for index, name in enumerate(clip.tracks.track_ids)}
    same_as = {
        index: place[match[name]] for index, name in enumerate(labels.track_ids) if name in match
    }
    rows: list[tuple[float, ...]] = []
    tasks: list[str] = []
    keys: list[str] = []
    times_s = clip.timestamps_s - clip.timestamps_s[0]
    for question in ask(observation, config):
        if not all(index in same_as for index in question.objects):
            continue
        predicted = _value(observation.clip, question)
        objects = tuple(same_as[index] for index in question.objects)
        true = _value(clip, replace(question, objects=objects))
        if not math.isfinite(true):
            continue
        wrong = _wrong(question, predicted, true, config)
        rows.append((predicted, true, *deviations(observation, question), wrong))
        tasks.append(str(question.task))
        names = [labels.track_ids[index] for index in question.objects]
        run_s = float(times_s[question.start]), float(times_s[question.stop - 1])
        keys.append(key_of(labels.video.video_id, tasks[-1], names, *run_s))
    columns = np.array(rows, dtype=np.float64).reshape(len(rows), 5).T
    return QuestionErrors(
        tasks=np.array(tasks, dtype=np.str_),
        predicted=columns[0],
        true=columns[1],
        from_positions=columns[2],
        from_scale=columns[3],
        wrong=columns[4],
        clips=np.zeros(len(rows), dtype=np.int64),
        keys=np.array(keys, dtype=np.str_),
    )


def _value(clip: Clip, question: Question) -> float:
    """The quantity behind a question; NaN where the clip's tracks do not have it."""
    if question.task in ANGLES:
        return _turn(clip, question)
    run = question.start, question.stop
    lengths = [
        kinematics.traveled_distance_m(clip.tracks.centers_m[track], *run)
        for track in question.objects
    ]
    value = lengths[0] - lengths[1] if len(lengths) == 2 else lengths[0]
    if question.task in (Task.TRAVELING_SPEED, Task.TRAVELING_SPEED_COMPARISON):
        value /= float(clip.timestamps_s[run[1] - 1] - clip.timestamps_s[run[0]])
    return value


def _turn(clip: Clip, question: Question) -> float:
    headings = []
    for track, first, last in displacements(question):
        moved = clip.tracks.centers_m[track, last, :2] - clip.tracks.centers_m[track, first, :2]
        if not np.hypot(*moved) >= _MIN_TRUE_M:
            return math.nan
        headings.append(math.atan2(moved[1], moved[0]))
    return (headings[1] - headings[0] + math.pi) % (2 * math.pi) - math.pi


def _wrong(question: Question, predicted: float, true: float, config: RowConfig) -> float:
    """1 where the answer is wrong by the truth, else 0; NaN where answers are intervals."""
    if question.task in MEASURED:
        return float(abs(predicted - true) > _RIGHT_SHARE * true)
    if question.winner is not None:
        return float((predicted > 0) != (true > 0))
    if question.same is not None:
        # Between the two bounds a perfect label would not be asked about.
        limits = config.kinematics
        bound = limits.different_direction_deg if question.same else limits.same_direction_deg
        return float((abs(math.degrees(true)) < bound) != question.same)
    if question.task == Task.MOVEMENT_DIRECTION:
        return float(round(predicted / _HOUR_RAD) % 12 != round(true / _HOUR_RAD) % 12)
    return math.nan
