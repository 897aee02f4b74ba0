"""One Argoverse 2 log from files to tracks and image boxes: this package beside av2's readers.

Both do the same job: boxes with their track ids at the 0.5 s grid, in the city frame, and their
corners projected into the seven ring cameras. Each runs in a process and an environment of its
own, in turns, in one run::

    python benchmarks/bench_argoverse2_read.py LOG_FOLDER --peer-python av2-venv/bin/python

``LOG_FOLDER`` is ``…/val/<log>``; tests/golden/make_argoverse2.py says how to make the peer's
environment. Without ``--peer-python`` only this package is timed.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Digest = dict[str, Any]
"""What a job found, to show that both did the same: counts and a sum over all centres."""


def ours(log_dir: Path) -> Digest:
    """Read a log with this package."""
    import numpy as np

    from stkit_datasets import geometry
    from stkit_datasets.sources.argoverse2 import Argoverse2

    result = Argoverse2(log_dir.parents[1]).read("validation", log_dir.name)
    in_front = 0
    for clip in result.clips:
        boxes = geometry.project_boxes(
            clip.tracks.corners_m,
            clip.camera_SE3_world,
            clip.camera.intrinsics,
            clip.camera.width_px,
            clip.camera.height_px,
        )
        in_front += int((boxes.depths_m > 0).sum())
    tracks = result.clips[0].tracks
    return {
        "cameras": len(result.clips),
        "tracks": len(tracks),
        "boxes": int(tracks.annotated.sum()),
        "boxes_before_a_camera": in_front,
        "sum_of_centers_m": float(np.nansum(tracks.centers_m)),
    }


def peer(log_dir: Path) -> Digest:
    """Do the same with av2's readers and classes."""
    import numpy as np
    from av2.datasets.sensor.constants import RingCameras
    from av2.geometry.camera.pinhole_camera import PinholeCamera
    from av2.structures.cuboid import CuboidList
    from av2.utils.io import read_city_SE3_ego, read_feather

    annotations = log_dir / "annotations.feather"
    cuboids = CuboidList.from_feather(annotations).cuboids
    track_uuids = read_feather(annotations)["track_uuid"].tolist()
    city_SE3_ego = read_city_SE3_ego(log_dir)
    cameras = [PinholeCamera.from_feather(log_dir, camera.value) for camera in RingCameras]

    sweeps: dict[int, list[int]] = {}
    for row, cuboid in enumerate(cuboids):
        sweeps.setdefault(cuboid.timestamp_ns, []).append(row)
    times = sorted(sweeps)
    tracks: dict[str, dict[int, Any]] = {}
    boxes_px: dict[tuple[str, int, str], Any] = {}
    in_front, total = 0, 0.0
    step_ns = 500_000_000
    for k in range((times[-1] - times[0] + 10_000_000) // step_ns + 1):
        stamp = min(times, key=lambda t: abs(t - times[0] - step_ns * k))
        at_sweep = CuboidList([cuboids[row] for row in sweeps[stamp]])
        in_city = at_sweep.transform(city_SE3_ego[stamp])
        for row, cuboid in zip(sweeps[stamp], in_city.cuboids, strict=True):
            tracks.setdefault(track_uuids[row], {})[stamp] = cuboid
            total += float(cuboid.xyz_center_m.sum())
        vertices_m = at_sweep.vertices_m
        for camera in cameras:
            uv_px, points_cam, _ = camera.project_ego_to_img(vertices_m.reshape(-1, 3))
            low = uv_px.reshape(-1, 8, 2).min(axis=1)
            high = uv_px.reshape(-1, 8, 2).max(axis=1)
            depths_m = points_cam[:, 2].reshape(-1, 8).mean(axis=1)
            in_front += int((depths_m > 0).sum())
            for row, box in zip(sweeps[stamp], np.hstack([low, high]), strict=True):
                boxes_px[track_uuids[row], stamp, camera.cam_name] = box
    return {
        "cameras": len(cameras),
        "tracks": len(tracks),
        "boxes": sum(map(len, tracks.values())),
        "boxes_before_a_camera": in_front,
        "sum_of_centers_m": total,
    }


JOBS: dict[str, Callable[[Path], Digest]] = {"ours": ours, "peer": peer}


def measure(role: str, log_dir: Path, repeats: int) -> None:
    """Time one job in this process and print what came out as a line of JSON."""
    job = JOBS[role]
    start = time.perf_counter()
    digest = job(log_dir)
    first_s = time.perf_counter() - start
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        job(log_dir)
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"first_s": first_s, "seconds": seconds, "digest": digest}))


def run(role: str, python: str, log_dir: Path, repeats: int) -> dict[str, Any]:
    """Time one job in a process of its own."""
    command = [python, __file__, str(log_dir), "--role", role, "--repeats", str(repeats)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise SystemExit(f"{role} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> None:
    """Compare, or measure one side when called as one of the two processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("log_dir", type=Path, help="…/val/<log>, a log of the sensor data set")
    parser.add_argument("--peer-python", help="the Python of an environment with av2")
    parser.add_argument("--repeats", type=int, default=5, help="timed runs after a first one")
    parser.add_argument("--rounds", type=int, default=2, help="turns of both sides")
    parser.add_argument("--role", choices=sorted(JOBS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    log_dir = arguments.log_dir.resolve()
    if arguments.role:
        measure(arguments.role, log_dir, arguments.repeats)
        return

    pythons = {"ours": sys.executable}
    if arguments.peer_python:
        pythons["peer"] = arguments.peer_python
    results: dict[str, list[dict[str, Any]]] = {role: [] for role in pythons}
    for _ in range(arguments.rounds):
        for role, python in pythons.items():
            results[role].append(run(role, python, log_dir, arguments.repeats))
    medians = {}
    for role, rounds in results.items():
        medians[role] = statistics.median(s for result in rounds for s in result["seconds"])
        first_s = statistics.median(result["first_s"] for result in rounds)
        print(f"{role:5} {medians[role]:8.4f} s warm, {first_s:8.4f} s the first time with imports")
        print(f"      {rounds[0]['digest']}")
    if "peer" in medians:
        print(f"ratio {medians['peer'] / medians['ours']:.1f}x")


if __name__ == "__main__":
    main()
