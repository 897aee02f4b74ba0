"""One Argoverse 2 log from its files to question rows without video, beside av2's data loader.

Both sides make the same rows with the same code for questions and rows; they differ in how a log
becomes tracks and image boxes. The peer takes the way that av2 documents: ``AV2SensorDataLoader``
for labels and poses sweep by sweep, ``Cuboid.transform`` into the city, and ``PinholeCamera`` for
the seven ring cameras. It leaves out boxes that reach behind a camera, which av2 does not cut at
the image plane, and measures no occlusion, so its rows differ a little. Run it where both are
installed, see tests/golden/make_argoverse2.py::

    python benchmarks/bench_argoverse2_rows.py LOG_FOLDER
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

STEP_NS, SNAP_NS = 500_000_000, 10_000_000


def ours(log_dir: Path) -> Any:
    """Build the rows with this package."""
    from stkit_datasets.rows import RowConfig
    from stkit_datasets.sources.argoverse2 import Argoverse2
    from stkit_datasets.units_of_work import joined, unit_rows

    built = unit_rows(
        Argoverse2(log_dir.parents[1]), "validation", log_dir.name, RowConfig(video="none")
    )
    return joined(built.tables)


def peer(log_dir: Path) -> Any:
    """Build them from what av2's data loader gives."""
    from av2.datasets.sensor.av2_sensor_dataloader import AV2SensorDataLoader
    from av2.datasets.sensor.constants import RingCameras
    from av2.utils.io import read_feather

    from stkit_datasets.rows import RowConfig, clip_rows
    from stkit_datasets.units_of_work import joined

    loader = AV2SensorDataLoader(log_dir.parent, log_dir.parent)
    log = log_dir.name
    # The loader's cuboids carry no track ids, so those are read beside it.
    table = read_feather(log_dir / "annotations.feather")
    ids_at = {t: list(part) for t, part in table.groupby("timestamp_ns")["track_uuid"]}
    sweeps = sorted(ids_at)
    n_frames = (sweeps[-1] - sweeps[0] + SNAP_NS) // STEP_NS + 1
    stamps = [
        min(sweeps, key=lambda t, k=k: abs(t - sweeps[0] - STEP_NS * k)) for k in range(n_frames)
    ]
    if any(abs(t - sweeps[0] - STEP_NS * k) > SNAP_NS for k, t in enumerate(stamps)):
        raise SystemExit("this peer does not interpolate: choose a log with sweeps on the grid")
    cameras = [loader.get_log_pinhole_camera(log, camera.value) for camera in RingCameras]

    seen: dict[str, dict[int, Any]] = defaultdict(dict)
    boxes: dict[str, dict[tuple[str, int], Any]] = defaultdict(dict)
    for frame, stamp in enumerate(stamps):
        cuboids = loader.get_labels_at_lidar_timestamp(log, stamp)
        city_SE3_ego = loader.get_city_SE3_ego(log, stamp)
        for track, cuboid in zip(ids_at[stamp], cuboids.cuboids, strict=True):
            seen[track][frame] = cuboid.transform(city_SE3_ego)
            for camera in cameras:
                pixels, points, _ = camera.project_ego_to_img(cuboid.vertices_m)
                boxes[camera.cam_name][track, frame] = (pixels, points)
    clips = _clips(log, stamps, seen, boxes, cameras)
    config = RowConfig(video="none")
    return joined(tuple(clip_rows(clip, config, config.wording).table for clip in clips))


def _clips(log: str, stamps: list[int], seen: Any, boxes: Any, cameras: Any) -> list[Any]:
    from stkit_datasets.clip import Camera, Clip, Tracks
    from stkit_datasets.sources.argoverse2_tables import KINDS

    names = sorted(seen)
    shape = (len(names), len(stamps))
    centers, sizes = np.full((*shape, 3), np.nan), np.full((*shape, 3), np.nan)
    rotations, keys = np.full((*shape, 4), np.nan), np.full((*shape, 2), -1, dtype=np.int64)
    for i, name in enumerate(names):
        for frame, cuboid in seen[name].items():
            centers[i, frame] = cuboid.xyz_center_m
            sizes[i, frame] = cuboid.dims_lwh_m
            rotations[i, frame] = _quaternion(cuboid.dst_SE3_object.rotation)
            keys[i, frame, 0] = stamps[frame]
    categories = tuple(str(next(iter(seen[name].values())).category) for name in names)
    kinds = tuple(KINDS.get(category, "other") for category in categories)
    tracks = Tracks(tuple(names), categories, kinds, centers, sizes, rotations, keys)
    clips = []
    for view in cameras:
        camera = Camera(view.cam_name, view.width_px, view.height_px, view.intrinsics.K)
        image_boxes = np.full((*shape, 4), np.nan)
        for (name, frame), (pixels, points) in boxes[view.cam_name].items():
            if (points[:, 2] > 0.1).all():
                low, high = pixels.min(axis=0), pixels.max(axis=0)
                limit = [view.width_px, view.height_px]
                low, high = np.clip(low, 0, limit), np.clip(high, 0, limit)
                if (high > low).all():
                    image_boxes[names.index(name), frame] = [*low, *high]
        clips.append(
            Clip(
                source="argoverse2",
                split="validation",
                clip_id=log,
                scene_id=log,
                camera=camera,
                timestamps_s=(np.array(stamps) - stamps[0]) / 1e9,
                tracks=tracks,
                frames=None,
                files=("annotations.feather", "city_SE3_egovehicle.feather"),
                camera_SE3_world=None,
                boxes_px=image_boxes,
            )
        )
    return clips


def _quaternion(rotation: Any) -> Any:
    from scipy.spatial.transform import Rotation

    return Rotation.from_matrix(rotation).as_quat()[[3, 0, 1, 2]]


def measure(role: str, log_dir: Path, repeats: int) -> None:
    """Time one side in this process; the first run, with its imports, is not counted."""
    job = {"ours": ours, "peer": peer}[role]
    table = job(log_dir)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        job(log_dir)
        seconds.append(time.perf_counter() - start)
    targets = table.column("target").to_pylist()
    total_m = sum(t["value_si"] for t in targets if t["task"] == "traveled_distance")
    print(json.dumps({"seconds": seconds, "rows": table.num_rows, "total_m": total_m}))


def main() -> None:
    """Run both sides in turns, each in its own process."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log_dir", type=Path, help="…/val/<log>, a log of the sensor data set")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--role", choices=["ours", "peer"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    log_dir = arguments.log_dir.resolve()
    if arguments.role:
        measure(arguments.role, log_dir, arguments.repeats)
        return
    seconds: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(arguments.rounds):
        for role, values in seconds.items():
            command = [sys.executable, __file__, str(log_dir), "--role", role]
            command += ["--repeats", str(arguments.repeats)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
            result = json.loads(done.stdout.splitlines()[-1])
            values += result["seconds"]
            print(f"{role}: {result['rows']} rows, distances sum to {result['total_m']:.3f} m")
    medians = {role: statistics.median(values) for role, values in seconds.items()}
    print(f"ours {medians['ours']:.3f} s, av2's data loader {medians['peer']:.3f} s")
    print(f"ratio {medians['peer'] / medians['ours']:.1f}x; goal: under 0.25 s and 10x")


if __name__ == "__main__":
    main()
