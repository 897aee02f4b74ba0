"""Clips in, an Arrow table of question rows out: the one function that every builder calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stkit_datasets import geometry, prompt, schema
from stkit_datasets._version import __version__
from stkit_datasets.clip import Clip
from stkit_datasets.config import FPS, KinematicsConfig, ScenarioConfig
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.observation import Observation, observe
from stkit_datasets.phrasing import Phrased, phrase, question_id, video_duration_s
from stkit_datasets.scenario import scenarios
from stkit_datasets.tasks import (
    direction_timestamp,
    movement_direction,
    movement_direction_comparison,
    traveled_distance,
    traveled_distance_comparison,
    traveling_speed,
    traveling_speed_comparison,
)
from stkit_datasets.tasks.base import Question
from stkit_datasets.tasks.names import TASKS, Task
from stkit_datasets.uncertainty import uncertainty_si
from stkit_datasets.wording import Wording, load_wording

VIDEO_MODES = ("overlay", "raw", "none")

_QUESTIONS = {
    module.TASK: module.questions
    for module in (
        traveled_distance,
        traveling_speed,
        movement_direction,
        direction_timestamp,
        traveled_distance_comparison,
        traveling_speed_comparison,
        movement_direction_comparison,
    )
}


@dataclass(frozen=True)
class RowConfig:
    """What decides the bytes of the rows of a clip.

    Attributes:
        video: ``overlay`` for MP4 with the boxes drawn, ``raw`` without boxes, ``none`` for
            annotations only.
        seed: of every draw.
        tasks: which tasks are asked.
        wording_path: a JSON file or folder that replaces the package's sentences.
        video_height_px: videos are at most this high.
        kinematics: thresholds of the questions.
        scenario: borders of the scenario attributes.
    """

    video: str = "overlay"
    seed: int = 0
    tasks: tuple[str, ...] = tuple(str(task) for task in TASKS)
    wording_path: str | None = None
    video_height_px: int = 480
    kinematics: KinematicsConfig = field(default_factory=KinematicsConfig)
    scenario: ScenarioConfig = field(default_factory=ScenarioConfig)

    def __post_init__(self) -> None:
        if self.video not in VIDEO_MODES:
            raise ConfigError(f"video must be one of {', '.join(VIDEO_MODES)}, got {self.video!r}")
        if not isinstance(self.seed, int) or isinstance(self.seed, bool):
            raise ConfigError(f"seed must be a whole number, got {self.seed!r}")
        known = [str(task) for task in TASKS]
        unknown = [task for task in self.tasks if task not in known]
        if unknown or not self.tasks:
            raise ConfigError(f"tasks must be among {', '.join(known)}, got {list(self.tasks)!r}")
        if self.video_height_px < 16:
            raise ConfigError(f"video_height_px must be at least 16, got {self.video_height_px}")

    @property
    def wording(self) -> Wording:
        """The sentences, parsed and checked."""
        return load_wording(self.wording_path)


@dataclass(frozen=True)
class ClipRows:
    """The rows of one clip and what a report says of it."""

    table: pa.Table
    n_tracks: int
    dropped: Counter[str]
    questions: Counter[str]


def ask(observation: Observation, config: RowConfig) -> list[Question]:
    """Return the questions of a clip, task by task in their fixed order."""
    return [
        question
        for task in TASKS
        if str(task) in config.tasks
        for question in _QUESTIONS[Task(task)](observation, config.seed)
    ]


def clip_rows(
    clip: Clip,
    config: RowConfig,
    wording: Wording | None = None,
    ids: Collection[str] | None = None,
    unit: str = "",
) -> ClipRows:
    """Build the rows of one clip.

    Args:
        clip: the clip.
        config: what to ask and what to draw.
        wording: the sentences, where the caller has parsed them already.
        ids: make only these rows, such as a benchmark's; no video is drawn for others.
        unit: what the clip was read with, for the rows' provenance.

    Raises:
        SourceError: ``video`` is not ``none`` and the clip has no images.
        VideoError: an image of the clip cannot be read.
    """
    wording = config.wording if wording is None else wording
    observation = observe(clip, config.kinematics)
    phrased = [
        phrase(observation, question, wording, config.seed)
        for question in ask(observation, config)
        if ids is None or question_id(clip, question, config.seed) in ids
    ]
    table = _table(observation, phrased, _videos(observation, phrased, config), config, unit)
    asked = Counter(str(item.asked.task) for item in phrased)
    return ClipRows(table, len(clip.tracks), observation.dropped, asked)


def _videos(
    observation: Observation, phrased: Sequence[Phrased], config: RowConfig
) -> list[dict[str, Any] | None]:
    """MP4 bytes for every row; rows about the same objects share one encoding."""
    if config.video == "none" or not phrased:
        return [None] * len(phrased)
    clip = observation.clip
    if clip.frames is None:
        raise SourceError(
            clip.images_expected or clip.source,
            f"no images of camera {clip.camera.name!r}; expected frames for video={config.video!r} "
            "(use video='none' for annotations only)",
            clip.clip_id,
        )
    # PyAV is an extra; rows without video must not need it.
    from stkit_datasets.video.clip_video import ClipVideo

    video = ClipVideo(clip.frames, config.video_height_px)
    encoded: dict[tuple[int, ...], bytes] = {}
    rows: list[dict[str, Any] | None] = []
    for item in phrased:
        drawn = item.asked.objects if config.video == "overlay" else ()
        key = tuple(sorted(drawn))
        if key not in encoded:
            # In the objects' own order, or the picture would depend on which question came first.
            boxes = [
                (observation.boxes_px[index], color)
                for index, color in sorted(zip(drawn, item.colors, strict=False))
            ]
            encoded[key] = video.encode(boxes, Fraction(FPS))
        rows.append({"bytes": encoded[key], "path": f"{item.id}.mp4"})
    return rows


def _table(
    observation: Observation,
    phrased: Sequence[Phrased],
    videos: list[dict[str, Any] | None],
    config: RowConfig,
    unit: str,
) -> pa.Table:
    clip, arrow = observation.clip, schema.arrow_schema()
    if not phrased:
        return arrow.empty_table()
    attributes = scenarios(observation, [item.asked for item in phrased], config.scenario)
    columns: dict[str, list[Any]] = {
        "id": [item.id for item in phrased],
        "task": [str(item.asked.task) for item in phrased],
        "form": [item.asked.form for item in phrased],
        "polarity": [item.polarity for item in phrased],
        "question": [item.question for item in phrased],
        "answer": [item.answer for item in phrased],
        "prompt": [item.prompt for item in phrased],
        "messages": [prompt.messages(item.prompt, item.answer) for item in phrased],
        "target": [item.target.to_dict() for item in phrased],
        "uncertainty_si": [uncertainty_si(observation, item.asked) for item in phrased],
        "start_s": [item.start_s for item in phrased],
        "end_s": [item.end_s for item in phrased],
        "video": videos,
        "provenance": [_provenance(clip, item.asked, unit) for item in phrased],
    }
    for name in ("occluded", "n_objects", "object_count", "camera_motion", "object_size"):
        columns[name] = [getattr(entry, name) for entry in attributes]
    constant = {
        "source": clip.source,
        "split": clip.split,
        "scene_id": clip.scene_id,
        "clip_id": clip.clip_id,
        "camera": clip.camera.name,
        "timestamps_s": np.round(clip.timestamps_s, 6).tolist(),
        "camera_poses": _camera_poses(clip),
        "duration_s": video_duration_s(len(clip.timestamps_s)),
        "fps": FPS,
        "width": clip.camera.width_px,
        "height": clip.camera.height_px,
        "boxes_drawn": None if config.video == "none" else config.video == "overlay",
        "frames": list(clip.frames.names) if clip.frames is not None else [],
        "domain": clip.domain,
    }
    arrays = []
    first = pa.array(np.zeros(len(phrased), dtype=np.int64))
    for entry in arrow:
        if entry.name == "objects":
            arrays.append(_objects(observation, phrased).cast(entry.type))
        elif entry.name in constant:
            arrays.append(pa.array([constant[entry.name]], type=entry.type).take(first))
        else:
            arrays.append(pa.array(columns[entry.name], type=entry.type))
    return pa.Table.from_arrays(arrays, schema=arrow)


def _camera_poses(clip: Clip) -> list[list[float]] | None:
    if clip.camera_SE3_world is None:
        return None
    world_SE3_camera = geometry.inverse(clip.camera_SE3_world)
    flat = world_SE3_camera[:, :3].reshape(-1, 12)
    rows: list[list[float]] = (np.round(flat, 6) + 0.0).tolist()
    return rows


def _provenance(clip: Clip, question: Question, unit: str) -> dict[str, Any]:
    tokens = [
        str(key)
        for track in question.objects
        for key in clip.tracks.annotation_keys[track, question.start : question.stop]
        .ravel()
        .tolist()
        if key not in ("", -1)
    ]
    return {"files": list(clip.files), "tokens": tokens, "unit": unit, "version": __version__}


def _objects(observation: Observation, phrased: Sequence[Phrased]) -> pa.ListArray:
    """The ``objects`` column, built from arrays: per row one or two objects, T frames each."""
    tracks = observation.clip.tracks
    index = np.array([track for item in phrased for track in item.asked.objects], dtype=np.int64)
    counts = np.array([len(item.asked.objects) for item in phrased], dtype=np.int64)
    boxes = np.round(observation.boxes_px[index], 2).astype(np.float32)
    occlusion = np.round(observation.occlusion[index], 4).astype(np.float32)
    centers = np.round(tracks.centers_m[index], 6) + 0.0
    offsets = np.arange(len(index) + 1) * tracks.n_frames
    missing = np.isnan(occlusion).ravel()
    struct = pa.StructArray.from_arrays(
        [
            pa.array([tracks.track_ids[i] for i in index.tolist()], type=pa.string()),
            pa.array([tracks.categories[i] for i in index.tolist()], type=pa.string()),
            pa.array([color for item in phrased for color in item.colors], type=pa.string()),
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _vectors(boxes)),
            pa.ListArray.from_arrays(
                pa.array(offsets, pa.int32()), pa.array(occlusion.ravel(), mask=missing)
            ),
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), _vectors(centers)),
        ],
        names=["track_id", "category", "color", "boxes", "occlusion", "centers_m"],
    )
    row_offsets = np.concatenate([[0], np.cumsum(counts)])
    return pa.ListArray.from_arrays(pa.array(row_offsets, pa.int32()), struct)


def _vectors(values: NDArray[Any]) -> pa.ListArray:
    """(N, T, K) numbers as N*T lists of K, null where any of the K is NaN."""
    flat = values.reshape(-1, values.shape[-1])
    present = np.isfinite(flat).all(axis=1)
    offsets = np.concatenate([[0], np.cumsum(np.where(present, flat.shape[1], 0))])
    return pa.ListArray.from_arrays(
        pa.array(offsets, pa.int32()),
        pa.array(flat[present].ravel()),
        mask=pa.array(~present),
    )
