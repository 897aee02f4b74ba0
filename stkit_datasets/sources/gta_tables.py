"""The CSV files of one VIPER sequence: its camera's path and its boxes, checked and with z up."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from stkit_datasets import geometry, resample
from stkit_datasets.clip import BoolArray, FloatArray, Kind, Tracks
from stkit_datasets.sources.columns import Columns, ColumnType
from stkit_datasets.sources.csv_tables import read_csv
from stkit_datasets.sources.numbered import (
    frame_times_ns,
    frames_of_times,
    sample_tracks,
)
from stkit_datasets.sources.rig import IntArray, grid_over, intrinsic_matrix
from stkit_datasets.sources.rigid import LAST_ROW_TOLERANCE, check_rigid

FPS = 15.0
SIZE_PX = (1920, 1080)
CAMERAS, BOXES = "camera", "bb"

# classes.csv of the toolkit, in the order of its ids.
CLASSES = (
    *("unlabeled", "ambiguous", "sky", "road", "sidewalk", "railtrack", "terrain", "tree"),
    *("vegetation", "building", "infrastructure", "fence", "billboard", "trafficlight"),
    *("trafficsign", "mobilebarrier", "firehydrant", "chair", "trash", "trashcan", "person"),
    *("animal", "bicycle", "motorcycle", "car", "van", "bus", "truck", "trailer", "train"),
    *("plane", "boat"),
)
KINDS: dict[str, Kind] = {
    "person": "person",
    **dict.fromkeys(("bicycle", "motorcycle", "car", "van", "bus", "truck"), "vehicle"),
    **dict.fromkeys(("trailer", "train"), "vehicle"),
}
_FIRST_COUNTABLE = CLASSES.index("trafficlight")
"""The toolkit tells instances apart for some of the classes from this one on."""

LENS_TOLERANCE = 1e-3
"""Focal lengths that differ by less than this share are those of one lens."""

_FRAME = "frame"
_PROJECTION = tuple(f"projection[{i},{j}]" for i in range(4) for j in range(4))
_VIEW = tuple(f"view[{i},{j}]" for i in range(4) for j in range(4))
_CAMERA_TYPES: dict[str, ColumnType] = {
    _FRAME: "integer",
    **dict.fromkeys((*_PROJECTION, *_VIEW), "number"),
}
_IDS = ("class or instance", "instance or class")
_BOX_2D = tuple(f"2D box[{i}]" for i in range(4))
_BOX_3D = tuple(f"3D box[{i}]" for i in range(6))
_TO_CAMERA = tuple(f"matrix[{i},{j}]" for i in range(4) for j in range(4))
_BOX_COLUMNS = (*_IDS, *_BOX_2D, *_BOX_3D, *_TO_CAMERA)
_BOX_TYPES: dict[str, ColumnType] = {
    **dict.fromkeys(_IDS, "integer"),
    **dict.fromkeys((*_BOX_3D, *_TO_CAMERA), "number"),
}

# From x right, y up and z backwards to x right, y ahead and z up, and to x right, y down, z ahead.
UP_R_GL = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])
CV_R_GL = np.diag([1.0, -1.0, -1.0])
# From x ahead, y left and z up to the game's models: x right, y ahead and z up.
MODEL_R_OBJECT = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


@dataclass(frozen=True, eq=False)
class CameraPath:
    """Where the camera is in each frame.

    Attributes:
        columns: the file, for errors.
        timestamps_ns: (R,) when.
        world_SE3_camera: (R, 4, 4) from the published camera axes to the world with z up.
        camera_SE3_world: (R, 4, 4) from there to x right, y down, z ahead.
        intrinsics: (3, 3) of most frames.
        usual_lens: (R,) whether a frame has these intrinsics.
    """

    columns: Columns
    timestamps_ns: IntArray
    world_SE3_camera: FloatArray
    camera_SE3_world: FloatArray
    intrinsics: FloatArray
    usual_lens: BoolArray

    def grid(self, config: resample.GridConfig) -> IntArray:
        """Lay the grid over the frames."""
        return grid_over(self.columns, self.timestamps_ns, _FRAME, config)


def frame_name(sequence: str, frame: int) -> str:
    """Name a frame's files, without their ending."""
    return f"{sequence}_{frame:05d}"


def read_camera_path(path: Path) -> CameraPath:
    """Read a sequence's camera file.

    Raises:
        SourceError: it is missing or broken, has no row, or a view matrix is not rigid.
    """
    columns = read_csv(
        path, _CAMERA_TYPES, keys=(_FRAME,), names=tuple(_CAMERA_TYPES), header_may_be=True
    )
    if len(columns) == 0:
        raise columns.error("expected frames, found no row")
    views = _rigid(columns, _VIEW)
    projection = columns.numbers(*_PROJECTION).reshape(-1, 4, 4)
    focal = np.abs(np.stack([projection[:, 0, 0], projection[:, 1, 1]], axis=-1))
    if not (focal > 0).all():
        row = int(np.argmin((focal > 0).all(axis=1)))
        raise columns.error("expected focal lengths other than 0", row, _PROJECTION[0])
    # The middle one by value is a frame's own, unlike the mean of two lenses.
    usual = np.sort(focal, axis=0)[len(focal) // 2]
    size = np.array(SIZE_PX, dtype=np.float64)
    up_SE3_gl, cv_SE3_gl = np.eye(4), np.eye(4)
    up_SE3_gl[:3, :3], cv_SE3_gl[:3, :3] = UP_R_GL, CV_R_GL
    return CameraPath(
        columns,
        frame_times_ns(columns, _FRAME, FPS),
        up_SE3_gl @ geometry.inverse(views),
        cv_SE3_gl @ views @ geometry.inverse(up_SE3_gl),
        intrinsic_matrix(usual * size / 2, size / 2),
        (np.abs(focal / usual - 1) <= LENS_TOLERANCE).all(axis=1),
    )


@dataclass(frozen=True, eq=False)
class Boxes:
    """The boxes of a sequence's frames on the grid, file by file.

    Attributes:
        files: a table a file.
        camera_rows: of each file, the row of the camera path that it belongs to.
    """

    files: tuple[Columns, ...]
    camera_rows: tuple[int, ...]

    def __len__(self) -> int:
        return sum(len(file) for file in self.files)


def read_boxes(folder: Path, sequence: str, path: CameraPath, rows: IntArray) -> Boxes:
    """Read the files of boxes of some frames, those that there are.

    Args:
        folder: of the sequence.
        sequence: its name.
        path: the camera's.
        rows: which frames, as rows of the camera's path; -1 is none.

    Raises:
        SourceError: a file is broken.
    """
    files, camera_rows = [], []
    frames = frames_of_times(path.timestamps_ns, FPS)
    for row in np.unique(rows[rows >= 0]).tolist():
        file = folder / f"{frame_name(sequence, int(frames[row]))}.csv"
        if file.exists():
            files.append(read_csv(file, _BOX_TYPES, names=_BOX_COLUMNS))
            camera_rows.append(row)
    return Boxes(tuple(files), tuple(camera_rows))


def read_tracks(
    boxes: Boxes, path: CameraPath, grid_ns: IntArray, config: resample.GridConfig
) -> Tracks:
    """Sample boxes as tracks on the grid, in the world with z up.

    Raises:
        SourceError: a box breaks a rule, no column holds classes, or an object has two boxes in a
            frame.
    """
    classes, instances = _ids(boxes)
    keys, track_index = np.unique(
        np.stack([classes, instances], axis=-1), axis=0, return_inverse=True
    )
    names = [(f"{CLASSES[c]}-{i}", CLASSES[c]) for c, i in keys.tolist()]
    parts = [
        _place(file, path.world_SE3_camera[row])
        for file, row in zip(boxes.files, boxes.camera_rows, strict=True)
        if len(file)
    ]
    centers_m, sizes, rotations = (np.concatenate([part[i] for part in parts]) for i in range(3))
    counts = [len(file) for file in boxes.files]
    times_ns = np.repeat(path.timestamps_ns[list(boxes.camera_rows)], counts)
    columns = _whole(boxes)
    return sample_tracks(
        columns,
        track_index.reshape(-1).astype(np.int64),
        times_ns,
        [(name, category, KINDS.get(category, "other")) for name, category in names],
        (centers_m, sizes, rotations),
        np.ones(len(times_ns)),
        grid_ns,
        config,
    )


def _ids(boxes: Boxes) -> tuple[IntArray, IntArray]:
    """Return the class and the instance of every row, whichever column they stand in.

    Where both columns hold classes only, the documented order holds.
    """
    pairs = [[file.integers(name) for file in boxes.files] for name in _IDS]
    first, second = (np.concatenate(columns) for columns in pairs)
    known = (first >= 0) & (first < len(CLASSES))
    if known.all():
        return first, second
    if ((second >= _FIRST_COUNTABLE) & (second < len(CLASSES))).all():
        return second, first
    starts = np.cumsum([0, *(len(file) for file in boxes.files)])
    row = int(np.argmin(known))
    file = int(np.searchsorted(starts, row, side="right")) - 1
    rule = f"expected one column of classes, 0 to {len(CLASSES) - 1}; neither has them only"
    raise boxes.files[file].error(rule, row - int(starts[file]))


def _place(file: Columns, world_SE3_camera: FloatArray) -> tuple[FloatArray, ...]:
    """Return centres, sizes and rotations of a file's boxes in the world."""
    to_world = world_SE3_camera @ _rigid(file, _TO_CAMERA)
    ends = file.numbers(*_BOX_3D).reshape(-1, 2, 3)
    sizes = ends[:, 1] - ends[:, 0]
    if not (sizes > 0).all():
        row = int(np.argmin((sizes > 0).all(axis=1)))
        raise file.error("expected the least x, y, z, then greater ones", row, _BOX_3D[0])
    centers_m = geometry.transform_points(to_world, ends.mean(axis=1, keepdims=True))[:, 0]
    rotations = geometry.rotation_quaternions(to_world[:, :3, :3] @ MODEL_R_OBJECT)
    return centers_m, sizes @ np.abs(MODEL_R_OBJECT), rotations


def _rigid(columns: Columns, names: tuple[str, ...]) -> FloatArray:
    """Return (R, 4, 4) rigid matrices that act on columns, however they are written.

    Those of a file that act on rows have 0 0 0 1 as their last column.
    """
    matrices = columns.numbers(*names).reshape(-1, 4, 4)
    on_columns = (np.abs(matrices[:, 3] - [0, 0, 0, 1]) < LAST_ROW_TOLERANCE).all()
    on_rows = (np.abs(matrices[:, :, 3] - [0, 0, 0, 1]) < LAST_ROW_TOLERANCE).all()
    if on_rows and not on_columns:
        matrices = np.swapaxes(matrices, 1, 2)
    return check_rigid(columns, matrices, names[0])


def _whole(boxes: Boxes) -> Columns:
    """Return all files as one table, its rows named by their file, for errors."""
    tables = [
        file.table.append_column("file", pa.array([file.path.name] * len(file), pa.string()))
        for file in boxes.files
    ]
    numbers = np.concatenate([np.arange(1, len(file) + 1) for file in boxes.files])
    return Columns(boxes.files[0].path.parent, pa.concat_tables(tables), ("file",), "line", numbers)
