"""Videos of a world that is known by hand, with precomputed archives in place of models.

A camera looks along world y from 1.5 m up and stands still. A car, 16 m away, drives to the right
at 2 m/s and back; a person, 9 m away, walks to the left at 0.75 m/s and back. Depth is exact and
metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from stkit_datasets.pseudo_labels.backends import BackendSpec
from stkit_datasets.pseudo_labels.backends.precomputed import write_geometry, write_semantics
from stkit_datasets.pseudo_labels.footage import VideoFootage, sample
from stkit_datasets.pseudo_labels.interfaces import Geometry, Segmentation, boxes_of
from stkit_datasets.pseudo_labels.labeller import Setup

WIDTH_PX, HEIGHT_PX, FOCAL_PX = 320, 192, 250.0
CAR_MPS, PERSON_MPS = 2.0, -0.75
_CAR = (16.0, 4.4, 1.6)  # distance, width, height in metres
_PERSON = (9.0, 0.7, 1.75)


def write_video(path: Path, times_ms, size=(WIDTH_PX, HEIGHT_PX), rotation: int = 0) -> Path:
    """Write frames of grey noise at given milliseconds."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for time in times_ms:
            picture = rng.integers(96, 160, (size[1] // 16, size[0] // 16, 1), dtype=np.uint8)
            picture = np.repeat(
                np.kron(picture[..., 0], np.ones((16, 16), np.uint8))[..., None], 3, 2
            )
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def along(speed_mps, time_s):
    """Metres to the right of the middle: to and fro, 8 s one way."""
    return speed_mps * (4 - abs(time_s % 16 - 8)) if speed_mps > 0 else -along(-speed_mps, time_s)


def world(times_s, size=(WIDTH_PX, HEIGHT_PX), objects=True):
    """Exact geometry and masks at some times."""
    t, (width, height) = len(times_s), size
    depths = np.full((t, height, width), 60, dtype=np.float32)
    instances = np.full((t, height, width), -1, dtype=np.int16)
    rows = (np.arange(height) + 0.5 - height / 2) / FOCAL_PX
    ground = np.divide(1.5, rows, out=np.full(height, np.inf), where=rows > 1.5 / 60)
    depths[:, np.isfinite(ground)] = ground[np.isfinite(ground)][:, None]
    if objects:
        for number, ((away, wide, tall), speed) in enumerate(
            ((_CAR, CAR_MPS), (_PERSON, PERSON_MPS))
        ):
            for k, time in enumerate(times_s):
                x = along(speed, time)
                left = round(width / 2 + (x - wide / 2) * FOCAL_PX / away)
                right = round(width / 2 + (x + wide / 2) * FOCAL_PX / away)
                top = round(height / 2 + (1.5 - tall) * FOCAL_PX / away)
                foot = round(height / 2 + 1.5 * FOCAL_PX / away)
                place = np.s_[k, max(top, 0) : foot, max(left, 0) : max(right, 0)]
                depths[place], instances[place] = away, number
    matrix = np.array([[FOCAL_PX, 0, width / 2], [0, FOCAL_PX, height / 2], [0, 0, 1.0]])
    pose = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])
    geometry = Geometry(
        depths=depths,
        world_SE3_camera=np.tile(pose, (t, 1, 1)),
        intrinsics=np.tile(matrix, (t, 1, 1)),
        width_px=width,
        height_px=height,
        is_metric=True,
        up=np.array([0.0, 0.0, 1.0]),
    )
    n = 2 if objects else 0
    boxes = boxes_of(instances, n, width, height)
    sure = np.where(np.isfinite(boxes[..., 0]), 0.9, np.nan)
    segmentation = Segmentation(
        object_ids=("car-0", "person-1")[:n],
        categories=("car", "person")[:n],
        instances=instances,
        boxes_px=boxes,
        box_confidences=sure,
        text_confidences=sure.copy(),
        width_px=width,
        height_px=height,
    )
    return geometry, segmentation


@dataclass
class Archives:
    """Two folders of precomputed archives."""

    root: Path

    def setup(self, **changes) -> Setup:
        options = {stage: {"folder": self.folder(stage)} for stage in ("geometry", "semantics")}
        return Setup(
            geometry=BackendSpec("geometry", "precomputed", options["geometry"]),
            semantics=BackendSpec("semantics", "precomputed", options["semantics"]),
            **changes,
        )

    def folder(self, stage: str) -> str:
        path = self.root / stage
        path.mkdir(parents=True, exist_ok=True)
        return str(path)

    def arguments(self) -> list[str]:
        out = []
        for stage in ("geometry", "semantics"):
            out += [f"--{stage}", "precomputed", "--option", f"{stage}.folder={self.folder(stage)}"]
        return out

    def add(self, name: str, video: Path, objects: bool = True) -> None:
        """Write what models would find in a video, at the frames that are labelled."""
        facts = VideoFootage(video).facts()
        times_s = facts.times_s[sample(facts.times_s, 4.0).frames]
        geometry, segmentation = world(times_s, (facts.width_px, facts.height_px), objects)
        write_geometry(Path(self.folder("geometry"), f"{name}.npz"), geometry, times_s)
        write_semantics(Path(self.folder("semantics"), f"{name}.npz"), segmentation, times_s)
