"""The JSON files of Ego-Exo4D: which takes there are, their splits, and annotated bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stkit_datasets.clip import FloatArray
from stkit_datasets.errors import SourceError
from stkit_datasets.sources.columns import MAX_MAGNITUDE
from stkit_datasets.sources.csv_tables import read_bytes
from stkit_datasets.sources.ego_exo4d_tables import is_plain_name

TAKES = "takes.json"
SPLITS_FILE = "annotations/splits.json"

_OFFICIAL_SPLITS = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Take:
    """What is read of one entry of ``takes.json``.

    Attributes:
        uid: its identity in the annotations.
        name: its folder.
        task: ``parent_task_name``, e.g. ``Basketball``; empty where it is not given.
        capture: ``capture_name``, the folder of its capture.
        devices: the Aria glasses worn in it.
        timesync_rows: first and last row of the capture's ``timesync.csv``.
    """

    uid: str
    name: str
    task: str
    capture: str
    devices: tuple[str, ...]
    timesync_rows: tuple[int, int]


class Takes:
    """The entries of ``takes.json`` by name; one that is broken is no matter to the others.

    Args:
        uids: the uid of every take.
        takes: what is read of each, or what is wrong with it.
    """

    def __init__(self, uids: Mapping[str, str], takes: Mapping[str, Take | SourceError]) -> None:
        self.uids = uids
        self._takes = takes

    def get(self, name: str) -> Take:
        """Return one take.

        Raises:
            SourceError: its entry is broken.
        """
        take = self._takes[name]
        if isinstance(take, SourceError):
            raise take
        return take


@dataclass(frozen=True)
class _Entry:
    """A JSON object and its place, for errors."""

    path: Path
    where: str
    values: Mapping[str, Any]

    def get(self, name: str, kind: type) -> Any:
        value = self.values.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            found = json.dumps(value)[:40]
            rule = f"expected {name!r} to be of type {kind.__name__}, got {found}"
            raise SourceError(self.path, rule, self.where)
        return value

    def folder(self, name: str) -> str:
        value: str = self.get(name, str)
        if not is_plain_name(value):
            rule = f"expected {name!r} to be the name of a folder, got {value[:40]!r}"
            raise SourceError(self.path, rule, self.where)
        return value


def read_takes(path: Path) -> Takes:
    """Read ``takes.json``, as https://docs.ego-exo4d-data.org/data/metadata describes it.

    Raises:
        SourceError: the file is missing or broken, or an entry has no name of its own or no uid.
    """
    uids: dict[str, str] = {}
    takes: dict[str, Take | SourceError] = {}
    for index, values in enumerate(read_json(path, list)):
        if not isinstance(values, dict):
            raise SourceError(path, "expected an object", f"take {index}")
        entry = _Entry(path, f"take {index}", values)
        name, uid = entry.folder("take_name"), entry.folder("take_uid")
        entry = _Entry(path, f"take {index} ({name})", values)
        if name in uids:
            raise SourceError(path, "expected every take once", entry.where)
        uids[name] = uid
        try:
            takes[name] = _take(entry)
        except SourceError as error:
            takes[name] = error
    return Takes(uids, takes)


def read_splits(path: Path) -> dict[str, str]:
    """Map the uid of every take to ``train``, ``validation`` or ``test``.

    Raises:
        SourceError: the file is missing or broken, or has another split.
    """
    values = read_json(path, dict)
    table = values.get("take_uid_to_split")
    if not isinstance(table, dict):
        raise SourceError(path, "expected an object 'take_uid_to_split', the split of every take")
    splits: dict[str, str] = {}
    for uid, split in table.items():
        if not isinstance(split, str) or split not in _OFFICIAL_SPLITS:
            found = json.dumps(split)[:40]
            rule = f"expected one of {', '.join(_OFFICIAL_SPLITS)}, got {found}"
            raise SourceError(path, rule, f"take_uid_to_split, {uid}")
        splits[uid] = _OFFICIAL_SPLITS[split]
    return splits


def read_bodies(path: Path, min_views: int) -> dict[int, FloatArray]:
    """Map frames of a take's videos to the (J, 3) joints annotated in them, in the file's world.

    The file is ``ego_pose/<split>/body/annotation/<take_uid>.json``: an object of frame numbers,
    each a list of annotations of which the first is read, with the joints' x, y, z in metres and
    ``num_views_for_3d`` in ``annotation3D``.

    Args:
        path: the file.
        min_views: a joint found by fewer cameras is left out.

    Raises:
        SourceError: the file is broken.
    """
    bodies: dict[int, FloatArray] = {}
    for frame, found in read_json(path, dict).items():
        if not (frame.isascii() and frame.isdigit() and len(frame) < 10):
            raise SourceError(path, f"expected the number of a frame, got {frame[:40]!r}")
        first = found[0] if isinstance(found, list) and found else None
        joints = first.get("annotation3D") if isinstance(first, dict) else None
        if not isinstance(joints, dict):
            raise SourceError(path, "expected a list with an 'annotation3D'", f"frame {frame}")
        points = [_joint(path, frame, name, joint, min_views) for name, joint in joints.items()]
        kept = [point for point in points if point is not None]
        bodies[int(frame)] = np.array(kept, dtype=np.float64).reshape(-1, 3)
    return bodies


def read_json(path: Path, kind: type) -> Any:
    """Read a JSON file whose outermost value is a list or an object.

    Raises:
        SourceError: the file is missing, no JSON, or of the other kind.
    """
    try:
        value = json.loads(read_bytes(path).decode("utf-8"))
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(path, f"expected a complete JSON file: {error}") from error
    if not isinstance(value, kind):
        raise SourceError(path, f"expected a {kind.__name__}, got {type(value).__name__}")
    return value


def _take(entry: _Entry) -> Take:
    capture = _Entry(entry.path, f"{entry.where}, capture", entry.get("capture", dict))
    aligned = entry.values.get("frame_aligned_videos")
    devices = []
    for index, values in enumerate(capture.get("cameras", list)):
        if not isinstance(values, dict):
            where = f"{capture.where}, camera {index}"
            raise SourceError(entry.path, "expected an object", where)
        name = _Entry(entry.path, f"{capture.where}, camera {index}", values).get("cam_id", str)
        # There are GoPros on heads, too; only Aria glasses have a trajectory. Of several in the
        # capture the take's are those with a video.
        worn = values.get("is_ego") is True and name.startswith("aria")
        if worn and (not isinstance(aligned, dict) or name in aligned):
            devices.append(name)
    return Take(
        uid=entry.folder("take_uid"),
        name=entry.folder("take_name"),
        task=entry.get("parent_task_name", str) if entry.values.get("parent_task_name") else "",
        capture=capture.folder("capture_name"),
        devices=tuple(devices),
        timesync_rows=(entry.get("timesync_start_idx", int), entry.get("timesync_end_idx", int)),
    )


def _joint(path: Path, frame: str, name: str, joint: object, min_views: int) -> list[float] | None:
    """Return a joint's x, y, z; None when too few cameras saw it."""
    values = joint if isinstance(joint, dict) else {}
    numbers: list[float] = []
    for key in ("x", "y", "z", "num_views_for_3d"):
        value = values.get(key)
        if not isinstance(value, int | float) or not abs(value) <= MAX_MAGNITUDE:
            rule = "expected numbers x, y, z and num_views_for_3d"
            raise SourceError(path, rule, f"frame {frame}, joint {name!r}")
        numbers.append(float(value))
    return numbers[:3] if numbers[3] >= min_views else None
