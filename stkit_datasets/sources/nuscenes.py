"""nuScenes: the official JSON tables to clips of the six cameras on their 2 Hz keyframes.

Data: https://www.nuscenes.org/nuscenes (CC BY-NC-SA 4.0 and the nuScenes terms of use). The format
is documented at https://www.nuscenes.org/nuscenes#data-format. No devkit is needed.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, UnitResult
from stkit_datasets.sources.nuscenes_cache import Index, open_index
from stkit_datasets.sources.nuscenes_index import CAMERAS, TABLES, table_path
from stkit_datasets.sources.nuscenes_json import read_table
from stkit_datasets.sources.nuscenes_scene import read_scene
from stkit_datasets.sources.nuscenes_splits import assign, read_split_file

_OPTIONS = ("version", "cameras", "split_file")
_PREFERRED = ("v1.0-trainval", "v1.0-mini", "v1.0-test")
_EXPECTED = (
    "expected the nuScenes data folder, which holds v1.0-trainval or v1.0-mini with "
    "sample_annotation.json and 12 other tables, or such a version folder itself"
)
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_log = logging.getLogger(__name__)


class NuScenes:
    """nuScenes v1.0, one unit a scene.

    A clip is a window of at most 40 keyframes of one camera; keyframes more than 0.75 s apart are
    never in one clip, and a camera that lacks images for a part of a window gives its longest run
    of keyframes in it. Timestamps are those of ``sample``; each camera's poses are those of its own
    images. The first scene read makes an index of all tables, see ``nuscenes_cache``.

    Args:
        data_dir: the folder that holds a version folder and ``samples``, or a version folder.
        options: ``version``, the name of a version folder (by default v1.0-trainval if there is
            one, then v1.0-mini); ``cameras``, channel names as a sequence or joined by commas (by
            default all six); ``split_file``, a JSON file with lists of scene names under ``train``
            and ``validation`` that replace the official ones.

    Attributes:
        data_dir: the folder that image names and ``Clip.files`` are relative to.
        version_dir: the folder of the tables.
        cameras: the channels that are read, in the order of ``CAMERAS``.

    Raises:
        ConfigError: an option is unknown or has a wrong value.
        SourceError: ``data_dir`` is not a nuScenes folder.
    """

    name = "nuscenes"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        options = dict(options or {})
        unknown = sorted(set(options) - set(_OPTIONS))
        if unknown:
            raise ConfigError(
                f"nuscenes: unknown option {', '.join(unknown)}; known: {', '.join(_OPTIONS)}"
            )
        version = options.get("version")
        if version is not None and not isinstance(version, str):
            raise ConfigError(f"nuscenes: version must be a folder name, got {version!r}")
        split_file = options.get("split_file")
        if split_file is not None and not isinstance(split_file, str | Path):
            raise ConfigError(f"nuscenes: split_file must be a path, got {split_file!r}")
        self.cameras = _cameras(options.get("cameras"))
        self.version_dir = _find_version(Path(data_dir), version)
        self.data_dir = _images_root(Path(data_dir), self.version_dir)
        self._own_splits = read_split_file(Path(split_file)) if split_file else None
        self._splits: dict[str, str | None] | None = None
        self._index: Index | None = None
        self._failure: SourceError | None = None

    def __getstate__(self) -> dict[str, Any]:
        # The index is mapped anew in each process; the pages are shared by the system.
        return self.__dict__ | {"_index": None, "_splits": None, "_failure": None}

    def units(self, split: str) -> Sequence[str]:
        """Name the scenes of a split that are in the tables, sorted.

        Scenes of no official list are in no split: they are named in a warning, and it is an error
        when there are no others.

        Raises:
            ConfigError: the split is not ``train`` or ``validation``.
            SourceError: ``scene.json`` is missing or broken, or no scene has a split.
        """
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        return [name for name, its in self._scene_splits().items() if its == split]

    def unlisted(self) -> Sequence[str]:
        """Name the scenes of the tables that are in no list of a split, sorted."""
        return [name for name, its in self._scene_splits().items() if its is None]

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one scene to clips of each camera.

        Raises:
            ConfigError: the split is not one of the two.
            SourceError: the scene is not in the split, or its data break a rule of the format.
        """
        if unit not in self.units(split):
            raise SourceError(self.version_dir, f"scene {unit!r} is not in split {split!r}")
        index = self._opened()
        try:
            return read_scene(self, index, split, unit)
        finally:
            index.release()

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the nine tables that are read."""
        return (table_path(self.version_dir, table) for table in TABLES)

    def relative(self, table: str) -> str:
        """Return a table's path relative to ``data_dir``."""
        return f"{self.version_dir.name}/{table}.json"

    def _opened(self) -> Index:
        if self._failure:
            # Building fails for every scene alike: do not parse the tables again for each.
            raise self._failure
        if self._index is None:
            try:
                self._index = open_index(self.version_dir)
            except SourceError as error:
                self._failure = error
                raise
        return self._index

    def _scene_splits(self) -> dict[str, str | None]:
        if self._splits is None:
            self._splits = self._read_scene_splits()
        return self._splits

    def _read_scene_splits(self) -> dict[str, str | None]:
        path = table_path(self.version_dir, "scene")
        names = sorted(read_table(path, pa.schema({"name": pa.string()}))["name"].to_pylist())
        for name in names:
            if not _SAFE_NAME.fullmatch(name):
                raise SourceError(path, f"name must be letters, digits, '.', '_', '-': {name!r}")
        splits: dict[str, str | None]
        if self._own_splits is not None:
            splits = {name: self._own_splits.get(name) for name in names}
        else:
            splits = assign(self.version_dir.name, names)
        without = [name for name, split in splits.items() if split is None]
        if not set(splits.values()) & set(SPLITS):
            tests = " (v1.0-test has no annotations)" if "test" in splits.values() else ""
            raise SourceError(
                path,
                f"no scene is in a list of train or validation scenes{tests}; a split_file can "
                f"name the split of others. Found {len(names)}: {', '.join(names[:5])}",
            )
        if without:
            _log.warning(
                "%s: %d of %d scenes are in no list of a split and are left out: %s%s; "
                "a split_file can name their split",
                path, len(without), len(names), ", ".join(without[:5]), " …" * (len(without) > 5),
            )  # fmt: skip
        return splits


def _cameras(given: object) -> tuple[str, ...]:
    if given is None:
        return CAMERAS
    if isinstance(given, str):
        given = [name.strip() for name in given.split(",")]
    rule = f"nuscenes: cameras must be one or more of {', '.join(CAMERAS)}, got {given!r}"
    if not isinstance(given, Sequence) or not given:
        raise ConfigError(rule)
    if not all(isinstance(name, str) and name in CAMERAS for name in given):
        raise ConfigError(rule)
    return tuple(name for name in CAMERAS if name in given)


def _is_version(folder: Path) -> bool:
    return any(table_path(folder, table).is_file() for table in TABLES)


def _find_version(data_dir: Path, version: str | None) -> Path:
    if not data_dir.is_dir():
        raise SourceError(data_dir, f"no such folder; {_EXPECTED}")
    if _is_version(data_dir):
        # Not resolve(): a link keeps its own name, and the images lie beside it.
        folder = Path(os.path.abspath(data_dir))
        if version not in (None, folder.name):
            raise ConfigError(
                f"nuscenes: version {version!r} asked for, but data_dir is {folder.name!r}"
            )
        return folder
    try:
        found = sorted(folder.name for folder in data_dir.iterdir() if _is_version(folder))
    except OSError as error:
        raise SourceError(data_dir, f"{_EXPECTED}: {error}") from error
    if version is not None:
        if version not in found:
            raise ConfigError(
                f"nuscenes: {data_dir} holds no version {version!r}, only: "
                f"{', '.join(found) or 'none'}"
            )
        return data_dir / version
    for name in (*_PREFERRED, *found):
        if name in found:
            return data_dir / name
    raise SourceError(data_dir, _EXPECTED)


def _images_root(data_dir: Path, version_dir: Path) -> Path:
    return data_dir if version_dir.parent == data_dir else version_dir.parent
