from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import toy

from stkit_datasets.config import KinematicsConfig
from stkit_datasets.errors import ConfigError
from stkit_datasets.observation import observe

CONFIG = KinematicsConfig()


def observed(*centers: np.ndarray, **more):
    return observe(toy.clip(np.stack(centers), **more), CONFIG)


def test_appearance_is_the_longest_visible_run() -> None:
    centers = toy.straight((20, 0, 0.75), (2, 0, 0), 12)
    centers[3] = np.nan
    seen = observed(centers)
    assert (int(seen.starts[0]), int(seen.stops[0])) == (4, 12)
    assert seen.objects.tolist() == [0]


@pytest.mark.parametrize(
    ("centers", "reason"),
    [
        (toy.straight((20, 0, 0.75), (0.2, 0, 0), 8), "not_moving"),
        (toy.straight((-20, 0, 0.75), (-2, 0, 0), 8), "never_visible"),
        (toy.straight((20, 0, 0.75), (2, 0, 0), 4), "appearance_too_short"),
        (toy.straight((90, 0, 0.75), (2, 0, 0), 8), "box_too_small"),
        (toy.straight((20, 0, 0.75), (71, 0, 0), 8), "faster_than_gate"),
    ],
)
def test_reason_why_a_track_is_not_asked_about(centers: np.ndarray, reason: str) -> None:
    seen = observed(centers)
    assert dict(seen.dropped) == {reason: 1}
    assert len(seen.objects) == 0


def test_people_have_a_lower_speed_gate() -> None:
    centers = toy.straight((20, 0, 0.75), (14, 0, 0), 5)[None]
    assert dict(observe(toy.clip(centers, ("person",)), CONFIG).dropped) == {"faster_than_gate": 1}
    assert not observe(toy.clip(centers, ("vehicle",)), CONFIG).dropped["faster_than_gate"]


def test_real_grids_may_be_some_milliseconds_short() -> None:
    clip = toy.clip(toy.straight((20, 0, 0.75), (2, 0, 0), 5)[None])
    object.__setattr__(clip, "timestamps_s", clip.timestamps_s * 0.9995)
    assert observe(clip, CONFIG).objects.tolist() == [0]


def test_a_box_behind_another_is_hidden() -> None:
    front = toy.straight((10, 0, 0.75), (1, 0, 0), 6)
    behind = toy.straight((25, 0, 0.75), (1, 0, 0), 6)
    beside = toy.straight((25, 6, 0.75), (1, 0, 0), 6)
    seen = observed(front, behind, beside)
    assert seen.occlusion[0].tolist() == [0.0] * 6
    # From 1.5 m up, the near box hides all but the upper edge of an equal one behind it.
    assert (seen.occlusion[1] > 0.8).all()
    assert seen.occlusion[2].tolist() == [0.0] * 6


@pytest.mark.parametrize(
    ("model", "distortion"),
    [("pinhole", ()), ("brown", (-0.3, 0.1, 0.0, 0.0, 0.0)), ("fisheye", (0.02, 0.0, 0.0, 0.0))],
)
def test_half_hidden_is_about_a_half_through_any_lens(
    model: str, distortion: tuple[float, ...]
) -> None:
    size = (0.2, 2.0, 3.0)
    behind = toy.straight((20, 0, 1.5), (1, 0, 0), 6)
    front = toy.straight((10, 1, 1.5), (1, 0, 0), 6)  # covers the left half, y from 0 to 2
    clip = toy.clip(np.stack([behind, front]), size_lwh_m=size)
    camera = replace(clip.camera, model=model, distortion=distortion)
    seen = observe(replace(clip, camera=camera), CONFIG)
    assert seen.occlusion[0, 0] == pytest.approx(0.5, abs=0.02)


def test_a_person_before_a_long_truck_is_not_hidden_by_it() -> None:
    clip = toy.clip(
        np.stack(
            [toy.straight((20, -3, 0.9), (2, 0, 0), 6), toy.straight((21, 0, 0.75), (2, 0, 0), 6)]
        )
    )
    sizes = clip.tracks.sizes_lwh_m
    sizes[0], sizes[1] = (0.6, 0.6, 1.8), (18.0, 2.5, 3.0)
    # The truck's near end is nearer than the person, but it does not stand in between.
    assert observe(clip, CONFIG).occlusion[0].max() == 0.0


def test_given_image_boxes_are_used_as_they_are() -> None:
    projected = toy.clip(toy.straight((20, 0, 0.75), (2, 0, 0), 6)[None])
    boxes = np.tile([10.0, 20.0, 60.0, 80.0], (1, 6, 1))
    boxes[0, 5] = np.nan
    clip = type(projected)(**{**vars(projected), "camera_SE3_world": None, "boxes_px": boxes})
    seen = observe(clip, CONFIG)
    assert (int(seen.starts[0]), int(seen.stops[0])) == (0, 5)
    assert np.isnan(seen.occlusion).all()


def test_settings_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"min_ratio must be >= 1, got 0\.5"):
        KinematicsConfig(min_ratio=0.5)
    with pytest.raises(ConfigError, match="min_box_px must be positive, got 0"):
        KinematicsConfig(min_box_px=0)
