"""Filters 2 and 3 over built rows: a stand-in endpoint, files of answers and of likelihoods."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stkit_datasets.built import built_files
from stkit_datasets.cli import main
from stkit_datasets.pseudo_labels.judge import CRITERIA, default_questions
from stkit_datasets.pseudo_labels.judgements import low_quality, read_judgements
from stkit_datasets.pseudo_labels.likelihoods import THRESHOLDS, read_likelihoods
from stkit_datasets.pseudo_labels.row_filter import LIKELIHOOD, VLM, read_record
from stkit_datasets.pseudo_labels.sample_table import (
    RULES,
    UNFILTERED,
    Stage,
    filtered_stages,
    key_of,
    table_text,
)
from stkit_datasets.pseudo_labels.samples import Sample, read_samples


@pytest.fixture(scope="module")
def rows(tmp_path_factory) -> Path:
    """Rows with video of one small simulated scene."""
    pytest.importorskip("av")
    out = tmp_path_factory.mktemp("rows")
    options = ["n_train_scenes=1", "duration_s=6", "width_px=160", "height_px=96"]
    options = [f"--option={option}" for option in options]
    assert main(["build", "simulation", "--split", "train", "--out", str(out), *options]) == 0
    return out


def write_lines(path: Path, lines) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def answers(samples, **no):
    """Lines with yes to everything, and no to a criterion for the view of a row."""
    views = {sample.view: sample.id for sample in samples}
    refused = {name: {sample_view(samples, row) for row in ids} for name, ids in no.items()}
    return [
        {"id": row, "criterion": c, "response": "No." if view in refused.get(c, ()) else "Yes"}
        for view, row in views.items()
        for c in CRITERIA
    ]


def sample_view(samples, row):
    return next(sample.view for sample in samples if sample.id == row)


def kept_ids(folder: Path) -> list[str]:
    files = [file for own in built_files(folder).values() for file in own]
    return [name for f in files for name in pq.read_table(f.path)["id"].to_pylist()]


def test_a_file_of_answers_drops_every_row_of_a_video(rows, tmp_path, capsys):
    samples, _ = read_samples(rows)
    bad = samples[0]
    lines = answers(samples, occlusion=[bad.id], tracking=[bad.id])
    file = write_lines(tmp_path / "j.jsonl", lines)
    arguments = ["pseudo-label-filter", str(rows), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--judgements", str(file)]) == 0
    gone = [sample.id for sample in samples if sample.view == bad.view]
    assert set(kept_ids(tmp_path / "out")) == {s.id for s in samples} - set(gone)
    said = capsys.readouterr().out
    left = len(samples) - len(gone)
    assert f"{VLM}: {len(samples)} samples, {len(gone)} dropped, {left} left" in said
    assert f"{len(gone)}  vlm: occlusion" in said
    dropped = [json.loads(line) for line in (tmp_path / "out/dropped.jsonl").open()]
    assert {line["id"] for line in dropped} == set(gone)
    assert dropped[0]["reasons"] == ["vlm: occlusion", "vlm: tracking"]
    (report,) = read_record(tmp_path / "out")
    assert report.dropped == {"vlm: occlusion": len(gone), "vlm: tracking": len(gone)}


def test_rows_that_are_left_are_the_same_and_load(rows, tmp_path):
    datasets = pytest.importorskip("datasets")
    samples, _ = read_samples(rows)
    file = write_lines(tmp_path / "j.jsonl", answers(samples, detection=[samples[-1].id]))
    out = tmp_path / "out"
    assert (
        main(["pseudo-label-filter", str(rows), "--out", str(out), "--judgements", str(file)]) == 0
    )
    (before,), (after,) = built_files(rows).values(), built_files(out).values()
    whole = {row["id"]: row for row in pq.read_table(before[0].path).to_pylist()}
    left = pq.read_table(after[0].path).to_pylist()
    assert left
    assert all(whole[row["id"]] == row for row in left)
    report = json.loads((out / "reports" / "simulation.json").read_text())
    assert report["questions"] == {
        task: sum(row["task"] == task for row in left) for task in report["questions"]
    }
    loaded = datasets.load_dataset(str(out), "simulation", cache_dir=str(tmp_path / "cache"))
    assert loaded["train"].num_rows == len(left)


def likely(samples, value=lambda index, sample: -1.0):
    return [
        {"id": s.id, "sum_log_prob": -9.0, "mean_log_prob": value(i, s), "n_tokens": 9}
        for i, s in enumerate(samples)
    ]


def test_likelihoods_drop_below_the_threshold_of_their_task(rows, tmp_path, capsys):
    samples, _ = read_samples(rows)
    places = Counter()
    values = {}
    for sample in samples:  # likelihoods 1/2, 1/3, 1/4 … within each task
        places[sample.task] += 1
        values[sample.id] = 1 / (1 + places[sample.task])
    lines = likely(samples, lambda i, s: math.log(values[s.id]))
    file = write_lines(tmp_path / "l.jsonl", lines)
    out = tmp_path / "out"
    arguments = ["pseudo-label-filter", str(rows), "--out", str(out), "--likelihoods", str(file)]
    assert main(arguments) == 0
    expected = set()
    for sample in samples:
        low, high = 1 / (1 + places[sample.task]), 1 / 2
        share = 1.0 if high == low else (values[sample.id] - low) / (high - low)
        if share >= THRESHOLDS.get(sample.task, 0):
            expected.add(sample.id)
    assert set(kept_ids(out)) == expected
    assert 0 < len(expected) < len(samples)
    assert f"{len(samples) - len(expected)} dropped" in capsys.readouterr().out


def test_filter_3_normalises_over_what_filter_2_left(rows, tmp_path):
    samples, _ = read_samples(rows)
    task = "traveled_distance"
    own = [s for s in samples if s.task == task]
    worst = own[0]
    judged = write_lines(tmp_path / "j.jsonl", answers(samples, occlusion=[worst.id]))
    # Next to the worst all others are alike; among themselves they are not.
    values = {s.id: -0.1 for s in samples} | {worst.id: -50.0}
    second = next(s for s in own if s.view != worst.view)
    values[second.id] = -0.2
    found = write_lines(tmp_path / "l.jsonl", likely(samples, lambda i, s: values[s.id]))
    out = tmp_path / "out"
    arguments = ["pseudo-label-filter", str(rows), "--out", str(out)]
    assert main([*arguments, "--judgements", str(judged), "--likelihoods", str(found)]) == 0
    first, then = read_record(out)
    assert (first.name, then.name) == (VLM, LIKELIHOOD)
    assert first.after == then.before
    assert second.id not in kept_ids(out)


def test_rows_that_nothing_is_known_of_are_neither_dropped_nor_passed(rows, tmp_path, capsys):
    samples, _ = read_samples(rows)
    view = samples[0].view
    lines = [x for x in answers(samples) if sample_view(samples, x["id"]) != view]
    judged = write_lines(tmp_path / "j.jsonl", lines)
    out = tmp_path / "out"
    arguments = ["pseudo-label-filter", str(rows), "--out", str(out), "--judgements", str(judged)]
    assert main(arguments) == 1
    said = capsys.readouterr().out
    waiting = sum(sample.view == view for sample in samples)
    assert f"0 dropped, {len(samples)} left, {waiting} of them not decided" in said
    assert not out.exists()
    assert main([*arguments, "--undecided", "keep"]) == 0
    assert len(kept_ids(out)) == len(samples)


# --- an endpoint -------------------------------------------------------------------------------


def asking(rows, out, server, *more):
    arguments = ["pseudo-label-filter", str(rows), "--out", str(out), "--judge", "made-up"]
    arguments += ["--base-url", server.url, "--frames", "2", "--attempts", "1", *more]
    return main(arguments)


def test_an_endpoint_is_asked_each_video_four_times_with_its_frames(rows, tmp_path, capsys):
    pytest.importorskip("openai")
    from fault_server import FaultServer

    samples, _ = read_samples(rows)
    views = {sample.view for sample in samples}
    with FaultServer(answer=lambda name: "Yes") as server:
        server.keep_bodies = True
        assert asking(rows, tmp_path / "out", server) == 0
        bodies = server.bodies
    assert len(bodies) == 4 * len(views)
    contents = [body["messages"][-1]["content"] for body in bodies]
    for content in contents:
        assert [part["type"] for part in content] == ["image_url", "image_url", "text"]
    told = Counter(content[-1]["text"] for content in contents)
    assert told == dict.fromkeys(default_questions().values(), len(views))
    assert len(kept_ids(tmp_path / "out")) == len(samples)
    assert f"asked: {4 * len(views)} answers; failed: none" in capsys.readouterr().out


def test_failed_requests_drop_nothing_and_are_asked_again(rows, tmp_path, capsys):
    pytest.importorskip("openai")
    from fault_server import FaultServer

    samples, _ = read_samples(rows)
    n = 4 * len({sample.view for sample in samples})
    out = tmp_path / "out"

    def broken(name):
        return ("server_error",) if int(name[:2], 16) % 3 == 0 else ()

    with FaultServer(faults=broken, answer=lambda name: "Yes") as server:
        assert asking(rows, out, server) == 1
        said = capsys.readouterr().out
        answered = sum(server.answered.values())
        assert 0 < answered < n
        assert f"asked: {answered} answers; failed: {n - answered} server" in said
        assert "0 dropped" in said
        assert not (out / "simulation").exists()
        # The server fails a request once: again, only what is missing is asked.
        assert asking(rows, out, server) == 0
        assert sum(server.answered.values()) == n
        assert max(server.answered.values()) == 1
    assert f"asked: {n - answered} answers; failed: none" in capsys.readouterr().out
    assert len(kept_ids(out)) == len(samples)


def test_half_a_line_of_a_killed_run_is_asked_again(rows, tmp_path):
    pytest.importorskip("openai")
    from fault_server import FaultServer

    out = tmp_path / "out"
    with FaultServer(answer=lambda name: "Yes") as server:
        assert asking(rows, out, server) == 0
        path = out / "judgements.jsonl"
        whole = path.read_bytes()
        path.write_bytes(whole[:-20])
        assert asking(rows, out, server) == 0
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == len(whole.splitlines())
    assert {line["model"] for line in lines} == {"made-up"}


def test_a_refused_key_ends_the_run(rows, tmp_path, capsys):
    pytest.importorskip("openai")
    from fault_server import FaultServer

    with FaultServer(faults=lambda name: ("401",)) as server:
        assert asking(rows, tmp_path / "out", server) == 2
    assert "--judge made-up" in capsys.readouterr().err


def test_answers_of_another_model_or_sentence_are_not_mixed_in(rows, tmp_path, capsys):
    pytest.importorskip("openai")
    from fault_server import FaultServer

    samples, _ = read_samples(rows)
    lines = [{**line, "model": "another"} for line in answers(samples)]
    path = write_lines(tmp_path / "j.jsonl", lines)
    with FaultServer() as server:
        assert asking(rows, tmp_path / "out", server, "--judgements", str(path)) == 2
        assert "an answer of 'another', not of 'made-up'" in capsys.readouterr().err
        write_lines(path, [{**line, "question": "0" * 12} for line in answers(samples)])
        assert asking(rows, tmp_path / "out", server, "--judgements", str(path)) == 2
        assert "an answer to another sentence" in capsys.readouterr().err
        assert not server.answered


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "nothing to filter by"),
        (["--judgements", "none.jsonl"], "none.jsonl: cannot be read"),
        (["--likelihoods", "none.jsonl"], "none.jsonl: cannot be read"),
    ],
)
def test_wrong_arguments_end_in_a_sentence(rows, tmp_path, capsys, arguments, message):
    assert main(["pseudo-label-filter", str(rows), "--out", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


# --- the files ---------------------------------------------------------------------------------

SAMPLE = Sample("a", "s", "traveled_distance", ("s", "c", "front", ("t0",)), 0.0, 4.0)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1.*expected JSON"),
        ('{"id": "a"}', "with the texts id, criterion, response"),
        ('{"id": "a", "criterion": "x", "response": "yes"}', "criterion must be one of occlusion"),
    ],
)
def test_wrong_answers_are_refused(tmp_path, line, message):
    (tmp_path / "j.jsonl").write_text(line + "\n")
    with pytest.raises(ValueError, match=message):
        read_judgements(tmp_path / "j.jsonl", [SAMPLE])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"id": "a"}], "expected an object with id and mean_log_prob"),
        ([{"id": "a", "mean_log_prob": 0.5}], "must be at most 0, got 0.5"),
        (
            [{"id": "a", "mean_log_prob": -1}, {"id": "a", "mean_log_prob": -2}],
            "row 'a' has two likelihoods",
        ),
    ],
)
def test_wrong_likelihood_files_are_refused(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        read_likelihoods([write_lines(tmp_path / "l.jsonl", lines)])


def test_likelihoods_are_those_of_a_token_from_all_files(tmp_path):
    a = write_lines(tmp_path / "a.jsonl", [{"id": "a", "mean_log_prob": math.log(0.5)}])
    b = write_lines(tmp_path / "b.jsonl", [{"id": "b", "mean_log_prob": 0}])
    b.write_text(b.read_text() + '{"id": "c", "mean_')
    assert read_likelihoods([a, b]) == pytest.approx({"a": 0.5, "b": 1.0})


# --- Table 10 ----------------------------------------------------------------------------------


def some(n, task, clip="c"):
    view = ("bdd100k", clip, "camera", ("t0",))
    return [Sample(f"{clip}{task}{i}", "bdd100k", task, view, 0.0, float(i)) for i in range(n)]


def test_the_table_counts_samples_low_quality_and_errors_by_stage():
    first = some(4, "traveled_distance") + some(2, "traveling_speed", "d")
    second, third = first[:5], first[:3]
    errors = {
        key_of("c", "traveled_distance", ["t0"], 0, i): value
        for i, value in enumerate([0.1, 0.3, 0.2, 2.0])
    }
    stages = [
        Stage(UNFILTERED, first, errors),
        Stage(RULES, second, errors),
        Stage(VLM, third, errors),
    ]
    audit = {
        first[0].view: dict.fromkeys(CRITERIA, "Yes") | {"occlusion": "No"},
        first[-1].view: dict.fromkeys(CRITERIA, "No"),
    }
    text = {line[:48].strip(): line[48:].split() for line in table_text(stages, audit).splitlines()}
    assert text["bdd100k traveled_distance"] == ["4", "4", "3"]
    assert text["bdd100k traveling_speed"] == ["2", "1", "0"]
    assert text["all"] == ["6", "5", "3"]
    assert text["dropped by the last"] == ["1", "2"]
    assert text["occlusion"] == ["6", "5", "3"]
    assert text["tracking"] == ["2", "1", "0"]
    assert text["the paper"] == ["118,856", "18,274", "9,905"]
    assert text["samples judged"] == ["6", "5", "3"]
    assert text["mean"] == ["65.0%", "65.0%", "20.0%"]
    assert text["median"] == ["25.0%", "25.0%", "20.0%"]
    assert text["the paper, nuScenes"] == ["207%"]
    assert low_quality(first, {}) == dict.fromkeys((*CRITERIA, "judged"), 0)


def test_the_report_prints_the_table_for_filtered_rows(rows, tmp_path, capsys):
    samples, _ = read_samples(rows)
    judged = write_lines(tmp_path / "j.jsonl", answers(samples, occlusion=[samples[0].id]))
    found = write_lines(tmp_path / "l.jsonl", likely(samples))
    out = tmp_path / "out"
    arguments = ["pseudo-label-filter", str(rows), "--out", str(out)]
    assert main([*arguments, "--judgements", str(judged), "--likelihoods", str(found)]) == 0
    stages = filtered_stages(samples, out, {})
    assert [stage.name for stage in stages] == [VLM, LIKELIHOOD]
    assert {s.id for s in stages[-1].samples} == set(kept_ids(out))
    with pytest.raises(ValueError, match="was given other rows than --rows"):
        filtered_stages(samples[1:], out, {})
