"""Small logs in the official Argoverse 2 layout, with a world whose truth is a formula.

The ego car drives east at 10 m/s from (100, 200, 5) with a yaw of 0.1 rad/s. Track ``car`` moves
at (3, 4, 0) m/s from (130, 210, 6); ``walker`` stands at (120, 195, 6).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather

START_NS = 315_966_253_660_000_000
LOG = "00000000-0000-3000-8000-000000000001"
CAMERAS = (
    "ring_front_center",
    "ring_front_left",
    "ring_front_right",
    "ring_side_left",
    "ring_side_right",
    "ring_rear_left",
    "ring_rear_right",
)
SIZES_LWH_M = {"car": (4.0, 2.0, 1.5), "walker": (0.6, 0.6, 1.7)}
FLOATS = ("length_m", "width_m", "height_m", "qw", "qx", "qy", "qz", "tx_m", "ty_m", "tz_m")
CATEGORIES = {"car": "REGULAR_VEHICLE", "walker": "PEDESTRIAN"}


def ego_position_m(seconds):
    seconds = np.asarray(seconds, dtype=float)
    return np.stack([100 + 10 * seconds, 200 + 0 * seconds, 5 + 0 * seconds], axis=-1)


def ego_yaw_rad(seconds):
    return 0.1 * np.asarray(seconds, dtype=float)


def position_m(track, seconds):
    seconds = np.asarray(seconds, dtype=float)
    start, velocity = {
        "car": ((130.0, 210.0, 6.0), (3.0, 4.0, 0.0)),
        "walker": ((120.0, 195.0, 6.0), (0.0, 0.0, 0.0)),
    }[track]
    return np.asarray(start) + seconds[..., None] * np.asarray(velocity)


def annotations_table(sweep_ns):
    """Boxes of both tracks at the sweeps, in the ego frame, sweep by sweep."""
    rows = []
    for stamp in sweep_ns:
        seconds = (int(stamp) - START_NS) / 1e9
        yaw = float(ego_yaw_rad(seconds))
        to_ego = np.array(
            [[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
        )
        for track, size in SIZES_LWH_M.items():
            x, y, z = to_ego @ (position_m(track, seconds) - ego_position_m(seconds))
            rows.append(
                {
                    "timestamp_ns": int(stamp),
                    "track_uuid": track,
                    "category": CATEGORIES[track],
                    **dict(zip(("length_m", "width_m", "height_m"), size, strict=True)),
                    # Objects do not turn in the city: their yaw in the ego frame is the opposite.
                    "qw": np.cos(-yaw / 2),
                    "qx": 0.0,
                    "qy": 0.0,
                    "qz": np.sin(-yaw / 2),
                    "tx_m": x,
                    "ty_m": y,
                    "tz_m": z,
                    "num_interior_pts": 7,
                }
            )
    schema = pa.schema(
        [("timestamp_ns", pa.int64()), ("track_uuid", pa.string()), ("category", pa.string())]
        + [(name, pa.float64()) for name in FLOATS]
        + [("num_interior_pts", pa.int64())]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def ego_poses_table(stamps_ns):
    seconds = (np.asarray(stamps_ns) - START_NS) / 1e9
    yaw, position = ego_yaw_rad(seconds), ego_position_m(seconds)
    zero = np.zeros(len(seconds))
    return pa.table(
        {
            "timestamp_ns": pa.array(stamps_ns, pa.int64()),
            "qw": np.cos(yaw / 2),
            "qx": zero,
            "qy": zero,
            "qz": np.sin(yaw / 2),
            "tx_m": position[:, 0],
            "ty_m": position[:, 1],
            "tz_m": position[:, 2],
        }
    )


def intrinsics_table(cameras=CAMERAS, width_px=160, height_px=120):
    n = len(cameras)
    return pa.table(
        {
            "sensor_name": list(cameras),
            "fx_px": [130.0] * n,
            "fy_px": [130.0] * n,
            "cx_px": [width_px / 2] * n,
            "cy_px": [height_px / 2] * n,
            "k1": [-0.25] * n,
            "k2": [-0.2] * n,
            "k3": [0.3] * n,
            "height_px": pa.array([height_px] * n, pa.uint16()),
            "width_px": pa.array([width_px] * n, pa.uint16()),
        }
    )


def sensor_poses_table(cameras=CAMERAS):
    """Every camera looks ahead from 1.5 m above the ego origin."""
    n = len(cameras)
    return pa.table(
        {
            "sensor_name": [*cameras, "up_lidar"],
            "qw": [0.5] * n + [1.0],
            "qx": [-0.5] * n + [0.0],
            "qy": [0.5] * n + [0.0],
            "qz": [-0.5] * n + [0.0],
            "tx_m": [0.0] * (n + 1),
            "ty_m": [0.0] * (n + 1),
            "tz_m": [1.5] * (n + 1),
        }
    )


def make_log(
    root,
    split="val",
    log=LOG,
    *,
    n_sweeps=36,
    sweep_step_ns=100_000_000,
    cameras=CAMERAS,
    image_cameras=(),
    image_step_ns=50_000_000,
    image_size_px=(160, 120),
    tables=None,
):
    """Write a log and return its folder.

    Args:
        root: the data folder.
        split: ``train`` or ``val``.
        log: its name.
        n_sweeps: how many annotated sweeps, from ``START_NS`` on.
        sweep_step_ns: time between them.
        cameras: which cameras are calibrated.
        image_cameras: which cameras get JPEG images (needs Pillow), plain grey.
        image_step_ns: time between images; the first one comes 20 ms after the first sweep.
        image_size_px: width and height.
        tables: replacements by file name, e.g. ``{"annotations.feather": table}``; None leaves
            the file out.
    """
    folder = Path(root) / split / log
    (folder / "calibration").mkdir(parents=True, exist_ok=True)
    sweep_ns = START_NS + sweep_step_ns * np.arange(n_sweeps, dtype=np.int64)
    poses_ns = np.union1d(
        sweep_ns, np.arange(START_NS - 50_000_000, sweep_ns[-1] + 200_000_000, 10_000_000)
    )
    files = {
        "annotations.feather": annotations_table(sweep_ns),
        "city_SE3_egovehicle.feather": ego_poses_table(poses_ns),
        "calibration/intrinsics.feather": intrinsics_table(cameras, *image_size_px),
        "calibration/egovehicle_SE3_sensor.feather": sensor_poses_table(cameras),
        **(tables or {}),
    }
    for name, table in files.items():
        if table is not None:
            pyarrow.feather.write_feather(table, folder / name, compression="uncompressed")
    for camera in image_cameras:
        write_images(
            folder / "sensors" / "cameras" / camera,
            np.arange(START_NS + 20_000_000, sweep_ns[-1] + 60_000_000, image_step_ns),
            image_size_px,
        )
    return folder


def write_images(folder, stamps_ns, size_px=(160, 120)):
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index, stamp in enumerate(stamps_ns):
        shade = (40 + index) % 256
        Image.new("RGB", size_px, (shade, shade, shade)).save(folder / f"{stamp}.jpg")
