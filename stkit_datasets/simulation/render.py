"""Pictures of a scene."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.scenes import Scene


class RenderedFrames:
    """The frames of one camera of a scene, drawn when they are read."""

    def __init__(self, scene: Scene, view: int) -> None:
        self._scene, self._view = scene, view
        camera = scene.views[view].camera.name
        n_frames = scene.centers_m.shape[1]
        self.names = tuple(f"{scene.name}/{camera}#{t}" for t in range(n_frames))

    def __len__(self) -> int:
        return len(self.names)

    def read(self, height_px: int | None) -> Iterator[NDArray[np.uint8]]:
        """Yield every frame in order as (H, W, 3) RGB, at most ``height_px`` high."""
        raise NotImplementedError
