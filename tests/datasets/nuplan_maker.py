"""Small logs in the official nuPlan schema, with a world whose truth is a formula.

The world is that of ``argoverse2_maker``, moved to coordinates as large as nuPlan's: the ego car
drives east at 10 m/s with a yaw of 0.1 rad/s, ``car`` moves at (3, 4, 0) m/s, ``walker`` stands.
"""

from __future__ import annotations

import math
import pickle
import sqlite3
import sys
import types
from pathlib import Path

import argoverse2_maker as world
import numpy as np

START_US = 1_623_081_600_000_123
LOG = "2021.06.07.11.59.52_veh-35_00008_00083"
OTHER_LOG = "2021.06.07.11.59.52_veh-35_00095_00555"
TRAIN_LOG = "2021.05.12.22.00.38_veh-35_01008_01518"
ORIGIN_M = np.array([664_400.0, 3_998_300.0, 600.0])
CATEGORIES = ("vehicle", "bicycle", "pedestrian", "traffic_cone", "barrier", "czone_sign")
TRACKS = {"car": ("vehicle", b"\xaa" * 8), "walker": ("pedestrian", b"\xbb" * 8)}
CAMERAS = ("CAM_F0", "CAM_L0")
SIZE_PX = (160, 120)
FOCAL_PX = 130.0
LENS = (-0.356123, 0.172545, -0.00213, 0.000464, -0.05231)
SCHEMA = """
CREATE TABLE log (token BLOB NOT NULL PRIMARY KEY, vehicle_name TEXT, date TEXT,
    timestamp INTEGER, logfile TEXT, location TEXT, map_version TEXT);
CREATE TABLE ego_pose (token BLOB NOT NULL PRIMARY KEY, timestamp INTEGER, x FLOAT, y FLOAT,
    z FLOAT, qw FLOAT, qx FLOAT, qy FLOAT, qz FLOAT, log_token BLOB NOT NULL);
CREATE TABLE camera (token BLOB NOT NULL PRIMARY KEY, log_token BLOB NOT NULL, channel TEXT,
    model TEXT, translation BLOB, rotation BLOB, intrinsic BLOB, distortion BLOB,
    width INTEGER, height INTEGER);
CREATE TABLE image (token BLOB NOT NULL PRIMARY KEY, next_token BLOB, prev_token BLOB,
    ego_pose_token BLOB NOT NULL, camera_token BLOB NOT NULL, filename_jpg TEXT,
    timestamp INTEGER);
CREATE TABLE scene (token BLOB NOT NULL PRIMARY KEY, log_token BLOB NOT NULL, name TEXT,
    goal_ego_pose_token BLOB, roadblock_ids TEXT);
CREATE TABLE lidar_pc (token BLOB NOT NULL PRIMARY KEY, next_token BLOB, prev_token BLOB,
    ego_pose_token BLOB NOT NULL, lidar_token BLOB NOT NULL, scene_token BLOB NOT NULL,
    filename TEXT, timestamp INTEGER);
CREATE TABLE category (token BLOB NOT NULL PRIMARY KEY, name TEXT, description TEXT);
CREATE TABLE track (token BLOB NOT NULL PRIMARY KEY, category_token BLOB NOT NULL, width FLOAT,
    length FLOAT, height FLOAT);
CREATE TABLE lidar_box (token BLOB NOT NULL PRIMARY KEY, lidar_pc_token BLOB NOT NULL,
    track_token BLOB NOT NULL, next_token BLOB, prev_token BLOB, x FLOAT, y FLOAT, z FLOAT,
    width FLOAT, length FLOAT, height FLOAT, vx FLOAT, vy FLOAT, vz FLOAT, yaw FLOAT,
    confidence FLOAT);
CREATE INDEX ix_lidar_box_lidar_pc_token ON lidar_box (lidar_pc_token);
"""


def token(table, number):
    return bytes([table]) + int(number).to_bytes(7, "big")


def scene_token(number):
    return token(9, number)


def box_token(sweep, track):
    return token(5, 10 * sweep + list(TRACKS).index(track))


def devkit_pickle(name, values, protocol=5):
    """Pickle a list of the devkit's class ``name``, as its databases hold them."""
    module = types.ModuleType("nuplan.database.common.data_types")
    cls = type(name, (list,), {"__module__": module.__name__})
    setattr(module, name, cls)
    parents = ("nuplan", "nuplan.database", "nuplan.database.common", module.__name__)
    sys.modules.update(dict.fromkeys(parents, module))
    try:
        return pickle.dumps(cls(values), protocol)
    finally:
        for parent in parents:
            del sys.modules[parent]


def calibration(distortion=LENS):
    """Pickled translation, rotation, intrinsic and distortion of a camera that looks ahead."""
    width, height = SIZE_PX
    matrix = [[FOCAL_PX, 0.0, width / 2], [0.0, FOCAL_PX, height / 2], [0.0, 0.0, 1.0]]
    return (
        devkit_pickle("Translation", [np.float64(v) for v in (0.0, 0.0, 1.5)]),
        devkit_pickle("Rotation", [np.float64(v) for v in (0.5, -0.5, 0.5, -0.5)]),
        devkit_pickle("CameraIntrinsic", matrix),
        pickle.dumps(list(distortion)),
    )


def insert(connection, table, rows):
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values())
        )


def ego_pose_row(stamp_us, number):
    seconds = (stamp_us - START_US) / 1e6
    x, y, z = ORIGIN_M + world.ego_position_m(seconds)
    yaw = float(world.ego_yaw_rad(seconds))
    return {
        "token": token(1, number),
        "timestamp": stamp_us,
        **dict(zip("xyz", (x, y, z), strict=True)),
        "qw": math.cos(yaw / 2),
        "qx": 0.0,
        "qy": 0.0,
        "qz": math.sin(yaw / 2),
        "log_token": token(0, 0),
    }


def box_row(stamp_us, sweep, track):
    x, y, z = ORIGIN_M + world.position_m(track, (stamp_us - START_US) / 1e6)
    length, width, height = world.SIZES_LWH_M[track]
    return {
        "token": box_token(sweep, track),
        "lidar_pc_token": token(4, sweep),
        "track_token": TRACKS[track][1],
        **dict(zip("xyz", (x, y, z), strict=True)),
        "length": length,
        "width": width,
        "height": height,
        "yaw": math.atan2(4, 3) if track == "car" else 0.0,
        "confidence": 1.0,
    }


def make_log(
    root,
    log=LOG,
    folder="splits/val",
    *,
    n_sweeps=81,
    sweep_step_us=50_000,
    n_scenes=1,
    cameras=CAMERAS,
    image_step_us=100_000,
    distortion=LENS,
    change=None,
):
    """Write a log's database and return its path.

    Args:
        root: the folder ``nuplan-v1.1``.
        log: its name.
        folder: where the database lies below ``root``.
        n_sweeps: how many annotated sweeps a scene, from ``START_US`` on; scenes follow at once.
        sweep_step_us: time between them.
        n_scenes: how many scenes.
        cameras: which cameras are calibrated and have images, the first one 20 ms after the start.
        image_step_us: time between images.
        distortion: of every camera.
        change: SQL to run at the end, or a function of the connection.
    """
    path = Path(root) / folder / f"{log}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(SCHEMA)
    insert(connection, "log", [{"token": token(0, 0), "logfile": log}])
    insert(
        connection,
        "category",
        [{"token": token(7, i), "name": name} for i, name in enumerate(CATEGORIES)],
    )
    insert(
        connection,
        "track",
        [
            {"token": key, "category_token": token(7, CATEGORIES.index(category))}
            for category, key in TRACKS.values()
        ],
    )
    total = n_sweeps * n_scenes
    stamps = [START_US + sweep_step_us * i for i in range(total)]
    for scene in range(n_scenes):
        row = {"token": scene_token(scene), "log_token": token(0, 0), "name": f"scene-{scene:03d}"}
        insert(connection, "scene", [row])
    insert(connection, "ego_pose", [ego_pose_row(stamp, i) for i, stamp in enumerate(stamps)])
    insert(
        connection,
        "lidar_pc",
        [
            {
                "token": token(4, i),
                "ego_pose_token": token(1, i),
                "lidar_token": token(3, 0),
                "scene_token": scene_token(i // n_sweeps),
                "timestamp": stamp,
            }
            for i, stamp in enumerate(stamps)
        ],
    )
    # Boxes track by track and backwards: the schema promises no order of rows.
    insert(
        connection,
        "lidar_box",
        [
            box_row(stamps[i], i, track)
            for track in reversed(list(TRACKS))
            for i in reversed(range(total))
        ],
    )
    pickled = dict(
        zip(
            ("translation", "rotation", "intrinsic", "distortion"),
            calibration(distortion),
            strict=True,
        )
    )
    for number, channel in enumerate(cameras):
        row = {"token": token(2, number), "log_token": token(0, 0), "channel": channel}
        size = dict(zip(("width", "height"), SIZE_PX, strict=True))
        insert(connection, "camera", [{**row, **pickled, **size}])
        for i, stamp in enumerate(range(START_US + 20_000, stamps[-1] + 60_000, image_step_us)):
            key = 1_000_000 * (number + 1) + i
            insert(connection, "ego_pose", [ego_pose_row(stamp, key)])
            image = {
                "token": token(6, key),
                "ego_pose_token": token(1, key),
                "camera_token": token(2, number),
                "filename_jpg": f"{log}/{channel}/{token(6, key).hex()}.jpg",
                "timestamp": stamp,
            }
            insert(connection, "image", [image])
    if callable(change):
        change(connection)
    elif change:
        connection.executescript(change)
    connection.commit()
    connection.close()
    return path
