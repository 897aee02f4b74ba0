"""The scenario attributes of a question [P2 C.1], by which scores are broken down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stkit_datasets import geometry
from stkit_datasets.clip import Clip
from stkit_datasets.config import ScenarioConfig
from stkit_datasets.observation import Observation
from stkit_datasets.tasks.base import Question


@dataclass(frozen=True, slots=True)
class Scenario:
    """What kind of scene a question is about; None where it cannot be measured."""

    occluded: bool | None
    n_objects: int
    object_count: str
    camera_motion: str | None
    object_size: str


def camera_motion(clip: Clip, config: ScenarioConfig) -> str | None:
    """Tell a camera that travels or turns over the clip from one that stands still."""
    if clip.camera_SE3_world is None:
        return None
    world_SE3_camera = geometry.inverse(clip.camera_SE3_world)
    path_m = np.linalg.norm(np.diff(world_SE3_camera[:, :3, 3], axis=0), axis=1).sum()
    relative = clip.camera_SE3_world[0, :3, :3] @ world_SE3_camera[:, :3, :3]
    cosine = np.clip((np.trace(relative, axis1=1, axis2=2) - 1) / 2, -1, 1)
    turn_deg = np.degrees(np.arccos(cosine)).max()
    moving = path_m > config.camera_path_m or turn_deg > config.camera_turn_deg
    return "dynamic" if moving else "static"


def scenarios(
    observation: Observation, questions: Sequence[Question], config: ScenarioConfig
) -> list[Scenario]:
    """Compute the attributes of every question over the run that it is about."""
    motion = camera_motion(observation.clip, config)
    known: dict[tuple[tuple[int, ...], int, int], Scenario] = {}
    found = []
    for question in questions:
        # Many questions are about the same objects over the same run.
        key = (tuple(sorted(question.objects)), question.start, question.stop)
        if key not in known:
            known[key] = _scenario(observation, *key, motion, config)
        found.append(known[key])
    return found


def _scenario(
    observation: Observation,
    objects_asked: tuple[int, ...],
    start: int,
    stop: int,
    motion: str | None,
    config: ScenarioConfig,
) -> Scenario:
    run = slice(start, stop)
    objects = list(objects_asked)
    in_view = int(observation.visible[:, run].sum(axis=0).max())
    hidden = observation.occlusion[objects, run]
    boxes = observation.boxes_px[objects, run]
    camera = observation.clip.camera
    areas = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    share = float(areas.mean(axis=1).min()) / (camera.width_px * camera.height_px)
    return Scenario(
        occluded=None
        if np.isnan(hidden).all()
        else bool(hidden.mean(axis=1).max() >= config.occluded_share),
        n_objects=in_view,
        object_count="few"
        if in_view <= config.few_objects
        else ("several" if in_view <= config.several_objects else "many"),
        camera_motion=motion,
        object_size="small"
        if share < config.small_share
        else ("medium" if share < config.large_share else "large"),
    )
