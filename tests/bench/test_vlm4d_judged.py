"""Published judged responses: read, regraded, compared with the judge; the command line."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from test_vlm4d_items import entry, synthetic, write

from stkit_bench.cli import main
from stkit_bench.files import FileError
from stkit_bench.vlm4d import load, read_choice
from stkit_bench.vlm4d.agreement import agreement, judge_faults, together
from stkit_bench.vlm4d.answers import answers_to, read_judged


def judged(response: str | None, extracted: str, correct: bool, **changes: Any) -> dict[str, Any]:
    whole = entry(**changes)
    return {
        "id": whole["id"],
        "question": whole["question"],
        "choices": whole["choices"],
        "response": response,
        "ground_truth_answer": "right ",
        "extracted_answer": extracted,
        "correct": correct,
    }


def pack(path: Path, *rows: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    return path


ROWS = (
    judged("B", "B: right", True, number=1),
    judged("The final answer is: A", "A: left", False, number=2),
    judged("It goes right.", "No Valid Answer", False, number=3),
    judged("B: left", "B: left", False, number=4),
)


def test_grades_are_compared_row_by_row(tmp_path: Path) -> None:
    part = agreement(pack(tmp_path / "real_mc_cot" / "some-model.json.gz", *ROWS))
    assert part.name == "real_mc_cot/some-model"
    assert (part.n, part.n_agree, part.n_right, part.n_judged_right) == (4, 3, 2, 1)
    (row,) = part.disagreements
    assert (row.id, row.letter, row.judged_correct) == ("validation_3", "B", False)
    both = together([part, part], "both")
    assert (both.n, both.share, both.accuracy_difference) == (8, 0.75, 0.25)


def test_letter_and_flag_that_disagree_are_seen(tmp_path: Path) -> None:
    rows = read_judged(pack(tmp_path / "x.json.gz", *ROWS))
    assert [row.letter_and_flag_agree for row in rows] == [True, True, True, False]


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (b"[]", "must be a JSON list"),
        (b"{", "must be JSON"),
        (b"[1]", "item 0: must be an object, got int"),
        (json.dumps([{**ROWS[0], "correct": 1}]).encode(), "correct must be bool, got int"),
        (json.dumps([{**ROWS[0], "response": 1}]).encode(), "response must be text or null"),
        (json.dumps([{"id": "validation_1"}]).encode(), "key 'response' is missing"),
    ],
)
def test_broken_judged_files_are_named(tmp_path: Path, content: bytes, rule: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=rule):
        read_judged(path)


def test_a_broken_archive_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.json.gz"
    for content in (b"plain text", gzip.compress(b"[]")[:-12]):
        path.write_bytes(content)
        with pytest.raises(FileError, match="cannot be read"):
            read_judged(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "vlm4d"
    folder.mkdir()
    write(folder / "real_mc.json", *(entry(number) for number in range(1, 5)))
    write(folder / "synthetic_mc.json", synthetic(1, question="And where does the robot go?"))
    return folder


def jsonl(path: Path, *lines: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_answers_of_both_kinds_are_gathered(tmp_path: Path, data: Path) -> None:
    published = pack(tmp_path / "m.json.gz", *ROWS)
    own = jsonl(tmp_path / "own.jsonl", {"id": "synthetic/validation_1", "response": None})
    responses = answers_to(load(data), [published, own])
    assert responses == [*(row["response"] for row in ROWS), None]


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ({"id": "real/validation_99", "response": ""}, "'real/validation_99' is not among"),
        ({"id": 3, "response": ""}, "id must be a text"),
        ({"id": "real/validation_1"}, "key 'response' is missing"),
        ({"id": "real/validation_1", "response": 2}, "response must be a text or null"),
    ],
)
def test_broken_answers_are_named(
    tmp_path: Path, data: Path, line: dict[str, Any], rule: str
) -> None:
    with pytest.raises(FileError, match=rule):
        answers_to(load(data), [jsonl(tmp_path / "own.jsonl", line)])


def test_an_answer_given_twice_or_to_other_options_is_refused(tmp_path: Path, data: Path) -> None:
    items = load(data)
    first = pack(tmp_path / "m.json.gz", *ROWS)
    own = jsonl(tmp_path / "own.jsonl", {"id": "real/validation_2", "response": "A"})
    with pytest.raises(FileError, match="'real/validation_2' is answered in"):
        answers_to(items, [first, own])
    other = pack(tmp_path / "o.json.gz", {**ROWS[0], "choices": {"A": "up", "B": "down"}})
    with pytest.raises(FileError, match="options must be"):
        answers_to(items, [other])


def test_score_command(tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = pack(tmp_path / "m.json.gz", *ROWS)
    out = tmp_path / "scores.json"
    arguments = ["vlm4d", "score", "--data", str(data), "--answers", str(published)]
    assert main([*arguments, "--out", str(out), "--published", "--n-resamples", "50"]) == 0
    printed = capsys.readouterr().out
    assert "not answered: 1 (counted as wrong)" in printed
    assert "GPT-4o" in printed
    scores = json.loads(out.read_text(encoding="utf-8"))
    assert scores["scores"]["real_exocentric"]["accuracy"] == 0.5
    assert scores["scores"]["real_exocentric"]["n_read"] == 3
    assert scores["baselines"]["chance"]["overall"] == 0.25
    assert main([*arguments, "--json", "--n-resamples", "50"]) == 0
    assert json.loads(capsys.readouterr().out) == scores


def test_agree_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = str(pack(tmp_path / "real_mc_cot" / "m.json.gz", *ROWS))
    assert main(["vlm4d", "agree", "--answers", published]) == 0
    assert "real_mc_cot/m" in capsys.readouterr().out
    assert main(["vlm4d", "agree", "--answers", published, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["share"] == 0.75


def test_prompts_command(tmp_path: Path, data: Path) -> None:
    out = tmp_path / "prompts.jsonl"
    assert main(["vlm4d", "prompts", "--data", str(data), "--form", "cot", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines][-1] == "synthetic/validation_1"
    assert lines[0]["video"] == "videos_real/davis/camel.mp4"


def test_a_broken_file_ends_in_status_2(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = str(tmp_path / "none.json")
    assert main(["vlm4d", "score", "--data", str(data), "--answers", missing]) == 2
    assert "none.json: cannot be read" in capsys.readouterr().err


# --- against the published judge -------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(shared_data):
    return [agreement(path) for path in sorted(shared_data("vlm4d/judged").glob("*/*.json.gz"))]


def test_overall_agreement_with_the_judge(parts) -> None:
    whole = together(parts, "all")
    assert whole.n == 8 * 2 * (1371 + 445)
    assert whole.share >= 0.997
    assert whole.share_without_faults >= whole.share


def test_agreement_on_the_worst_file(parts) -> None:
    assert min(parts, key=lambda part: part.share).share >= 0.98


def test_accuracy_of_every_model_is_the_judges_within_0_3_points(parts) -> None:
    models = {
        (p.name.partition("/")[2], p.name.partition("/")[0].rpartition("_")[2]) for p in parts
    }
    assert len(models) == 16
    for model, form in sorted(models):
        own = [p for p in parts if p.name.endswith(f"/{model}") and f"_{form}/" in p.name]
        assert len(own) == 2
        assert abs(together(own, model).accuracy_difference) <= 0.003, (model, form)


def test_listed_faults_of_the_judge_are_rows_of_the_files(shared_data) -> None:
    listed = judge_faults()
    assert sum(len(rows) for rows in listed.values()) == 24
    for name, reasons in listed.items():
        rows = {row.id: row for row in read_judged(shared_data(f"vlm4d/judged/{name}.json.gz"))}
        assert set(reasons) <= set(rows)


def test_every_row_whose_letter_and_flag_disagree_is_listed(shared_data) -> None:
    listed = judge_faults()
    for path in sorted(shared_data("vlm4d/judged").glob("*/*.json.gz")):
        name = f"{path.parent.name}/{path.name.removesuffix('.json.gz')}"
        seen = {row.id for row in read_judged(path) if not row.letter_and_flag_agree}
        assert seen <= set(listed.get(name, {}))


def test_speed(shared_data) -> None:
    folder = shared_data("vlm4d/judged")
    rows = [row for path in sorted(folder.glob("real*/*.json.gz")) for row in read_judged(path)]
    begin = time.process_time()
    for row in rows:
        read_choice(row.response, row.choices)
    # 20,000 a second of a quiet core, with room for a busy one
    assert len(rows) / (time.process_time() - begin) > 7_000
