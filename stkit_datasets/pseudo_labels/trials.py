"""Simulated clips with what bad models would have seen of them: labelling where truth is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from stkit_datasets.clip import Clip
from stkit_datasets.pseudo_labels.degrade import Degradation, degrade
from stkit_datasets.pseudo_labels.interfaces import (
    FloatArray,
    Geometry,
    MetricDepth,
    Segmentation,
)
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.schema import LabelledVideo, PseudoLabels
from stkit_datasets.pseudo_labels.simulated import at_rate, exact
from stkit_datasets.simulation.scenes import GRID_STEP_S, generator
from stkit_datasets.sources.simulation import Simulation

FPS = 4.0
"""Frames a second that ``stkit pseudo-label`` labels where nothing else is said."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One clip.

    Attributes:
        clip: the truth, on the grid of questions.
        timestamps_s: (T,) times of the frames that models saw.
        geometry: depth and poses in a unit of their own.
        metric: depth in metres.
        segmentation: masks.
        match: name of an object in the masks -> its name in the truth.
    """

    clip: Clip
    timestamps_s: FloatArray
    geometry: Geometry
    metric: MetricDepth
    segmentation: Segmentation
    match: Mapping[str, str]

    @property
    def video(self) -> LabelledVideo:
        """The clip as a video."""
        camera, name = self.clip.camera, f"{self.clip.clip_id}/{self.clip.camera.name}"
        fps = (len(self.timestamps_s) - 1) / float(self.timestamps_s[-1])
        lasts_s = float(self.timestamps_s[-1]) + GRID_STEP_S
        size = camera.width_px, camera.height_px
        return LabelledVideo(name, f"{name}.mp4", *size, fps, lasts_s, self.clip.domain)

    def labels(self, config: PipelineConfig | None = None) -> PseudoLabels:
        """Label it."""
        return label_clip(
            self.video, self.timestamps_s, self.geometry, self.segmentation, self.metric, config
        )


def trials(
    n_scenes: int, seed: int, how: Degradation | None = None, fps: float = FPS
) -> Iterator[Trial]:
    """Render the scenes of a seed, make what models see of them worse, and yield clip by clip.

    Args:
        n_scenes: scenes; some have two cameras, and give two clips.
        seed: decides the scenes and every error.
        how: how wrong models are.
        fps: frames a second that are labelled; a multiple of 2.
    """
    source = Simulation(None, {"n_train_scenes": n_scenes, "seed": seed})
    for unit in source.units("train"):
        scene = source.scene("train", unit)
        dense, timestamps_s = at_rate(scene, fps)
        for view, clip in enumerate(source.clips("train", scene)):
            geometry, masks = exact(dense, view)
            rng = generator(seed, "degraded", unit, view)
            unscaled, metric, worse = degrade(geometry, masks, rng, how, fps)
            known = set(clip.tracks.track_ids)
            match = {name: name for name in masks.object_ids if name in known}
            yield Trial(clip, timestamps_s, unscaled, metric, worse, match)
