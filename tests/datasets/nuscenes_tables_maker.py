"""Write nuScenes tables of any number of scenes in the official schema, order and layout.

Field order and formatting (``indent=0``, so one value a line) are those of the v1.0 release. With
850 scenes the counts are those of v1.0-trainval: 34,149 samples, 64,386 instances, 1,166,187 boxes
and, with sweeps, about 2.6 million rows of sample_data and of ego_pose each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

import numpy as np

CAMERAS = {
    "CAM_FRONT": 0.0,
    "CAM_FRONT_RIGHT": -55.0,
    "CAM_BACK_RIGHT": -110.0,
    "CAM_BACK": 180.0,
    "CAM_BACK_LEFT": 110.0,
    "CAM_FRONT_LEFT": 55.0,
}
_RADARS = tuple(
    f"RADAR_{place}" for place in ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "BACK_LEFT", "BACK_RIGHT")
)
TABLES = (
    "attribute",
    "calibrated_sensor",
    "category",
    "ego_pose",
    "instance",
    "log",
    "map",
    "sample",
    "sample_annotation",
    "sample_data",
    "scene",
    "sensor",
    "visibility",
)
# Records of one channel between two keyframes at 12, 20 and 13 Hz.
_RATES = dict.fromkeys(CAMERAS, 6) | {"LIDAR_TOP": 10} | dict.fromkeys(_RADARS, 6)
_CATEGORIES = ("vehicle.car", "human.pedestrian.adult", "movable_object.trafficcone", "animal")
_SPEEDS_MPS = (8.0, 1.4, 0.0, 1.0)
_SIZES_WLH_M = ((1.9, 4.6, 1.7), (0.7, 0.8, 1.8), (0.4, 0.4, 1.1), (0.4, 0.9, 0.6))


class _Tokens:
    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)

    def __call__(self) -> str:
        return self.take(1)[0]

    def take(self, n: int) -> list[str]:
        text = self._random.bytes(16 * n).hex()
        return [text[i : i + 32] for i in range(0, 32 * n, 32)]


class _Table:
    """A JSON array that is written row by row."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._first = True

    def write(self, texts: Iterable[str]) -> None:
        body = ",\n".join(texts)
        if body:
            self._file.write(("[\n" if self._first else ",\n") + body)
            self._first = False

    def add(self, *rows: dict[str, Any]) -> None:
        self.write(json.dumps(row, indent=0) for row in rows)

    def close(self) -> None:
        self._file.write("[]" if self._first else "\n]")


def write_release(
    root: Path, version: str, scene_names: Iterable[str], seed: int = 0, sweeps: bool = True
) -> Path:
    """Write ``root/version`` and the (empty) map file that the devkit wants; return the former."""
    folder = root / version
    folder.mkdir(parents=True)
    (root / "maps").mkdir()
    (root / "maps" / "map.png").touch()
    with ExitStack() as stack:
        tables: dict[str, _Table] = {}
        for name in TABLES:
            file = stack.enter_context((folder / f"{name}.json").open("w", encoding="utf-8"))
            tables[name] = _Table(file)
            stack.callback(tables[name].close)
        _Writer(tables, _Tokens(seed), np.random.default_rng(seed + 1), sweeps).write(scene_names)
    return folder


class _Writer:
    def __init__(
        self, tables: dict[str, _Table], token: _Tokens, rng: np.random.Generator, sweeps: bool
    ) -> None:
        self._tables, self._token, self._rng, self._sweeps = tables, token, rng, sweeps
        self._n_instances = 0
        self._sensors = {channel: token() for channel in _RATES}
        self._categories = [token() for _ in _CATEGORIES]
        self._attribute = token()

    def write(self, scene_names: Iterable[str]) -> None:
        add = {name: table.add for name, table in self._tables.items()}
        for channel, token in self._sensors.items():
            modality = {"C": "camera", "L": "lidar", "R": "radar"}[channel[0]]
            add["sensor"]({"token": token, "channel": channel, "modality": modality})
        for name, token in zip(_CATEGORIES, self._categories, strict=True):
            add["category"]({"token": token, "name": name, "description": f"{name}, made up"})
        add["attribute"]({"token": self._attribute, "name": "none", "description": ""})
        add["visibility"]({"description": "all", "token": "4", "level": "v80-100"})
        log = self._token()
        add["log"](
            {"token": log, "logfile": "n000", "vehicle": "n000", "date_captured": "2018-01-01",
             "location": "nowhere"}
        )  # fmt: skip
        add["map"](
            {"category": "semantic_prior", "token": self._token(), "filename": "maps/map.png",
             "log_tokens": [log]}
        )  # fmt: skip
        for number, name in enumerate(scene_names):
            self._scene(number, name, log)

    def _scene(self, number: int, name: str, log: str) -> None:
        scene, n = self._token(), 41 if number % 850 < 149 else 40
        samples = self._token.take(n)
        start_us = 1_532_402_927_000_000 + number * 60_000_000
        times_us = start_us + 500_000 * np.arange(n) + self._rng.integers(-40_000, 40_000, n)
        self._tables["scene"].add(
            {"token": scene, "log_token": log, "nbr_samples": n, "first_sample_token": samples[0],
             "last_sample_token": samples[-1], "name": name, "description": "A straight road"}
        )  # fmt: skip
        self._tables["sample"].add(
            *(
                {"token": token, "timestamp": int(time), "prev": prev, "next": following,
                 "scene_token": scene}
                for token, time, (prev, following) in zip(
                    samples, times_us, _neighbours(samples), strict=True
                )
            )
        )  # fmt: skip
        self._instances(number, samples, times_us)
        for channel in _RATES:
            self._records(name, channel, samples, times_us)

    def _instances(self, number: int, samples: list[str], times_us: np.ndarray) -> None:
        for _ in range(76 if number % 850 < 636 else 75):
            length = 19 if self._n_instances % 64_386 < 7_239 else 18
            self._n_instances += 1
            kind = int(self._rng.integers(len(_CATEGORIES)))
            first = int(self._rng.integers(len(samples) - length + 1))
            tokens, instance = self._token.take(length), self._token()
            self._tables["instance"].add(
                {"token": instance, "category_token": self._categories[kind],
                 "nbr_annotations": length, "first_annotation_token": tokens[0],
                 "last_annotation_token": tokens[-1]}
            )  # fmt: skip
            heading = float(self._rng.uniform(-math.pi, math.pi))
            seconds = (times_us[first : first + length] - times_us[0]) / 1e6
            along = _SPEEDS_MPS[kind] * seconds[:, None]
            centers = (
                self._rng.uniform([0, -20, 0.5], [120, 20, 1.5])
                + along * [math.cos(heading), math.sin(heading), 0.0]
            ).round(3)
            self._tables["sample_annotation"].write(
                f'{{\n"token": "{token}",\n"sample_token": "{sample}",\n'
                f'"instance_token": "{instance}",\n"visibility_token": "4",\n'
                f'"attribute_tokens": [\n"{self._attribute}"\n],\n'
                f'"translation": {_numbers(center)},\n"size": {_numbers(_SIZES_WLH_M[kind])},\n'
                f'"rotation": {_numbers(_yaw(heading))},\n'
                f'"prev": "{prev}",\n"next": "{following}",\n'
                f'"num_lidar_pts": 5,\n"num_radar_pts": 0\n}}'
                for token, sample, center, (prev, following) in zip(
                    tokens, samples[first : first + length], centers.tolist(),
                    _neighbours(tokens), strict=True,
                )
            )  # fmt: skip

    def _records(self, scene: str, channel: str, samples: list[str], times_us: np.ndarray) -> None:
        camera = channel in CAMERAS
        calibration = self._token()
        self._tables["calibrated_sensor"].add(
            {
                "token": calibration,
                "sensor_token": self._sensors[channel],
                "translation": [1.70079118954, 0.0159456324149, 1.51095763913],
                "rotation": _camera_rotation(CAMERAS[channel]) if camera else [1.0, 0.0, 0.0, 0.0],
                "camera_intrinsic": [[1266.417203046554, 0.0, 816.2670197447984],
                                     [0.0, 1266.417203046554, 491.50706579294757],
                                     [0.0, 0.0, 1.0]] if camera else [],
            }
        )  # fmt: skip
        rate = _RATES[channel] if self._sweeps else 1
        step_us = 500_000 // rate
        stamps = (times_us[:, None] + 1_000 + step_us * np.arange(rate)).ravel().tolist()
        tokens = self._token.take(len(stamps))
        suffix, shape = ("jpg", (900, 1600)) if camera else ("pcd", (0, 0))
        self._tables["sample_data"].write(
            f'{{\n"token": "{token}",\n"sample_token": "{samples[i // rate]}",\n'
            f'"ego_pose_token": "{token}",\n"calibrated_sensor_token": "{calibration}",\n'
            f'"timestamp": {stamp},\n"fileformat": "{suffix}",\n'
            f'"is_key_frame": {"false" if i % rate else "true"},\n'
            f'"height": {shape[0]},\n"width": {shape[1]},\n'
            f'"filename": "{"sweeps" if i % rate else "samples"}/{channel}/'
            f'n000-2018-01-01-00-00-00+0800__{scene}__{channel}__{stamp}.{suffix}",\n'
            f'"prev": "{prev}",\n"next": "{following}"\n}}'
            for i, (token, stamp, (prev, following)) in enumerate(
                zip(tokens, stamps, _neighbours(tokens), strict=True)
            )
        )
        seconds = (np.asarray(stamps) - times_us[0]) / 1e6
        wobble = self._rng.normal(0, 0.002, (len(stamps), 4)) + np.array([1.0, 0.0, 0.0, 0.0])
        wobble /= np.linalg.norm(wobble, axis=1, keepdims=True)
        self._tables["ego_pose"].write(
            f'{{\n"token": "{token}",\n"timestamp": {stamp},\n"rotation": {_numbers(rotation)},\n'
            f'"translation": {_numbers((5.1 * second, 0.03 * second, 0.0))}\n}}'
            for token, stamp, rotation, second in zip(
                tokens, stamps, wobble.tolist(), seconds.tolist(), strict=True
            )
        )


def _neighbours(tokens: list[str]) -> Iterator[tuple[str, str]]:
    return zip(["", *tokens[:-1]], [*tokens[1:], ""], strict=True)


def _numbers(values: Iterable[float]) -> str:
    return "[\n" + ",\n".join(map(repr, values)) + "\n]"


def _yaw(radians: float) -> list[float]:
    return [math.cos(radians / 2), 0.0, 0.0, math.sin(radians / 2)]


def _camera_rotation(yaw_deg: float) -> list[float]:
    """Return ego from camera: the optical axes, then a turn about the car's up axis."""
    a, _, _, d = _yaw(math.radians(yaw_deg))
    # (a, 0, 0, d) times (0.5, -0.5, 0.5, -0.5), the camera that looks forward.
    return [0.5 * (a + d), -0.5 * (a + d), 0.5 * (a - d), 0.5 * (d - a)]
