"""Metric3D v2 through torch.hub, at a pinned commit of its repository (BSD-2-Clause)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends import Context
from stkit_datasets.pseudo_labels.backends.models import models
from stkit_datasets.pseudo_labels.backends.torch_tools import (
    as_maps,
    batches,
    label,
    spread_frames,
    torch_device,
)
from stkit_datasets.pseudo_labels.interfaces import Geometry, MetricDepth, VideoClip

ENTRY_POINTS = ("metric3d_vit_small", "metric3d_vit_large", "metric3d_vit_giant2")
CANONICAL_FOCAL_PX = 1000.0
"""The focal length that its depth is meant for (hubconf.py)."""
MAX_DEPTH_M = 300.0
_INPUT_HW = (616, 1064)
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Metric3dOptions:
    """How it is run.

    Attributes:
        size: the entry point of its ``hubconf.py``, one of ``ENTRY_POINTS``.
        revision: another commit than the pinned one.
        max_frames: depth is estimated at this many frames of a clip, evenly spread.
        batch_size: frames at a time.
    """

    size: str = "metric3d_vit_large"
    revision: str | None = None
    max_frames: int = 20
    batch_size: int = 4

    def __post_init__(self) -> None:
        if self.size not in ENTRY_POINTS:
            raise ConfigError(f"size must be one of {', '.join(ENTRY_POINTS)}, got {self.size!r}")


class Metric3d:
    """See ``MetricBackend``. Depth goes with the geometry's focal lengths.

    Args:
        network: what its ``hubconf.py`` returns, with ``inference({"input": …})``.
        options: how it is run.
        device: where.
        name: for the files.
    """

    Options = Metric3dOptions

    def __init__(self, network: Any, options: Metric3dOptions, device: Any, name: str) -> None:
        self._network = network.to(device).eval()
        self._options = options
        self._device = device
        self.name = name

    @classmethod
    def open(cls, options: Metric3dOptions, context: Context) -> Self:
        """Load code and weights.

        Raises:
            ConfigError: there is no GPU.
        """
        import torch

        device = torch_device(context.device)
        if device.type != "cuda":
            raise ConfigError("Metric3D's own code runs on an NVIDIA GPU only; --device names one")
        chosen = models()["metric3d"]
        revision = options.revision or chosen.revision
        network = torch.hub.load(
            f"{chosen.repository}:{revision}",
            options.size,
            pretrain=True,
            trust_repo=True,
            skip_validation=True,  # it accepts heads of branches only, no commits
        )
        name = label(options.size, chosen.repository, revision)
        return cls(network, options, device, name)

    def estimate(self, clip: VideoClip, geometry: Geometry) -> MetricDepth:
        """Return depth in metres."""
        import torch

        frames = spread_frames(len(clip), self._options.max_frames)
        parts: list[Any] = []
        for part in batches(len(frames), self._options.batch_size):
            inputs, (top, left, height, width) = _prepared(clip.images[frames[part]])
            with torch.inference_mode():
                depths, _, _ = self._network.inference({"input": inputs.to(self._device)})
            own = as_maps(depths).reshape(len(part), *_INPUT_HW)
            parts.append(own[:, top : top + height, left : left + width])
        canonical = np.concatenate(parts)
        focal_px = geometry.intrinsics[frames, 0, 0] * (canonical.shape[2] / clip.width_px)
        scale = (focal_px / CANONICAL_FOCAL_PX).astype(np.float32)[:, None, None]
        return MetricDepth(frames=frames, depths_m=np.clip(canonical * scale, 0.0, MAX_DEPTH_M))


def _prepared(images: Any) -> tuple[Any, tuple[int, int, int, int]]:
    """Scale into the network's input, pad around; returns where the picture lies in it."""
    import torch
    from torch.nn.functional import interpolate, pad

    tensor = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float()
    mean = torch.tensor(_MEAN)[:, None, None]
    tensor = (tensor - mean) / torch.tensor(_STD)[:, None, None]
    rows, columns = _INPUT_HW
    scale = min(rows / tensor.shape[2], columns / tensor.shape[3])
    height = max(1, int(tensor.shape[2] * scale))
    width = max(1, int(tensor.shape[3] * scale))
    tensor = interpolate(tensor, (height, width), mode="bilinear", align_corners=False)
    top, left = (rows - height) // 2, (columns - width) // 2
    # Grey of the mean, as in its own example: zero once normalised.
    padded = pad(tensor, (left, columns - width - left, top, rows - height - top))
    return padded, (top, left, height, width)
