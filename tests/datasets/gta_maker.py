"""Small sequences in the official VIPER layout; published axes: x right, y up, z backwards.

The world is the first frame's camera. The camera goes ahead at 9 m/s and turns left by 0.05 rad/s.
Instance 300, a car, drives from (2, -1.2, -20) ahead (-z) at 12 m/s; instance 41, a person, walks
from (-4, -1.0, -15) to the right at 1.5 m/s. Frames are 1/15 s apart and begin with number 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SEQUENCE = "001"
FOCAL = (1.2, 2.1)
"""The first two diagonal values of the projection matrix."""
CLASSES = {300: 24, 41: 20}
# Least and greatest x (right), y (ahead) and z (up) of the models.
ENDS_M = {300: ((-1.0, -2.5, -0.6), (1.0, 2.0, 0.8)), 41: ((-0.3, -0.2, -1.0), (0.3, 0.2, 0.8))}


def seconds_of(frame):
    return frame / 15


def rotation_y(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def world_SE3_camera(frame):
    """In published axes on both sides; frame 1 is the origin."""
    seconds = seconds_of(frame - 1)
    pose = np.eye(4)
    pose[:3, :3] = rotation_y(0.05 * seconds)
    pose[:3, 3] = [0, 0, -9 * seconds]
    return pose


def world_SE3_model(instance, frame):
    """The model's x is right, y ahead and z up; the car heads along -z, the person along x."""
    seconds = seconds_of(frame - 1)
    pose = np.eye(4)
    if instance == 300:
        pose[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
        pose[:3, 3] = [2, -1.2, -20 - 12 * seconds]
    else:
        pose[:3, :3] = [[0, 1, 0], [0, 0, 1], [1, 0, 0]]
        pose[:3, 3] = [-4 + 1.5 * seconds, -1.0, -15]
    return pose


def middle_m(instance, frame):
    """Middle of a box in the published world."""
    middle = np.mean(ENDS_M[instance], axis=0)
    pose = world_SE3_model(instance, frame)
    return pose[:3, :3] @ middle + pose[:3, 3]


def numbers(matrix):
    return ",".join(f"{value:.12g}" for value in np.asarray(matrix).ravel())


def camera_text(frames, on_rows=False, header=True, focal=lambda frame: FOCAL):
    lines = [",".join(["frame", *[f"p{i}" for i in range(16)], *[f"v{i}" for i in range(16)]])]
    for frame in frames:
        view = np.linalg.inv(world_SE3_camera(frame))
        projection = np.zeros((4, 4))
        projection[0, 0], projection[1, 1] = focal(frame)
        projection[2, 2:], projection[3, 2] = [-1.0, -0.3], -1.0
        if on_rows:
            projection, view = projection.T, view.T
        lines.append(f"{frame},{numbers(projection)},{numbers(view)}")
    return "\n".join([*(lines if header else lines[1:]), ""])


def boxes_text(frame, on_rows=False, instance_first=False, classes=CLASSES):
    lines = []
    for instance, ends in ENDS_M.items():
        matrix = np.linalg.inv(world_SE3_camera(frame)) @ world_SE3_model(instance, frame)
        ids = (classes[instance], instance)
        ids = ids[::-1] if instance_first else ids
        matrix = matrix.T if on_rows else matrix
        lines.append(f"{ids[0]},{ids[1]},10,20,30,40,{numbers(ends)},{numbers(matrix)}")
    return "\n".join([*lines, ""])


def make_sequence(
    root, *, split="train", n_frames=70, images=False, camera=None, boxes=None, **options
):
    """Write a sequence and return the data folder.

    Args:
        root: the data folder.
        split: ``train`` or ``val``.
        n_frames: how many, from 1 on.
        images: whether there is a folder for them.
        camera: the camera file's contents, if others.
        boxes: other contents by frame; None leaves a file out.
        options: ``on_rows`` and ``instance_first``.
    """
    frames = range(1, n_frames + 1)
    on_rows = options.get("on_rows", False)
    files = {f"camera/{SEQUENCE}.csv": camera or camera_text(frames, on_rows)}
    for frame in frames:
        text = (boxes or {}).get(frame, boxes_text(frame, **options))
        if text is not None:
            files[f"bb/{SEQUENCE}/{SEQUENCE}_{frame:05d}.csv"] = text
    for name, text in files.items():
        path = Path(root) / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if images:
        (Path(root) / split / "img" / SEQUENCE).mkdir(parents=True)
    return Path(root)
