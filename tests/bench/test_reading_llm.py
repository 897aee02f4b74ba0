"""A language model as the reader, against a local endpoint that plays the model."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from reading_server import ReadingServer, from_table, said

from stkit_bench.cli import main
from stkit_bench.judging import READER_FAILED
from stkit_bench.reading.llm import LlmReader, LlmReaderConfig
from stkit_bench.reading.llm_prompts import PromptError, load_prompts
from stkit_bench.run.budget import Budget
from stkit_datasets.model_clients.base import ModelError
from stkit_datasets.model_clients.endpoint_errors import Retries
from stkit_datasets.tasks.names import TASKS

pytest.importorskip("openai")

KEY = "sk-sentinel-0123456789abcdef"
QUICK = Retries(attempts=2, first_s=0.01, longest_s=0.02)

TASK_SAID = {
    "traveled_distance": ("About 12 m.", {"distance_m": 12, "unit_stated": True}),
    "traveling_speed": ("36 km/h", {"speed_kmh": 36, "unit_stated": True}),
    "movement_direction": ("three o'clock", {"clock": 3}),
    "direction_timestamp": ("2 s to 5 s", {"start_s": 2, "end_s": 5}),
    "traveled_distance_comparison": ("red less", {"object": "red", "more": 0}),
    "traveling_speed_comparison": ("blue", {"object": "blue", "more": None}),
    "movement_direction_comparison": ("yes", {"same": None, "yes": 1}),
}
QUESTIONS = {
    "traveled_distance": "How far does the object in the red box travel?",
    "traveling_speed": "How fast is the object in the red box?",
    "movement_direction": "Where is the object in the red box heading at the end?",
    "direction_timestamp": "When does the object in the red box move toward 3 o'clock?",
    "traveled_distance_comparison": "Which travels farther, the red or the blue object?",
    "traveling_speed_comparison": "Which is slower, the red or the blue object?",
    "movement_direction_comparison": "Do the red and the blue object move in the same direction?",
}
TABLE = {text: {**fields, "none_because": None} for text, fields in TASK_SAID.values()}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def reader(server: ReadingServer, cache: Path, **more: Any) -> LlmReader:
    config = {"model": "tiny", "base_url": server.url, "cache": cache, "retries": QUICK, **more}
    return LlmReader(LlmReaderConfig(**config))


def read_clocks(found: LlmReader, responses: list[str | None]) -> list[Any]:
    return found.read(["movement_direction"] * len(responses), responses, [None] * len(responses))


def hours(body: dict[str, Any]) -> str:
    return json.dumps({"clock": int(said(body).split()[0]), "none_because": None})


# --- prompts ---------------------------------------------------------------------------------


def test_every_task_has_a_prompt_whose_examples_are_valid():
    prompts = load_prompts()
    assert list(prompts) == [str(task) for task in TASKS]
    assert len({prompt.fingerprint for prompt in prompts.values()}) == 7
    for prompt in prompts.values():
        assert len(prompt.shots) >= 3
        keys = set(json.loads(prompt.shots[0][1]))
        assert keys == set(prompt.schema["required"]) == set(prompt.schema["properties"])
        assert all(f'"{key}"' in prompt.system for key in keys)


@pytest.mark.parametrize(
    ("task", "constants"),
    [
        ("traveled_distance", ("0.0254", "0.3048", "0.01", "metres")),
        ("traveling_speed", ("3.6", "1.60934", "1.09728", "kilometres per hour")),
    ],
)
def test_the_prompts_tell_the_conversions(task, constants):
    assert all(constant in load_prompts()[task].system for constant in constants)


def test_prompts_can_be_replaced_and_a_broken_one_is_named(tmp_path):
    for task, prompt in load_prompts().items():
        shots = [{"response": a, "reply": json.loads(b)} for a, b in prompt.shots]
        data = {"system": f"Read. {task}", "shots": shots, "schema": prompt.schema}
        (tmp_path / f"{task}.json").write_text(json.dumps(data))
    replaced = load_prompts(tmp_path)
    assert replaced["traveling_speed"].system == "Read. traveling_speed"
    assert replaced["traveling_speed"].fingerprint != load_prompts()["traveling_speed"].fingerprint
    path = tmp_path / "traveling_speed.json"
    data["shots"] = [{"response": "x", "reply": {"speed": 3}}]
    path.write_text(json.dumps(data))
    with pytest.raises(PromptError, match=r"traveling_speed\.json: the reply to 'x'"):
        load_prompts(tmp_path)
    path.unlink()
    with pytest.raises(PromptError, match=r"traveling_speed\.json"):
        load_prompts(tmp_path)


# --- reading ---------------------------------------------------------------------------------


def test_all_seven_tasks_are_read_from_the_response_alone(tmp_path):
    tasks = [*TASK_SAID, "movement_direction", "movement_direction"]
    responses = [*(text for text, _ in TASK_SAID.values()), None, "  "]
    questions = [QUESTIONS[task] for task in tasks]
    with ReadingServer(from_table(TABLE)) as server:
        found = reader(server, tmp_path).read(tasks, responses, questions)
    distance, speed, clock, span, farther, slower, same, none, blank = found
    assert (distance.value_si, speed.value_si, clock.clock) == (12.0, 10.0, 3)
    assert (span.start_s, span.end_s) == (2.0, 5.0)
    assert (farther.choice, slower.choice, same.choice) == ("blue", "blue", "same")
    assert none is None
    assert blank.reason == "empty"
    assert len(server.bodies) == 7
    for body in server.bodies:
        told = json.dumps(body)
        assert not any(question in told for question in QUESTIONS.values())
        assert body["messages"][0]["role"] == "system"
        assert body["response_format"]["json_schema"]["strict"] is True
        assert body["temperature"] == 0.0


def test_a_warm_cache_makes_no_call_and_equal_responses_are_asked_once(tmp_path):
    responses = ["3 o'clock", "4 o'clock", "3 o'clock", None, ""]
    with ReadingServer(hours) as server:
        cold = reader(server, tmp_path)
        first = read_clocks(cold, responses)
        assert (cold.report.n_calls, len(server.bodies)) == (2, 2)
        warm = reader(server, tmp_path)
        assert read_clocks(warm, responses) == first
        assert (warm.report.n_calls, warm.report.n_cached) == (0, 2)
        assert len(server.bodies) == 2
        other = reader(server, tmp_path, model="other")
        read_clocks(other, responses)
        assert len(server.bodies) == 4


def test_a_warm_cache_needs_neither_a_server_nor_a_key(tmp_path, monkeypatch):
    with ReadingServer(hours) as server:
        first = read_clocks(reader(server, tmp_path), ["3 o'clock"])
    monkeypatch.delenv("OPENAI_API_KEY")
    gone = LlmReader(LlmReaderConfig("tiny", tmp_path))
    assert read_clocks(gone, ["3 o'clock"]) == first
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        read_clocks(gone, ["5 o'clock"])


@pytest.mark.parametrize(
    ("refused", "last"), [(("json_schema",), "json_object"), (("json_schema", "json_object"), None)]
)
def test_a_server_without_json_mode_is_asked_in_the_next_best_way(tmp_path, refused, last):
    def answer(body):
        kind = body.get("response_format", {}).get("type")
        return (400, f"unsupported response_format {kind}") if kind in refused else hours(body)

    with ReadingServer(answer) as server:
        found = reader(server, tmp_path, concurrency=1)
        assert [r.clock for r in read_clocks(found, ["3 o'clock", "4 o'clock"])] == [3, 4]
    asked = [body.get("response_format", {}).get("type") for body in server.bodies]
    # What was refused once is not tried again.
    assert asked == [*refused, last, last]


def test_an_invalid_reply_is_asked_for_again_with_the_rule(tmp_path):
    def answer(body):
        again = body["messages"][-1]["content"].startswith("That was not valid")
        return hours(body) if again else '{"clock": "three"}'

    with ReadingServer(answer) as server:
        found = reader(server, tmp_path)
        assert read_clocks(found, ["3 o'clock"])[0].clock == 3
    assert "exactly the keys clock, none_because" in server.bodies[1]["messages"][-1]["content"]
    assert found.report.n_calls == 2


def failing(body):
    if said(body).startswith("9"):
        return "no JSON at all"
    return (500, "broken") if said(body).startswith("8") else hours(body)


def test_failures_are_no_readings_and_are_not_kept(tmp_path):
    responses = ["3 o'clock", "9 o'clock", "8 o'clock"]
    with ReadingServer(failing) as server:
        found = reader(server, tmp_path)
        good, invalid, broken = read_clocks(found, responses)
    assert good.clock == 3
    assert (invalid.reason, broken.reason) == (READER_FAILED, READER_FAILED)
    assert found.report.failures == {"invalid_reply": 1, "server": 1}
    with ReadingServer(hours) as server:
        again = reader(server, tmp_path)
        assert [r.clock for r in read_clocks(again, responses)] == [3, 9, 8]
        assert len(server.bodies) == 2


def test_it_stops_after_failures_in_a_row_and_when_the_budget_is_used_up(tmp_path):
    responses = [f"{n} o'clock" for n in range(1, 13)]
    with ReadingServer(lambda body: (500, "down")) as server:
        down = reader(server, tmp_path, concurrency=1, max_failures_in_a_row=3)
        assert {r.reason for r in read_clocks(down, responses)} == {READER_FAILED}
        assert len(server.bodies) == 3 * QUICK.attempts
        assert down.report.failures == {"server": 3, "stopped": 9}
    with ReadingServer(hours) as server:
        # An answer of this server uses 110 tokens.
        poor = reader(server, tmp_path, concurrency=1, budget=Budget(tokens=350))
        found = read_clocks(poor, responses)
        assert sum(r.readable for r in found) == len(server.bodies) == 3
        assert poor.report.failures == {"budget": 9}


def test_a_refused_key_ends_the_reading(tmp_path):
    with (
        ReadingServer(lambda body: (401, f"bad key {KEY}")) as server,
        pytest.raises(ModelError) as caught,
    ):
        read_clocks(reader(server, tmp_path), ["3 o'clock"])
    assert KEY not in str(caught.value)


# --- the command -----------------------------------------------------------------------------


def write(path: Path, responses: list[str]) -> str:
    lines = [
        {
            "id": f"q{n}",
            "source": "nuscenes",
            "clip_id": f"c{n}",
            "task": "movement_direction",
            "question": QUESTIONS["movement_direction"],
            "clock": 3,
            "response": text,
        }
        for n, text in enumerate(responses)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def options(server: ReadingServer, cache: Path) -> list[str]:
    where = ["--base-url", server.url, "--cache", str(cache), "--attempts", "1"]
    return ["--reader", "llm:tiny", *where]


def test_score_sets_failures_apart_from_wrong_answers(tmp_path, capsys):
    file = write(tmp_path / "a.jsonl", ["3 o'clock", "4 o'clock", "9 o'clock", "8 o'clock"])
    with ReadingServer(failing) as server:
        argv = ["score", file, *options(server, tmp_path / "cache")]
        assert main([*argv, "--json"]) == 1
        result = json.loads(capsys.readouterr().out)
        assert main(argv) == 1
        shown = capsys.readouterr()
    task = result["tasks"]["movement_direction"]
    assert (task["n"], task["reader_failures"], task["accuracy"]) == (2, 2, 0.5)
    assert (task["coverage"], task["unread"]) == (1.0, {})
    assert result["reader"]["model"] == "tiny"
    assert "the reader failed on: 2 (not scored)" in shown.out
    assert "2 responses from the cache" in shown.err
    assert "run again" in shown.err


def test_no_key_in_any_file_log_or_error(tmp_path, capsys, caplog):
    caplog.set_level(logging.DEBUG)
    file = write(tmp_path / "a.jsonl", ["3 o'clock", "9 o'clock", "8 o'clock"])

    def careless(body):
        found = failing(body)
        return found if isinstance(found, str) else (500, f"Authorization: Bearer {KEY}")

    with ReadingServer(careless) as server:
        out = ["--out", str(tmp_path / "scores.json")]
        main(["score", file, *options(server, tmp_path / "cache"), *out])
        assert all(KEY in headers["authorization"] for headers in server.headers)
    told = capsys.readouterr()
    assert KEY not in told.out + told.err + caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert not [path for path in files if KEY.encode() in path.read_bytes()]


def test_agree_tells_where_two_readers_part(tmp_path, capsys):
    # The rules read an hour in words; this model takes the first figure it sees.
    said_at = ["3 o'clock", "4 o'clock, no, 3 o'clock", "9 o'clock"]
    file = write(tmp_path / "a.jsonl", said_at)
    with ReadingServer(failing) as server:
        where = options(server, tmp_path / "cache")[2:]
        argv = ["agree", file, "--readers", "rules,llm:tiny", *where]
        assert main([*argv, "--json"]) == 1
        found = json.loads(capsys.readouterr().out)
        assert main(argv) == 1
        shown = capsys.readouterr().out
    task = found["tasks"]["movement_direction"]
    assert (task["n"], task["both_read"], task["same_reading"], task["same_verdict"]) == (
        2,
        2,
        1,
        1,
    )
    assert (task["only_a_right"], task["only_b_right"], found["failures"]) == (1, 0, 1)
    assert found["partings"][0]["response"] == said_at[1]
    assert "rules: 3 o'clock (right)   llm:tiny: 4 o'clock (wrong)" in shown


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--reader", "llm:x"], "needs --cache DIR"),
        (["--reader", "gpt"], "a reader is rules or llm:MODEL"),
    ],
)
def test_a_reader_that_cannot_be_had_is_named(tmp_path, capsys, argv, message):
    assert main(["score", write(tmp_path / "a.jsonl", ["3"]), *argv]) == 2
    assert message in capsys.readouterr().err
