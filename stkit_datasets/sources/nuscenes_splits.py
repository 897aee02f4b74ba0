"""Which nuScenes scene belongs to which split: the official lists, or a user's own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path

from stkit_datasets.errors import ConfigError
from stkit_datasets.sources.base import SPLITS

_LISTS = {"train": "train", "validation": "val"}


@cache
def official_lists() -> Mapping[str, frozenset[str]]:
    """Return the scene names of ``train``, ``val``, ``test``, ``mini_train`` and ``mini_val``.

    The lists are those of nuscenes-devkit 1.2.0 (``nuscenes/utils/splits.py``): 700, 150, 150, 8
    and 2 scenes. Mini scenes stand in ``train`` or ``val`` as well, not always on the same side.
    """
    text = resources.files("stkit_datasets.sources").joinpath("data/nuscenes_splits.json")
    lists = json.loads(text.read_text(encoding="utf-8"))
    return {
        name: frozenset(f"scene-{number:04d}" for number in numbers)
        for name, numbers in lists.items()
        if name != "origin"
    }


def assign(version: str, names: Sequence[str]) -> dict[str, str | None]:
    """Map each scene name to its official split, ``test`` or, when no list has it, None.

    The lists of v1.0-mini come first for that version; every scene that they do not name has the
    split that it has in v1.0-trainval.
    """
    official = official_lists()
    out: dict[str, str | None] = {}
    for name in names:
        out[name] = None
        for split, full in _LISTS.items():
            if version == "v1.0-mini" and name in official[f"mini_{full}"]:
                out[name] = split
                break
            if name in official[full]:
                out[name] = split
        if out[name] is None and name in official["test"]:
            out[name] = "test"
    return out


def read_split_file(path: Path) -> dict[str, str]:
    """Read a user's own lists: a JSON object with a list of scene names a split.

    Raises:
        ConfigError: the file is missing, is not such an object, or names a scene twice.
    """
    rule = f"must be a JSON object with lists of scene names under {' and '.join(SPLITS)}"
    try:
        lists = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"split_file {path}: {rule}: {error}") from error
    if not isinstance(lists, dict) or not set(lists) <= set(SPLITS):
        raise ConfigError(f"split_file {path}: {rule}")
    out: dict[str, str] = {}
    for split, names in lists.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"split_file {path}: {rule}, {split!r} is not a list of names")
        for name in names:
            if out.setdefault(name, split) != split:
                raise ConfigError(f"split_file {path}: {name!r} stands in both splits")
    return out
