"""Metric depth at a pixel: counts by hand, and a real file."""

from __future__ import annotations

import json

import pytest

from stkit_bench.cli import main
from stkit_bench.depthlm import read_depth, read_points, score_depth
from stkit_bench.files import FileError

RECORD = {
    "image": "rgb/a.png",
    "intrinsics": [500, 500, 320, 240, 640, 480],
    "pixel_coords": [[10, 20], [-1, -1], [30, 40]],
    "depth": [4.0, 0.0, 2.0],
}
OTHER = {**RECORD, "image": "rgb/b.png", "pixel_coords": [[1, 2]], "depth": [10.0]}


def records(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture
def points(tmp_path):
    return read_points(records(tmp_path / "records.jsonl", RECORD, OTHER))


def test_a_point_is_named_by_image_and_place_and_invalid_ones_are_left_out(points):
    assert [point.id for point in points] == ["rgb/a.png#0", "rgb/a.png#2", "rgb/b.png#0"]
    assert (points[1].pixel, points[1].depth_m) == ((30.0, 40.0), 2.0)


@pytest.mark.parametrize(
    ("response", "right"),
    [("4.99 m", 1), ("5 m", 0), ("3.21", 1), ("3.2", 0), ("320 cm", 0), ("0", 0), ("-4", 0)],
)
def test_right_is_within_a_factor_of_1_25_ends_excluded(points, response, right):
    scores = score_depth(points, {"rgb/a.png#0": response}, n_resamples=0)
    assert scores.accuracy == right


@pytest.mark.parametrize(
    ("response", "value"),
    [
        ("<think> It is near. </think><answer> 3.25 </answer>", 3.25),
        ("Depth: 3.2", 3.2),
        ("The point is about 12 feet away from the camera.", 3.6576),
    ],
)
def test_answers_as_models_give_them(response, value):
    assert read_depth(response).value_si == pytest.approx(value)


def test_counts_by_hand(points):
    given = {"rgb/a.png#0": "5 m", "rgb/a.png#2": "2.2 m", "rgb/b.png#0": "no idea"}
    scores = score_depth(points, given, n_resamples=200)
    assert (scores.n, scores.n_images, scores.coverage) == (3, 2, 2 / 3)
    assert scores.accuracy == pytest.approx(1 / 3)
    assert scores.mae_m == pytest.approx((1 + 0.2) / 2)
    assert scores.abs_rel == pytest.approx((0.25 + 0.1) / 2)
    assert sum(scores.unread.values()) == 1
    # Whole images are drawn: the first is right once in two, the second never; two images tell
    # next to nothing.
    low, high = scores.accuracy_interval
    assert 0 <= low < 1 / 3 < 0.9 < high <= 1


def test_points_that_were_not_drawn_do_not_count_and_missing_answers_do(points):
    scores = score_depth(points, {"rgb/a.png#0": "4 m", "rgb/b.png#0": None}, n_resamples=0)
    assert (scores.n, scores.n_unanswered, scores.accuracy) == (2, 1, 0.5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({**RECORD, "depth": [1.0]}, r":1: pixel_coords and depth must be lists of one length"),
        ({**RECORD, "depth": [1.0, 0, -2]}, r"rgb/a\.png#2: depth must be above 0 m, got -2"),
        ({"pixel_coords": []}, ":1: image must be a name"),
        ({**RECORD, "pixel_coords": [], "depth": []}, "holds no points"),
    ],
)
def test_a_broken_record_is_named(tmp_path, line, message):
    with pytest.raises(FileError, match=message):
        read_points(records(tmp_path / "records.jsonl", line))


def test_the_command_on_a_real_file(tmp_path, shared_data, capsys):
    real = shared_data("depthlm/ibims1_val.jsonl")
    points = read_points(real)
    assert len(points) == 100 * 100
    drawn = points[::100]
    said = [
        f"<answer> {p.depth_m * (1.2 if n % 4 else 1.3):.4f} </answer>" for n, p in enumerate(drawn)
    ]
    answers = [{"id": p.id, "response": text} for p, text in zip(drawn, said, strict=True)]
    file = str(records(tmp_path / "answers.jsonl", *answers))
    assert main(["depthlm", "score", file, "--records", str(real), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["n_images"], found["coverage"]) == (100, 100, 1.0)
    assert found["accuracy"] == 0.75
    assert found["abs_rel"] == pytest.approx(0.75 * 0.2 + 0.25 * 0.3, abs=1e-3)
    assert main(["depthlm", "score", file, "--records", str(real)]) == 0
    assert "accuracy (within a factor of 1.25): 75.0 %" in capsys.readouterr().out
    stranger = str(records(tmp_path / "bad.jsonl", {"id": "x#0", "response": "3"}))
    assert main(["depthlm", "score", stranger, "--records", str(real)]) == 2
    assert "bad.jsonl: id 'x#0' is not that of a point" in capsys.readouterr().err
