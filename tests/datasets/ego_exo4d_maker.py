"""Small takes in the official Ego-Exo4D layout, with a path that is a formula.

The glasses are at (1.2 t, 2 sin(t / 2), 1.6) m, t seconds after the first pose. Camera ``cam01``
stands at (3, -8, 1.5) and looks north (+y), ``cam02`` at (3, 8, 1.5) and looks south. The videos'
first frame is taken 0.1 s after the first pose, then 30 a second.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

TAKE, UID = "unc_basketball_03-31-23_01_2", "11111111-aaaa-4bbb-8ccc-000000000001"
CAPTURE = "unc_basketball_03-31-23_01"
WORLD = "ea7288b8-b6a0-012d-8156-257aba6bd796"
START_US = 149_000_000
FIRST_FRAME_S = 0.1
SIZE_PX = (640, 480)
LENS = (300.0, 300.0, 320.0, 240.0, 0.02, -0.004, 0.001, 0.0)
HALF = 0.5**0.5
CAMERAS = {  # position, then w, x, y, z
    "cam01": ((3.0, -8.0, 1.5), (HALF, -HALF, 0.0, 0.0)),
    "cam02": ((3.0, 8.0, 1.5), (0.0, 0.0, -HALF, HALF)),
}
TRAJECTORY = f"takes/{TAKE}/trajectory/closed_loop_trajectory.csv"
CALIBRATION = f"takes/{TAKE}/trajectory/gopro_calibs.csv"
TIMESYNC = f"captures/{CAPTURE}/timesync.csv"
BODIES = f"annotations/ego_pose/val/body/annotation/{UID}.json"
TAKES, SPLITS = "takes.json", "annotations/splits.json"
START_ROW = 3


def position_m(seconds):
    seconds = np.asarray(seconds, dtype=float)
    return np.stack([1.2 * seconds, 2 * np.sin(seconds / 2), 1.6 + 0 * seconds], axis=-1)


def take_entry(name=TAKE, uid=UID, task="Basketball", n_frames=200, **changes):
    cameras = [{"cam_id": "aria01", "is_ego": True}, {"cam_id": "cam05", "is_ego": True}]
    cameras += [{"cam_id": cam, "is_ego": False} for cam in CAMERAS]
    return {
        "root_dir": f"takes/{name}",
        "take_name": name,
        "take_uid": uid,
        "parent_task_name": task,
        "duration_sec": n_frames / 30,
        "timesync_start_idx": START_ROW,
        "timesync_end_idx": START_ROW + 1 + n_frames,
        "capture": {"capture_name": CAPTURE, "cameras": cameras},
        **changes,
    }


def trajectory_text(duration_s, step_us=1000, to_file=None, geo=True):
    """Poses every ``step_us``; ``to_file`` is a rotation from the z-up world to the file's."""
    rotation = np.eye(3) if to_file is None else np.asarray(to_file)
    times_us = np.arange(0, round(duration_s * 1e6) + 1, step_us)
    points = position_m(times_us / 1e6) @ rotation.T
    gravity = rotation @ [0.0, 0.0, -9.81]
    names = (
        "graph_uid,tracking_timestamp_us,utc_timestamp_ns,tx_world_device,ty_world_device,"
        "tz_world_device,qx_world_device,qy_world_device,qz_world_device,qw_world_device,"
        "gravity_x_world,gravity_y_world,gravity_z_world,quality_score"
    ) + (",geo_available,tx_ecef_device" if geo else "")
    tail = f"0.5,0.5,0.5,0.5,{gravity[0]:.6f},{gravity[1]:.6f},{gravity[2]:.6f},1.0"
    tail += ",0,0.000000" if geo else ""
    lines = [
        f"{WORLD},{START_US + time},-1,{x:.9f},{y:.9f},{z:.9f},{tail}"
        for time, (x, y, z) in zip(times_us.tolist(), points.tolist(), strict=True)
    ]
    return "\n".join([names, *lines, ""])


def calibration_text(to_file=None, world=WORLD, stationary="-1,-1", cameras=CAMERAS, lens=LENS):
    """Cameras; with ``to_file``, a half turn about x, their poses are those in the file's world."""
    lines = [
        "cam_uid,graph_uid,tx_world_cam,ty_world_cam,tz_world_cam,qx_world_cam,qy_world_cam,"
        "qz_world_cam,qw_world_cam,image_width,image_height,intrinsics_type,"
        + ",".join(f"intrinsics_{i}" for i in range(8))
        + ",start_frame_idx,end_frame_idx"
    ]
    for name, (position, (w, x, y, z)) in cameras.items():
        px, py, pz = position
        if to_file is not None:  # (0, 1, 0, 0) times the camera's quaternion
            px, py, pz = np.asarray(to_file) @ position
            w, x, y, z = -x, w, -z, y
        lines.append(
            f"{name},{world},{px},{py},{pz},{x},{y},{z},{w},{SIZE_PX[0]},{SIZE_PX[1]},"
            f"KANNALABRANDTK3,{','.join(map(str, lens))},{stationary}"
        )
    return "\n".join([*lines, ""])


def timesync_text(n_frames, missing=()):
    """Times of all rows of the capture; frame 0 is the row after ``START_ROW``."""
    lines = ["cam01_pts,aria01_214-1_capture_timestamp_ns,aria01_214-1_frame_number"]
    for row in range(START_ROW + n_frames + 6):
        frame = row - START_ROW - 1
        time_ns = START_US * 1000 + round((FIRST_FRAME_S + frame / 30) * 1e9)
        lines.append(f"{row}.0,," if frame in missing else f"{row}.0,{time_ns}.0,{row}.0")
    return "\n".join([*lines, ""])


def make_take(
    root, *, duration_s=6.0, n_frames=170, split="val", entries=None, bodies=None, texts=None
):
    """Write a data folder with one take and return it.

    Args:
        root: the data folder.
        duration_s: of the trajectory.
        n_frames: of the videos.
        split: the take's official split.
        entries: of ``takes.json``, if not the one take.
        bodies: annotated joints by frame, as the published file has them.
        texts: other contents by file; None leaves the file out.
    """
    files = {
        TAKES: json.dumps([take_entry(n_frames=n_frames)] if entries is None else entries),
        SPLITS: json.dumps({"take_uid_to_split": {UID: split}}),
        TRAJECTORY: trajectory_text(duration_s),
        CALIBRATION: calibration_text(),
        TIMESYNC: timesync_text(n_frames),
        BODIES: None if bodies is None else json.dumps(bodies),
        **(texts or {}),
    }
    for name, text in files.items():
        if text is not None:
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Path(root)


def body(joints, views=4):
    """One frame's annotations of joints {name: (x, y, z)}."""
    points = {
        name: {"x": x, "y": y, "z": z, "num_views_for_3d": views}
        for name, (x, y, z) in joints.items()
    }
    return [{"annotation3D": points, "annotation2D": {}}]
