"""Chance and the baselines without video, by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import run_rows

from stkit_bench.blind import Blind, chance_of
from stkit_bench.cli import main
from stkit_bench.files import read_references
from stkit_bench.models.baselines import Constant, Random


def questions(task, targets, **more):
    return [{"id": f"{task}{n}", "task": task, **t, **more} for n, t in enumerate(targets)]


def test_chance_of_a_value_is_to_draw_another_one_in_its_band():
    values = [{"value_si": v} for v in (10.0, 12.5, 7.5, 100.0)]
    # 10 is met by 12.5 and 7.5; 12.5 by 10; 7.5 by no other (9.375 is the end); 100 by none.
    expected = [2 / 3, 1 / 3, 0, 0]
    for task in ("traveled_distance", "traveling_speed"):
        assert chance_of(questions(task, values)) == pytest.approx(expected)


def test_chance_of_a_label_is_how_often_it_occurs():
    clocks = [{"clock": c} for c in (3, 3, 3, 12)]
    found = chance_of(questions("movement_direction", clocks))
    assert found == pytest.approx([0.75, 0.75, 0.75, 0.25])
    pairs = [{"choice": c} for c in ("same", "different")]
    assert chance_of(questions("movement_direction_comparison", pairs)) == pytest.approx([0.5, 0.5])


def test_chance_of_a_color_is_one_of_the_two_that_are_named():
    colors = [{"choice": c} for c in ("red", "blue", "green")]
    assert chance_of(questions("traveling_speed_comparison", colors)) == pytest.approx([0.5] * 3)


def test_chance_of_a_span_is_to_draw_another_one_that_overlaps():
    spans = [{"start_s": s, "end_s": e} for s, e in ((0, 4), (0, 2), (10, 12))]
    found = chance_of(questions("direction_timestamp", spans))
    assert found == pytest.approx([0.5, 0.5, 0.0])


def test_one_question_alone_has_no_chance():
    assert np.isnan(chance_of(questions("movement_direction", [{"clock": 3}]))).all()


def test_chance_agrees_with_a_simulated_draw():
    rng = np.random.default_rng(0)
    values = rng.lognormal(3, 1, 200)
    found = chance_of(questions("traveled_distance", [{"value_si": v} for v in values])).mean()
    drawn = rng.permuted(np.tile(values, (2000, 1)), axis=1)
    simulated = ((drawn >= 0.75 * values) & (drawn <= 1.25 * values)).mean()
    # The permutation draws a question's own target once in 200.
    assert simulated == pytest.approx(found + 1 / 200, abs=0.003)


def test_baselines_answer_where_they_can_and_groups_have_their_own_accuracy():
    rows = questions(
        "movement_direction", [{"clock": c} for c in (12, 12, 3, 6)], question="Where?"
    )
    blind = Blind.of(rows)
    assert list(blind.right) == ["chance", "constant", "random"]
    # The constant says 12.
    assert blind.accuracies()["constant"]["movement_direction"] == 0.5
    assert blind.accuracies([0, 1])["constant"] == {"movement_direction": 1.0, "average": 1.0}
    assert blind.accuracies([0, 1])["chance"]["average"] == 0.5
    assert Blind.of(rows).right["random"].tolist() == blind.right["random"].tolist()


def test_a_baseline_that_has_nothing_to_go_by_is_left_out():
    colors = questions("traveling_speed_comparison", [{"choice": "red"}, {"choice": "blue"}])
    assert list(Blind.of(colors).right) == ["chance"]


def test_the_class_prior_stands_beside_them_where_there_are_training_rows():
    rows = questions("movement_direction", [{"clock": c} for c in (3, 12, 3)], question="Where?")
    training = [{"task": "movement_direction", "target": {"clock": c}} for c in (3, 3, 9)]
    blind = Blind.of(rows, training=training)
    assert blind.accuracies()["class_prior"]["movement_direction"] == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="needs training rows"):
        Blind.of(rows, training=[])


@pytest.mark.parametrize("name", ["constant", "random"])
@pytest.mark.parametrize("more", [(), ("--paraphrased",), ("--fps", "1", "--no-video")])
@pytest.mark.parametrize("own", [True, False])
def test_a_baseline_scores_beside_a_model_what_it_scores_when_it_is_run(tmp_path, name, more, own):
    rows = run_rows.write(tmp_path / "bench.parquet", names=("a", "b", "c", "d"))
    answers, scores = tmp_path / "answers.jsonl", tmp_path / "score.json"
    asked = ["run", "--model", f"baseline:{name}", "--data", str(rows), "--out", str(answers)]
    assert main([*asked, *more]) == 0
    known = [] if own else ["--references", str(rows)]
    assert main(["score", str(answers), *known, "--n-resamples", "0", "--out", str(scores)]) == 0
    found = json.loads(scores.read_text())
    run = {task: one["accuracy"] for task, one in found["tasks"].items()}
    assert {task: found["blind"][name][task] for task in run} == pytest.approx(run)
    baseline = {"constant": Constant(), "random": Random()}[name]
    responses = [json.loads(line)["response"] for line in answers.read_text().splitlines()]
    if "--paraphrased" not in more:
        assert baseline.answer(read_references(rows)) == responses
