from __future__ import annotations

import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stkit_bench.cli import main
from stkit_bench.files import write_text


def target(task, **fields):
    names = ("value_si", "unit", "clock", "start_s", "end_s", "choice")
    return {"task": task, **dict.fromkeys(names), **fields}


def question(number: int, clock: int = 3):
    return {
        "id": f"q{number}",
        "source": "nuscenes",
        "clip_id": f"c{number % 4}",
        "task": "movement_direction",
        "question": "Where is it heading?",
        "target": target("movement_direction", clock=clock),
        "start_s": 0.0,
        "end_s": 9.0,
        "video": b"0" * 100,
    }


def lines(path, items):
    kept = ({k: v for k, v in item.items() if k != "video"} for item in items)
    path.write_text("".join(json.dumps(item) + "\n" for item in kept), encoding="utf-8")
    return str(path)


@pytest.fixture
def answers(tmp_path):
    items = [{**question(n), "response": f"Toward {n} o'clock."} for n in range(1, 5)]
    items += [{**question(5), "response": "I cannot tell."}, {**question(6), "response": None}]
    return lines(tmp_path / "mine.jsonl", items)


def test_a_file_that_holds_everything(answers, capsys):
    assert main(["score", answers, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    task = result["tasks"]["movement_direction"]
    assert (task["n"], task["n_readable"], task["n_unanswered"]) == (6, 4, 1)
    assert task["accuracy"] == pytest.approx(1 / 6)
    assert task["mae"] == pytest.approx((2 + 1 + 0 + 1) / 4)
    assert sum(task["unread"].values()) == 1
    assert result["average_accuracy"] is None
    assert result["n_clusters"] == 4


def test_the_table_tells_what_was_not_read_and_not_answered(answers, capsys):
    assert main(["score", answers, "--published"]) == 0
    text = capsys.readouterr().out
    assert "not answered: 1" in text
    assert "answered but not readable: 1" in text
    assert "average of 1 tasks only" in text
    assert "no question of: traveled_distance," in text
    assert "MAE 1.00 clock hours [" in text
    assert "ST-VLM-7B" in text
    assert "second version" in text


def test_references_from_jsonl_parquet_and_a_folder(tmp_path, capsys):
    rows = [question(n) for n in range(1, 6)]
    short = lines(tmp_path / "a.jsonl", [{"id": "q3", "response": "3 o'clock"}])
    table = pa.Table.from_pylist(rows)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    pq.write_table(table.slice(0, 2), tmp_path / "data" / "deep" / "0.parquet")
    pq.write_table(table.slice(2), tmp_path / "data" / "1.parquet")
    pq.write_table(table, tmp_path / "rows.parquet")
    results = []
    for where in (
        lines(tmp_path / "rows.jsonl", rows),
        tmp_path / "rows.parquet",
        tmp_path / "data",
    ):
        assert main(["score", short, "--references", str(where), "--json"]) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert results[0] == results[1]
    task = results[2]["tasks"]["movement_direction"]
    assert (task["n"], task["n_unanswered"], task["accuracy"]) == (5, 4, 0.2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"id": "a"\n', ":1: not valid JSON"),
        ("\n[1]\n", ":2: must be a JSON object, got list"),
        ('{"id": "a", "task": "movement_direction"}\n', ":1: key 'response' is missing"),
        ('{"response": "x"}\n', ":1: key 'id' is missing"),
        ('{"id": 3, "response": "x"}\n', ":1: id must be a text, got 3"),
        ('{"id": "a", "response": 3}\n', ":1: response must be a text or null, got 3"),
        ('{"id": "a", "response": "x"}\n', ":1: key 'task' is missing"),
        ('{"id": "a", "response": "x", "task": "traveled_distance"}\n', "key 'target' is missing"),
        (
            '{"id": "a", "response": "x", "task": "movement_direction", "clock": 3}\n' * 2,
            ":2: id 'a' repeats line 1",
        ),
        (
            '{"id": "a", "response": "x", "task": "movement_direction", "clock": 15}\n',
            "(id 'a'): clock must be a whole number 1…12, got 15",
        ),
        ("", ": holds no answers"),
        ("[" * 200_000, ":1: not valid JSON"),
    ],
)
def test_errors_name_file_line_and_rule(tmp_path, capsys, content, message):
    path = tmp_path / "bad.jsonl"
    path.write_text(content, encoding="utf-8")
    assert main(["score", str(path)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "bad.jsonl" in told.err
    assert message in told.err


def test_other_errors_name_the_file(tmp_path, answers, capsys):
    rows = lines(tmp_path / "rows.jsonl", [question(1)])
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    (tmp_path / "latin.jsonl").write_bytes(b'{"id": "\xff"}')
    for argv, message in [
        (["score", str(tmp_path / "none.jsonl")], "none.jsonl: cannot be read"),
        (["score", str(tmp_path / "latin.jsonl")], "latin.jsonl: must be UTF-8"),
        (["score", answers, "--references", rows], "mine.jsonl:2: id 'q2' is not among"),
        (["score", answers, "--references", str(tmp_path / "empty")], "holds no *.parquet"),
        (["score", answers, "--references", str(tmp_path / "gone")], "gone: does not exist"),
        (["score", answers, "--references", str(tmp_path / "broken.parquet")], "as Parquet"),
        (["score", answers, "--level", "1.2"], "open interval (0, 1), got 1.2"),
        (["select", str(tmp_path / "gone")], "gone: does not exist"),
        (["select", rows, "--shares", "{"], "--shares is not valid JSON"),
        (["select", rows, "--shares", "[1]"], "--shares must be a JSON object"),
        (["select", rows, "--out", str(tmp_path / "x.parquet")], "choose that suffix"),
    ]:
        assert main(argv) == 2, argv
        assert message in capsys.readouterr().err


def test_scores_say_what_they_are_of(tmp_path, capsys):
    items = [question(n) for n in range(1, 5)]
    said = [{"id": i["id"], "response": "12", "model": "runs/a", "settings": "s1"} for i in items]
    alone = [{**i, "response": "12"} for i in items]
    rows = lines(tmp_path / "rows.jsonl", items)
    parquet = tmp_path / "rows.parquet"
    pq.write_table(pa.Table.from_pylist(items[::-1]), parquet)

    def facts(*argv):
        assert main(["score", *argv, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        return found["answers"], found["questions"]

    run = lines(tmp_path / "run.jsonl", said)
    told, questions = facts(run, "--references", rows)
    digest = hashlib.sha256((tmp_path / "run.jsonl").read_bytes()).hexdigest()
    assert told == {"file": "run.jsonl", "sha256": digest, "models": ["runs/a"], "settings": ["s1"]}
    assert questions["n"] == 4
    assert facts(run, "--references", str(parquet)) == (told, questions)
    told, same = facts(lines(tmp_path / "alone.jsonl", alone))
    assert (told["models"], told["settings"], same) == ([], [], questions)
    changed = [{**i, "response": "12"} for i in [question(1, clock=4), *items[1:]]]
    for others in (changed, alone[:3]):
        assert facts(lines(tmp_path / "others.jsonl", others))[1] != questions
    mixed = lines(tmp_path / "mixed.jsonl", [{**said[0], "model": "b"}, *said[1:]])
    assert facts(mixed, "--references", rows)[0]["models"] == ["b", "runs/a"]


def test_out_is_written_whole_or_not_at_all(tmp_path, answers, monkeypatch):
    out = tmp_path / "made" / "scores.json"
    assert main(["score", answers, "--out", str(out)]) == 0
    assert json.loads(out.read_text("utf-8"))["n"] == 6

    def fail(*_):
        raise OSError("no space left")

    before = out.read_text("utf-8")
    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_text(out, "half")
    assert out.read_text("utf-8") == before
    assert [p.name for p in out.parent.iterdir()] == ["scores.json"]


def test_ctrl_c_is_one_line(tmp_path, capsys, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("stkit_bench.commands.score.load", stop)
    assert main(["score", str(tmp_path / "a.jsonl")]) == 130
    assert capsys.readouterr().err == (
        "\nstkit-bench: interrupted; what was finished is kept, start again to go on\n"
    )


def test_compare(tmp_path, capsys):
    rows = lines(tmp_path / "rows.jsonl", [question(n) for n in range(40)])
    a = lines(tmp_path / "a.jsonl", [{"id": f"q{n}", "response": "3 o'clock"} for n in range(40)])
    b = lines(tmp_path / "b.jsonl", [{"id": f"q{n}", "response": "4 o'clock"} for n in range(30)])
    assert main(["compare", a, b, "--references", rows, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["tasks"]["movement_direction"]["difference"] == 1.0
    # Four scene windows, in all of which A is better: 2 of 16 ways are as extreme.
    assert result["average"]["p_value"] == 0.125
    assert (result["a"]["n_unanswered"], result["a"]["n_unreadable"]) == (0, 0)
    assert (result["b"]["n_unanswered"], result["b"]["n_readable"]) == (10, 30)
    assert main(["compare", a, b, "--references", rows]) == 0
    told = capsys.readouterr().out
    assert "+100.0" in told
    assert "b: 10 not answered, 0 answered but not readable (counted as wrong)" in told
    assert "a: " not in told


def test_select_writes_rows_of_the_same_kind_and_a_report(tmp_path, capsys):
    rows = [question(n, clock=12 if n % 2 else n // 2 % 12 + 1) for n in range(240)]
    source = lines(tmp_path / "rows.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet", row_group_size=50)
    report = tmp_path / "report.json"
    out = tmp_path / "out"
    argv = ["--per-task", "24", "--report", str(report)]
    assert main(["select", source, "--out", str(out / "b.jsonl"), *argv]) == 0
    first = capsys.readouterr().out
    chosen = [json.loads(line) for line in (out / "b.jsonl").read_text("utf-8").splitlines()]
    assert len(chosen) == 24
    assert sorted(r["target"]["clock"] for r in chosen) == sorted([*range(1, 13)] * 2)
    told = json.loads(report.read_text("utf-8"))
    assert told["tasks"]["movement_direction"]["labels"]["clock"]["12"]["selected"] == 2
    parquet = ["select", str(tmp_path / "rows.parquet"), "--out", str(out / "b.parquet"), *argv]
    assert main(parquet) == 0
    assert capsys.readouterr().out == first
    table = pq.read_table(out / "b.parquet")
    assert table["id"].to_pylist() == [r["id"] for r in chosen]
    assert table["video"][0].as_py() == b"0" * 100
    assert sorted(p.name for p in out.iterdir()) == ["b.jsonl", "b.parquet"]


def test_help_and_version(capsys):
    for argv in (["--help"], ["score", "--help"], ["select", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as end:
            main(argv)
        assert end.value.code == 0
    assert "stkit-bench" in capsys.readouterr().out
    with pytest.raises(SystemExit) as end:
        main([])
    assert end.value.code == 2
