from __future__ import annotations

import numpy as np

from stkit_datasets.pseudo_labels.breaks import longest_whole_part
from stkit_datasets.pseudo_labels.smoothing import SmootherConfig, smooth

TIMES_S = 0.5 * np.arange(20)


def test_the_smoother_gives_the_values_of_filterpy():
    # Golden values: filterpy 2.0.0, KalmanFilter and rts_smoother with the same matrices.
    measured = np.array(
        [[0, 0, 1], [2.5, 0.3, 1.1], [4.2, -0.1, 0.9], [np.nan] * 3, [9, 0.2, 1], [11.5, 0.1, 1.1]]
    )
    covariances = np.tile(np.diag([4.0, 0.25, 0.04]), (1, 6, 1, 1))
    config = SmootherConfig(
        acceleration_densities=(0.3,),
        noise_factors=(1.0,),
        degrees_of_freedom=1e9,
    )
    smoothed = smooth(measured[None], covariances, TIMES_S[:6], config)
    np.testing.assert_allclose(
        smoothed.centers_m[0],
        [
            *([0.00740654, 0.07301778, 0.9992155], [2.2677621, 0.085186, 1.00665269]),
            *([4.5299175, 0.09178013, 1.0143964], [6.79510215, 0.10390366, 1.0235624]),
            *([9.06284637, 0.11885241, 1.03412823], [11.33206676, 0.13115639, 1.04560727]),
        ],
        atol=2e-6,
    )
    np.testing.assert_allclose(
        smoothed.sigmas_m[0],
        [0.8810217, 0.67187053, 0.56225876, 0.57867519, 0.7091207, 0.92478611],
        atol=2e-6,
    )


def straight(n=30, speed_mps=6.0, sigmas_m=(2.0, 0.2, 0.1), seed=0):
    rng = np.random.default_rng(seed)
    truth = np.zeros((n, len(TIMES_S), 3))
    truth[..., 1] = speed_mps * TIMES_S
    covariances = np.tile(np.diag(np.square(sigmas_m)), (n, len(TIMES_S), 1, 1))
    return truth, truth + rng.normal(size=truth.shape) * sigmas_m, covariances


def test_stated_deviations_are_those_of_the_errors():
    truth, measured, covariances = straight(n=100)
    smoothed = smooth(measured, covariances, TIMES_S)
    stated = np.sqrt(np.diagonal(smoothed.covariances_m2, axis1=2, axis2=3))
    within = np.abs(smoothed.centers_m - truth) < stated
    np.testing.assert_allclose(within.mean(axis=(0, 1)), 0.68, atol=0.12)
    assert np.abs(smoothed.centers_m - truth)[..., 0].std() < 0.6 * 2.0


def test_deviations_that_are_stated_too_low_are_raised():
    _, measured, covariances = straight()
    smoothed = smooth(measured, covariances / 4, TIMES_S)
    assert 1.5 <= np.median(smoothed.noise_factors) <= 2.5


def test_a_far_off_position_is_given_little_weight():
    truth, measured, covariances = straight(n=1, sigmas_m=(0.2, 0.2, 0.1))
    measured[0, 8, 0] += 15.0
    smoothed = smooth(measured, covariances, TIMES_S)
    assert smoothed.weights[0, 8] < 0.1
    assert np.abs(smoothed.centers_m - truth).max() < 0.6


def test_nothing_is_said_outside_of_what_was_measured():
    _, measured, covariances = straight(n=3)
    measured[0, :4] = measured[0, 15:] = measured[0, 9] = np.nan
    measured[2] = np.nan
    given = np.isfinite(smooth(measured, covariances, TIMES_S).centers_m[..., 0])
    assert given[0].tolist() == [4 <= k < 15 for k in range(20)]
    assert given[1].all()
    assert not given[2].any()


def test_tracks_do_not_touch_each_other():
    _, measured, covariances = straight(n=4)
    measured[1, :7] = np.nan
    alone = smooth(measured[1:2], covariances[1:2], TIMES_S)
    together = smooth(measured, covariances, TIMES_S)
    np.testing.assert_allclose(together.centers_m[1], alone.centers_m[0], atol=1e-9)


def test_no_tracks_are_no_error():
    assert smooth(np.zeros((0, 5, 3)), np.zeros((0, 5, 3, 3)), TIMES_S[:5]).centers_m.size == 0


# --- jumps -----------------------------------------------------------------------------------


def parts(jumps):
    """The frames left of a track that is moved by the given metres in the given frames."""
    track = np.stack([3.0 * TIMES_S, 0 * TIMES_S, 0 * TIMES_S], axis=1)
    for frames, metres in jumps:
        track[frames, 1] += metres
    covariances = np.tile(0.04 * np.eye(3), (len(TIMES_S), 1, 1))
    return longest_whole_part(track, covariances, TIMES_S).tolist()


def test_a_whole_track_stays():
    assert parts([]) == list(range(20))


def test_of_a_track_that_jumps_the_longer_part_stays():
    assert parts([(slice(12, 20), 9.0)]) == list(range(12))


def test_a_track_goes_on_after_some_frames_elsewhere():
    assert parts([(slice(8, 11), 9.0)]) == [*range(8), *range(11, 20)]


def test_a_turn_is_no_jump():
    angles = 0.25 * TIMES_S
    track = 20 * np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    covariances = np.tile(0.01 * np.eye(3), (len(TIMES_S), 1, 1))
    assert len(longest_whole_part(track, covariances, TIMES_S)) == 20
