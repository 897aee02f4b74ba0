from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stkit_datasets.pseudo_labels.interfaces import Geometry, MetricDepth
from stkit_datasets.pseudo_labels.scale import ScaleConfig, apply_scale, fit_scale, huber_mean

T, H, W = 20, 12, 16
TIMES_S = 0.5 * np.arange(T)


def scene(scales, noise=0.03, flicker=0.0, seed=0):
    """Depth in a unit of its own, and the true one in metres."""
    rng = np.random.default_rng(seed)
    true_m = rng.uniform(4, 40, (T, H, W))
    wrong = true_m / np.asarray(scales)[:, None, None]
    wrong = wrong * np.exp(rng.normal(0, noise, wrong.shape) + rng.normal(0, flicker, (T, 1, 1)))
    poses = np.tile(np.eye(4), (T, 1, 1))
    poses[:, 2, 3] = np.arange(T) / scales
    matrix = np.array([[20.0, 0, W / 2], [0, 20, H / 2], [0, 0, 1]])
    geometry = Geometry(wrong.astype(np.float32), poses, np.tile(matrix, (T, 1, 1)), W, H)
    return geometry, MetricDepth(np.arange(T), true_m.astype(np.float32))


def test_huber_mean_by_hand():
    values = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 50.0])
    # Median 2.5, deviations 2.5 1.5 .5 .5 1.5 47.5: their median 1.5, so one is 1.5 * 1.4826.
    center, spread = huber_mean(values, np.ones(6))
    assert spread == pytest.approx(1.5 * 1.4826)
    # The far one pulls as if it lay 1.345 deviations away: (10 + m + 1.345 s) / 6 = m.
    assert center == pytest.approx((10 + 1.345 * spread) / 5, abs=1e-6)


def test_a_scale_is_found_with_its_deviation():
    geometry, metric = scene(np.full(T, 2.5), flicker=0.05)
    fit = fit_scale(geometry, metric, TIMES_S, config=ScaleConfig(metric_sigma=0.07))
    assert fit.scale == pytest.approx(2.5, rel=0.04)
    assert fit.fit_sigma == pytest.approx(0.05 / np.sqrt(T), rel=0.5)
    assert fit.sigma == pytest.approx(np.hypot(fit.fit_sigma, 0.07))


def test_no_walk_is_seen_where_there_is_none():
    errors = []
    for seed in range(8):
        geometry, metric = scene(np.full(T, 2.0), flicker=0.05, seed=seed)
        errors.append(np.log(fit_scale(geometry, metric, TIMES_S).scales / 2.0).std())
    assert np.median(errors) < 0.01


def test_a_walk_is_followed():
    scales = np.exp(np.linspace(0, 0.4, T))
    geometry, metric = scene(scales, flicker=0.02)
    fit = fit_scale(geometry, metric, TIMES_S)
    assert np.abs(np.log(fit.scales / scales)).max() < 0.04
    assert fit.walk_per_s > 0


def test_frames_between_metric_ones_are_led_across():
    scales = np.exp(np.linspace(0, 0.4, T))
    geometry, metric = scene(scales, flicker=0.01)
    some = np.arange(0, T, 3)
    few = MetricDepth(some, metric.depths_m[some])
    off = np.abs(np.log(fit_scale(geometry, few, TIMES_S).scales / scales))
    assert off[:-1].max() < 0.05  # the last frame lies beyond all metric ones


def test_one_far_off_frame_is_ignored():
    geometry, metric = scene(np.full(T, 2.0), flicker=0.02)
    metric.depths_m[7] *= 3
    assert fit_scale(geometry, metric, TIMES_S).scale == pytest.approx(2.0, rel=0.03)


def test_the_median_is_that_of_all_ratios():
    geometry, metric = scene(np.full(T, 2.0))
    fit = fit_scale(geometry, metric, TIMES_S, config=ScaleConfig(method="median", max_cells=9999))
    ratios = np.median(np.log(metric.depths_m.astype(float) / geometry.depths))
    assert fit.scales == pytest.approx(np.full(T, np.exp(ratios)))


def test_excluded_cells_do_not_count():
    geometry, metric = scene(np.full(T, 2.0))
    excluded = np.zeros((T, H, W), dtype=bool)
    excluded[:, :, : W // 2] = True
    metric.depths_m[excluded] *= 5
    fit = fit_scale(geometry, metric, TIMES_S, excluded)
    assert fit.scale == pytest.approx(2.0, rel=0.02)


def test_depth_seen_at_another_focal_length_is_brought_to_it():
    geometry, metric = scene(np.full(T, 2.0))
    fit = fit_scale(geometry, replace(metric, focal_px=np.full(T, 40.0)), TIMES_S)
    assert fit.scale == pytest.approx(1.0, rel=0.02)


def test_the_camera_steps_at_the_factor_of_its_time():
    scales = np.exp(np.linspace(0, 0.4, T))
    geometry, metric = scene(scales, noise=0.001)
    unscaled = replace(geometry, world_SE3_camera=geometry.world_SE3_camera.copy())
    steps = 1 / scales
    unscaled.world_SE3_camera[:, 2, 3] = np.concatenate([[0], np.cumsum(steps[1:])])
    metres = apply_scale(unscaled, fit_scale(unscaled, metric, TIMES_S))
    assert metres.is_metric
    np.testing.assert_allclose(np.diff(metres.world_SE3_camera[:, 2, 3]), 1.0, atol=0.03)


def test_a_metric_reconstruction_is_taken_as_it_is():
    geometry, _ = scene(np.ones(T))
    fit = fit_scale(replace(geometry, is_metric=True), None, TIMES_S)
    assert (fit.scales == 1).all()
    assert fit.sigma == ScaleConfig().unfitted_sigma


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g, m: (g, None), "needs metric depth"),
        (lambda g, m: (g, replace(m, depths_m=m.depths_m * np.nan)), "0 cells have both depths"),
        (lambda g, m: (g, MetricDepth(np.array([T]), m.depths_m[:1])), "is of frame 20"),
    ],
)
def test_what_cannot_be_fitted_is_an_error(change, message):
    geometry, metric = change(*scene(np.ones(T)))
    with pytest.raises(ValueError, match=message):
        fit_scale(geometry, metric, TIMES_S)
