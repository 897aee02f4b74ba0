"""``stkit-bench report``: a page of any rows and answers, and how it behaves in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_rows
from browser import Seen, probe

from stkit_bench.cli import main
from stkit_bench.models.baselines import Constant, Random
from stkit_bench.readers import RulesReader
from stkit_bench.report.from_files import PageOptions, report_data
from stkit_bench.report.questions import choose_telling
from stkit_bench.run.rows_file import RowsFile


def write_answers(path: Path, rows: RowsFile, responses: list[str | None]) -> Path:
    lines = [
        {
            "id": identity,
            "response": text,
            "error": None if text else {"kind": "timeout", "message": "no answer within 9 s"},
            "frames_s": [0.0, 2.0],
            "prompt_hash": "0123456789abcdef",
            "question": rows.row(place)["question"],
        }
        for place, (identity, text) in enumerate(zip(rows.ids, responses, strict=True))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Rows with video, and two files of answers: truths with gaps, and a random draw."""
    folder = tmp_path_factory.mktemp("page")
    data = run_rows.write(folder / "rows.parquet")
    rows = RowsFile(data)
    whole = [rows.row(place) for place in range(len(rows))]
    good: list[str | None] = [row["answer"] for row in whole]
    good[1], good[2] = None, "I cannot tell."
    told = {"settings": {"model": {"name": "big"}, "questions": {"fps": 0.5, "shots": 3}}}
    (folder / "good.run.json").write_text(json.dumps(told))
    first = write_answers(folder / "good.jsonl", rows, good)
    second = write_answers(folder / "guess.jsonl", rows, [*Random().answer(whole)])
    return data, first, second


@pytest.fixture(scope="module")
def page(files: tuple[Path, Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    data, first, second = files
    out = tmp_path_factory.mktemp("out") / "deep" / "page.html"
    argv = ["--data", str(data), "--out", str(out), "--max-questions", "12", "--n-resamples", "50"]
    assert main(["report", "--runs", str(first), str(second), *argv]) == 0
    return out


def text_of(page: Path) -> str:
    html = re.sub(r"(?s)<(style|script)>.*?</\1>", "", page.read_text("utf-8"))
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_the_page_holds_tables_groups_differences_and_how_it_was_asked(page: Path) -> None:
    text = text_of(page)
    for expected in (
        *("Table 3 of the paper", "ST-VLM-7B", "Without seeing the video", "chance", "constant"),
        *("Differences between runs", "good − guess", "Scores by group", "Box color"),
        *("model big, 0.5 fps, 3 examples", "How it was asked", "0123456789abcdef"),
        *("2 at 0, 2 s", "timeout: no answer within 9 s", "not readable: refusal"),
        *("Audit: the target worked out again", "(agrees)", "rows.parquet"),
    ):
        assert expected in text, expected
    assert page.read_text("utf-8").count("<article") == 12


def test_what_went_wrong_is_shown_first_and_most(files: tuple[Path, Path, Path]) -> None:
    data, first, _ = files
    options = PageOptions(max_questions=8, n_resamples=0)
    found = report_data(data, [first], RulesReader(), options)
    wrong = [n for n, reply in found.runs[0].replies.items() if not reply.correct]
    shown = [row["id"] for row in found.questions]
    assert set(wrong) <= set(shown)
    assert len(shown) == 8
    assert all(row["video"]["bytes"] for row in found.questions)


def test_three_quarters_of_a_page_are_failures_where_there_are_enough() -> None:
    rows = [{"id": str(n), "task": "traveled_distance", "clip_id": str(n)} for n in range(40)]
    wrong = {str(n) for n in range(20)}
    chosen = choose_telling(rows, wrong, 12)
    assert len(set(chosen)) == 12
    assert len(wrong & set(chosen)) == 9
    assert len(choose_telling(rows, {"3"}, 12)) == 12
    assert "3" in choose_telling(rows, {"3"}, 12)
    assert len(choose_telling(rows, wrong, 100)) == 40


def test_the_size_of_a_page_is_bounded(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    data, first, _ = files
    sizes = []
    for extra in (["--max-questions", "3"], ["--max-questions", "12"], ["--max-video-mb", "0"]):
        out = tmp_path / "page.html"
        argv = ["report", "--runs", str(first), "--data", str(data), "--out", str(out), *extra]
        assert main([*argv, "--n-resamples", "0"]) == 0
        sizes.append(out.stat().st_size)
        html = out.read_text("utf-8")
    assert sizes[0] < sizes[1]
    assert html.count("<video") == 0
    assert "Left out to keep the page small" in html


def test_a_single_run_has_no_differences(files: tuple[Path, Path, Path]) -> None:
    data, first, _ = files
    found = report_data(data, [first], RulesReader(), PageOptions(n_resamples=0))
    assert found.paired == ()
    assert [run.name for run in found.runs] == ["good"]


def test_runs_of_one_name_are_told_apart_by_their_folders(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    data, first, second = files
    paths = [tmp_path / name / "answers.jsonl" for name in ("a", "b")]
    for path, source in zip(paths, (first, second), strict=True):
        path.parent.mkdir()
        path.write_bytes(source.read_bytes())
    found = report_data(data, paths, RulesReader(), PageOptions(n_resamples=0))
    assert [run.name for run in found.runs] == ["a/answers", "b/answers"]
    with pytest.raises(ValueError, match="given twice"):
        report_data(data, [first, first], RulesReader())


def test_rows_without_what_a_card_shows_are_refused(tmp_path: Path, capsys: Any) -> None:
    row = {"id": "q", "task": "movement_direction", "target": {"clock": 3}, "question": "Where?"}
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps(row))
    run = tmp_path / "a.jsonl"
    run.write_text(json.dumps({"id": "q", "response": "3"}))
    out = ["--out", str(tmp_path / "x.html")]
    assert main(["report", "--runs", str(run), "--data", str(rows), *out]) == 2
    assert "rows.jsonl: the rows lack the columns answer, clip_id," in capsys.readouterr().err


def test_what_the_reader_failed_on_is_said(files: tuple[Path, Path, Path]) -> None:
    from stkit_bench.reading import Reading
    from stkit_bench.report.page import render_page

    class Failing(RulesReader):
        def read(self, tasks: Any, responses: Any, questions: Any) -> Any:
            found = super().read(tasks, responses, questions)
            return [Reading(reason="reader_failed"), *found[1:]]

    data, first, _ = files
    options = PageOptions(n_resamples=0)
    html = render_page(report_data(data, [first], Failing(), options))
    assert "the reader failed on 1 responses" in html
    assert "– reader failed, not scored" in html


def test_the_constant_of_the_table_is_the_baseline_itself(files: tuple[Path, Path, Path]) -> None:
    from stkit_bench.report.runs import make_run
    from stkit_bench.rows import references

    data, first, _ = files
    found = report_data(data, [first], RulesReader(), PageOptions(n_resamples=0))
    rows = RowsFile(data)
    whole = [rows.row(place) for place in range(len(rows))]
    run = make_run("c", references(whole), Constant().answer(whole), n_resamples=0)
    assert found.blind is not None
    told = found.blind.accuracies()["constant"]
    for name, task in run.scores.tasks.items():
        assert told[name] == pytest.approx(task.accuracy)


# --- in a browser ----------------------------------------------------------------------------

PROBE = """<!DOCTYPE html><title>probe</title>
<iframe src="/page" width="360" height="800"></iframe>
<script>
const frame = document.querySelector("iframe");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
frame.onload = async () => {
  const page = frame.contentDocument, found = {};
  try {
    for (const part of page.querySelectorAll("details")) part.open = true;
    found.overflow = {};
    for (const width of [320, 360, 768, 1280]) {
      frame.style.width = width + "px";
      await wait(50);
      found.overflow[width] = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    }
    const cards = [...page.querySelectorAll("article")];
    const shown = () => cards.filter((a) => a.checkVisibility());
    const told = page.getElementById("filter-told");
    const radio = (name, value) => page.querySelector(`input[name=${name}][value="${value}"]`);
    const choose = (name, value) => {
      const input = radio(name, value);
      input.focus();
      input.click();
      if (page.activeElement !== input) throw new Error(`${name} ${value} takes no focus`);
      return shown().map((a) => a.dataset.verdicts.trim());
    };
    found.all = shown().length;
    found.unreadable = choose("verdict", "unreadable");
    found.told = told.textContent;
    found.unreadableOfGuess = choose("run", "1");
    found.rows = cards[0].querySelectorAll("tr[data-run]:not([hidden])").length;
    found.wrongOfGuess = choose("verdict", "wrong");
    choose("verdict", "all");
    choose("run", "all");
    found.tasks = choose("task", "traveling_speed").length;
    found.tasksShown = [...new Set(shown().map((a) => a.dataset.task))];
    choose("task", "all");
    found.back = shown().length;
    const focusable = [...page.querySelectorAll("a[href], summary, input, video, [tabindex='0']")];
    found.unreachable = focusable.filter((e) => e.tabIndex < 0).length;
    found.scrollers = [...page.querySelectorAll(".scroll")].every((e) => e.tabIndex === 0);
    found.colors = [...new Set([...page.querySelectorAll("#groups .panel g[class^=look]")]
      .map((g) => g.getAttribute("class")))];
  } catch (error) { found.failed = String(error); }
  await fetch("/found", { method: "POST", body: JSON.stringify(found) });
};
</script>"""


@pytest.fixture(scope="module")
def seen(page: Path) -> Seen:
    return probe(page, PROBE)


def test_the_page_fits_from_a_phone_to_a_desk_with_everything_open(seen: Seen) -> None:
    assert "failed" not in seen.found, seen.found["failed"]
    assert seen.found["overflow"] == {"320": 0, "360": 0, "768": 0, "1280": 0}


def test_questions_are_filtered_by_task_run_and_verdict(seen: Seen) -> None:
    found = seen.found
    assert found["all"] == found["back"] == 12
    assert [v.split()[0] for v in found["unreadable"]] == ["unreadable"]
    assert found["told"] == "1 of 12 questions shown"
    # The refusal is the first run's, so that none of the second's is left; its rows alone stay.
    assert found["unreadableOfGuess"] == []
    assert found["rows"] == 1
    assert found["wrongOfGuess"]
    assert all(verdicts.split()[1] == "wrong" for verdicts in found["wrongOfGuess"])
    assert found["tasks"] >= 1
    assert found["tasksShown"] == ["traveling_speed"]


def test_everything_can_be_reached_by_keyboard(seen: Seen) -> None:
    assert seen.found["unreachable"] == 0
    assert seen.found["scrollers"]


def test_a_run_keeps_its_color_and_nothing_else_is_asked_for(seen: Seen) -> None:
    assert seen.found["colors"] == ["look-0", "look-1"]
    assert [path for path in seen.requests if path != "/favicon.ico"] == ["/", "/page"]


def test_scene_windows_and_clips_are_counted_apart(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    data, first, _ = files
    table = pq.read_table(data)
    cameras = ["front" if n % 2 else "rear" for n in range(len(table))]
    column = table.schema.get_field_index("camera")
    moved = table.set_column(column, "camera", pa.array(cameras))
    simulated = table.schema.get_field_index("source")
    moved = moved.set_column(simulated, "source", pa.array(["simulation"] * len(table)))
    pq.write_table(moved, tmp_path / "rows.parquet")
    made = report_data(tmp_path / "rows.parquet", [first], RulesReader(), PageOptions())
    assert {("Scene windows", "2"), ("Clips (one camera each)", "4")} <= set(made.facts)
    assert "simulated" in (made.notice or "")
    whole = report_data(data, [first], RulesReader(), PageOptions(n_resamples=0))
    assert {("Scene windows", "2"), ("Clips (one camera each)", "2")} <= set(whole.facts)
    assert whole.notice is None
