"""Pseudo-labels held against an annotated source: errors by distance and size, paths drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets.clip import Clip, FloatArray
from stkit_datasets.config import KinematicsConfig
from stkit_datasets.errors import SourceError
from stkit_datasets.observation import observe
from stkit_datasets.pseudo_labels.accuracy import DistanceErrors, distance_errors, joined
from stkit_datasets.pseudo_labels.collecting import clip_name
from stkit_datasets.pseudo_labels.files import read_pseudo_labels
from stkit_datasets.pseudo_labels.question_errors import QuestionErrors, question_errors
from stkit_datasets.pseudo_labels.question_errors import joined as questions_joined
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.sources import open_source
from stkit_datasets.tasks.names import Task

MIN_IOU = 0.5
"""Boxes of a labelled and an annotated object overlap at least so much on average [ours]."""
SAME_TIME_S = 0.05
DISTANCE_EDGES_M = (10.0, 20.0, 40.0)
SIZE_EDGES_M = (1.0, 3.0, 6.0)


@dataclass(frozen=True, eq=False)
class Path2D:
    """One object's path from above, estimated and annotated, at K common times.

    Attributes:
        name: clip and track.
        predicted_m: (K, 2), turned and shifted onto the annotated one.
        true_m: (K, 2).
        predicted_distance_m: along the path, as questions take it.
        true_distance_m: the same.
    """

    name: str
    predicted_m: FloatArray
    true_m: FloatArray
    predicted_distance_m: float
    true_distance_m: float


@dataclass(frozen=True, eq=False)
class TruthReport:
    """All clips that are both labelled and annotated.

    Attributes:
        clips: how many.
        labelled: tracks of the labels.
        matched: of these, with an annotated object in their boxes.
        errors: one row for each matched track that a question could be about.
        paths: the same tracks, from above.
        questions: what rows would ask of the labels, and how far off their targets are.
    """

    clips: int
    labelled: int
    matched: int
    errors: DistanceErrors
    paths: tuple[Path2D, ...]
    questions: QuestionErrors

    @property
    def distance_errors_by_key(self) -> dict[str, float]:
        """|predicted - true| / true of every question on traveled distance, by its key."""
        own = self.questions
        use = (own.tasks == str(Task.TRAVELED_DISTANCE)) & (own.true > 0)
        relative = np.abs(own.predicted[use] - own.true[use]) / own.true[use]
        return dict(zip(own.keys[use].tolist(), relative.tolist(), strict=True))

    def to_text(self) -> str:
        """Say it in lines."""
        moving = self.errors.moving
        lines = [
            f"{self.clips} clips, {self.labelled} labelled tracks, {self.matched} of an annotated "
            f"object, {len(moving)} that questions could be about, {int(moving.sum())} truly moving"
        ]
        relative = self.errors.relative
        lines.append(f"{'|pred - gt| / gt':<28}{'tracks':>8}{'mean':>9}{'median':>9}")
        lines.append(_line("all", relative[moving]))
        for title, values, edges in (
            ("distance", self.errors.camera_distances_m, DISTANCE_EDGES_M),
            ("size", self.errors.object_sizes_m, SIZE_EDGES_M),
        ):
            for name, inside in _bins(values, edges):
                lines.append(_line(f"{title} {name}", relative[moving & inside]))
        lines.append("the paper reports a mean of 207% unfiltered and 29% after three filters")
        return "\n".join(lines)


def _line(name: str, errors: FloatArray) -> str:
    if not len(errors):
        return f"{name:<28}{0:>8}{'-':>9}{'-':>9}"
    return f"{name:<28}{len(errors):>8}{errors.mean():>9.1%}{float(np.median(errors)):>9.1%}"


def _bins(values: FloatArray, edges: tuple[float, ...]) -> Iterator[tuple[str, Any]]:
    place = np.digitize(values, edges)
    names = [f"< {edges[0]:g} m"]
    names += [f"{low:g} to {high:g} m" for low, high in pairwise(edges)]
    names.append(f">= {edges[-1]:g} m")
    known = np.isfinite(values)
    for index, name in enumerate(names):
        yield name, known & (place == index)


def truth_report(
    files: list[Path],
    source: str,
    data_dir: Path | None,
    split: str,
    options: Mapping[str, Any] | None = None,
) -> TruthReport:
    """Compare label files with the clips of a source that they were made from.

    Raises:
        ConfigError, SourceError: the source cannot be read, or no clip of it was labelled.
    """
    by_name = {path.stem: path for path in files}
    opened = open_source(source, data_dir, options)
    config = KinematicsConfig()
    parts: list[DistanceErrors] = []
    paths: list[Path2D] = []
    asked: list[QuestionErrors] = []
    labelled = matched = 0
    for unit in opened.units(split):
        for clip in opened.read(split, unit).clips:
            path = by_name.get(clip_name(clip.clip_id, clip.camera.name))
            if path is None:
                continue
            labels = read_pseudo_labels(path)
            match = match_tracks(labels, clip, config)
            labelled, matched = labelled + len(labels.track_ids), matched + len(match)
            errors = distance_errors(labels, clip, match, config)
            parts.append(errors)
            asked.append(question_errors(labels, clip, match))
            paths += _paths(labels, clip, match, errors)
    if not parts:
        raise SourceError(
            files[0].parent,
            f"no file here is of a {split} clip of {source!r}; label them by "
            f"stkit pseudo-label --source {source}",
        )
    questions = questions_joined(asked)
    return TruthReport(len(parts), labelled, matched, joined(parts), tuple(paths), questions)


def match_tracks(labels: PseudoLabels, clip: Clip, config: KinematicsConfig) -> dict[str, str]:
    """Match labelled with annotated tracks, one to one, by the mean overlap of their boxes."""
    theirs = observe(clip, config).boxes_px
    frames, at = _common(labels, clip)
    n, m = len(labels.track_ids), len(clip.tracks)
    total, count = np.zeros((n, m)), np.zeros((n, m))
    for row, frame in zip(at, frames, strict=True):
        overlaps = _ious(labels.boxes_px[row], theirs[:, frame])
        known = np.isfinite(overlaps)
        total[labels.track_index[row], known] += overlaps[known]
        count[labels.track_index[row], known] += 1
    means = np.divide(total, count, out=np.zeros_like(total), where=count >= 2)
    out: dict[str, str] = {}
    taken: set[int] = set()
    for flat in np.argsort(-means, axis=None, kind="stable"):
        i, j = divmod(int(flat), max(m, 1))
        if means[i, j] < MIN_IOU:
            break
        if labels.track_ids[i] not in out and j not in taken:
            out[labels.track_ids[i]] = clip.tracks.track_ids[j]
            taken.add(j)
    return out


def _ious(box: FloatArray, others: FloatArray) -> FloatArray:
    """(M,) overlaps of one box with (M, 4) others; NaN where either is not given."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.prod(np.maximum(high - low, 0.0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return np.asarray(shared / (np.prod(box[2:] - box[:2]) + areas - shared))


def _common(labels: PseudoLabels, clip: Clip) -> tuple[Any, Any]:
    """Frames of the clip and rows of the labels that are at the same time."""
    off = np.abs(labels.timestamps_s[:, None] - clip.timestamps_s)
    frames = off.argmin(axis=1)
    rows = np.flatnonzero(off[np.arange(len(labels)), frames] <= SAME_TIME_S)
    return frames[rows], rows


def _paths(
    labels: PseudoLabels, clip: Clip, match: Mapping[str, str], errors: DistanceErrors
) -> Iterator[Path2D]:
    frames, rows = _common(labels, clip)
    for index, name in enumerate(errors.track_ids):
        own = labels.track_index[rows] == labels.track_ids.index(name)
        true = clip.tracks.centers_m[clip.tracks.track_ids.index(match[name]), frames[own], :2]
        predicted = labels.centers_m[rows[own], :2]
        both = np.isfinite(true).all(axis=1)
        yield Path2D(
            name=f"{clip.clip_id} {name}",
            predicted_m=turned_onto(predicted[both], true[both]),
            true_m=true[both],
            predicted_distance_m=float(errors.predicted_m[index]),
            true_distance_m=float(errors.true_m[index]),
        )


def turned_onto(points: FloatArray, target: FloatArray) -> FloatArray:
    """Turn and shift (K, 2) points onto K others as well as it goes, without scaling."""
    if not len(points):
        return points
    center, goal = points.mean(axis=0), target.mean(axis=0)
    a, b = points - center, target - goal
    angle = np.arctan2((a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum(), (a * b).sum())
    cos, sin = np.cos(angle), np.sin(angle)
    return np.asarray(a @ np.array([[cos, sin], [-sin, cos]]) + goal)
