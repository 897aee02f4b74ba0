import numpy as np
import pytest

from stkit_datasets.resample import (
    GridConfig,
    annotation_keys,
    grid_timestamps_ns,
    interpolate,
    interpolate_rotations,
    locate,
    longest_run,
    nearest_indices,
    resample_tracks,
)

MS = 1_000_000


def ns(*milliseconds):
    return np.array(milliseconds, dtype=np.int64) * MS


def one_track(times_ms, grid_ms, **config):
    times = ns(*times_ms)
    return locate(np.zeros(len(times), np.int64), times, 1, ns(*grid_ms), GridConfig(**config))


@pytest.mark.parametrize(
    ("sweeps_ms", "expected_ms"),
    [
        ([0, 100, 200, 300, 400, 500, 600, 1000], [0, 500, 1000]),
        # A sweep 4 ms off is the grid time; one 11 ms off is not.
        ([0, 504, 1011, 1100], [0, 504, 1000]),
        ([0, 490, 1000], [0, 490, 1000]),
        ([0, 489, 1000], [0, 500, 1000]),
        # The last grid time may lie 10 ms past the last sweep and is moved onto it, not farther.
        ([0, 500, 990], [0, 500, 990]),
        ([0, 500, 989], [0, 500]),
        ([7], [7]),
        ([], []),
    ],
)
def test_grid(sweeps_ms, expected_ms):
    np.testing.assert_array_equal(grid_timestamps_ns(ns(*sweeps_ms)), ns(*expected_ms))


def test_grid_does_not_drift_when_it_snaps():
    # 10 Hz that runs 0.1 % slow: each step snaps until the sum is over 10 ms, then t_0 + 0.5 k.
    sweeps = np.arange(0, 30_000) * 100_100_000
    grid = grid_timestamps_ns(sweeps[:301])
    np.testing.assert_allclose(grid / 1e9, 0.5 * np.arange(len(grid)), atol=0.0101)


@pytest.mark.parametrize(
    ("sweeps_ns", "message"),
    [
        ([0, 0], "strictly increasing"),
        ([5, 3], "strictly increasing"),
        ([-1, 3], "non-negative"),
        ([0, 10**18], "span"),
    ],
)
def test_grid_refuses(sweeps_ns, message):
    with pytest.raises(ValueError, match=message):
        grid_timestamps_ns(np.array(sweeps_ns))


@pytest.mark.parametrize(
    ("times_ms", "query_ms", "before", "after", "weight"),
    [
        ([0, 100], 0, 0, -1, 0.0),
        ([0, 100], 10, 0, -1, 0.0),  # within 10 ms: as it is
        ([0, 100], 25, 0, 1, 0.25),
        ([0, 100], 91, 1, -1, 0.0),
        ([0, 100], 110, 1, -1, 0.0),
        ([0, 100], 111, -1, -1, 0.0),  # beyond the end
        ([50, 100], 39, -1, -1, 0.0),  # before the start
        ([0, 250], 125, 0, 1, 0.5),
        ([0, 251], 125, -1, -1, 0.0),  # a gap of over 0.25 s is never bridged
        ([0, 251], 245, 1, -1, 0.0),
        ([0, 12], 6, 0, -1, 0.0),  # a tie goes to the earlier
        ([], 6, -1, -1, 0.0),
    ],
)
def test_locate(times_ms, query_ms, before, after, weight):
    found = one_track(times_ms, [query_ms])
    assert (found.before[0, 0], found.after[0, 0]) == (before, after)
    assert found.weight[0, 0] == pytest.approx(weight)


def test_tracks_do_not_mix():
    track = np.array([0, 0, 2, 2])
    times = ns(0, 100, 200, 300)
    found = locate(track, times, 3, ns(50, 150, 250))
    np.testing.assert_array_equal(found.before, [[0, -1, -1], [-1, -1, -1], [-1, -1, 2]])
    np.testing.assert_array_equal(found.after, [[1, -1, -1], [-1, -1, -1], [-1, -1, 3]])


def test_times_at_both_ends_of_the_clock_do_not_overflow():
    times = np.array([0, 2**62, 0, 2**62])
    found = locate(np.array([0, 0, 1, 1]), times, 2, np.array([0, 2**61, 2**62]))
    np.testing.assert_array_equal(found.before, [[0, -1, 1], [2, -1, 3]])


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_locate_refuses_unsorted_rows_and_duplicates(order):
    with pytest.raises(ValueError, match="sorted"):
        locate(np.zeros(2, np.int64), ns(0, 100)[order], 1, ns(0))


def test_values_are_linear_and_nan_does_not_spread_to_snapped_ones():
    found = one_track([0, 100, 200], [0, 25, 150])
    values = np.array([[1.0, 10.0], [2.0, np.nan], [4.0, 5.0]])
    np.testing.assert_allclose(
        interpolate(values, found)[0], [[1.0, 10.0], [1.25, np.nan], [3.0, np.nan]]
    )


def test_rotation_takes_the_shorter_arc():
    found = one_track([0, 100], [25, 50, 300])
    half = np.sqrt(0.5)
    # 0° and 90° about z, the second with its sign turned: a quarter of the way is 22.5°.
    rotations = interpolate_rotations(np.array([[1.0, 0, 0, 0], [-half, 0, 0, -half]]), found)
    angles = 2 * np.degrees(np.arctan2(rotations[0, :2, 3], rotations[0, :2, 0]))
    np.testing.assert_allclose(angles, [22.5, 45.0])
    assert np.isnan(rotations[0, 2]).all()


def test_keys_are_the_time_stamps_used():
    found = one_track([0, 100], [0, 50, 500])
    np.testing.assert_array_equal(
        annotation_keys(ns(0, 100), found)[0], [[0, -1], [0, 100 * MS], [-1, -1]]
    )


def test_resampled_tracks_are_exact_for_steady_motion():
    # Two tracks at 20 Hz and constant velocity: every grid value equals the formula.
    times = np.arange(0, 3001, 50)
    seconds = times / 1000
    velocity = np.array([[3.0, -1.0, 0.2], [0.0, 4.0, 0.0]])
    centers = (velocity[:, None] * seconds[:, None]).reshape(-1, 3)
    grid = ns(0, 520, 1010, 1530, 3000)  # none but the ends on a sample
    result = resample_tracks(
        np.repeat([0, 1], len(times)),
        np.tile(ns(*times), 2),
        centers,
        np.tile([4.0, 2.0, 1.5], (len(centers), 1)),
        np.tile([1.0, 0, 0, 0], (len(centers), 1)),
        2,
        grid,
        GridConfig(snap_s=0.0),
    )
    np.testing.assert_allclose(result.centers_m, velocity[:, None] * (grid / 1e9)[:, None])
    np.testing.assert_allclose(result.sizes_lwh_m, np.broadcast_to([4.0, 2.0, 1.5], (2, 5, 3)))
    assert result.annotation_keys.shape == (2, 5, 2)


def test_matches_a_plain_loop_on_random_tracks():
    rng = np.random.default_rng(5)
    track = np.repeat(np.arange(6), 30)
    times = np.concatenate([np.sort(rng.choice(4000, 30, replace=False)) for _ in range(6)]) * MS
    grid = ns(*range(0, 4001, 500))
    values = rng.normal(size=(180, 1))
    got = interpolate(values, locate(track, times, 6, grid))[..., 0]
    for i in range(6):
        t, v = times[track == i], values[track == i, 0]
        for j, when in enumerate(grid):
            near = np.abs(t - when).argmin()
            earlier, later = t[t <= when], t[t >= when]
            if abs(t[near] - when) <= 10 * MS:
                assert got[i, j] == v[near]
            elif len(earlier) and len(later) and later[0] - earlier[-1] <= 250 * MS:
                assert got[i, j] == pytest.approx(np.interp(when, t, v))
            else:
                assert np.isnan(got[i, j])


def test_nearest():
    np.testing.assert_array_equal(nearest_indices(ns(0, 10, 20), ns(-5, 5, 6, 99)), [0, 0, 1, 2])


@pytest.mark.parametrize(
    "wrong", [{"step_s": 0}, {"snap_s": 0.3}, {"max_gap_s": -1}, {"max_span_s": 0}]
)
def test_config_refuses(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        GridConfig(**wrong)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("", (0, 0)),
        ("0", (0, 0)),
        ("1", (0, 1)),
        ("0110", (1, 3)),
        ("110111", (3, 6)),
        ("110110", (0, 2)),
        ("1111", (0, 4)),
    ],
)
def test_longest_run(mask, expected):
    assert longest_run(np.array([c == "1" for c in mask], dtype=bool)) == expected
