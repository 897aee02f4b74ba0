"""Simulated scenes at the rate of labelling, and errors that are the same at any rate."""

from __future__ import annotations

import numpy as np
import pytest

from stkit_datasets.geometry import inverse
from stkit_datasets.pseudo_labels.command import add_arguments
from stkit_datasets.pseudo_labels.degrade import Degradation, degrade
from stkit_datasets.pseudo_labels.interfaces import Geometry, Segmentation
from stkit_datasets.pseudo_labels.labeller import Setup
from stkit_datasets.pseudo_labels.simulated import at_rate
from stkit_datasets.pseudo_labels.trials import FPS, trials
from stkit_datasets.sources.simulation import Simulation


@pytest.fixture(scope="module")
def scene():
    source = Simulation(None, {"n_train_scenes": 1, "seed": 3, "duration_s": 6.0})
    return source.scene("train", source.units("train")[0])


def test_trials_run_at_the_rate_that_users_label_at():
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args(["--out", "x"]).fps == FPS
    fields = {f.name: f.default for f in Setup.__dataclass_fields__.values()}
    assert fields["fps"] == FPS


def test_a_denser_scene_goes_through_the_same_places(scene):
    dense, times_s = at_rate(scene, 4)
    np.testing.assert_allclose(times_s[::2], scene.timestamps_s)
    np.testing.assert_array_equal(dense.centers_m[:, ::2], scene.centers_m)
    for own, same in zip(dense.views, scene.views, strict=True):
        np.testing.assert_allclose(
            own.camera_SE3_world[::2], same.camera_SE3_world, rtol=0, atol=1e-9
        )
        rotations = inverse(own.camera_SE3_world)[:, :3, :3]
        unit = rotations @ np.swapaxes(rotations, 1, 2)
        np.testing.assert_allclose(unit, np.tile(np.eye(3), (len(unit), 1, 1)), atol=1e-9)
    # Between two times a body is between the two places, but for the bend of its path.
    middle = (scene.centers_m[:, 1:] + scene.centers_m[:, :-1]) / 2
    off = np.linalg.norm(dense.centers_m[:, 1::2] - middle, axis=2)
    assert off.max() < 0.3


def test_the_cubic_is_exact_for_steady_acceleration(scene):
    from dataclasses import replace

    t = scene.timestamps_s
    centers = np.zeros_like(scene.centers_m)
    centers[..., 0] = 3 * t + 0.5 * 2 * t**2
    dense, times_s = at_rate(replace(scene, centers_m=centers), 8)
    expected = 3 * times_s + times_s**2
    inside = slice(4, -4)  # at both ends there is no fourth place
    np.testing.assert_allclose(dense.centers_m[0, inside, 0], expected[inside], atol=1e-9)


@pytest.mark.parametrize("fps", [1, 3, 0.5])
def test_other_rates_are_refused(scene, fps):
    with pytest.raises(ValueError, match="fps must be a multiple of 2"):
        at_rate(scene, fps)


def plain(t, h=24, w=32):
    """A wall and a camera that drives 1 m each half second, without objects."""
    poses = np.tile(np.eye(4), (t, 1, 1))
    geometry = Geometry(
        depths=np.full((t, h, w), 20.0, dtype=np.float32),
        world_SE3_camera=poses,
        intrinsics=np.tile(np.array([[30.0, 0, 16], [0, 30, 12], [0, 0, 1]]), (t, 1, 1)),
        width_px=w,
        height_px=h,
        is_metric=True,
    )
    empty = np.empty((0, t))
    masks = Segmentation(
        (), (), np.full((t, h, w), -1, np.int16), np.empty((0, t, 4)), empty, empty, w, h
    )
    return geometry, masks


NONE = dict.fromkeys(vars(Degradation()), 0) | {"metric_every_s": 1.0}


@pytest.mark.parametrize("fps", [2.0, 8.0])
def test_as_much_drifts_in_the_same_time_at_any_rate(fps):
    how = Degradation(**{**NONE, "drift": 0.02, "translation_m": 0.05, "rotation_deg": 0.5})
    logs, places = [], []
    for seed in range(300):
        geometry, masks = plain(round(8 * fps) + 1)
        worse, metric, _ = degrade(geometry, masks, np.random.default_rng(seed), how, fps)
        logs.append(np.log(worse.depths[-1, 0, 0] / worse.depths[0, 0, 0]))
        places.append(worse.world_SE3_camera[-1, 0, 3])
        assert len(metric.frames) == 9  # one a second
    # Sixteen half seconds of a walk.
    assert np.std(logs) == pytest.approx(0.02 * 4, rel=0.15)
    assert np.std(places) == pytest.approx(0.05 * 4, rel=0.3)


def test_errors_of_frames_are_as_large_at_any_rate_but_fade():
    how = Degradation(**{**NONE, "field": 0.1, "memory_s": 0.3})
    geometry, masks = plain(400)
    for fps in (2.0, 8.0):
        worse, _, _ = degrade(geometry, masks, np.random.default_rng(0), how, fps)
        off = np.log(worse.depths[:, 0, 0] / 20)
        assert off.std() == pytest.approx(0.1, rel=0.2)
        shared = float(np.corrcoef(off[1:], off[:-1])[0, 1])
        assert shared == pytest.approx(np.exp(-1 / (fps * 0.3)), abs=0.12)


def test_a_trial_has_truth_on_the_grid_and_labels_between():
    trial = next(trials(1, 5, Degradation(**NONE)))
    assert len(trial.timestamps_s) == 2 * len(trial.clip.timestamps_s) - 1
    assert len(trial.geometry) == len(trial.timestamps_s)
    labels = trial.labels()
    np.testing.assert_array_equal(labels.frame_timestamps_s, trial.timestamps_s)
    assert set(trial.match) <= set(trial.clip.tracks.track_ids)
