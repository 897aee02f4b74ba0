"""Factors fitted to errors that are known by construction, and on simulated scenes held out."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
import toy

from stkit_datasets.pseudo_labels.calibration import (
    coverage_text,
    coverages,
    crossed,
    fit_factors,
    fit_table,
    risk_curves,
    risk_text,
)
from stkit_datasets.pseudo_labels.factors import UNCHANGED, current_table
from stkit_datasets.pseudo_labels.question_errors import (
    QuestionErrors,
    joined,
    key_of,
    question_errors,
)
from stkit_datasets.pseudo_labels.schema import LabelledVideo, Making, PseudoLabels
from stkit_datasets.pseudo_labels.trials import trials
from stkit_datasets.pseudo_labels.uncertainty_page import uncertainty_page

N = 1500


def drawn(positions, scale, floor, task="traveled_distance", n=N, seed=3) -> QuestionErrors:
    """Normal errors whose deviations are known."""
    rng = np.random.default_rng(seed)
    from_positions, from_scale = rng.uniform(0.1, 2, n), rng.uniform(0.1, 3, n)
    sigma = np.sqrt((positions * from_positions) ** 2 + (scale * from_scale) ** 2 + floor**2)
    true = rng.uniform(5, 50, n)
    return QuestionErrors(
        tasks=np.full(n, task),
        predicted=true + rng.normal(size=n) * sigma,
        true=true,
        from_positions=from_positions,
        from_scale=from_scale,
        wrong=np.full(n, np.nan),
        clips=np.arange(n) // 10,
        keys=np.array([str(i) for i in range(n)]),
    )


@pytest.mark.parametrize(
    ("positions", "scale", "floor"), [(2.0, 0.5, 0.0), (0.2, 1.0, 0.0), (1.0, 0.0, 0.8)]
)
def test_numbers_that_made_the_errors_are_found(positions, scale, floor):
    found = fit_factors(drawn(positions, scale, floor))
    assert found.positions == pytest.approx(positions, abs=0.2)
    assert found.scale == pytest.approx(scale, abs=0.2)
    assert found.floor == pytest.approx(floor, abs=0.2)
    assert found.questions == N


def test_fitted_deviations_have_a_normals_shares_on_other_errors():
    table = fit_table(drawn(2.0, 0.5, 0.3), "drawn", UNCHANGED)
    assert table.origin == "drawn"
    rows = coverages(drawn(2.0, 0.5, 0.3, seed=4), table)
    assert [row.name for row in rows] == ["traveled_distance", "all"]
    assert rows[0].within == pytest.approx((0.683, 0.954), abs=0.03)
    assert rows[0].right_factor == pytest.approx(1, abs=0.05)
    wrong = coverages(drawn(2.0, 0.5, 0.3, seed=4), UNCHANGED)[0]
    assert wrong.within[0] < 0.63
    assert wrong.right_factor > 1.1


def test_far_errors_do_not_widen_the_rest():
    errors = drawn(1.0, 0.0, 0.0)
    errors.predicted[:15] += 100  # one in a hundred is far off
    assert fit_factors(errors).positions == pytest.approx(1.0, abs=0.1)


def test_a_task_with_few_questions_keeps_its_factors():
    few = fit_table(drawn(2.0, 0.5, 0.0, n=39), "drawn", UNCHANGED)
    assert few.tasks == UNCHANGED.tasks


def test_each_half_of_the_clips_is_held_against_the_other():
    parts = list(crossed(drawn(2.0, 0.5, 0.0), "drawn", UNCHANGED))
    assert [set(errors.clips % 2) for errors, _ in parts] == [{0}, {1}]
    assert sum(len(errors) for errors, _ in parts) == N
    for errors, table in parts:
        assert coverages(errors, table)[0].within[0] == pytest.approx(0.683, abs=0.03)


def test_leaving_out_the_most_uncertain_lowers_the_error():
    errors = drawn(1.0, 0.3, 0.0, "traveled_distance_comparison")
    errors.wrong[:] = (errors.predicted > 20) != (errors.true > 20)
    (curve,) = risk_curves(errors, UNCHANGED)
    assert curve.kept[0] == 1
    assert curve.errors[0] == pytest.approx(float(np.abs(errors.errors).mean()))
    assert all(b < a for a, b in zip(curve.errors, curve.errors[1:], strict=False))
    assert curve.wrong[-1] < curve.wrong[0]
    assert curve.unit == "m"


def test_distances_are_sorted_and_told_relative_to_the_answer():
    errors = drawn(0.0, 0.0, 0.0, n=10)
    errors.from_positions[:] = 1.0
    errors.from_scale[:] = 0.0
    errors.true[:] = np.arange(1, 11)
    errors.predicted[:] = errors.true + 0.5
    (curve,) = risk_curves(errors, UNCHANGED)
    # The two that are longest are the surest: 0.5 of 9 and 10 m.
    assert curve.errors[-1] == pytest.approx(100 * (0.5 / 9 + 0.5 / 10) / 2)


def test_objects_that_stand_have_no_relative_error():
    errors = drawn(1.0, 0.0, 0.0, n=100)
    errors.true[:10] = 0.0
    (curve,) = risk_curves(errors, UNCHANGED)
    moving = errors.true > 0
    relative = np.abs(errors.errors[moving]) / errors.true[moving]
    assert curve.errors[0] == pytest.approx(100 * relative.mean())


def test_the_page_and_the_text_show_both():
    errors = joined([drawn(1, 0, 0, n=60), drawn(1, 0, 0, "movement_direction", n=60)])
    errors.wrong[60:] = 0.0
    errors.wrong[60:70] = 1.0
    rows, curves = coverages(errors, UNCHANGED), risk_curves(errors, UNCHANGED)
    page = ElementTree.fromstring(uncertainty_page(rows, curves, "made <up>"))
    svg = "{http://www.w3.org/2000/svg}"
    assert len(page.findall(f".//{svg}polyline")) == 3  # two errors, one share of wrong answers
    said = " ".join(text.text or "" for text in page.findall(f".//{svg}text"))
    assert "factors fitted to made <up>" in said
    assert "68%" in coverage_text(rows)
    assert "wrong answers" in risk_text(curves)


# --- errors of questions, by hand --------------------------------------------------------------


def labels_of(clip, centers_m, sigma_m=0.1) -> PseudoLabels:
    n, t = centers_m.shape[:2]
    index = np.repeat(np.arange(n), t)
    rows = n * t
    return PseudoLabels(
        video=LabelledVideo("v", "v.mp4", 1600, 900, 2.0, t / 2, "driving"),
        frame_timestamps_s=clip.timestamps_s,
        track_ids=tuple(f"l{i}" for i in range(n)),
        categories=("car",) * n,
        kinds=("vehicle",) * n,
        track_index=index,
        timestamps_s=np.tile(clip.timestamps_s, n),
        centers_m=centers_m.reshape(-1, 3),
        sigmas_m=np.full(rows, sigma_m),
        boxes_px=np.tile([100.0, 100, 300, 250], (rows, 1)),
        box_confidences=np.full(rows, 0.9),
        text_confidences=np.full(rows, 0.9),
        point_counts=np.full(rows, 50),
        sizes_lwh_m=np.tile([4.5, 1.8, 1.5], (rows, 1)),
        yaws_rad=np.zeros(rows),
        scale_sigma=0.05,
        intrinsics=None,
        world_SE3_camera=None,
        making=Making(),
    )


def test_errors_of_questions_by_hand():
    true = np.stack(
        [toy.straight((15, -4, 0.75), (4, 0, 0), 9), toy.straight((40, 4, 1), (-2, 0, 0), 9)]
    )
    clip = toy.clip(true)
    turned = np.radians(10)
    labelled = np.stack(
        [toy.straight((15, -4, 0.75), (4.4, 0, 0), 9),
         toy.straight((40, 4, 1), (-2 * math.cos(turned), 2 * math.sin(turned), 0), 9)]
    )  # fmt: skip
    found = question_errors(labels_of(clip, labelled), clip, {"l0": "t0", "l1": "t1"})
    by_key = dict(zip(found.keys.tolist(), range(len(found)), strict=True))
    whole = by_key[key_of("v", "traveled_distance", ["l0"], 0, 4)]
    assert found.predicted[whole] == pytest.approx(17.6)
    assert found.true[whole] == pytest.approx(16)
    assert found.from_positions[whole] == pytest.approx(0.1 * math.sqrt(2))
    assert found.from_scale[whole] == pytest.approx(0.05 * 17.6)
    (compared,) = np.flatnonzero(found.tasks == "traveled_distance_comparison")
    assert abs(found.errors[compared]) == pytest.approx(1.6)
    assert found.wrong[compared] == 0
    assert found.wrong[whole] == 0  # a tenth off
    (apart,) = np.flatnonzero(found.tasks == "movement_direction_comparison")
    assert math.degrees(abs(found.errors[apart])) == pytest.approx(10)
    directions = np.flatnonzero(found.tasks == "movement_direction")
    assert found.errors[directions] == pytest.approx([0, 0], abs=1e-9)


def test_questions_about_unmatched_objects_or_unannotated_frames_are_left_out():
    true = np.stack([toy.straight((15, -4, 0.75), (4, 0, 0), 9)])
    clip = toy.clip(true)
    labels = labels_of(clip, true)
    assert len(question_errors(labels, clip, {})) == 0
    clip.tracks.centers_m[0, 3] = np.nan
    found = question_errors(labels, clip, {"l0": "t0"})
    runs = [key.split("|")[3:] for key in found.keys.tolist() if "distance" in key]
    assert all(float(end) < 1.5 or float(start) > 1.5 for start, end in runs)


# --- on scenes that nothing was chosen on ------------------------------------------------------


@pytest.fixture(scope="module")
def held_out() -> QuestionErrors:
    """Three degraded scenes of a seed that no factor or threshold was chosen on."""
    return joined(
        [question_errors(trial.labels(), trial.clip, trial.match) for trial in trials(3, 515)]
    )


def test_stated_deviations_agree_with_errors_on_held_out_scenes(held_out):
    rows = {row.name: row for row in coverages(held_out, current_table())}
    assert rows["all"].questions >= 50
    assert 0.55 <= rows["all"].within[0] <= 0.85
    assert 0.85 <= rows["all"].within[1] <= 1
    # What the factors are for: angles were stated several times too uncertain. Of the tasks on
    # angles this one has enough questions in three scenes to say so.
    before = {row.name: row for row in coverages(held_out, UNCHANGED)}
    assert before["direction_timestamp"].right_factor < 0.4
    assert 0.4 <= rows["direction_timestamp"].right_factor <= 2


def test_filtering_by_uncertainty_lowers_errors_on_held_out_scenes(held_out):
    curves = {curve.name: curve for curve in risk_curves(held_out, current_table())}
    # Tasks with some twenty questions or more; of a handful any order may come by chance.
    for name in ("traveled_distance", "traveling_speed", "direction_timestamp"):
        at = dict(zip(curves[name].kept, curves[name].errors, strict=True))
        assert at[0.5] <= 1.05 * at[1.0], name
