"""The SQLite database of one nuPlan log: opened read-only, read as typed columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from stkit_datasets.clip import FloatArray
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import MAX_MAGNITUDE, Columns
from stkit_datasets.sources.plain_pickle import PickleRefusedError, read_numbers

_EGO = ("qw", "qx", "qy", "qz", "x", "y", "z")
_BOX = ("x", "y", "z", "length", "width", "height", "yaw")
_CALIBRATION = {"translation": (3,), "rotation": (4,), "intrinsic": (3, 3), "distortion": (5,)}

_TABLES: dict[str, tuple[str, ...]] = {
    "camera": ("token", "channel", *_CALIBRATION, "width", "height"),
    "category": ("token", "name"),
    "ego_pose": ("token", *_EGO),
    "image": ("token", "ego_pose_token", "camera_token", "filename_jpg", "timestamp"),
    "lidar_box": ("token", "lidar_pc_token", "track_token", *_BOX),
    "lidar_pc": ("token", "scene_token", "timestamp"),
    "scene": ("token",),
    "track": ("token", "category_token"),
}
_MAX_VALUE_BYTES = 1 << 20
# A database cut short or overwritten surfaces as any of these, an absurd length as MemoryError.
_FAILURES = (sqlite3.Error, UnicodeError, MemoryError, OverflowError)

# SQLite lets any row hold any type. A value of another type than the column's comes as null, and
# nulls are refused. Tokens are blobs and come in hexadecimal, as the devkit writes them.
_SELECT = {
    "token": "CASE typeof({0}) WHEN 'blob' THEN lower(hex({0})) END",
    "text": "CASE typeof({0}) WHEN 'text' THEN {0} END",
    "blob": "CASE typeof({0}) WHEN 'blob' THEN {0} END",
    "integer": "CASE typeof({0}) WHEN 'integer' THEN {0} END",
    "number": "CASE WHEN typeof({0}) IN ('integer', 'real') THEN CAST({0} AS REAL) END",
}
_ARROW_TYPES = {
    "token": pa.string(),
    "text": pa.string(),
    "blob": pa.binary(),
    "integer": pa.int64(),
    "number": pa.float64(),
}


class LogDatabase:
    """An open database; make it with ``open_log``."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    def scenes(self) -> list[str]:
        """Return the tokens of the scenes, sorted.

        Raises:
            SourceError: there is none, or one comes twice.
        """
        columns = self._select("scene", {"token": ("token", "token")}, "FROM scene")
        tokens = columns.strings("token")
        if not tokens:
            raise SourceError(self.path, "expected scenes, found no row", "table scene")
        if len(set(tokens)) < len(tokens):
            raise SourceError(self.path, "expected every token once", "table scene")
        return sorted(tokens)

    def sweeps(self, scene: str) -> Columns:
        """Return token and timestamp (µs) of a scene's rows of ``lidar_pc``, in order of time."""
        return self._select(
            "lidar_pc",
            {"token": ("token", "token"), "timestamp": ("timestamp", "integer")},
            "FROM lidar_pc WHERE scene_token = ? ORDER BY timestamp",
            (bytes.fromhex(scene),),
        )

    def boxes(self, scene: str) -> Columns:
        """Return a scene's boxes, each with the time of its sweep and its track's category.

        The columns are token, track, category, timestamp (µs), x, y, z, length, width, height
        (m) and yaw (rad) in the world frame.
        """
        # The left joins keep the boxes the outer loop, so that no index is built over all of them.
        return self._select(
            "lidar_box",
            {
                "token": ("b.token", "token"),
                "track": ("b.track_token", "token"),
                "category": ("c.name", "text"),
                "timestamp": ("p.timestamp", "integer"),
                **{name: (f"b.{name}", "number") for name in _BOX},
            },
            "FROM lidar_box AS b LEFT JOIN lidar_pc AS p ON p.token = b.lidar_pc_token "
            "LEFT JOIN track AS t ON t.token = b.track_token "
            "LEFT JOIN category AS c ON c.token = t.category_token "
            "WHERE b.lidar_pc_token IN (SELECT token FROM lidar_pc WHERE scene_token = ?)",
            (bytes.fromhex(scene),),
        )

    def images(self, start_us: int, stop_us: int) -> Columns:
        """Return the images of all cameras from one time to another, with the ego poses at them.

        The columns are token, camera (token), filename, timestamp (µs) and the ego pose's qw, qx,
        qy, qz, x, y, z (m) in the world frame; in order of time.
        """
        return self._select(
            "image",
            {
                "token": ("i.token", "token"),
                "camera": ("i.camera_token", "token"),
                "filename": ("i.filename_jpg", "text"),
                "timestamp": ("i.timestamp", "integer"),
                **{name: (f"e.{name}", "number") for name in _EGO},
            },
            "FROM image AS i LEFT JOIN ego_pose AS e ON e.token = i.ego_pose_token "
            "WHERE i.timestamp BETWEEN ? AND ? ORDER BY i.timestamp, i.token",
            (start_us, stop_us),
        )

    def cameras(self) -> Columns:
        """Return the calibrated cameras: token, channel, width, height and pickled calibration."""
        return self._select(
            "camera",
            {
                "token": ("token", "token"),
                "channel": ("channel", "text"),
                **{name: (name, "number") for name in ("width", "height")},
                **{name: (name, "blob") for name in _CALIBRATION},
            },
            "FROM camera ORDER BY token",
            keys=("channel", "token"),
        )

    def calibration(self, cameras: Columns, row: int, name: str) -> FloatArray:
        """Return one of a camera's pickled columns as an array of its shape.

        Raises:
            SourceError: it is no pickle of that many finite numbers and nothing else.
        """
        shape = _CALIBRATION[name]
        try:
            values = read_numbers(cameras.table[name][row].as_py())
        except PickleRefusedError as error:
            raise cameras.error(f"expected a pickle of numbers: {error}", row, name) from error
        array = np.full(shape, np.nan)
        rows = values if len(shape) == 2 else [values]
        if not _fill(np.atleast_2d(array), rows):
            size = " x ".join(map(str, shape))
            rule = f"expected {size} numbers of at most {MAX_MAGNITUDE:g}"
            raise cameras.error(rule, row, name)
        return array

    def _select(
        self,
        table: str,
        columns: Mapping[str, tuple[str, str]],
        rest: str,
        parameters: Sequence[object] = (),
        keys: tuple[str, ...] = ("token",),
    ) -> Columns:
        """Run a query of (expression, type) columns whose values may not be null."""
        wanted = ", ".join(_SELECT[kind].format(name) for name, kind in columns.values())
        try:
            rows = self._connection.execute(f"SELECT {wanted} {rest}", parameters).fetchall()
        except _FAILURES as error:
            raise SourceError(
                self.path, f"expected a whole SQLite database: {error}", f"table {table}"
            ) from error
        values = zip(*rows, strict=True) if rows else ([] for _ in columns)
        arrays = {
            name: pa.array(column, _ARROW_TYPES[kind])
            for (name, (_, kind)), column in zip(columns.items(), values, strict=True)
        }
        found = Columns(self.path, pa.table(arrays), keys, f"{table} row")
        for name, array in arrays.items():
            if array.null_count:
                expression, kind = columns[name]
                row = int(np.argmin(array.is_valid().to_numpy(zero_copy_only=False)))
                raise found.error(
                    f"expected a value of type {kind} from {expression}, found null, another "
                    "type, or no row of the token that leads there",
                    row,
                    name,
                )
        return found


def _fill(array: FloatArray, rows: object) -> bool:
    """Fill (R, C) with a list of lists of numbers; false where they are not of that shape."""
    if not isinstance(rows, list | tuple) or len(rows) != len(array):
        return False
    for target, row in zip(array, rows, strict=True):
        if not isinstance(row, list | tuple) or len(row) != len(target):
            return False
        for index, value in enumerate(row):
            if isinstance(value, bool) or not isinstance(value, int | float):
                return False
            if not abs(value) <= MAX_MAGNITUDE:  # also false for NaN
                return False
            target[index] = value
    return True


@contextmanager
def open_log(path: Path) -> Iterator[LogDatabase]:
    """Open a log's database for reading; nothing is ever written beside it.

    Raises:
        SourceError: the file is missing, is no SQLite database, or lacks a table or column.
    """
    if not path.is_file():
        raise SourceError(path, "expected the SQLite database of a log here, found none")
    uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True)
    except sqlite3.Error as error:
        raise SourceError(path, f"cannot be opened: {error}") from error
    with closing(connection):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
        try:
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA cell_size_check = ON")
            _check_tables(path, connection)
        except _FAILURES as error:
            raise SourceError(path, f"expected a whole SQLite database: {error}") from error
        yield LogDatabase(path, connection)


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    query = "SELECT name FROM sqlite_master WHERE type = 'table'"
    tables = {str(name) for (name,) in connection.execute(query)}
    for table, columns in _TABLES.items():
        if table not in tables:
            found = ", ".join(sorted(tables)) or "none"
            raise SourceError(path, f"expected a table {table!r}, found {found}")
        present = {str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")}
        missing = [name for name in columns if name not in present]
        if missing:
            raise SourceError(
                path,
                f"expected the columns {', '.join(columns)}; found no {', '.join(missing)}",
                f"table {table}",
            )
