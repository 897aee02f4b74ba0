"""nuPlan v1.1, read from its official SQLite databases without a devkit.

The tables are described at
https://github.com/motional/nuplan-devkit/blob/master/docs/nuplan_schema.md, the folders at
https://github.com/motional/nuplan-devkit/blob/master/docs/dataset_setup.md::

    nuplan-v1.1/splits/<any>/<log>.db                           one database a log, boxes at 20 Hz
    nuplan-v1.1/sensor_blobs/<log>/<camera>/<token>.jpg         at 10 Hz; may be absent

The archives unpack the databases into ``data/cache/<any>/``, which is read as well. Which split a
log belongs to is decided by its name alone, whatever folder it lies in.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from stkit_datasets.clip import Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, Skipped, UnitResult
from stkit_datasets.sources.nuplan_db import open_log
from stkit_datasets.sources.nuplan_scene import read_grid, read_tracks, read_views
from stkit_datasets.sources.options import config_from_options
from stkit_datasets.sources.rig import Recording, RigConfig, cut_clips

CAMERAS = ("CAM_F0", "CAM_L0", "CAM_L1", "CAM_L2", "CAM_R0", "CAM_R1", "CAM_R2", "CAM_B0")

_ROOTS = (".", "nuplan-v1.1", "dataset/nuplan-v1.1")
_FOLDERS = ("splits", "data/cache")
_BLOBS = "sensor_blobs"
_SEPARATOR = "+"


@dataclass(frozen=True)
class NuPlanConfig(RigConfig):
    """What may be set for this source."""

    known = CAMERAS
    cameras: tuple[str, ...] = CAMERAS


@cache
def validation_logs() -> frozenset[str]:
    """Return the 1,381 names of the official validation logs.

    The list is ``log_splits.val`` of nuplan/planning/script/config/common/splitter/nuplan.yaml
    in https://github.com/motional/nuplan-devkit (commit e9241677997d, devkit 1.2.2).
    """
    text = resources.files("stkit_datasets.sources").joinpath("data/nuplan_splits.json")
    drives = json.loads(text.read_text(encoding="utf-8"))["validation"]
    return frozenset(f"{drive}_{part}" for drive, parts in drives.items() for part in parts.split())


class NuPlan:
    """The nuPlan data set; a unit is a scene of a log, at most about 20 s.

    nuPlan is for the benchmark only and never for training, so that there is no unit in the split
    ``train``, and no option that changes it.

    Args:
        data_dir: the folder ``nuplan-v1.1``, which holds ``splits`` and ``sensor_blobs``, or one
            above it.
        options: fields of ``NuPlanConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "nuplan"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(NuPlanConfig, self.name, options)

    def units(self, split: str) -> Sequence[str]:
        """Name the scenes of a split, ``<log>+<token of the scene>``, sorted.

        A database whose scenes cannot be listed is named by its log alone; reading it then says
        what is wrong with it.
        """
        units: list[str] = []
        for log, path in self._databases(split).items():
            try:
                with open_log(path) as database:
                    units.extend(f"{log}{_SEPARATOR}{scene}" for scene in database.scenes())
            except SourceError:
                units.append(log)
        return units

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield the databases of the split's logs."""
        yield from self._databases(split).values()

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one scene into clips, window by window, camera by camera in each.

        The poses of a camera are those at the exposure of the image nearest to each grid time.
        Images are named by the database, so that they need not be on disk.
        """
        log, _, scene = unit.partition(_SEPARATOR)
        # The name is looked up as a file only once the official list has it.
        found = self._databases(split, log) if log in validation_logs() else {}
        if log not in found:
            raise SourceError(self.data_dir, f"expected a database {log}.db of the split {split}")
        path = found[log]
        with open_log(path) as database:
            if scene not in database.scenes():
                raise SourceError(path, "expected a scene of this token", f"scene {scene!r}")
            grid_ns = read_grid(database, scene, self.config.grid)
            if len(grid_ns) == 0:
                return UnitResult((), (Skipped(unit, "no annotations"),))
            tracks = read_tracks(database, scene, grid_ns, self.config.grid)
            views, skipped = read_views(
                database, unit, grid_ns, self.config.cameras, self.config, self._frames
            )
        files = (path.relative_to(self.data_dir).as_posix(),)
        recording = Recording(self.name, split, unit, log, grid_ns, tracks, files)
        return cut_clips(recording, views, skipped)

    def _root(self) -> Path:
        for root in _ROOTS:
            if any((self.data_dir / root / folder).is_dir() for folder in _FOLDERS):
                return self.data_dir / root
        raise SourceError(
            self.data_dir,
            "expected the folder nuplan-v1.1 of the nuPlan data set, or one above it, with "
            "splits/<any>/<log>.db (or data/cache/<any>/<log>.db) in it",
        )

    def _databases(self, split: str, log: str = "*") -> dict[str, Path]:
        """Map the split's logs to their databases, sorted; of two of a log the first is taken."""
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        root = self._root()
        if split == "train":
            return {}
        found: dict[str, Path] = {}
        for folder in _FOLDERS:
            for path in sorted((root / folder).glob(f"*/{log}.db")):
                if path.stem in validation_logs():
                    found.setdefault(path.stem, path)
        return dict(sorted(found.items()))

    def _frames(self, names: Sequence[str], size_px: tuple[int, int]) -> Frames:
        from stkit_datasets.video.frames import ImageFrames

        folder = (self._root() / _BLOBS).relative_to(self.data_dir).as_posix()
        return ImageFrames(self.data_dir, [f"{folder}/{name}" for name in names], size_px)
