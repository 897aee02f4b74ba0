"""Small segments in the official Waymo v2 schema, with a world whose truth is a formula.

The world is that of ``argoverse2_maker``: the ego car drives east at 10 m/s with a yaw of
0.1 rad/s, ``car`` moves at (3, 4, 0) m/s, ``walker`` stands.
"""

from __future__ import annotations

import io
from pathlib import Path

import argoverse2_maker as world
import numpy as np
import pyarrow as pa
import pyarrow.parquet

START_US = 1_552_440_195_362_591
SEGMENT = "10023947602400723454_1120_000_1140_000"
CAMERAS = ("FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT")
TYPES = {"car": 1, "walker": 2}
SIZE_PX = (160, 120)
FOCAL_PX = 130.0
LENS = {"k1": 0.04, "k2": -0.33, "p1": 0.001, "p2": -0.002, "k3": 0.01}
MOUNT_M = (1.5, 0.0, 2.0)
IMAGE_DELAY_US = 30_000
TIME = "key.frame_timestamp_micros"
CAMERA = "key.camera_name"
POSE = "[VehiclePoseComponent].world_from_vehicle.transform"
BOX = "[LiDARBoxComponent]."
CALIBRATION = "[CameraCalibrationComponent]."
IMAGE = "[CameraImageComponent].image"
IMAGE_POSE = "[CameraImageComponent].pose.transform"
MATRIX = pa.list_(pa.float64(), 16)


def stamps(n_frames, step_us=100_000):
    return START_US + step_us * np.arange(n_frames, dtype=np.int64)


def pose_matrices(stamps_us):
    """World from vehicle, as 16 numbers row by row."""
    seconds = (np.asarray(stamps_us) - START_US) / 1e6
    yaw = world.ego_yaw_rad(seconds)
    out = np.zeros((len(seconds), 4, 4))
    out[:, 0, 0] = out[:, 1, 1] = np.cos(yaw)
    out[:, 1, 0] = np.sin(yaw)
    out[:, 0, 1] = -out[:, 1, 0]
    out[:, 2, 2] = out[:, 3, 3] = 1
    out[:, :3, 3] = world.ego_position_m(seconds)
    return pa.array(out.reshape(-1, 16).tolist(), MATRIX)


def segment_column(n):
    return pa.array([SEGMENT] * n)


def poses_table(stamps_us):
    return pa.table(
        {
            "key.segment_context_name": segment_column(len(stamps_us)),
            TIME: pa.array(stamps_us, pa.int64()),
            POSE: pose_matrices(stamps_us),
        }
    )


def boxes_table(stamps_us):
    """Boxes in the frame of the vehicle, frame by frame."""
    rows = []
    for stamp in stamps_us:
        seconds = (int(stamp) - START_US) / 1e6
        yaw = float(world.ego_yaw_rad(seconds))
        to_ego = np.array(
            [[np.cos(yaw), np.sin(yaw), 0], [-np.sin(yaw), np.cos(yaw), 0], [0, 0, 1]]
        )
        for track, number in TYPES.items():
            center = to_ego @ (world.position_m(track, seconds) - world.ego_position_m(seconds))
            rows.append(
                {
                    "key.segment_context_name": SEGMENT,
                    TIME: int(stamp),
                    "key.laser_object_id": track,
                    **{f"{BOX}box.center.{a}": v for a, v in zip("xyz", center, strict=True)},
                    **{
                        f"{BOX}box.size.{a}": v
                        for a, v in zip("xyz", world.SIZES_LWH_M[track], strict=True)
                    },
                    f"{BOX}box.heading": (np.arctan2(4, 3) if track == "car" else 0.0) - yaw,
                    f"{BOX}type": number,
                }
            )
    schema = pa.schema(
        [
            ("key.segment_context_name", pa.string()),
            (TIME, pa.int64()),
            ("key.laser_object_id", pa.string()),
            *(
                (f"{BOX}box.{part}.{axis}", pa.float64())
                for part in ("center", "size")
                for axis in "xyz"
            ),
            (f"{BOX}box.heading", pa.float64()),
            (f"{BOX}type", pa.int8()),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)


def camera_numbers(cameras):
    return pa.array([CAMERAS.index(camera) + 1 for camera in cameras], pa.int8())


def calibration_table(cameras=CAMERAS, lens=None):
    """Every camera looks ahead; Waymo's camera axes are x forward, y left, z up."""
    n = len(cameras)
    mount = np.eye(4)
    mount[:3, 3] = MOUNT_M
    width, height = SIZE_PX
    intrinsic = {
        "f_u": FOCAL_PX,
        "f_v": FOCAL_PX,
        "c_u": width / 2,
        "c_v": height / 2,
        **(lens or LENS),
    }
    return pa.table(
        {
            "key.segment_context_name": segment_column(n),
            CAMERA: camera_numbers(cameras),
            **{f"{CALIBRATION}intrinsic.{name}": [v] * n for name, v in intrinsic.items()},
            f"{CALIBRATION}extrinsic.transform": pa.array([mount.ravel().tolist()] * n, MATRIX),
            f"{CALIBRATION}width": pa.array([width] * n, pa.int32()),
            f"{CALIBRATION}height": pa.array([height] * n, pa.int32()),
        }
    )


def images_table(stamps_us, cameras=CAMERAS, pictures=None):
    """The images of all cameras, frame by frame, each exposed 30 ms after its frame's time."""
    rows = [(int(stamp), camera) for stamp in stamps_us for camera in cameras]
    times = np.array([stamp for stamp, _ in rows], dtype=np.int64)
    return pa.table(
        {
            "key.segment_context_name": segment_column(len(rows)),
            TIME: pa.array(times, pa.int64()),
            CAMERA: camera_numbers([camera for _, camera in rows]),
            IMAGE: pa.array(pictures or [b"\xff\xd8\xff"] * len(rows), pa.binary()),
            IMAGE_POSE: pose_matrices(times + IMAGE_DELAY_US),
        }
    )


def jpeg(shade):
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", SIZE_PX, (shade,) * 3).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def make_segment(root, segment=SEGMENT, split="validation", *, n_frames=41, tables=None):
    """Write a segment and return the folder of its split.

    Args:
        root: the data folder.
        segment: its name.
        split: ``training`` or ``validation``.
        n_frames: how many frames, 100 ms apart.
        tables: replacements by component; None leaves a component out.
    """
    times = stamps(n_frames)
    components = {
        "vehicle_pose": poses_table(times),
        "lidar_box": boxes_table(times),
        "camera_calibration": calibration_table(),
        "camera_image": images_table(times),
        **(tables or {}),
    }
    folder = Path(root) / split
    for component, table in components.items():
        if table is not None:
            (folder / component).mkdir(parents=True, exist_ok=True)
            pa.parquet.write_table(table, folder / component / f"{segment}.parquet")
    return folder
