"""The two tables of a custom data folder, as JSONL or Parquet; the schema is docs/custom-source.md.

Either form gives the same: ``tracks`` become typed columns, ``clips`` become records.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import Columns, ColumnType, check_types

EXTRA_PREFIX = "x_"
"""Columns of a user's own begin with this and are ignored; any other unknown one is an error."""

SIZE = ("length_m", "width_m", "height_m")
QUATERNION = ("qw", "qx", "qy", "qz")
BOX = ("x0_px", "y0_px", "x1_px", "y1_px")
TRACK_TYPES: dict[str, ColumnType] = {
    **dict.fromkeys(("clip_id", "track_id", "category", "kind"), "string"),
    **dict.fromkeys(("timestamp_s", "x_m", "y_m", "z_m"), "number"),
}
OPTIONAL_TRACK_TYPES: dict[str, ColumnType] = dict.fromkeys(
    (*SIZE, *QUATERNION, "yaw_rad", *BOX, "uncertainty_m", "confidence"), "number"
)
REQUIRED_CLIP_FIELDS = ("clip_id", "split", "scene_id", "domain", "width_px", "height_px")
TIME_FIELDS = ("timestamps_s", "fps", "n_frames")
CAMERA_FIELDS = ("camera", "fx_px", "fy_px", "cx_px", "cy_px", "model", "distortion")
POSE_FIELDS = ("camera_SE3_world", "world_SE3_camera")
CLIP_FIELDS = frozenset(
    (*REQUIRED_CLIP_FIELDS, *TIME_FIELDS, *CAMERA_FIELDS, *POSE_FIELDS, "video", "frames")
)
_ARROW_TYPES = {"string": pa.string(), "number": pa.float64()}
_PYTHON_TYPES: dict[str, type | tuple[type, ...]] = {"string": str, "number": (int, float)}


@dataclass(frozen=True)
class Record:
    """One line of ``clips``, with its place for errors."""

    path: Path
    where: str
    values: Mapping[str, Any]

    def error(self, rule: str) -> SourceError:
        """Make the error that this record breaks a rule."""
        clip_id = self.values.get("clip_id")
        named = f" (clip_id={clip_id})" if isinstance(clip_id, str) else ""
        return SourceError(self.path, rule, f"{self.where}{named}")

    def has(self, *names: str) -> bool:
        """Say whether all of the fields are given."""
        return all(self.values.get(name) is not None for name in names)

    def text(self, name: str) -> str:
        """Return a string that is not empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.error(f"expected {name} to be a text, got {_shown(value)}")
        return value

    def choice(self, name: str, allowed: tuple[str, ...]) -> str:
        """Return one of the allowed words."""
        value = self.text(name)
        if value not in allowed:
            raise self.error(f"expected {name} to be one of {', '.join(allowed)}, got {value!r}")
        return value

    def integer(self, name: str, low: int, high: int) -> int:
        """Return a whole number from ``low`` to ``high``."""
        value = self.values.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self.error(
                f"expected {name} to be a whole number from {low} to {high}, got {_shown(value)}"
            )
        return value

    def number(self, name: str) -> float:
        """Return a finite number."""
        return float(self.array(name, ()))

    def array(self, name: str, shape: tuple[int | None, ...]) -> np.ndarray[Any, Any]:
        """Return finite numbers nested as ``shape`` says; None stands for any length."""
        value = self.values.get(name)
        form = " x ".join("n" if size is None else str(size) for size in shape)
        expected = f"{form} finite numbers" if shape else "a finite number"
        try:
            array = np.array(value)
        except ValueError as error:  # rows of different lengths
            raise self.error(f"expected {name} to be {expected}, got {_shown(value)}") from error
        fits = array.ndim == len(shape) and all(
            size in (None, found) for size, found in zip(shape, array.shape, strict=True)
        )
        if array.size == 0 and len(shape) == 1 and shape[0] is None:
            return np.empty(0)
        if not fits or array.dtype.kind not in "iuf" or not (np.abs(array) <= 1e9).all():
            raise self.error(f"expected {name} to be {expected}, got {_shown(value)}")
        return array.astype(np.float64)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return a list of strings, none empty."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            raise self.error(f"expected {name} to be a list of texts, got {_shown(value)}")
        return tuple(value)


def find_table(data_dir: Path, stem: str) -> Path:
    """Return ``stem.jsonl`` or ``stem.parquet``, the one that is there.

    Raises:
        SourceError: neither is, or both are.
    """
    found = [path for path in table_paths(data_dir, stem) if path.is_file()]
    if len(found) != 1:
        raise SourceError(
            data_dir,
            f"expected either {stem}.jsonl or {stem}.parquet in this folder, found "
            f"{'both' if found else 'neither'}; a custom data folder holds clips and tracks",
        )
    return found[0]


def table_paths(data_dir: Path, stem: str) -> tuple[Path, Path]:
    """Return where the table may lie."""
    return data_dir / f"{stem}.jsonl", data_dir / f"{stem}.parquet"


def read_clip_records(path: Path) -> list[Record]:
    """Read the table of clips.

    Raises:
        SourceError: the file does not parse, or has an unknown field.
    """
    if path.suffix == ".jsonl":
        rows = [(f"line {number}", values) for number, values in _read_jsonl(path)]
    else:
        table = _read_parquet(path)
        rows = [(f"row {number}", values) for number, values in enumerate(table.to_pylist())]
    records = [Record(path, where, values) for where, values in rows]
    for record in records:
        _refuse_unknown(record.path, record.where, record.values, CLIP_FIELDS)
    return records


def read_tracks(path: Path) -> Columns:
    """Read the table of tracks; only types are checked, values are when a clip asks for them.

    Raises:
        SourceError: the file does not parse, or a column is missing, unknown or of a wrong type.
    """
    keys = ("clip_id", "track_id", "timestamp_s")
    known = TRACK_TYPES | OPTIONAL_TRACK_TYPES
    if path.suffix == ".jsonl":
        table, line_numbers = _columns_of_lines(path, known)
        return Columns(path, table, keys, "line", line_numbers)
    table = _read_parquet(path)
    _refuse_unknown(path, None, dict.fromkeys(table.column_names), frozenset(known))
    # A column of nothing but nulls may be written without a type.
    present = [
        name
        for name in OPTIONAL_TRACK_TYPES
        if name in table.column_names and not pa.types.is_null(table.schema.field(name).type)
    ]
    check_types(path, table.schema, TRACK_TYPES)
    check_types(path, table.schema, {name: OPTIONAL_TRACK_TYPES[name] for name in present})
    return Columns(path, table.select([*TRACK_TYPES, *present]), keys)


def _columns_of_lines(
    path: Path, known: Mapping[str, ColumnType]
) -> tuple[pa.Table, np.ndarray[Any, np.dtype[np.int64]]]:
    numbers: list[int] = []
    columns: dict[str, list[Any]] = {name: [] for name in known}
    for number, values in _read_jsonl(path):
        numbers.append(number)
        if not values.keys() <= columns.keys():
            _refuse_unknown(path, f"line {number}", values, frozenset(known))
        for name, kind in known.items():
            value = values.get(name)
            if value is None:
                if name in TRACK_TYPES:
                    raise SourceError(path, f"expected a value for {name!r}", f"line {number}")
            elif isinstance(value, bool) or not isinstance(value, _PYTHON_TYPES[kind]):
                rule = f"expected {name} to be a {kind}, got {_shown(value)}"
                raise SourceError(path, rule, f"line {number}")
            columns[name].append(
                _as_float(value) if isinstance(value, (int, float)) and kind == "number" else value
            )
    arrays = {name: pa.array(columns[name], _ARROW_TYPES[kind]) for name, kind in known.items()}
    return pa.table(arrays), np.array(numbers, dtype=np.int64)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number of over 308 digits; refused with its row later
        return float("inf")


def _read_jsonl(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Return (line number from 1, object) of every line; empty lines are passed over."""
    rows: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(_read_bytes(path).split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise SourceError(path, f"expected JSON: {error}", f"line {number}") from error
        if not isinstance(value, dict):
            raise SourceError(path, f"expected an object, got {_shown(value)}", f"line {number}")
        rows.append((number, value))
    return rows


def _read_parquet(path: Path) -> pa.Table:
    try:
        table = pa.parquet.read_table(pa.BufferReader(_read_bytes(path)), use_threads=False)
        table.validate(full=True)
    # Corrupt metadata surfaces as any of these, an absurd length as MemoryError.
    except (pa.ArrowException, ValueError, KeyError, OSError, MemoryError, OverflowError) as error:
        if isinstance(error, SourceError):
            raise
        rule = f"expected a complete Parquet file; reading it failed: {error}"
        raise SourceError(path, rule) from error
    return table


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON; write null for a missing value")


def _refuse_unknown(
    path: Path, where: str | None, values: Mapping[str, Any], known: frozenset[str]
) -> None:
    unknown = [n for n in values if n not in known and not n.startswith(EXTRA_PREFIX)]
    if unknown:
        raise SourceError(
            path,
            f"unknown {', '.join(map(repr, unknown))}; expected some of "
            f"{', '.join(sorted(known))}, or names of your own that begin with {EXTRA_PREFIX!r}",
            where,
        )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
