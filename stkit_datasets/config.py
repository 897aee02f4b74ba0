"""Every threshold of a build, with its default. Where the papers are silent the value is ours."""

from __future__ import annotations

from dataclasses import dataclass

from stkit_datasets.errors import ConfigError

GRID_STEP_S = 0.5
"""The grid of every clip [P1 3.2]."""
FPS = 1 / GRID_STEP_S
"""Frames per second of every video: one frame a grid step."""
MAX_FRAMES = 40
"""A clip is at most 40 frames on the grid, that is 20 s [P1 3.2]."""

TIME_TOLERANCE_S = 0.05
"""Real grids wander by some milliseconds: 5 keyframes may last 1.9995 s and still count as 2 s."""


@dataclass(frozen=True)
class KinematicsConfig:
    """Which objects are asked about, and which comparisons are fair.

    Attributes:
        min_appearance_s: shortest appearance of an object that qualifies.
        min_box_px: shortest side of its image box, in every frame of the appearance.
        min_displacement_m: net displacement over the appearance that makes an object a moving one.
            A parked car's boxes wander by centimetres a frame and would sum to metres.
        max_vehicle_speed_mps: a faster step drops the track (also used for kind ``other``).
        max_person_speed_mps: the same for people.
        min_step_m: a shorter step has no direction.
        min_direction_s: shortest stretch of one direction that is asked about.
        min_interval_s: shortest interval of a question.
        min_shared_s: how long two compared objects are visible together.
        min_ratio: least ratio of the two compared quantities.
        min_distance_gap_m: least difference of two compared distances.
        min_speed_gap_mps: least difference of two compared speeds.
        same_direction_deg: headings at most this far apart are the same direction.
        different_direction_deg: headings at least this far apart are different ones.
        max_pairs: most pairs of objects of a clip asked about in each comparison task.
    """

    min_appearance_s: float = 2.0
    min_box_px: float = 10.0
    min_displacement_m: float = 1.0
    max_vehicle_speed_mps: float = 70.0
    max_person_speed_mps: float = 13.0
    min_step_m: float = 0.25
    min_direction_s: float = 1.0
    min_interval_s: float = 1.0
    min_shared_s: float = 2.0
    min_ratio: float = 1.2
    min_distance_gap_m: float = 1.0
    min_speed_gap_mps: float = 0.5
    same_direction_deg: float = 30.0
    different_direction_deg: float = 60.0
    max_pairs: int = 8

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ConfigError(f"KinematicsConfig.{name} must be positive, got {value!r}")
        if self.min_ratio < 1:
            raise ConfigError(f"KinematicsConfig.min_ratio must be >= 1, got {self.min_ratio!r}")
        if self.same_direction_deg >= self.different_direction_deg:
            raise ConfigError(
                "KinematicsConfig.same_direction_deg must be below different_direction_deg, got "
                f"{self.same_direction_deg!r} and {self.different_direction_deg!r}"
            )


@dataclass(frozen=True)
class ScenarioConfig:
    """Borders of the scenario attributes [P2 C.1]; the papers name the classes, not the borders.

    Attributes:
        few_objects: at most this many objects in view are ``few``.
        several_objects: at most this many are ``several``, more are ``many``.
        occluded_share: an object whose box is hidden by at least this share on average is occluded.
        camera_path_m: a camera that travels farther over the clip is ``dynamic``.
        camera_turn_deg: so is one that turns by more.
        small_share: boxes below this share of the image are ``small``.
        large_share: boxes from this share on are ``large``.
    """

    few_objects: int = 5
    several_objects: int = 15
    occluded_share: float = 0.3
    camera_path_m: float = 1.0
    camera_turn_deg: float = 5.0
    small_share: float = 0.005
    large_share: float = 0.03
