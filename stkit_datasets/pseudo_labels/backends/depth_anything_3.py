"""Depth Anything 3: depth, poses and intrinsics of all frames in one pass.

The network is built from the package's own configuration, without the package's programs and
exporters, whose libraries clash with current ones (depth-anything-3 0.1.1).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends import Context
from stkit_datasets.pseudo_labels.backends.models import model
from stkit_datasets.pseudo_labels.backends.torch_tools import as_maps, label, torch_device
from stkit_datasets.pseudo_labels.interfaces import FloatArray, Geometry, VideoClip

CONFIGURATIONS = {
    "depth_anything_3_base": "da3-base",
    "depth_anything_3_small": "da3-small",
    "depth_anything_3_large": "da3-large",
}
_PATCH = 14
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_PREFIX = "model."


@dataclass(frozen=True)
class DepthAnything3Options:
    """How it is run.

    Attributes:
        model: which weights, a key of ``CONFIGURATIONS``.
        revision: another commit of them than the pinned one.
        image_size: the longer side of the pictures it works on, as in the package.
        half: compute in bfloat16 on a GPU.
    """

    model: str = "depth_anything_3_base"
    revision: str | None = None
    image_size: int = 504
    half: bool = True

    def __post_init__(self) -> None:
        if self.image_size < _PATCH:
            raise ConfigError(f"image_size must be at least {_PATCH}, got {self.image_size}")


class DepthAnything3:
    """See ``GeometryBackend``. Depth and poses are in the clip's own unit, without a scale.

    Args:
        network: a ``DepthAnything3Net`` with a camera decoder.
        options: how it is run.
        device: where.
        name: for the files.
    """

    Options = DepthAnything3Options

    def __init__(
        self, network: Any, options: DepthAnything3Options, device: Any, name: str
    ) -> None:
        self._network = network.to(device).eval()
        self._options = options
        self._device = device
        self.name = name

    @classmethod
    def open(cls, options: DepthAnything3Options, context: Context) -> Self:
        """Load the weights."""
        from huggingface_hub import hf_hub_download
        from safetensors.torch import load_file

        chosen = model(options.model, CONFIGURATIONS)
        revision = options.revision or chosen.revision
        network = build_network(CONFIGURATIONS[options.model])
        path = hf_hub_download(chosen.repository, "model.safetensors", revision=revision)
        weights = {k.removeprefix(_PREFIX): v for k, v in load_file(path).items()}
        network.load_state_dict(weights)
        name = label("depth_anything_3", chosen.repository, revision)
        return cls(network, options, torch_device(context.device), name)

    def estimate(self, clip: VideoClip) -> Geometry:
        """Run the network once over all frames."""
        import torch

        images = _prepared(clip, self._options.image_size).to(self._device)
        half = self._options.half and self._device.type == "cuda"
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=half),
        ):
            found = self._network(images[None])
        t, _, height, width = images.shape
        intrinsics = found["intrinsics"][0].double().cpu().numpy()
        intrinsics[:, 0] *= clip.width_px / width
        intrinsics[:, 1] *= clip.height_px / height
        intrinsics[:, 2] = (0.0, 0.0, 1.0)
        return Geometry(
            depths=as_maps(found["depth"][0]).reshape(t, height, width),
            world_SE3_camera=_world_SE3_camera(found["extrinsics"][0].double().cpu().numpy()),
            intrinsics=intrinsics,
            width_px=clip.width_px,
            height_px=clip.height_px,
            confidences=as_maps(found["depth_conf"][0]).reshape(t, height, width),
        )


def build_network(configuration: str) -> Any:
    """Build the network of one of the package's configurations, with random weights."""
    cfg = importlib.import_module("depth_anything_3.cfg")
    registry = importlib.import_module("depth_anything_3.registry")
    return cfg.create_object(cfg.load_config(registry.MODEL_REGISTRY[configuration]))


def _prepared(clip: VideoClip, image_size: int) -> Any:
    """Scale to whole patches and normalise: (T, 3, h, w) float32."""
    import torch
    from PIL import Image

    height, width = clip.images.shape[1:3]
    scale = image_size / max(height, width)
    size = tuple(max(_PATCH, round(side * scale / _PATCH) * _PATCH) for side in (width, height))
    scaled = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in clip.images
    ]
    values = (np.stack(scaled).astype(np.float32) / 255 - _MEAN) / _STD
    return torch.from_numpy(values.astype(np.float32)).permute(0, 3, 1, 2).contiguous()


def _world_SE3_camera(camera_SE3_world: FloatArray) -> FloatArray:
    """Invert (T, 3 or 4, 4) poses, their rotations made exact: networks round."""
    left, _, right = np.linalg.svd(camera_SE3_world[:, :3, :3])
    turned = np.linalg.det(left @ right)
    left[:, :, 2] *= turned[:, None]
    rotations = np.swapaxes(left @ right, 1, 2)
    poses = np.tile(np.eye(4), (len(camera_SE3_world), 1, 1))
    poses[:, :3, :3] = rotations
    poses[:, :3, 3] = -(rotations @ camera_SE3_world[:, :3, 3, None])[..., 0]
    return poses
