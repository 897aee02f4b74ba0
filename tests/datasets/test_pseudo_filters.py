from __future__ import annotations

import numpy as np
import pytest

from stkit_datasets.pseudo_labels.dbscan import dbscan
from stkit_datasets.pseudo_labels.filters import (
    RuleConfig,
    apply_to_tracks,
    detections_kept,
    kalman_filter,
    nearest_neighbour_order,
    outliers,
    step_cosines,
    z_scores,
)
from stkit_datasets.pseudo_labels.interfaces import Segmentation

LINE = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [10, 0, 0]], dtype=float)


# --- DBSCAN ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("xs", "eps", "min_points", "expected"),
    [
        ([0, 1, 2, 9], 1.0, 2, [0, 0, 0, -1]),  # the neighbourhood is closed
        ([0, 1, 2, 9], 0.9, 2, [-1, -1, -1, -1]),
        ([9, 9.5, 0, 0.5, 20], 1.0, 2, [0, 0, 1, 1, -1]),  # numbered by first point
        ([0, 1, 2], 1.0, 3, [0, 0, 0]),  # only the middle is a core, both ends are borders
        ([0, 1, 2, 3, 4], 1.0, 4, [-1] * 5),
        ([], 1.0, 2, []),
    ],
)
def test_dbscan_by_hand(xs, eps, min_points, expected):
    points = np.array([[x, 0.0, 0.0] for x in xs]).reshape(-1, 3)
    assert dbscan(points, eps, min_points).tolist() == expected


def test_dbscan_gives_the_labels_of_scikit_learn():
    # Golden labels: sklearn.cluster.DBSCAN(eps=0.4, min_samples=5), scikit-learn 1.9.1.
    rng = np.random.default_rng(5)
    blobs = rng.normal(0, 0.25, (25, 3)), rng.normal([1.2, 0, 0], 0.3, (20, 3))
    points = np.concatenate([*blobs, rng.uniform(-2, 3, (15, 3))]).round(2)
    golden = [0] * 25 + [1] * 10 + [-1] + [1] * 9 + [-1, 0] + [-1] * 13
    assert dbscan(points, 0.4, 5).tolist() == golden


# --- detections ------------------------------------------------------------------------------


def one_frame(boxes, box_confidences, text_confidences):
    n = len(boxes)
    return Segmentation(
        object_ids=tuple(f"o{i}" for i in range(n)),
        categories=("car",) * n,
        instances=np.full((1, 4, 4), -1, dtype=np.int16),
        boxes_px=np.array(boxes, dtype=float)[:, None],
        box_confidences=np.array(box_confidences, dtype=float)[:, None],
        text_confidences=np.array(text_confidences, dtype=float)[:, None],
        width_px=100,
        height_px=100,
    )


def test_detections_are_dropped_under_the_first_rule_they_miss():
    large, small = [0, 0, 5, 2], [0, 0, 3, 3]  # 10 and 9 pixels
    segmentation = one_frame(
        [large, large, large, small, small, large, [np.nan] * 4],
        [0.40, 0.39, 0.90, 0.90, 0.10, np.nan, np.nan],
        [0.30, 0.90, 0.29, 0.90, 0.90, np.nan, np.nan],
    )
    kept, dropped = detections_kept(segmentation, RuleConfig())
    assert kept[:, 0].tolist() == [True, False, False, False, False, True, False]
    assert dropped == {
        "rules: box_confidence": 2,
        "rules: text_confidence": 1,
        "rules: box_area": 1,
    }


# --- outliers --------------------------------------------------------------------------------


def test_z_scores_by_hand():
    # x: mean 3.25, variance ((3.25² + 2.25² + 1.25² + 6.75²) / 4) = 15.6875
    expected = np.abs(LINE[:, 0] - 3.25) / np.sqrt(15.6875)
    np.testing.assert_allclose(z_scores(LINE), expected)


def test_a_z_score_needs_more_than_ten_points_to_pass_three():
    # Of n points the farthest can be (n - 1) / sqrt(n) deviations away: 2.85 of 10, 3.02 of 11.
    for n, found in ((10, 0), (11, 1)):
        points = np.zeros((n, 3))
        points[3, 1] = 5.0
        far = outliers(points, RuleConfig())["rules: z_score"]
        assert far.sum() == found
        assert far[3] == bool(found)


def test_step_cosines_by_hand():
    # Steps (2,0), (0,1), (-1,0): mean (1/3, 1/3), so cosines 1, 1 and -1 over the root of 2.
    points = np.array([[0, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0]], dtype=float)
    np.testing.assert_allclose(step_cosines(points), np.array([1, 1, -1]) / np.sqrt(2))


def test_a_step_back_ends_in_an_outlier():
    points = np.array([[0, 0, 0], [2, 0, 0], [1, 0, 0], [4, 0, 0], [4, 0, 0]], dtype=float)
    back = outliers(points, RuleConfig())["rules: cosine"]
    assert back.tolist() == [False, False, True, False, False]


def test_points_that_stand_have_no_outliers():
    assert not any(which.any() for which in outliers(np.ones((5, 3)), RuleConfig()).values())


# --- order and Kalman filter -----------------------------------------------------------------


def test_order_goes_to_the_nearest_point_left():
    points = np.array([[0, 0, 0], [3, 0, 0], [1, 0, 0], [2, 0, 0]], dtype=float)
    assert nearest_neighbour_order(points).tolist() == [0, 2, 3, 1]
    assert nearest_neighbour_order(np.zeros((0, 3))).tolist() == []


# Golden values: filterpy 2.0.0's KalmanFilter, F of constant velocity or of none, Q the identity,
# R and the first P 1000 times it.
MEASURED = np.array(
    [[0, 0, 0], [10, 1, 0], [18, -2, 0], [33, 0, 1], [41, 3, 0], [48, 1, 0]], dtype=float
)
FILTERED = {
    "velocity": [
        *([0, 0, 0], [6.667777408, 0.666777741, 0.0], [15.335109927, -1.000666223, 0.0]),
        *([28.63067974, -0.624687687, 0.625436938], [39.497752996, 1.312488784, 0.38148015]),
        [48.517707233, 1.380525443, 0.233250949],
    ],
    "position": [
        *([0, 0, 0], [5.002498751, 0.500249875, 0.0], [9.342213268, -0.334554483, 0.0]),
        *([15.277329515, -0.250623565, 0.25087369], [20.452663078, 0.403393336, 0.200398564]),
        [25.085844897, 0.503736507, 0.166693564],
    ],
}


@pytest.mark.parametrize("motion", ["velocity", "position"])
def test_kalman_filter_gives_the_values_of_filterpy(motion):
    filtered = kalman_filter(MEASURED, RuleConfig(motion=motion))
    np.testing.assert_allclose(filtered, FILTERED[motion], atol=1e-8)


def test_tracks_go_through_all_steps_and_say_what_was_dropped():
    track = np.full((6, 3), np.nan)
    track[[0, 1, 2, 4]] = [[0, 0, 0], [2, 0, 0], [1, 0, 0], [4, 0, 0]]
    out, dropped = apply_to_tracks(track[None], RuleConfig())
    assert np.isfinite(out[0, :, 0]).tolist() == [True, True, False, False, True, False]
    assert +dropped == {"rules: cosine": 1}
    np.testing.assert_allclose(out[0, [0, 1, 4]], kalman_filter(track[[0, 1, 4]], RuleConfig()))


def test_tracks_with_outliers_can_be_discarded_whole():
    track = np.array([[[0, 0, 0], [2, 0, 0], [1, 0, 0], [4, 0, 0]]], dtype=float)
    out, dropped = apply_to_tracks(track, RuleConfig(outliers="discard"))
    assert np.isnan(out).all()
    assert dropped["rules: tracks with outliers"] == 1
