"""Sources: one file each, official files in, clips out.

A new source is one file here and one line in ``SOURCES``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from stkit_datasets.errors import ConfigError
from stkit_datasets.sources.base import Source

SOURCES: dict[str, str] = {
    "argoverse2": "stkit_datasets.sources.argoverse2:Argoverse2",
    "bdd100k": "stkit_datasets.sources.bdd100k:Bdd100k",
    "custom": "stkit_datasets.sources.custom:Custom",
    "ego_exo4d": "stkit_datasets.sources.ego_exo4d:EgoExo4D",
    "llava_video": "stkit_datasets.sources.llava_video:LlavaVideo",
    "multisports": "stkit_datasets.sources.multisports:MultiSports",
    "gta": "stkit_datasets.sources.gta:Gta",
    "nuplan": "stkit_datasets.sources.nuplan:NuPlan",
    "nuscenes": "stkit_datasets.sources.nuscenes:NuScenes",
    "simulation": "stkit_datasets.sources.simulation:Simulation",
    "vkitti2": "stkit_datasets.sources.vkitti2:VirtualKitti2",
    "waymo": "stkit_datasets.sources.waymo:Waymo",
}
"""Name -> ``module:class``; imported on first use, so that one source never needs another's."""


def open_source(
    name: str, data_dir: str | Path | None, options: Mapping[str, Any] | None = None
) -> Source:
    """Open a source on a data folder.

    Args:
        name: a key of ``SOURCES``.
        data_dir: the folder with the official files, see ``absolute_folder``;
            ``simulation`` needs none.
        options: the source's own settings.

    Raises:
        ConfigError: the name or an option is unknown, or the folder is missing from the call.
        SourceError: the folder does not hold this source.
    """
    if name not in SOURCES:
        raise ConfigError(f"unknown source {name!r}, expected one of {', '.join(SOURCES)}")
    if data_dir is None and name != "simulation":
        raise ConfigError(f"source {name!r} needs data_dir, the folder with its official files")
    module, attribute = SOURCES[name].split(":")
    folder = None if data_dir is None else absolute_folder(data_dir)
    source: Source = getattr(import_module(module), attribute)(folder, options)
    return source


def absolute_folder(data_dir: str | Path) -> Path:
    """A data folder that other processes, and this one after a change of folder, find too.

    Raises:
        ConfigError: it is no path.
    """
    if not isinstance(data_dir, str | os.PathLike):
        raise ConfigError(f"data_dir must be a path, got {data_dir!r}")
    return Path(os.path.abspath(Path(data_dir).expanduser()))
