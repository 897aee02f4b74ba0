"""Playing for Benchmarks (VIPER), video of GTA V, read from its official files.

Layout and columns, as the toolkit at https://github.com/srrichter/viper describes them::

    <train or val>/camera/<sequence>.csv                    projection and view, a line a frame
    <train or val>/bb/<sequence>/<sequence>_<frame>.csv     boxes, a line an object
    <train or val>/img/<sequence>/<sequence>_<frame>.jpg    may be absent

A camera file has a line of column names, then frame, 16 numbers of the projection matrix and 16 of
the view matrix. A file of boxes has no such line; its 28 columns are class, instance, 2D box (4),
3D box in the frame of the model (6) and the matrix from there to the camera (16). Camera axes are
x right, y up, z backwards, and the world is the first frame's camera, so that "up" here is up in
the first picture, within the few degrees by which that camera was pitched.

What no public page states, and could not be tried on a file of the set: that the 6 numbers are
the least and the greatest x, y, z; that the model faces its y and its z is up; that the unit is
the metre, as in the game; that frames are exactly 1/15 s apart, where the toolkit says
"approximately 15 fps". Whether matrices act on columns or on rows is found from where their
0 0 0 1 stands. A public reader of the boxes has the instance before the class: which it is, is
found by which column holds known classes only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stkit_datasets.clip import Camera, Frames
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.sources.base import SPLITS, Skipped, UnitResult
from stkit_datasets.sources.gta_tables import (
    BOXES,
    CAMERAS,
    FPS,
    SIZE_PX,
    CameraPath,
    frame_name,
    read_boxes,
    read_camera_path,
    read_tracks,
)
from stkit_datasets.sources.numbered import frames_of_times, image_frames
from stkit_datasets.sources.options import SamplingConfig, config_from_options
from stkit_datasets.sources.rig import (
    IntArray,
    Recording,
    View,
    cut_clips,
    nearest_rows,
    poses_of_rows,
)

_FOLDERS = {"train": "train", "validation": "val"}
_IMAGES = "img"
_CAMERA = "camera"


@dataclass(frozen=True)
class GtaConfig(SamplingConfig):
    """What may be set for this source.

    Attributes:
        snap_s: half a frame: as a step of the grid is 7.5 frames, its times are moved to the
            nearest frame, whose real time they keep, and nothing is interpolated [ours].
    """

    snap_s: float = 0.034


class Gta:
    """The VIPER data set; a unit is a sequence.

    Args:
        data_dir: the folder that holds ``train`` and ``val``.
        options: fields of ``GtaConfig``.

    Raises:
        ConfigError: an option is unknown or out of range.
    """

    name = "gta"

    def __init__(self, data_dir: Path, options: Mapping[str, object] | None = None) -> None:
        self.data_dir = Path(data_dir)
        self.config = config_from_options(GtaConfig, self.name, options)

    def units(self, split: str) -> Sequence[str]:
        """Name the sequences of a split, sorted; none when only the other split is on disk."""
        folder = self._split_dir(split) / CAMERAS
        return sorted(p.stem for p in folder.glob("*.csv") if not p.name.startswith("."))

    def index_files(self, split: str) -> Iterator[Path]:
        """Yield each sequence's camera file and its files of boxes."""
        folder = self._split_dir(split)
        for unit in self.units(split):
            yield folder / CAMERAS / f"{unit}.csv"
            yield from sorted((folder / BOXES / unit).glob("*.csv"))

    def read(self, split: str, unit: str) -> UnitResult:
        """Read one sequence into clips, window by window.

        Of the boxes only the frames of the grid are read. A frame without a file of boxes has no
        annotation.
        """
        if unit not in self.units(split):
            raise SourceError(self._split_dir(split) / CAMERAS, f"expected {unit}.csv, found none")
        folder = self._split_dir(split)
        path = read_camera_path(folder / CAMERAS / f"{unit}.csv")
        grid_ns = path.grid(self.config.grid)
        rows = nearest_rows(path.timestamps_ns, grid_ns, self.config.image_tolerance_ns)
        boxes_dir = folder / BOXES / unit
        if not boxes_dir.is_dir():
            raise SourceError(boxes_dir, "expected a folder with a file of boxes a frame")
        boxes = read_boxes(boxes_dir, unit, path, rows)
        if len(boxes) == 0:
            return UnitResult((), (Skipped(unit, "no annotations"),))
        recording = Recording(
            self.name,
            split,
            unit,
            unit,
            grid_ns,
            read_tracks(boxes, path, grid_ns, self.config.grid),
            (
                self._relative(folder / CAMERAS / f"{unit}.csv"),
                self._relative(boxes_dir),
            ),
        )
        return cut_clips(recording, [self._view(split, unit, path, rows, grid_ns)])

    def _split_dir(self, split: str) -> Path:
        if split not in SPLITS:
            raise ConfigError(f"split must be one of {', '.join(SPLITS)}, got {split!r}")
        if any((self.data_dir / folder / CAMERAS).is_dir() for folder in _FOLDERS.values()):
            return self.data_dir / _FOLDERS[split]
        raise SourceError(
            self.data_dir,
            "expected the folder of the VIPER data set, which holds the folders train and val, "
            f"with the folders {CAMERAS}, {BOXES} and {_IMAGES} in each",
        )

    def _view(
        self, split: str, unit: str, path: CameraPath, rows: IntArray, grid_ns: IntArray
    ) -> View:
        names = [
            f"{frame_name(unit, frame)}.jpg" for frame in frames_of_times(grid_ns, FPS).tolist()
        ]
        folder = self._split_dir(split) / _IMAGES / unit

        def frames(first: int, last: int) -> Frames | None:
            return image_frames(self.data_dir, folder, names[first:last], SIZE_PX)

        poses = poses_of_rows(path.camera_SE3_world, rows)
        # A clip has one calibration: where the game zooms, the camera is not used.
        poses[~path.usual_lens[rows]] = np.nan
        return View(Camera(_CAMERA, *SIZE_PX, path.intrinsics), poses, frames)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.data_dir).as_posix()
