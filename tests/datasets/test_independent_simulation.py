"""Questions about simulated scenes against the world that they were drawn from.

A simulated body knows more than its positions on the grid: its odometer and the way it faces.
Targets are held to those, and to the same recomputation that the real files are held to.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from independent import Cuboid, Pose, Scene, View
from independent_checks import (
    CHECKS,
    SINGLE_VALUES,
    asked_questions,
    disagreements,
    expected_questions,
    run_of,
)

N_SCENES = 4
# A car park, a junction, a roundabout and a court.
OPTIONS = {"n_train_scenes": 0, "n_validation_scenes": N_SCENES, "seed": 6}


@pytest.fixture(scope="module")
def clips() -> list:
    from stkit_datasets.sources.simulation import Simulation

    source = Simulation(options=OPTIONS)
    units = source.units("validation")
    assert len(units) == N_SCENES
    return [clip for unit in units for clip in source.read("validation", unit).clips]


@pytest.fixture(scope="module")
def scenes(clips) -> dict[tuple[str, str], Scene]:
    return {(clip.scene_id, clip.camera.name): scene_of(clip) for clip in clips}


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> list[dict]:
    from datasets import load_dataset

    import stkit_datasets  # noqa: F401  makes "stkit" known

    cache = tmp_path_factory.mktemp("cache")
    return load_dataset(
        "stkit",
        "simulation",
        split="validation",
        video="none",
        source_options=OPTIONS,
        cache_dir=str(cache),
    ).to_list()


def scene_of(clip) -> Scene:
    """The annotation of one camera, without what the clip could compute from it."""
    scene = Scene(clip.scene_id, [float(t) for t in clip.timestamps_s])
    tracks, camera = clip.tracks, clip.camera
    for i, track_id in enumerate(tracks.track_ids):
        scene.categories[track_id] = tracks.categories[i]
        scene.cuboids[track_id] = [
            None
            if math.isnan(center[0])
            else Cuboid(
                Pose.from_quaternion(*rotation, center), *size, tuple(str(key) for key in keys)
            )
            for center, size, rotation, keys in zip(
                tracks.centers_m[i],
                tracks.sizes_lwh_m[i],
                tracks.rotations_wxyz[i],
                tracks.annotation_keys[i],
                strict=True,
            )
        ]
    (fx, _, cx), (_, fy, cy), _ = camera.intrinsics
    poses = []
    for camera_SE3_world in clip.camera_SE3_world:
        there = Pose(camera_SE3_world[:3, :3], camera_SE3_world[:3, 3])
        poses.append(Pose(there.rotation.T, there.back((0.0, 0.0, 0.0))))
    size = camera.width_px, camera.height_px
    scene.views[camera.name] = [View(pose, fx, fy, cx, cy, *size) for pose in poses]
    return scene


@pytest.fixture(scope="module")
def worlds() -> dict[str, tuple[dict[str, int], object]]:
    """Of each scene, the index of a body by its name, and the scene as it was played."""
    from stkit_datasets.sources.simulation import Simulation, track_names

    source = Simulation(options=OPTIONS)
    played = [source.scene("validation", unit) for unit in source.units("validation")]
    return {
        scene.name: ({name: i for i, name in enumerate(track_names(scene))}, scene)
        for scene in played
    }


@pytest.mark.parametrize("check", CHECKS)
def test_every_row_agrees_with_a_recomputation(rows, scenes, check):
    found = [
        problem
        for (scene_id, camera), scene in scenes.items()
        for problem in disagreements(
            check,
            [row for row in rows if (row["scene_id"], row["camera"]) == (scene_id, camera)],
            {scene_id: scene},
        )
    ]
    assert found == []
    assert len(rows) > 50


def test_every_moving_object_is_asked_about(rows, clips, scenes):
    for clip in clips:
        scene = scenes[clip.scene_id, clip.camera.name]
        expected = expected_questions(scene, clip.camera.name)
        if clip.domain == "sports":
            expected = {item for item in expected if item[1] in SINGLE_VALUES}
        assert asked_questions(rows, scene, clip.camera.name) == expected, clip.clip_id


def test_values_agree_with_the_odometer(rows, worlds, scenes):
    """The odometer counts the way of the rear axle, the target that of the box's centre.

    On a bicycle model the centre is half a wheelbase ahead, so that it moves at the speed
    sqrt(v^2 + (turn rate * wheelbase / 2)^2). Players have no axle, but cut the corners that they
    turn within a step.
    """
    n_driven = n_played = 0
    for row in rows:
        if row["task"] not in SINGLE_VALUES:
            continue
        index, world = worlds[row["scene_id"]]
        body = index[row["objects"][0]["track_id"]]
        first, last = run_of(row, scenes[row["scene_id"], row["camera"]])
        steps = slice(first, last + 1)
        driven = np.diff(world.distances_m[body, steps])
        turned = np.diff(world.headings_rad[body, steps])
        swung = turned * world.bodies[body].wheelbase_m / 2
        value = row["target"]["value_si"]
        if row["task"] == "traveling_speed":
            value *= row["end_s"] - row["start_s"]
        if world.domain == "sports":
            n_played += 1
            assert 0.85 * driven.sum() < value < 1.001 * driven.sum(), row["id"]
        elif np.abs(turned).max() < 1.0:
            n_driven += 1
            straight = np.abs(swung).max() < 1e-3
            tolerance = 1e-5 if straight else 0.01
            assert value == pytest.approx(np.hypot(driven, swung).sum(), rel=tolerance), row["id"]
    assert n_driven > 50
    assert n_played > 10


def test_clock_directions_agree_with_the_way_bodies_face(rows, worlds, scenes):
    errors: list[float] = []
    for row in rows:
        if row["task"] not in ("movement_direction", "direction_timestamp"):
            continue
        index, world = worlds[row["scene_id"]]
        track = row["objects"][0]["track_id"]
        facing = np.degrees(world.headings_rad[index[track]])
        along = (facing[:-1] + facing[1:]) / 2
        scene = scenes[row["scene_id"], row["camera"]]
        first, last = scene.appearance(row["camera"], track)
        steps = range(last - 1, last)
        if row["task"] == "direction_timestamp":
            steps = range(*(scene.frame(row["target"][name]) for name in ("start_s", "end_s")))
        for step in steps:
            clockwise = along[first] - along[step]
            off = (row["target"]["clock"] * 30 - clockwise + 180) % 360 - 180
            errors.append(abs(off))
    assert len(errors) > 50
    # Half an hour of rounding, and bodies that slide a little over their nose in a bend.
    assert max(errors) < 45
    assert np.percentile(errors, 90) < 20
