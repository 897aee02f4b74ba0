"""The simulated source: names, options, determinism, and what its scenes hold."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys

import numpy as np
import pytest

from stkit_datasets import geometry
from stkit_datasets.clip import Clip
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.simulation.render import RenderedFrames
from stkit_datasets.simulation.scenes import TEMPLATES, Scene, build_scene, generator
from stkit_datasets.sources.simulation import Simulation, track_names

N_SCENES = 64


@pytest.fixture(scope="module")
def source() -> Simulation:
    return Simulation(None)


@pytest.fixture(scope="module")
def scenes(source) -> list[Scene]:
    return [source.scene("train", unit) for unit in source.units("train")]


def test_units_are_named_by_split_and_index(source):
    assert source.units("train")[12] == "sim-train-000012"
    assert list(source.units("validation"))[-1] == "sim-val-000015"
    assert len(source.units("train")) == N_SCENES
    assert list(source.index_files("train")) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_scenes": 3}, "unknown option 'n_scenes'; known are n_train_scenes"),
        ({"duration_s": 21}, "duration_s must be from 2.5 to 20"),
        ({"duration_s": float("nan")}, "duration_s"),
        ({"n_train_scenes": -1}, "n_train_scenes must be from 0"),
        ({"n_train_scenes": "4"}, "n_train_scenes must be int"),
        ({"seed": True}, "seed must be int"),
        ({"width_px": 8}, "width_px must be from 32"),
        ({"jitter_m": -0.1}, "jitter_m must be 0 or more"),
    ],
)
def test_a_wrong_option_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Simulation(None, options)


def test_a_wrong_split_or_unit_is_refused(source):
    with pytest.raises(ConfigError, match="train, validation"):
        source.units("test")
    names = ("sim-val-000000", "sim-train-1", "sim-train-00000x", "scene-0103", "sim-train-000064")
    for unit in names:
        with pytest.raises(SourceError, match="sim-train-000000 to sim-train-000063"):
            source.read("train", unit)


def digest(clip: Clip) -> str:
    tracks = clip.tracks
    parts = (tracks.centers_m, tracks.rotations_wxyz, clip.camera_SE3_world, clip.timestamps_s)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_another_process_makes_the_same_bytes(source):
    program = (
        "import hashlib\n"
        "from stkit_datasets.sources.simulation import Simulation\n"
        "clip = Simulation(None).read('train', 'sim-train-000002').clips[0]\n"
        "t = clip.tracks\n"
        "a = (t.centers_m, t.rotations_wxyz, clip.camera_SE3_world, clip.timestamps_s)\n"
        "frame = next(clip.frames.read(None))\n"
        "print(hashlib.sha256(b''.join(p.tobytes() for p in a)).hexdigest())\n"
        "print(hashlib.sha256(frame.tobytes()).hexdigest())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    clip = source.read("train", "sim-train-000002").clips[0]
    frame = hashlib.sha256(next(clip.frames.read(None)).tobytes()).hexdigest()
    assert done.stdout.split() == [digest(clip), frame]


def test_seeds_splits_and_units_differ_and_order_does_not_matter(source):
    other = Simulation(None, {"seed": 1})
    seen = [
        digest(source.read("train", "sim-train-000001").clips[0]),
        digest(source.read("validation", "sim-val-000001").clips[0]),
        digest(source.read("train", "sim-train-000000").clips[0]),
        digest(other.read("train", "sim-train-000001").clips[0]),
    ]
    assert len(set(seen)) == 4
    assert digest(source.read("train", "sim-train-000001").clips[0]) == seen[0]


def test_clips_are_on_the_grid_with_exact_cameras_and_keys(source):
    for unit in source.units("validation")[:6]:
        result = source.read("validation", unit)
        assert 1 <= len(result.clips) <= 2
        for clip in result.clips:
            assert (clip.timestamps_s == 0.5 * np.arange(len(clip.timestamps_s))).all()
            assert 5 <= len(clip.timestamps_s) <= 40
            assert (clip.source, clip.split, clip.scene_id) == ("simulation", "validation", unit)
            tracks = clip.tracks
            keys = tracks.annotation_keys
            assert keys.shape == (len(tracks), tracks.n_frames, 1)
            for i, t in np.argwhere(tracks.annotated)[::97]:
                assert keys[i, t, 0] == f"{unit}/{tracks.track_ids[i]}/{t}"
            assert (keys[~tracks.annotated] == "").all()
            rotation = clip.camera_SE3_world[:, :3, :3]
            identity = rotation @ rotation.transpose(0, 2, 1)
            assert identity == pytest.approx(np.broadcast_to(np.eye(3), identity.shape), abs=1e-12)
            assert np.linalg.det(rotation) == pytest.approx(np.ones(tracks.n_frames))


def test_a_mounted_camera_moves_with_its_vehicle(scenes):
    checked = 0
    for scene in scenes[:20]:
        for view in scene.views:
            if view.mounted_on is None:
                assert (view.camera_SE3_world == view.camera_SE3_world[0]).all()
                continue
            assert view.mounted_on == 0
            place = geometry.inverse(view.camera_SE3_world)[:, :3, 3]
            local = geometry.transform_points(
                geometry.inverse(geometry.se3(scene.rotations_wxyz[0], scene.centers_m[0])),
                place[:, None],
            )[:, 0]
            assert local == pytest.approx(np.broadcast_to(local[0], local.shape), abs=1e-6)
            assert abs(local[0, 0]) < scene.sizes_lwh_m[0, 0] / 2
            checked += 1
    assert checked >= 5


def test_jitter_moves_annotations_and_not_the_world(source):
    noisy = Simulation(None, {"jitter_m": 0.05})
    exact = source.read("train", "sim-train-000003").clips[0]
    shaken = noisy.read("train", "sim-train-000003").clips[0]
    off = (shaken.tracks.centers_m - exact.tracks.centers_m)[exact.tracks.annotated]
    assert off.std() == pytest.approx(0.05, rel=0.1)
    assert (next(exact.frames.read(None)) == next(shaken.frames.read(None))).all()


def test_worlds_are_finite_and_within_the_limits(scenes):
    for scene in scenes:
        assert np.isfinite(scene.centers_m).all()
        assert np.isfinite(scene.headings_rad).all()
        speed = 2 * np.hypot(*np.diff(scene.centers_m[..., :2], axis=1).transpose(2, 0, 1))
        top = np.array([body.model.limits.max_speed_mps for body in scene.bodies])
        # The box centre swings out a little more than the rear axle drives.
        assert (speed <= 1.15 * top[:, None] + 0.1).all(), scene.name
        people = [body.model.kind == "person" for body in scene.bodies]
        assert (speed[people] < 13.0).all()
        on_ground = scene.centers_m[..., 2] - scene.sizes_lwh_m[:, None, 2] / 2
        assert np.abs(on_ground).max() < 1e-6


def test_headings_are_along_the_motion(scenes):
    for scene in scenes:
        if scene.domain == "sports":
            continue
        # The rear axle moves along the heading; half a second's chord along the middle heading.
        axle = np.array([body.rear_axle_m for body in scene.bodies])[:, None, None]
        ways = np.stack([np.cos(scene.headings_rad), np.sin(scene.headings_rad)], axis=-1)
        step = np.diff(scene.centers_m[..., :2] - axle * ways, axis=1)
        middle = (scene.headings_rad[:, 1:] + scene.headings_rad[:, :-1]) / 2
        turn = np.abs(np.diff(scene.headings_rad, axis=1))
        off = np.arctan2(step[..., 1], step[..., 0]) - middle
        off = np.abs((off + math.pi) % (2 * math.pi) - math.pi)
        steady = (np.hypot(step[..., 0], step[..., 1]) > 0.4) & (turn < 0.3)
        # Somebody on foot may step left and right within the half second.
        assert off[steady].max(initial=0.0) < math.radians(15), scene.name
        assert np.quantile(off[steady], 0.9) < math.radians(1), scene.name


def test_bodies_do_not_run_through_one_another(scenes):
    for scene in scenes:
        radius = scene.sizes_lwh_m[:, 1] / 2
        between = scene.centers_m[:, None, :, :2] - scene.centers_m[None, :, :, :2]
        apart = np.hypot(between[..., 0], between[..., 1])
        apart[np.arange(len(radius)), np.arange(len(radius))] = np.inf
        share = 0.45 if scene.domain == "sports" else 1.0
        assert (apart > share * (radius[:, None] + radius)[..., None]).all(), scene.name


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_the_shortest_scenes_and_smallest_pictures_work(template):
    for seed in range(4):
        scene = build_scene("short", generator(seed, template), 2.5, 33, 32, template)
        assert scene.centers_m.shape[1] == 5
        assert np.isfinite(scene.centers_m).all()
        pictures = [RenderedFrames(scene, view).read() for view in range(len(scene.views))]
        assert [next(picture).shape for picture in pictures] == [(32, 32, 3)] * len(pictures)


def test_names_tell_category_and_index(scenes):
    names = track_names(scenes[0])
    assert len(set(names)) == len(names) == len(scenes[0].bodies)
    assert all(
        name.rpartition("-")[0] == body.model.category
        for name, body in zip(names, scenes[0].bodies, strict=True)
    )


def clock_of(first: np.ndarray, last: np.ndarray) -> int:
    """Twelve is straight on, three is right, seen from above."""
    turn = math.atan2(first[1], first[0]) - math.atan2(last[1], last[0])
    return round(math.degrees(turn) / 30) % 12 or 12


def long_enough(clip: Clip):
    """Runs (track, start, stop) seen for 2 s or more, with boxes of 10 px, that move a metre."""
    projected = geometry.project_boxes(
        clip.tracks.corners_m,
        clip.camera_SE3_world,
        clip.camera.intrinsics,
        clip.camera.width_px,
        clip.camera.height_px,
    )
    for i in range(len(clip.tracks)):
        seen = np.concatenate([[0], projected.visible[i].astype(int), [0]])
        starts, stops = np.flatnonzero(np.diff(seen) == 1), np.flatnonzero(np.diff(seen) == -1)
        if not len(starts):
            continue
        best = int(np.argmax(stops - starts))
        start, stop = int(starts[best]), int(stops[best])
        size = projected.boxes_px[i, start:stop, 2:] - projected.boxes_px[i, start:stop, :2]
        way = clip.tracks.centers_m[i, stop - 1] - clip.tracks.centers_m[i, start]
        if stop - start >= 5 and np.median(size.min(axis=1)) >= 10 and np.hypot(*way[:2]) >= 1:
            yield i, start, stop


def test_scenes_give_every_clock_direction_and_enough_objects(source, scenes):
    clocks = np.zeros(13, dtype=int)
    counts = []
    for scene in scenes:
        for clip in source.clips("train", scene):
            runs = list(long_enough(clip))
            counts.append(len(runs))
            for i, start, stop in runs if clip.domain == "driving" else ():
                steps = np.diff(clip.tracks.centers_m[i, start:stop, :2], axis=0)
                if np.hypot(*steps[0]) >= 0.25 and np.hypot(*steps[-1]) >= 0.25:
                    clocks[clock_of(steps[0], steps[-1])] += 1
    assert (clocks[1:] >= 5).sum() >= 10, clocks[1:]
    assert (clocks[1:] > 0).all(), clocks[1:]
    assert 4 <= np.median(counts) <= 14
    assert np.mean(np.array(counts) >= 3) > 0.9


def test_every_template_occurs_in_both_splits_domains(scenes, source):
    assert {scene.template for scene in scenes} == {
        "straight_road",
        "curved_road",
        "junction",
        "roundabout",
        "car_park",
        "court",
    }
    validation = source.units("validation")
    domains = {source.scene("validation", unit).domain for unit in validation[:8]}
    assert domains == {"driving", "sports"}


def test_nobody_in_traffic_goes_in_circles(scenes):
    for scene in (scene for scene in scenes if scene.domain == "driving"):
        turned = np.abs(scene.headings_rad[1:, 6:] - scene.headings_rad[1:, :-6])
        assert turned.max(initial=0.0) <= np.radians(270)
