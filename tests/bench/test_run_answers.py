"""The runner and its file: what is asked, what is kept, and what survives."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
import run_rows
from run_models import Recorder, broken_at

from stkit_bench.cli import main
from stkit_bench.files import FileError
from stkit_bench.run import AskSettings, RunError, run
from stkit_bench.run.answers_file import AnswersFile, claim_settings, read_kept
from stkit_bench.run.batches import plan, share
from stkit_bench.run.budget import Budget, Prices, Tally
from stkit_bench.run.preparing import Workers
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.settings import differences
from stkit_bench.run.stkit_questions import StkitQuestions
from stkit_datasets.model_clients.base import Failure, ModelError, Reply, Request

SMALL = AskSettings(max_frames=2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    return RowsFile(run_rows.write(tmp_path_factory.mktemp("rows") / "rows.parquet"))


@pytest.fixture
def questions(rows: RowsFile) -> StkitQuestions:
    return StkitQuestions(rows, SMALL)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def failed(kind: str = "server") -> Reply:
    return Reply(None, Failure(kind, "it broke"))


# --- one run ---------------------------------------------------------------------------------


def test_a_line_traces_an_answer_to_its_frames_and_prompt(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path
) -> None:
    out = tmp_path / "answers.jsonl"
    summary = run(Recorder(), questions, out)
    assert (summary.n_answered, summary.n_asked, summary.failures) == (len(rows), len(rows), {})
    found = lines(out)
    assert [line["id"] for line in found] == rows.ids
    first, draft = found[0], questions.draft(0)
    assert first["response"] == f"about {rows.ids[0]}"
    assert first["frames_s"] == [0.0, 4.5]
    assert first["prompt_hash"] == draft.prompt_hash
    assert first["model"] == "recorder"
    told = json.loads((tmp_path / "answers.run.json").read_text())
    assert {line["settings"] for line in found} == {told["settings_hash"]}
    assert told["settings"]["questions"]["max_frames"] == 2
    timed = lines(tmp_path / "answers.timing.jsonl")
    assert {entry["id"] for entry in timed} == set(rows.ids)


def test_the_file_is_in_the_benchs_order_whoever_is_first(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path
) -> None:
    def slow_at_first(request: Request) -> str:
        time.sleep(0.2 if request.id == rows.ids[0] else 0.0)
        return request.id

    out = tmp_path / "answers.jsonl"
    run(Recorder(slow_at_first, concurrency=4), questions, out)
    assert [line["id"] for line in lines(out)] == rows.ids


def test_a_finished_run_asks_nothing_again(questions: StkitQuestions, tmp_path: Path) -> None:
    out, second = tmp_path / "answers.jsonl", Recorder()
    run(Recorder(), questions, out)
    before = out.read_bytes()
    assert run(second, questions, out).n_asked == 0
    assert second.asked == []
    assert out.read_bytes() == before


def test_only_what_failed_is_asked_again(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path
) -> None:
    out = tmp_path / "answers.jsonl"
    whole = tmp_path / "whole.jsonl"
    bad = set(rows.ids[2:5])
    summary = run(Recorder(lambda r: failed() if r.id in bad else f"about {r.id}"), questions, out)
    assert summary.failures == {"server": 3}
    assert summary.n_answered == len(rows) - 3
    assert lines(out)[2]["response"] is None
    assert lines(out)[2]["error"] == {"kind": "server", "message": "it broke"}
    second = Recorder()
    run(second, questions, out)
    assert set(second.asked) == bad
    run(Recorder(), questions, whole)
    assert out.read_bytes() == whole.read_bytes()


def test_failures_stand_apart_from_wrong_answers_in_the_score(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "answers.jsonl"
    run(Recorder(lambda r: failed() if r.id == rows.ids[0] else "no idea"), questions, out)
    assert main(["score", str(out), "--json", "--n-resamples", "0"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["n"] == len(rows)
    assert scores["n_unanswered"] == 1
    assert sum(scores["unread"].values()) == len(rows) - 1


def test_a_video_that_does_not_decode_costs_one_question(rows: RowsFile, tmp_path: Path) -> None:
    path = run_rows.break_video(rows.path, 1, tmp_path / "rows.parquet")
    model, out = Recorder(batch_size=4), tmp_path / "answers.jsonl"
    summary = run(model, StkitQuestions(RowsFile(path), SMALL), out)
    assert summary.failures == {"video": 1}
    assert set(model.asked) == set(rows.ids) - {rows.ids[1]}
    assert "the video does not decode" in lines(out)[1]["error"]["message"]


def test_half_of_a_surrogate_pair_does_not_stop_a_run(
    questions: StkitQuestions, tmp_path: Path
) -> None:
    out = tmp_path / "answers.jsonl"
    run(Recorder(lambda r: "12 m \ud83d"), questions, out)
    assert lines(out)[0]["response"] == "12 m ?"


# --- stopping --------------------------------------------------------------------------------


def test_a_model_that_cannot_answer_stops_the_run_and_keeps_what_came(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path
) -> None:
    def refuse(request: Request) -> str:
        if request.id == rows.ids[3]:
            raise ModelError("the key is refused")
        return request.id

    out = tmp_path / "answers.jsonl"
    with pytest.raises(ModelError, match="the key is refused"):
        run(Recorder(refuse), questions, out)
    kept = read_kept(out)
    assert set(rows.ids[:3]) <= set(kept)
    assert rows.ids[3] not in kept
    assert run(Recorder(), questions, out).n_answered == len(rows)


def test_a_question_that_cannot_be_put_ends_the_run_and_keeps_what_came(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "draft", broken_at(2, questions.draft))
    out = tmp_path / "a.jsonl"
    with pytest.raises(RunError, match="row 2 cannot be put"):
        run(Recorder(seconds=0.02), questions, out)
    assert set(rows.ids[:2]) <= set(read_kept(out))


def test_many_failures_in_a_row_stop_the_run(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path
) -> None:
    model = Recorder(lambda r: failed())
    summary = run(model, questions, tmp_path / "a.jsonl", max_failures_in_a_row=2)
    assert summary.stopped is not None
    assert "2 questions failed in a row" in summary.stopped
    # Those in flight when the second one failed are still counted.
    assert 2 <= len(model.asked) <= 5 < len(rows)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (Budget(tokens=500), 4),
        (Budget(tokens=100_000), 12),
        (Budget(cost=0.00041, prices=Prices(1.0, 1.0)), 3),
    ],
)
def test_a_budget_leaves_questions_unasked(
    questions: StkitQuestions, tmp_path: Path, budget: Budget, expected: int
) -> None:
    model = Recorder(lambda r: Reply("x", input_tokens=100, output_tokens=20))
    out = tmp_path / "a.jsonl"
    # Nothing is known before the first answer, so the first wave is asked as a whole.
    tally = Tally(budget)
    tally.add([{"tokens": {"input": 100, "output": 20}, "error": None}])
    assert tally.allows(0)
    summary = run(model, questions, out, budget=budget)
    assert len(model.asked) == pytest.approx(expected, abs=1)
    assert (summary.stopped is None) == (expected == 12)
    # Taken up again, what was used before counts.
    if expected < 12:
        again = Recorder(lambda r: Reply("x", input_tokens=100, output_tokens=20))
        assert run(again, questions, out, budget=budget).n_asked <= 1


def test_a_limit_of_the_cost_needs_prices() -> None:
    with pytest.raises(ValueError, match="--price-in"):
        Budget(cost=1.0)
    assert Prices(2.0, 10.0).cost(500_000, 100_000) == 2.0


def test_an_interrupt_closes_the_model_and_keeps_the_file(
    questions: StkitQuestions, rows: RowsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = Recorder(seconds=0.05), tmp_path / "a.jsonl"
    add = AnswersFile.add

    def interrupted(self: AnswersFile, *arguments: object) -> None:
        add(self, *arguments)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(AnswersFile, "add", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(model, questions, out)
    monkeypatch.undo()
    assert model.closed
    assert list(read_kept(out)) == rows.ids[:1]
    assert run(Recorder(), questions, out).n_answered == len(rows)


# --- batches ---------------------------------------------------------------------------------


def test_batches_show_equally_many_frames_and_cover_all() -> None:
    found = plan([3, 3, 5, 3, 5, 3], 2)
    assert found == [(0, 1), (2, 4), (3, 5)]
    assert plan([3, 5, 3, 3], 2) == [(0, 2), (1,), (3,)]


def test_processes_share_the_batches_and_what_is_done_moves_none() -> None:
    batches = plan([1] * 10, 3)
    halves = [share(batches, set(range(10)), rank, 2) for rank in (0, 1)]
    assert sorted(place for half in halves for batch in half for place in batch) == list(range(10))
    assert share(batches, {0, 4, 5}, 0, 1) == [(0,), (4, 5)]


def test_several_processes_end_in_the_same_file_as_one(
    questions: StkitQuestions, tmp_path: Path
) -> None:
    alone, shared = tmp_path / "alone.jsonl", tmp_path / "shared.jsonl"
    run(Recorder(batch_size=2), questions, alone)
    meeting = threading.Barrier(2, timeout=20)
    models = [Recorder(batch_size=2), Recorder(batch_size=2)]
    threads = [
        threading.Thread(
            target=run,
            args=(model, questions, shared),
            kwargs={"workers": Workers(1, rank, 2, lambda: meeting.wait() and None)},
        )
        for rank, model in enumerate(models)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert shared.read_bytes() == alone.read_bytes()
    assert min(len(model.asked) for model in models) >= 4
    assert sorted(p.name for p in tmp_path.glob("shared*")) == [
        "shared.jsonl",
        "shared.run.json",
        "shared.timing.jsonl",
    ]


# --- the file --------------------------------------------------------------------------------


def line(name: str, response: str | None = "yes", **more: object) -> dict:
    error = None if response is not None else {"kind": "server", "message": "x"}
    return {"id": name, "response": response, "error": error, **more}


def test_a_half_written_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    whole = json.dumps(line("a")) + "\n"
    path.write_text(whole + '{"id": "b", "resp')
    assert list(read_kept(path)) == ["a"]
    file = AnswersFile(path)
    file.add([line("b")], [])
    file.close()
    assert list(read_kept(path)) == ["a", "b"]


def test_a_file_that_is_only_half_a_line_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id"')
    AnswersFile(path).close()
    assert path.read_text() == ""


def test_a_broken_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a\n' + json.dumps(line("b")) + "\n")
    with pytest.raises(FileError, match=r"a\.jsonl:1: not valid JSON"):
        read_kept(path)


@pytest.mark.parametrize(
    ("responses", "expected"),
    [([None, "x"], "x"), (["x", None], "x"), (["x", "y"], "y"), ([None, None], None)],
)
def test_a_response_goes_before_a_failure(
    tmp_path: Path, responses: list[str | None], expected: str | None
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(line("a", text)) + "\n" for text in responses))
    assert read_kept(path)["a"]["response"] == expected


def test_two_runs_cannot_write_to_one_file(tmp_path: Path) -> None:
    first = AnswersFile(tmp_path / "a.jsonl")
    with pytest.raises(RunError, match="another run is writing"):
        AnswersFile(tmp_path / "a.jsonl")
    first.close()
    AnswersFile(tmp_path / "a.jsonl").close()


def test_other_settings_are_refused_with_what_differs(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    run(Recorder(), questions, out)
    before = out.read_bytes()
    other = StkitQuestions(rows, AskSettings(max_frames=3))
    with pytest.raises(RunError, match=r"questions\.max_frames was 2, now 3\. Choose another"):
        run(Recorder(), other, out)
    assert out.read_bytes() == before


def test_a_file_of_unknown_settings_is_not_written_to(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    out.write_text(json.dumps(line("a")) + "\n")
    with pytest.raises(RunError, match=r"a\.run\.json does not"):
        claim_settings(out, {}, {})


def test_differences_name_nested_settings() -> None:
    old, new = {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 5}, "e": 4}
    assert differences(old, new) == [("a.c", 2, 5), ("d", 3, None), ("e", None, 4)]


# --- the command -----------------------------------------------------------------------------


def test_a_baseline_answers_from_the_shell(
    rows: RowsFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("constant", "random", "class_prior"):
        out = tmp_path / f"{name}.jsonl"
        command = ["run", "--model", f"baseline:{name}", "--data", str(rows.path)]
        command += ["--shot-data", str(rows.path), "--out", str(out)]
        assert main(command) == 0
        assert f"{len(rows)} of {len(rows)} questions answered" in capsys.readouterr().out
        assert main(["score", str(out), "--n-resamples", "0"]) == 0
        assert "not answered" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (["--model", "gpt"], "--model must be openai:NAME"),
        (["--model", "baseline:best"], "the baselines are constant, random, class_prior"),
        (["--model", "baseline:class_prior"], "--shot-data"),
        (["--model", "baseline:random", "--fps", "3"], "fps must be one of 2, 1, 0.5, 0.25"),
        (["--model", "baseline:random", "--price-in", "1"], "both --price-in and --price-out"),
        (["--model", "baseline:random", "--geometry", "smell"], "geometry must be among"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said(
    rows: RowsFile,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    rule: str,
) -> None:
    out = tmp_path / "a.jsonl"
    assert main(["run", "--data", str(rows.path), "--out", str(out), *options]) == 2
    assert rule in capsys.readouterr().err
    assert not out.exists()
