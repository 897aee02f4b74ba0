"""An Argoverse 2 log with two objects that stay in view and move."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from argoverse2_maker import START_NS, annotations_table, make_log


def make_busy_log(root: Path, log: str, split: str = "val", **more) -> Path:
    """A log whose car and walker stay ahead of the ego car, in view of the front camera."""
    sweeps = START_NS + 100_000_000 * np.arange(36, dtype=np.int64)
    table = annotations_table(sweeps)
    seconds = (table["timestamp_ns"].to_numpy() - START_NS) / 1e9
    is_car = np.asarray(table["track_uuid"]) == "car"
    ahead = {"tx_m": np.where(is_car, 14 + seconds, 9.0), "ty_m": np.where(is_car, 1.5, -2.0)}
    ahead["tz_m"] = np.full(len(seconds), 1.0)
    for name, values in ahead.items():
        column = table.schema.get_field_index(name)
        table = table.set_column(column, name, pa.array(values))
    return make_log(root, split, log, tables={"annotations.feather": table}, **more)
