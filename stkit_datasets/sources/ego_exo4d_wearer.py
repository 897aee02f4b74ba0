"""The wearer of an Ego-Exo4D take: a path, a solid, and the image boxes of annotated bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stkit_datasets import geometry, resample
from stkit_datasets.clip import Camera, Clip, FloatArray, Tracks
from stkit_datasets.errors import ConfigError
from stkit_datasets.sources.ego_exo4d_tables import Trajectory
from stkit_datasets.sources.options import SamplingConfig
from stkit_datasets.sources.rig import IntArray

SPORTS = ("Basketball", "Dance", "Rock Climbing", "Soccer")
"""The values of ``parent_task_name`` that are physical activities; Bike Repair, Cooking, Health and
Music are the others [Ego-Exo4D, arXiv 2311.18259]."""

VIDEO_FPS = 30.0

_UPRIGHT = np.array([1.0, 0.0, 0.0, 0.0])


@dataclass(frozen=True)
class EgoExo4DConfig(SamplingConfig):
    """What may be set for this source.

    Attributes:
        tasks: takes of another ``parent_task_name`` make no clip.
        downscaled: read the videos of 448 pixels' height in place of the full ones.
        person_size_lwh_m: the solid that stands for the wearer, a standing adult [ours].
        crown_m: how far the solid's top is above the glasses [ours].
        min_joints: an annotated body of fewer joints is not taken for a box [ours].
        min_joint_views: a joint seen by fewer cameras is not used, as the data set's own
            evaluation of body poses leaves it out.
        joint_radius_m: how far the body reaches around a joint [ours].
    """

    tasks: tuple[str, ...] = SPORTS
    downscaled: bool = False
    person_size_lwh_m: tuple[float, float, float] = (0.5, 0.5, 1.75)
    crown_m: float = 0.12
    min_joints: int = 8
    min_joint_views: int = 3
    joint_radius_m: float = 0.12

    def __post_init__(self) -> None:
        super().__post_init__()
        tasks: object = self.tasks
        if isinstance(tasks, str) or not isinstance(tasks, Sequence) or not tasks:
            raise ConfigError(f"tasks must be a list of names, got {tasks!r}")
        object.__setattr__(self, "tasks", tuple(tasks))
        size: object = self.person_size_lwh_m
        if not isinstance(size, Sequence) or len(size) != 3 or not all(map(_is_positive, size)):
            raise ConfigError(f"person_size_lwh_m must be three lengths above 0, got {size!r}")
        object.__setattr__(self, "person_size_lwh_m", tuple(map(float, size)))
        for name in ("joint_radius_m", "min_joints", "min_joint_views"):
            if not _is_positive(getattr(self, name)):
                raise ConfigError(f"{name} must be above 0, got {getattr(self, name)!r}")
        if not 0 <= self.crown_m < self.person_size_lwh_m[2]:
            raise ConfigError(
                f"crown_m must lie in [0, {self.person_size_lwh_m[2]:g}), got {self.crown_m!r}"
            )


def wearer_tracks(trajectory: Trajectory, grid_ns: IntArray, config: EgoExo4DConfig) -> Tracks:
    """Sample the path of the glasses at the grid times, as the middle of the wearer's solid."""
    times_ns = trajectory.timestamps_ns
    track = np.zeros(len(times_ns), dtype=np.int64)
    found = resample.locate(track, times_ns, 1, grid_ns, config.grid)
    size = np.array(config.person_size_lwh_m)
    middle_below_m = size[2] / 2 - config.crown_m
    centers_m = resample.interpolate(trajectory.positions_m - [0, 0, middle_below_m], found)
    known = np.isfinite(centers_m[..., :1])
    return Tracks(
        track_ids=("wearer",),
        categories=("person",),
        kinds=("person",),
        centers_m=centers_m,
        sizes_lwh_m=np.where(known, size, np.nan),
        rotations_wxyz=np.where(known, _UPRIGHT, np.nan),
        annotation_keys=resample.annotation_keys(times_ns, found),
    )


class BodyBoxes:
    """Image boxes of annotated bodies.

    Args:
        bodies: joints (J, 3) by frame of the videos, in the file's world frame.
        up_SE3_world: takes them to the world with z up.
        frame_numbers: (T,) the videos' frame at each grid time, -1 where there is none.
        config: which bodies count.
    """

    def __init__(
        self,
        bodies: Mapping[int, FloatArray],
        up_SE3_world: FloatArray,
        frame_numbers: IntArray,
        config: EgoExo4DConfig,
    ) -> None:
        self._joints: dict[int, FloatArray] = {}
        self._size_m = np.full(3, 2 * config.joint_radius_m)
        numbers = np.array(sorted(n for n, j in bodies.items() if len(j) >= config.min_joints))
        near = np.floor(config.image_tolerance_s * VIDEO_FPS)
        for k, frame in enumerate(frame_numbers.tolist()):
            if not len(numbers) or frame < 0:
                continue
            nearest = int(numbers[np.argmin(np.abs(numbers - frame))])
            if abs(nearest - frame) <= near:
                self._joints[k] = geometry.transform_points(up_SE3_world, bodies[nearest])

    def of(self, clip: Clip, first: int) -> FloatArray | None:
        """Return (1, T, 4) boxes of the wearer, by joints where there are some, else by the solid.

        None when no frame of the clip, which begins at grid frame ``first``, has an annotated body.
        """
        frames = [k for k in range(clip.tracks.n_frames) if first + k in self._joints]
        if not frames or not len(clip.tracks):
            return None
        assert clip.camera_SE3_world is not None
        boxes = _project(clip.tracks.corners_m, clip.camera_SE3_world, clip.camera)
        for k in frames:
            joints = self._joints[first + k]
            cubes = geometry.box_corners_m(
                joints, np.broadcast_to(self._size_m, joints.shape), _UPRIGHT
            )
            around = _project(cubes[:, None], clip.camera_SE3_world[k : k + 1], clip.camera)[:, 0]
            seen = around[np.isfinite(around[:, 0])]
            boxes[0, k] = (
                np.concatenate([seen[:, :2].min(axis=0), seen[:, 2:].max(axis=0)])
                if len(seen)
                else np.nan
            )
        return boxes


def _project(corners_m: FloatArray, camera_SE3_world: FloatArray, camera: Camera) -> FloatArray:
    return geometry.project_boxes(
        corners_m,
        camera_SE3_world,
        camera.intrinsics,
        camera.width_px,
        camera.height_px,
        camera.model,
        camera.distortion,
    ).boxes_px


def _is_positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e6
