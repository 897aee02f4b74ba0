from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import toy

from stkit_datasets.clip import Clip
from stkit_datasets.errors import SourceError
from stkit_datasets.pseudo_labels.factors import (
    UNCHANGED,
    VARIABLE,
    Factors,
    UncertaintyTable,
    current_table,
    read_table,
    write_table,
)
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.sources import open_source
from stkit_datasets.uncertainty import distance_variance_m2
from stkit_datasets.units_of_work import build_fingerprint

CONFIG = RowConfig(video="none")


@pytest.fixture(autouse=True)
def first_order(tmp_path, monkeypatch):
    """Rows state what first-order propagation gives, by a table that changes nothing."""
    write_table(tmp_path / "unchanged.json", UNCHANGED)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "unchanged.json"))


def uncertain(centers_m: np.ndarray, sigma_m: float, scale_sigma: float = 0.0) -> Clip:
    clip = toy.clip(centers_m)
    sigmas_m = np.full(centers_m.shape[:2], sigma_m)
    tracks = replace(clip.tracks, sigmas_m=sigmas_m, scale_sigma=scale_sigma)
    return replace(clip, tracks=tracks)


def rows_of(clip: Clip, task: str, form: str | None = None) -> list[dict]:
    rows = clip_rows(clip, CONFIG).table.to_pylist()
    return [row for row in rows if row["task"] == task and form in (None, row["form"])]


STRAIGHT = toy.straight((15, -4, 0.75), (4, 0, 0), 9)
OTHER = toy.straight((40, 4, 0.75), (-2, 0, 0), 9)


@pytest.mark.parametrize(
    ("centers_m", "sigmas_m", "expected"),
    [
        # Straight: only the ends count.
        ([[0, 0, 0], [1, 0, 0], [5, 0, 0]], [3, 7, 4], 9 + 16),
        # A right angle: the corner counts by the difference of the two unit vectors, length² 2.
        ([[0, 0, 0], [2, 0, 0], [2, 3, 0]], [0, 0.5, 0], 2 * 0.25),
        # There and back: twice along the line, so 4 times the variance.
        ([[0, 0, 0], [2, 0, 0], [0, 0, 0]], [1, 1, 1], 1 + 4 + 1),
        ([[0, 0, 0], [0, 0, 0], [1, 0, 0]], [1, 1, 1], 2),
        ([[0, 0, 0], [1, 0, 0]], [0, 0], 0),
    ],
)
def test_variance_of_a_distance(centers_m, sigmas_m, expected):
    found = distance_variance_m2(np.array(centers_m, float), np.array(sigmas_m, float))
    assert found == pytest.approx(expected)


def test_variance_of_a_distance_is_what_repeated_measurements_show():
    rng = np.random.default_rng(5)
    path = np.cumsum(rng.normal(size=(9, 3)) + np.array([3, 0, 0]), axis=0)
    sigmas_m = rng.uniform(0.01, 0.05, 9)
    measured = path + rng.normal(size=(20_000, 9, 3)) * sigmas_m[:, None]
    lengths = np.linalg.norm(np.diff(measured, axis=1), axis=2).sum(axis=1)
    assert lengths.var() == pytest.approx(distance_variance_m2(path, sigmas_m), rel=0.05)


def test_annotated_sources_have_none():
    rows = clip_rows(toy.clip(np.stack([STRAIGHT, OTHER])), CONFIG).table.to_pylist()
    assert {row["uncertainty_si"] for row in rows} == {None}


def test_distance_and_speed():
    # 16 m in 4 s; ends 0.3 m each: sqrt(2) 0.3 = 0.4243 m; scale 5 %: 0.8 m.
    clip = uncertain(STRAIGHT[None], 0.3, 0.05)
    (distance,) = rows_of(clip, "traveled_distance", "whole")
    (speed,) = rows_of(clip, "traveling_speed", "whole")
    assert distance["target"]["value_si"] == pytest.approx(16)
    assert distance["uncertainty_si"] == pytest.approx(
        math.hypot(0.3 * math.sqrt(2), 0.8), abs=1e-6
    )
    assert speed["uncertainty_si"] == pytest.approx(distance["uncertainty_si"] / 4, abs=1e-6)


def test_differences_of_two():
    # 16 m and 8 m: the scale moves their difference of 8 m by 0.4 m; four ends of 0.3 m.
    clip = uncertain(np.stack([STRAIGHT, OTHER]), 0.3, 0.05)
    (distance,) = rows_of(clip, "traveled_distance_comparison")
    (speed,) = rows_of(clip, "traveling_speed_comparison")
    assert distance["uncertainty_si"] == pytest.approx(math.hypot(0.6, 0.4), abs=1e-6)
    assert speed["uncertainty_si"] == pytest.approx(math.hypot(0.6, 0.4) / 4, abs=1e-6)


def test_angles_do_not_depend_on_the_scale():
    clip = uncertain(np.stack([STRAIGHT, OTHER]), 0.3, 0.5)
    # First and last step of 2 m, each with two ends of 0.3 m.
    (direction, _) = rows_of(clip, "movement_direction")
    assert direction["uncertainty_si"] == pytest.approx(math.sqrt(4 * 0.09 / 4), abs=1e-6)
    # The first step again, and the 16 m of the whole stretch.
    (timestamp, _) = rows_of(clip, "direction_timestamp")
    expected = math.sqrt(2 * 0.09 / 4 + 2 * 0.09 / 256)
    assert timestamp["uncertainty_si"] == pytest.approx(expected, abs=1e-6)
    (compared,) = rows_of(clip, "movement_direction_comparison")
    expected = math.sqrt(2 * 0.09 / 256 + 2 * 0.09 / 64)
    assert compared["uncertainty_si"] == pytest.approx(expected, abs=1e-6)


def test_an_unknown_angle_is_at_most_half_a_turn():
    (direction,) = rows_of(uncertain(STRAIGHT[None], 90.0), "movement_direction")
    assert direction["uncertainty_si"] == pytest.approx(math.pi, abs=1e-6)


def test_a_centre_of_unknown_deviation_leaves_the_questions_over_it_without():
    clip = uncertain(np.stack([STRAIGHT, OTHER]), 0.3)
    assert clip.tracks.sigmas_m is not None
    clip.tracks.sigmas_m[0, 4] = np.nan
    whole = {
        row["objects"][0]["track_id"]: row["uncertainty_si"]
        for row in rows_of(clip, "traveled_distance", "whole")
    }
    assert whole["t0"] is None
    assert whole["t1"] == pytest.approx(0.3 * math.sqrt(2), abs=1e-6)


def test_a_window_keeps_the_deviations_of_its_tracks():
    centers_m = np.stack([STRAIGHT, OTHER, STRAIGHT + 1])
    centers_m[1, :4] = np.nan
    tracks = uncertain(centers_m, 0.3, 0.05).tracks
    assert tracks.sigmas_m is not None
    tracks.sigmas_m[:] = np.arange(27).reshape(3, 9)
    cut = tracks.window(1, 4)
    assert cut.sigmas_m is not None
    assert cut.sigmas_m.tolist() == [[1, 2, 3], [19, 20, 21]]
    assert cut.scale_sigma == 0.05


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sigmas_m": np.zeros((2, 9))}, r"sigmas_m must be \(1, 9\)"),
        ({"scale_sigma": -1.0}, "scale_sigma must be at least 0"),
        ({"scale_sigma": math.nan}, "scale_sigma must be at least 0"),
    ],
)
def test_shapes_and_ranges_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(toy.clip(STRAIGHT[None]).tracks, **changes)


# --- the table of factors ---------------------------------------------------------------------


def with_distance(**values) -> UncertaintyTable:
    tasks = {**UNCHANGED.tasks, "traveled_distance": Factors(**values)}
    return UncertaintyTable("by hand", tasks)


def test_factors_multiply_each_part_and_add_a_floor(tmp_path, monkeypatch):
    write_table(tmp_path / "own.json", with_distance(positions=2.0, scale=0.5, floor=0.3))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own.json"))
    clip = uncertain(STRAIGHT[None], 0.3, 0.05)
    (distance,) = rows_of(clip, "traveled_distance", "whole")
    (speed,) = rows_of(clip, "traveling_speed", "whole")
    # Two ends of 0.3 m, doubled; 5 % of 16 m, halved; 0.3 m: 0.72 + 0.16 + 0.09 = 0.97.
    assert distance["uncertainty_si"] == pytest.approx(math.sqrt(0.97), abs=1e-6)
    expected = math.hypot(0.3 * math.sqrt(2), 0.8) / 4
    assert speed["uncertainty_si"] == pytest.approx(expected, abs=1e-6)


def test_a_changed_file_is_read_again(tmp_path, monkeypatch):
    path = tmp_path / "own.json"
    monkeypatch.setenv(VARIABLE, str(path))
    write_table(path, with_distance(positions=2.0))
    assert current_table().tasks["traveled_distance"].positions == 2.0
    write_table(path, with_distance(positions=3.0))
    assert current_table().tasks["traveled_distance"].positions == 3.0


def test_the_packaged_table_says_what_it_was_fitted_to(monkeypatch):
    monkeypatch.delenv(VARIABLE)
    table = current_table()
    assert "simulation, seeds 77, 101, 202, 303" in table.origin
    assert min(factors.questions for factors in table.tasks.values()) >= 40


def test_a_table_is_written_and_read_back(tmp_path):
    table = with_distance(positions=2.0, scale=0.5, floor=0.3, questions=812)
    write_table(tmp_path / "own.json", table)
    assert read_table(tmp_path / "own.json") == table


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "expected JSON"),
        ("[]", "stkit_uncertainty: 1"),
        ('{"stkit_uncertainty": 1, "origin": "x"}', "the fields origin"),
        ('{"stkit_uncertainty": 1, "origin": "x", "tasks": {}}', "exactly the seven tasks"),
        (
            '{"stkit_uncertainty": 1, "origin": "x", "tasks": {"a": {"floor": -1}}}',
            "floor must be at least 0, got -1",
        ),
        (
            '{"stkit_uncertainty": 1, "origin": "x", "tasks": {"a": {"b": 1}}}',
            "unexpected keyword argument 'b'",
        ),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, monkeypatch, text, message):
    (tmp_path / "own.json").write_text(text)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own.json"))
    with pytest.raises(SourceError, match=message):
        rows_of(uncertain(STRAIGHT[None], 0.3), "traveled_distance")


def test_a_table_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.json"))
    with pytest.raises(SourceError, match="named by STKIT_UNCERTAINTY"):
        rows_of(uncertain(STRAIGHT[None], 0.3), "traveled_distance")


def test_another_table_of_factors_is_another_build(monkeypatch):
    source = open_source("simulation", None, {})
    unchanged = build_fingerprint(source, CONFIG)
    monkeypatch.delenv(VARIABLE)
    assert build_fingerprint(source, CONFIG) != unchanged
