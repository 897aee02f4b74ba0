"""The nine nuScenes tables that clips need, joined once into arrays sorted by scene.

Tokens become row numbers while the files are read, so that no table of strings but the annotation
tokens and image names stays. What can only be wrong for one scene is not judged here: it is kept
as it is and found when that scene is read, so that one broken scene does not break the others.

Schema: https://www.nuscenes.org/nuscenes#data-format
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.nuscenes_columns import (
    expect_unique,
    index_in,
    joined,
    matrix,
    sorted_by_sample,
)
from stkit_datasets.sources.nuscenes_drop import drop_sweeps, unwanted_dropper
from stkit_datasets.sources.nuscenes_json import read_chunks, read_table

Int32Array = NDArray[np.int32]

CAMERAS = (
    "CAM_FRONT",
    "CAM_FRONT_RIGHT",
    "CAM_BACK_RIGHT",
    "CAM_BACK",
    "CAM_BACK_LEFT",
    "CAM_FRONT_LEFT",
)
"""Clockwise seen from above, from the front."""

TABLES = (
    "scene",
    "sample",
    "sample_annotation",
    "instance",
    "category",
    "sensor",
    "calibrated_sensor",
    "sample_data",
    "ego_pose",
)

_TEXT, _INT, _NUMBERS = pa.string(), pa.int64(), pa.list_(pa.float64())
_SCHEMAS = {
    "scene": {"token": _TEXT, "name": _TEXT},
    "sample": {"token": _TEXT, "timestamp": _INT, "next": _TEXT, "scene_token": _TEXT},
    "sample_annotation": {
        "token": _TEXT,
        "sample_token": _TEXT,
        "instance_token": _TEXT,
        "translation": _NUMBERS,
        "size": _NUMBERS,
        "rotation": _NUMBERS,
    },
    "instance": {"token": _TEXT, "category_token": _TEXT},
    "category": {"token": _TEXT, "name": _TEXT},
    "sensor": {"token": _TEXT, "channel": _TEXT},
    "calibrated_sensor": {
        "token": _TEXT,
        "sensor_token": _TEXT,
        "translation": _NUMBERS,
        "rotation": _NUMBERS,
        "camera_intrinsic": pa.list_(_NUMBERS),
    },
    "sample_data": {
        "token": _TEXT,
        "sample_token": _TEXT,
        "ego_pose_token": _TEXT,
        "calibrated_sensor_token": _TEXT,
        "is_key_frame": pa.bool_(),
        "height": _INT,
        "width": _INT,
        "filename": _TEXT,
    },
    "ego_pose": {"token": _TEXT, "translation": _NUMBERS, "rotation": _NUMBERS},
}


def table_path(version_dir: Path, table: str) -> Path:
    """Return the file of a table."""
    return version_dir / f"{table}.json"


def build_tables(version_dir: Path) -> dict[str, Any]:
    """Read the official tables and join them; see ``nuscenes_cache.Index`` for the columns.

    Raises:
        SourceError: a table is missing, broken, or refers to a row that another has not.
    """
    return _Builder(version_dir).build()


class _Builder:
    def __init__(self, version_dir: Path) -> None:
        self._dir = version_dir

    def build(self) -> dict[str, Any]:
        scenes, samples = self._scenes_and_samples()
        sample_tokens = samples["token"].combine_chunks()
        instances = self._instances()
        calibrations, channels = self._calibrations()
        # The boxes are mostly Arrow's work, the images mostly Python's: side by side they keep two
        # cores busy. An error of the boxes comes first, whichever was found first.
        with ThreadPoolExecutor(1) as pool:
            images_read = pool.submit(
                self._images, sample_tokens, calibrations["token"].combine_chunks(), channels
            )
            boxes = self._boxes(sample_tokens, instances["token"].combine_chunks())
            images = images_read.result()
        bounds = samples["scene"].to_numpy().searchsorted(np.arange(len(scenes) + 1))
        scenes = scenes.append_column("first_sample", pa.array(bounds[:-1], pa.int64()))
        scenes = scenes.append_column("stop_sample", pa.array(bounds[1:], pa.int64()))
        return {
            "scenes": scenes,
            "samples": samples.drop_columns(["scene"]),
            "instances": instances,
            "boxes": boxes,
            "calibrations": calibrations,
            "images": images,
        }

    def _path(self, table: str) -> Path:
        return table_path(self._dir, table)

    def _schema(self, table: str) -> Any:
        return pa.schema(_SCHEMAS[table])

    def _read(self, table: str, unique: str = "token") -> Any:
        rows = read_table(self._path(table), self._schema(table))
        expect_unique(self._path(table), rows[unique], unique)
        return rows

    def _rows_of(self, table: str, rows: Any, column: str, target: str, tokens: Any) -> Int32Array:
        """Return the row numbers in ``target`` that a column of tokens refers to."""
        found = index_in(rows[column], tokens)
        if found.null_count:
            row = pc.index(found.is_null(), True).as_py()
            token, missing = rows["token"][row].as_py(), rows[column][row].as_py()
            raise SourceError(
                self._path(table),
                f"{column} {missing!r} is not a token of {target}.json",
                f"token {token!r}",
            )
        return np.asarray(found.to_numpy(), dtype=np.int32)

    def _scenes_and_samples(self) -> tuple[Any, Any]:
        scenes = self._read("scene").sort_by("name")
        expect_unique(self._path("scene"), scenes["name"], "name")
        samples = self._read("sample")
        scene = self._rows_of("sample", samples, "scene_token", "scene", scenes["token"])
        order = np.lexsort((samples["timestamp"].to_numpy(), scene))
        samples = samples.take(order)
        following = pc.index_in(samples["next"], value_set=samples["token"])
        # -1 is the end of a scene, -2 a token that is in no row.
        following = pc.if_else(pc.equal(samples["next"], ""), -1, pc.fill_null(following, -2)).cast(
            pa.int32()
        )
        columns = {
            "token": samples["token"],
            "timestamp_us": samples["timestamp"],
            "next": following,
            "scene": pa.array(scene[order]),
        }
        return scenes, pa.table(columns).combine_chunks()

    def _instances(self) -> Any:
        instances, categories = self._read("instance"), self._read("category")
        category = self._rows_of(
            "instance", instances, "category_token", "category", categories["token"]
        )
        names = categories["name"].take(category)
        return pa.table({"token": instances["token"], "category": names}).combine_chunks()

    def _boxes(self, sample_tokens: Any, instance_tokens: Any) -> Any:
        path = self._path("sample_annotation")

        def convert(rows: Any) -> Any:
            values = matrix(path, rows, {"translation": 3, "size": 3, "rotation": 4})
            # The same few tokens again and again: held once a chunk.
            encoded = {
                name: rows[name].combine_chunks().dictionary_encode()
                for name in ("sample_token", "instance_token")
            }
            return pa.table({"token": rows["token"], **encoded, "values": values})

        # The largest table: never joined while its rows still hold the tokens of others.
        rows = pa.concat_tables(read_chunks(path, self._schema("sample_annotation"), convert))
        for name, tokens in (("sample", sample_tokens), ("instance", instance_tokens)):
            found = self._rows_of("sample_annotation", rows, f"{name}_token", name, tokens)
            rows = rows.drop_columns([f"{name}_token"]).append_column(name, pa.array(found))
        return sorted_by_sample(rows)

    def _calibrations(self) -> tuple[Any, NDArray[np.int8]]:
        """Return the calibrations and which of ``CAMERAS`` each is of, -1 for other sensors."""
        path = self._path("calibrated_sensor")
        sensors, rows = self._read("sensor"), self._read("calibrated_sensor")
        tokens = sensors["token"]
        sensor = self._rows_of("calibrated_sensor", rows, "sensor_token", "sensor", tokens)
        channel = pc.index_in(sensors["channel"], value_set=pa.array(CAMERAS))
        channels = np.asarray(pc.fill_null(channel, -1).to_numpy(), dtype=np.int8)[sensor]
        problems: list[str | None] = []
        intrinsics = np.full((rows.num_rows, 9), np.nan)
        for i, given in enumerate(rows["camera_intrinsic"].to_pylist()):
            if [len(line) for line in given] == [3, 3, 3]:
                intrinsics[i] = np.ravel(given)
                problems.append(None)
            else:
                problems.append(
                    "camera_intrinsic must be 3 lists of 3 numbers, got lengths "
                    f"{[len(line) for line in given]}"
                )
        table = pa.table(
            {
                "token": rows["token"],
                "pose": matrix(path, rows, {"translation": 3, "rotation": 4}),
                "intrinsics": pa.FixedSizeListArray.from_arrays(intrinsics.ravel(), 9),
                "problem": pa.array(problems, pa.string()),
            }
        )
        return table.combine_chunks(), channels

    def _images(
        self, sample_tokens: Any, calibration_tokens: Any, channels: NDArray[np.int8]
    ) -> Any:
        """The camera images of the keyframes, each with its own ego pose."""
        # Of other sensors, that is; what is of no known one is kept and is an error below.
        unwanted = calibration_tokens.filter(pa.array(channels < 0))

        def convert(rows: Any) -> Any:
            of_others = pc.is_in(rows["calibrated_sensor_token"], value_set=unwanted)
            rows = rows.filter(pc.and_(rows["is_key_frame"], pc.invert(of_others)))
            return rows.drop_columns(["is_key_frame"])

        path = self._path("sample_data")
        rows = joined(read_chunks(path, self._schema("sample_data"), convert, drop_sweeps))
        calibration = self._rows_of(
            "sample_data",
            rows,
            "calibrated_sensor_token",
            "calibrated_sensor",
            calibration_tokens,
        )
        keep = np.flatnonzero(channels[calibration] >= 0)
        rows, calibration = rows.take(keep), calibration[keep]
        sample = self._rows_of("sample_data", rows, "sample_token", "sample", sample_tokens)
        images = pa.table(
            {
                "token": rows["token"],
                "sample": sample,
                "camera": channels[calibration],
                "calibration": calibration,
                "width_px": rows["width"],
                "height_px": rows["height"],
                "filename": rows["filename"],
                "ego_pose_token": rows["ego_pose_token"],
            }
        )
        images = sorted_by_sample(images)
        wanted = images["ego_pose_token"].combine_chunks()
        tokens, poses = self._ego_poses(wanted)
        row = pc.index_in(wanted, value_set=tokens)
        # A missing pose is a matter of its scene: NaN here, an error when that is read.
        poses = np.concatenate([poses, np.full((1, 7), np.nan)])
        ego = poses[pc.fill_null(row, len(poses) - 1).to_numpy()]
        images = images.append_column("ego", pa.FixedSizeListArray.from_arrays(ego.ravel(), 7))
        return images.append_column("ego_known", pc.is_valid(row)).combine_chunks()

    def _ego_poses(self, wanted: Any) -> tuple[Any, NDArray[np.float64]]:
        path = self._path("ego_pose")

        def convert(rows: Any) -> Any:
            values = matrix(path, rows, {"translation": 3, "rotation": 4})
            return pa.table({"token": rows["token"], "values": values})

        drop = unwanted_dropper(wanted)
        rows = joined(read_chunks(path, self._schema("ego_pose"), convert, drop))
        rows = rows.filter(pc.is_in(rows["token"], value_set=wanted)).combine_chunks()
        expect_unique(path, rows["token"], "token")
        values = rows["values"].combine_chunks().flatten().to_numpy()
        return rows["token"].combine_chunks(), values.reshape(-1, 7)
