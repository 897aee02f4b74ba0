"""Raw annotation files as ``independent.Scene``; the packages under test are not used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.feather
from independent import Cuboid, Pose, Scene, View

CLIP_FRAMES = 40
"""A clip is at most 20 s; the one keyframe that may be left over makes no clip of its own."""
GRID_NS = 500_000_000
TOLERANCE_NS = 10_000_000
MAX_GAP_NS = 250_000_000


def read_argoverse2(log: Path) -> Scene:
    """One Argoverse 2 sensor log: cuboids in the city frame on a grid of 0.5 s.

    There are no images to take a camera's own time from, so a camera stands where the vehicle
    stands at the time of the frame.
    """
    annotations = _rows(log / "annotations.feather")
    poses = {row["timestamp_ns"]: _pose(row) for row in _rows(log / "city_SE3_egovehicle.feather")}
    frames = _grid(sorted({row["timestamp_ns"] for row in annotations}))
    scene = Scene(log.name, [(t - frames[0]) / 1e9 for t in frames])

    by_track: dict[str, dict[int, Cuboid]] = {}
    for row in annotations:
        cuboid = Cuboid(
            poses[row["timestamp_ns"]].after(_pose(row)),
            row["length_m"],
            row["width_m"],
            row["height_m"],
            (str(row["timestamp_ns"]),),
        )
        by_track.setdefault(row["track_uuid"], {})[row["timestamp_ns"]] = cuboid
        scene.categories[row["track_uuid"]] = row["category"]
    for track_id, annotated in by_track.items():
        scene.cuboids[track_id] = [_at(annotated, t) for t in frames]

    vehicle = [_pose_at(poses, t) for t in frames]
    calibration = log / "calibration"
    mounts = {
        row["sensor_name"]: _pose(row)
        for row in _rows(calibration / "egovehicle_SE3_sensor.feather")
    }
    for row in _rows(calibration / "intrinsics.feather"):
        lens = row["fx_px"], row["fy_px"], row["cx_px"], row["cy_px"]
        size = row["width_px"], row["height_px"]
        scene.views[row["sensor_name"]] = [
            View(pose.after(mounts[row["sensor_name"]]), *lens, *size) for pose in vehicle
        ]
    return scene


def _rows(path: Path) -> list[dict]:
    return pyarrow.feather.read_table(path).to_pylist()


def _pose(row: dict) -> Pose:
    translation = (row["tx_m"], row["ty_m"], row["tz_m"])
    return Pose.from_quaternion(row["qw"], row["qx"], row["qy"], row["qz"], translation)


def _grid(sweeps: list[int]) -> list[int]:
    """The sweep at every half second; the time itself where there is none."""
    frames: list[int] = []
    wanted = sweeps[0]
    while len(frames) < CLIP_FRAMES and wanted <= sweeps[-1] + TOLERANCE_NS:
        off, nearest = min((abs(sweep - wanted), sweep) for sweep in sweeps)
        frames.append(nearest if off <= TOLERANCE_NS else wanted)
        wanted += GRID_NS
    return frames


def _at(annotated: dict[int, Cuboid], time_ns: int) -> Cuboid | None:
    """The cuboid at a time: its own, else between neighbours that are near enough in time."""
    _, nearest = min((abs(t - time_ns), t) for t in annotated)
    if abs(nearest - time_ns) <= TOLERANCE_NS:
        return annotated[nearest]
    before = max((t for t in annotated if t < time_ns), default=None)
    after = min((t for t in annotated if t > time_ns), default=None)
    if before is None or after is None or after - before > MAX_GAP_NS:
        return None
    a, b = annotated[before], annotated[after]
    pose = _between(a.world_from_box, b.world_from_box, (time_ns - before) / (after - before))
    return Cuboid(pose, a.length_m, a.width_m, a.height_m, a.tokens + b.tokens)


def _between(a: Pose, b: Pose, share: float) -> Pose:
    left, _, right = np.linalg.svd((1 - share) * a.rotation + share * b.rotation)
    # left @ right is the rotation nearest to the blend of the two.
    return Pose(left @ right, (1 - share) * a.translation + share * b.translation)


def _pose_at(poses: dict[int, Pose], time_ns: int) -> Pose:
    if time_ns in poses:
        return poses[time_ns]
    before = max(t for t in poses if t < time_ns)
    after = min(t for t in poses if t > time_ns)
    return _between(poses[before], poses[after], (time_ns - before) / (after - before))


def read_nuscenes(tables: Path, scene_name: str) -> Scene:
    """One nuScenes scene: boxes in the global frame at its keyframes, cameras at their own time."""

    def table(name: str) -> dict[str, dict]:
        rows = json.loads((tables / f"{name}.json").read_text(encoding="utf-8"))
        return {row["token"]: row for row in rows}

    samples = table("sample")
    (record,) = (row for row in table("scene").values() if row["name"] == scene_name)
    order = [record["first_sample_token"]]
    while samples[order[-1]]["next"]:
        order.append(samples[order[-1]]["next"])
    assert len(order) == record["nbr_samples"]
    order = order[:CLIP_FRAMES]
    start_us = samples[order[0]]["timestamp"]
    scene = Scene(scene_name, [(samples[t]["timestamp"] - start_us) / 1e6 for t in order])

    place = {token: k for k, token in enumerate(order)}
    instances, categories = table("instance"), table("category")
    for row in table("sample_annotation").values():
        if row["sample_token"] not in place:
            continue
        instance, k = row["instance_token"], place[row["sample_token"]]
        width, length, height = row["size"]
        scene.categories[instance] = categories[instances[instance]["category_token"]]["name"]
        track = scene.cuboids.setdefault(instance, [None] * len(order))
        assert track[k] is None, "one object, two boxes at one keyframe"
        pose = Pose.from_quaternion(*row["rotation"], row["translation"])
        track[k] = Cuboid(pose, length, width, height, (row["token"],))

    sensors, mounts, poses = table("sensor"), table("calibrated_sensor"), table("ego_pose")
    seen: dict[str, dict[int, View]] = {}
    for row in table("sample_data").values():
        mount = mounts[row["calibrated_sensor_token"]]
        sensor = sensors[mount["sensor_token"]]
        keyframe = row["is_key_frame"] and row["sample_token"] in place
        if not keyframe or sensor["modality"] != "camera":
            continue
        (fx, _, cx), (_, fy, cy), _ = mount["camera_intrinsic"]
        ego = poses[row["ego_pose_token"]]
        world_from_ego = Pose.from_quaternion(*ego["rotation"], ego["translation"])
        ego_from_camera = Pose.from_quaternion(*mount["rotation"], mount["translation"])
        size = row["width"], row["height"]
        seen.setdefault(sensor["channel"], {})[place[row["sample_token"]]] = View(
            world_from_ego.after(ego_from_camera), fx, fy, cx, cy, *size, row["filename"]
        )
    for channel, views in seen.items():
        if len(views) == len(order):
            scene.views[channel] = [views[k] for k in range(len(order))]
    return scene
