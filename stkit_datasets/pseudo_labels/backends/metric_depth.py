"""Metric depth of single frames from transformers: Depth Pro, and Depth Anything V2 metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends import BACKENDS, Context
from stkit_datasets.pseudo_labels.backends.models import model
from stkit_datasets.pseudo_labels.backends.torch_tools import (
    as_maps,
    batches,
    label,
    pictures,
    spread_frames,
    torch_device,
)
from stkit_datasets.pseudo_labels.interfaces import FloatArray, Geometry, MetricDepth, VideoClip

_MIN_INVERSE, _MAX_INVERSE = 1e-4, 1e4
"""Depth Pro's bounds of inverse depth, in 1/m."""


@dataclass(frozen=True)
class MetricOptions:
    """How frames are chosen and run.

    Attributes:
        model: which weights; None for the backend's default.
        revision: another commit of them than the pinned one.
        max_frames: depth is estimated at this many frames of a clip, evenly spread.
        batch_size: frames at a time.
    """

    model: str | None = None
    revision: str | None = None
    max_frames: int = 20
    batch_size: int = 4


@dataclass(frozen=True)
class DepthProOptions(MetricOptions):
    """See ``MetricOptions``."""

    model: str = "depth_pro"


@dataclass(frozen=True)
class DepthAnythingOptions(MetricOptions):
    """See ``MetricOptions``."""

    model: str = "depth_anything_metric_outdoor_small"


class _FromTransformers:
    stage_name = ""

    def __init__(
        self, network: Any, processor: Any, options: MetricOptions, device: Any, name: str
    ) -> None:
        self._network = network.to(device).eval()
        self._processor = processor
        self._options = options
        self._device = device
        self.name = name

    @classmethod
    def open(cls, options: MetricOptions, context: Context) -> Self:
        """Load the weights."""
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        choices = BACKENDS["metric", cls.stage_name].models
        chosen = model(str(options.model), choices)
        revision = options.revision or chosen.revision
        network = AutoModelForDepthEstimation.from_pretrained(chosen.repository, revision=revision)
        processor = AutoImageProcessor.from_pretrained(chosen.repository, revision=revision)
        name = label(cls.stage_name, chosen.repository, revision, network)
        return cls(network, processor, options, torch_device(context.device), name)

    def _outputs(self, clip: VideoClip, frames: Any) -> Iterator[Any]:
        import torch

        for part in batches(len(frames), self._options.batch_size):
            images = pictures(clip.images[frames[part]])
            inputs = self._processor(images=images, return_tensors="pt").to(self._device)
            with torch.inference_mode():
                yield self._network(**inputs)


class DepthPro(_FromTransformers):
    """See ``MetricBackend``. It estimates the focal length itself, from the field of view."""

    Options = DepthProOptions
    stage_name = "depth_pro"

    def estimate(self, clip: VideoClip, geometry: Geometry) -> MetricDepth:
        """Return depth in metres, and the focal lengths that it goes with.

        The network gives inverse depth of a camera whose focal length is the picture's width.
        """
        frames = spread_frames(len(clip), self._options.max_frames)
        inverse: list[Any] = []
        views: list[Any] = []
        for output in self._outputs(clip, frames):
            inverse.append(as_maps(output.predicted_depth))
            views.append(output.field_of_view)
        focal_px = geometry.intrinsics[frames, 0, 0]
        own = None
        if views[0] is not None:
            own = focal_of_view(np.concatenate([as_maps(v).reshape(-1) for v in views]), clip)
            focal_px = own
        scale = (clip.width_px / focal_px).astype(np.float32)[:, None, None]
        bounded = np.clip(np.concatenate(inverse) * scale, _MIN_INVERSE, _MAX_INVERSE)
        return MetricDepth(frames=frames, depths_m=1 / bounded, focal_px=own)


class DepthAnythingMetric(_FromTransformers):
    """See ``MetricBackend``. Depth as the network gives it: it is told no focal length."""

    Options = DepthAnythingOptions
    stage_name = "depth_anything_metric"

    def __init__(
        self, network: Any, processor: Any, options: MetricOptions, device: Any, name: str
    ) -> None:
        if network.config.depth_estimation_type != "metric":
            raise ConfigError(f"{name} gives relative depth; expected a metric model")
        super().__init__(network, processor, options, device, name)

    def estimate(self, clip: VideoClip, geometry: Geometry) -> MetricDepth:
        """Return depth in metres."""
        frames = spread_frames(len(clip), self._options.max_frames)
        outputs = self._outputs(clip, frames)
        depths = np.concatenate([as_maps(output.predicted_depth) for output in outputs])
        return MetricDepth(frames=frames, depths_m=depths)


def focal_of_view(view_deg: Any, clip: VideoClip) -> FloatArray:
    """Focal lengths in pixels of the full picture, from horizontal fields of view in degrees."""
    half = np.deg2rad(np.clip(np.asarray(view_deg, dtype=np.float64), 1.0, 179.0)) / 2
    return np.asarray(clip.width_px / 2 / np.tan(half))
