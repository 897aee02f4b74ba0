"""Small scenes in the official Virtual KITTI 2 layout, in a published world: y down, z ahead.

The left camera drives along +z at 10 m/s from (5, -101.5, 0), turned 0.1 rad to the right; the
right one is 0.53 m beside it. A car (track 0) drives ahead of it at 12 m/s from (8, -100, 30), a
van (track 1) crosses from (-5, -100, 40) at 3 m/s, hidden for all but a twentieth in frames 10 to
12. Frames are 0.1 s apart.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

YAW_RAD = 0.1
CAMERA_R_WORLD = np.array(
    [
        [np.cos(YAW_RAD), 0, -np.sin(YAW_RAD)],
        [0, 1, 0],
        [np.sin(YAW_RAD), 0, np.cos(YAW_RAD)],
    ]
)
CALIBRATION = (725.0087, 725.0087, 620.5, 187.0)
SIZES_LWH_M = {0: (4.0, 2.0, 1.5), 1: (6.0, 2.2, 2.4)}
LABELS = {0: "Car", 1: "Van"}
# A heading of +z is minus a quarter turn, of +x none.
ANGLES_YXZ = {0: (-np.pi / 2, 0.0, 0.0), 1: (0.0, 0.0, 0.0)}
HIDDEN = range(10, 13)
HEADERS = {
    "pose.txt": "frame cameraID trackID alpha width height length world_space_X world_space_Y "
    "world_space_Z rotation_world_space_y rotation_world_space_x rotation_world_space_z "
    "camera_space_X camera_space_Y camera_space_Z rotation_camera_space_y "
    "rotation_camera_space_x rotation_camera_space_z",
    "bbox.txt": "frame cameraID trackID left right top bottom number_pixels truncation_ratio "
    "occupancy_ratio isMoving",
    "info.txt": "trackID label model color",
    "intrinsic.txt": "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]",
    "extrinsic.txt": "frame cameraID r1,1 r1,2 r1,3 t1 r2,1 r2,2 r2,3 t2 r3,1 r3,2 r3,3 t3 0 0 0 1",
}


def camera_m(seconds, camera=0):
    """Position in the published world."""
    along = CAMERA_R_WORLD.T @ [0.53 * camera, 0, 0]
    return np.array([5.0, -101.5, 10.0 * seconds]) + along


def bottom_m(track, seconds):
    """Middle of a box's bottom in the published world."""
    start, velocity = {
        0: ((8.0, -100.0, 30.0), (0.0, 0.0, 12.0)),
        1: ((-5.0, -100.0, 40.0), (3.0, 0.0, 0.0)),
    }[track]
    return np.array(start) + seconds * np.array(velocity)


def texts(n_frames=36, cameras=(0, 1)):
    """All files, name by name."""
    rows = {name: [header] for name, header in HEADERS.items()}
    rows["info.txt"] += [f"{track} {label} Model White" for track, label in LABELS.items()]
    for frame in range(n_frames):
        seconds = frame / 10
        for camera in cameras:
            start = f"{frame} {camera}"
            rows["intrinsic.txt"].append(f"{start} {' '.join(map(str, CALIBRATION))}")
            shift = -CAMERA_R_WORLD @ camera_m(seconds, camera)
            matrix = np.concatenate([CAMERA_R_WORLD, shift[:, None]], axis=1)
            values = " ".join(f"{value:.10g}" for value in matrix.ravel())
            rows["extrinsic.txt"].append(f"{start} {values} 0 0 0 1")
            for track, (length, width, height) in SIZES_LWH_M.items():
                box = [*bottom_m(track, seconds), *ANGLES_YXZ[track]]
                box_text = " ".join(f"{value:.10g}" for value in box)
                rows["pose.txt"].append(
                    f"{start} {track} 0 {width} {height} {length} {box_text} 0 0 0 0 0 0"
                )
                share = 0.05 if track == 1 and frame in HIDDEN else 0.9
                rows["bbox.txt"].append(f"{start} {track} 1 2 3 4 500 0 {share} True")
    return {name: "\n".join([*lines, ""]) for name, lines in rows.items()}


def make_scene(root, scene="Scene01", variation="clone", files=None, image_cameras=()):
    """Write one variation of a scene and return the data folder.

    Args:
        root: the data folder.
        scene: its name.
        variation: its name.
        files: its text files, by default those of ``texts``; None leaves one out.
        image_cameras: which cameras get a folder of images, without any in it.
    """
    folder = Path(root) / scene / variation
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {**texts(), **(files or {})}.items():
        if text is not None:
            (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    for camera in image_cameras:
        (folder / "frames" / "rgb" / camera).mkdir(parents=True)
    return Path(root)
