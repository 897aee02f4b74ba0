"""What the adapters of torch models share. Torch is imported when one is opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.interfaces import IntArray, Maps, UInt8Array


def torch_device(name: str) -> Any:
    """Return the ``torch.device`` of a name; ``auto`` is the first GPU, or the CPU without one.

    Raises:
        ConfigError: torch knows no such device, or this machine has none.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device {name!r} is not known: {error}") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device {name!r} was asked for, but torch sees no GPU")
    return device


def batches(count: int, size: int) -> Iterator[range]:
    """Yield ranges that cover ``count`` items, at most ``size`` at a time.

    >>> [list(part) for part in batches(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    if size < 1:
        raise ConfigError(f"batch_size must be at least 1, got {size}")
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def spread_frames(count: int, wanted: int) -> IntArray:
    """Return at most ``wanted`` of ``count`` frames, evenly spread, with the first and the last.

    >>> spread_frames(9, 3).tolist()
    [0, 4, 8]
    """
    if wanted < 1:
        raise ConfigError(f"max_frames must be at least 1, got {wanted}")
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(np.int64))


def as_maps(tensor: Any) -> Maps:
    """Return a tensor on any device as float32 in memory."""
    maps: Maps = tensor.detach().float().cpu().numpy()
    return maps


def pictures(images: UInt8Array) -> list[UInt8Array]:
    """Return (T, H, W, 3) as the list of pictures that processors take."""
    return [np.ascontiguousarray(image) for image in images]


def label(name: str, repository: str, revision: str | None, loaded: Any = None) -> str:
    """Return the name for the files: the backend, its weights and their commit."""
    commit = revision or getattr(getattr(loaded, "config", None), "_commit_hash", None)
    return f"{name}:{repository}@{commit or 'unpinned'}"
