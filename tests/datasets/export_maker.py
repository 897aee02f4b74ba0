"""A small built folder of two sources, both with video: Argoverse 2 logs and simulated scenes."""

from __future__ import annotations

from pathlib import Path

import pytest
from busy_log import make_busy_log

from stkit_datasets import shards
from stkit_datasets.build import BuildConfig, build

SCENES = {"n_train_scenes": 0, "n_validation_scenes": 1, "duration_s": 4.0}
SCENES |= {"width_px": 320, "height_px": 180}
CAMERAS = {"cameras": ["ring_front_center"]}


def make_built(folder: Path) -> Path:
    """Build both sources into ``folder/built``, in row groups of four so that shards can be cut."""
    data, out = folder / "data", folder / "built"
    for name in ("log-a", "log-b", "log-c"):
        make_busy_log(data, name, image_cameras=("ring_front_center",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "ROW_GROUP_ROWS", 4)
        build(BuildConfig("argoverse2", data, out, ("validation",), source_options=CAMERAS),
              progress=False)  # fmt: skip
        build(BuildConfig("simulation", None, out, source_options=SCENES), progress=False)
    return out
