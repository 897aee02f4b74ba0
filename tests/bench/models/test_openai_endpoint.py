"""Endpoints that fail in every way: nothing is lost, nothing asked twice, no key is told."""

from __future__ import annotations

import base64
import datetime
import email.utils
import io
import json
import logging
import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import run_rows
from fault_server import FAULTS, FaultServer, completion

from stkit_bench.cli import main
from stkit_bench.run.answers_file import read_kept
from stkit_datasets.model_clients.base import Request, Turn, VideoPart
from stkit_datasets.model_clients.endpoint_errors import Retries, Secret, of_status, retry_after_s

openai = pytest.importorskip(
    "openai", reason='needs openai: pip install ".[models]" in a clone of STKit'
)

from stkit_datasets.model_clients.openai_endpoint import (  # noqa: E402
    EndpointConfig,
    OpenAIEndpoint,
    chat_messages,
)

ERRORS = "stkit_datasets.model_clients.endpoint_errors"
KEY = "sk-test-5ecret/KEY+0123456789"


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_rows.write(tmp_path_factory.mktemp("rows") / "rows.parquet")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(f"{ERRORS}.random.uniform", lambda a, b: 0.01)


def asked(rows: Path, out: Path, url: str, *more: str) -> int:
    options = ["--model", "openai:made-up", "--base-url", url, "--max-frames", "2"]
    options += ["--max-side", "64", "--timeout", "1", "--no-progress", *more]
    return main(["run", "--data", str(rows), "--out", str(out), *options])


def one_each(name: str) -> Sequence[str]:
    """Give each request one of the faults, or none."""
    return ((*FAULTS, None)[int(name[:4], 16) % 7] or "",)[: int(int(name[:4], 16) % 7 < 6)]


# --- faults ----------------------------------------------------------------------------------


def test_every_fault_is_survived_and_nothing_is_asked_twice(rows: Path, tmp_path: Path) -> None:
    calm, faulty = tmp_path / "calm.jsonl", tmp_path / "faulty.jsonl"
    with FaultServer() as server:
        assert asked(rows, calm, server.url) == 0
        names = list(server.attempts)
    kinds = dict(zip(names, [*FAULTS, *FAULTS], strict=True))
    with FaultServer(lambda name: [kinds[name]]) as server:
        assert asked(rows, faulty, server.url) == 0
        assert set(server.answered) == set(names)
        assert set(server.answered.values()) == {1}
        assert set(server.attempts.values()) == {2}
    assert faulty.read_bytes() == calm.read_bytes()


def test_a_question_that_never_succeeds_is_a_failure_and_not_an_answer(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.jsonl"
    kinds = ["server_error", "empty_choice", "half_json", "cut", "rate_limit"]
    with FaultServer() as server:
        asked(rows, tmp_path / "names.jsonl", server.url)
        names = list(server.attempts)
    faults = dict(zip(names, kinds, strict=False))
    with FaultServer(lambda name: [faults[name]] * 9 if name in faults else ()) as server:
        assert asked(rows, out, server.url, "--attempts", "2") == 1
        assert {server.attempts[name] for name in faults} == {2}
        assert {server.attempts[name] for name in names[len(kinds) :]} == {1}
    lines = read_kept(out).values()
    failed = [line["error"]["kind"] for line in lines if line["error"]]
    assert sorted(failed) == ["connection", "empty", "invalid", "rate_limit", "server"]
    assert all((line["response"] is None) == (line["error"] is not None) for line in lines)
    capsys.readouterr()
    assert main(["score", str(out), "--n-resamples", "0"]) == 0
    assert "not answered: 5 (counted as wrong)" in capsys.readouterr().out
    with FaultServer() as server:
        assert asked(rows, out, server.url) == 0
        assert set(server.attempts) == set(faults)


def test_a_stall_is_given_up_after_the_timeout(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with FaultServer(lambda name: ["stall"] * 2, stall_s=30) as server:
        more = ("--limit", "2", "--timeout", "0.3", "--attempts", "2")
        assert asked(rows, out, server.url, *more) == 1
    errors = [line["error"] for line in read_kept(out).values()]
    assert errors == [{"kind": "timeout", "message": "no answer within 0.3 s"}] * 2
    timing = [json.loads(text) for text in (tmp_path / "a.timing.jsonl").read_text().splitlines()]
    assert all(0.6 <= entry["latency_s"] < 5 and entry["attempts"] == 2 for entry in timing)


@pytest.mark.parametrize(("status", "told"), [(401, "refuses the key"), (404, "does not know")])
def test_what_no_retry_can_help_stops_the_run(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int, told: str
) -> None:
    with FaultServer(lambda name: [str(status)] * 9) as server:
        assert asked(rows, tmp_path / "a.jsonl", server.url, "--concurrency", "1") == 2
        assert server.attempts.total() <= 4
    assert told in capsys.readouterr().err


def test_a_request_that_is_refused_costs_one_question_and_one_attempt(
    rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    with FaultServer(lambda name: ["400"] * 9) as server:
        assert asked(rows, out, server.url, "--limit", "3") == 1
        assert set(server.attempts.values()) == {1}
    assert {line["error"]["kind"] for line in read_kept(out).values()} == {"refused"}


# --- what is sent ----------------------------------------------------------------------------


def test_frames_are_sent_as_jpeg_in_order_before_the_question(rows: Path, tmp_path: Path) -> None:
    from PIL import Image

    with FaultServer() as server:
        server.keep_bodies = True
        extra = json.dumps({"reasoning_effort": "low"})
        more = ("--limit", "1", "--image-detail", "low", "--extra-body", extra)
        asked(rows, tmp_path / "a.jsonl", server.url, *more)
    (body,) = server.bodies
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("made-up", 0.0, 256)
    assert body["reasoning_effort"] == "low"
    (message,) = body["messages"]
    *images, text = message["content"]
    assert [item["type"] for item in images] == ["image_url"] * 2
    assert {item["image_url"]["detail"] for item in images} == {"low"}
    shades = []
    for item in images:
        head, data = item["image_url"]["url"].split(",")
        assert head == "data:image/jpeg;base64"
        picture = Image.open(io.BytesIO(base64.b64decode(data)))
        assert picture.size == (64, 36)
        shades.append(np.asarray(picture)[0].mean())
    # The clip's frames get brighter by 8 each; the first and the tenth are shown.
    assert shades[1] - shades[0] == pytest.approx(72, abs=4)
    assert text["type"] == "text"
    assert "0.00 s, 4.50 s" in text["text"]


def test_examples_become_a_conversation() -> None:
    video = VideoPart(np.zeros((1, 8, 8, 3), np.uint8), (0.0,))
    turns = (
        Turn("user", (video, "first?")),
        Turn("assistant", ("this",)),
        Turn("user", (video, "second?")),
    )
    messages = chat_messages(Request("x", turns), EndpointConfig("m"))
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == "this"
    assert [item["type"] for item in messages[2]["content"]] == ["image_url", "text"]


def test_a_blind_model_is_sent_the_text_alone(rows: Path, tmp_path: Path) -> None:
    with FaultServer() as server:
        server.keep_bodies = True
        out = tmp_path / "a.jsonl"
        more = ["--base-url", server.url, "--limit", "2", "--no-progress"]
        command = ["run", "--model", "text:openai:words", "--data", str(rows), "--out", str(out)]
        assert main([*command, *more]) == 0
    for body in server.bodies:
        assert [item["type"] for item in body["messages"][0]["content"]] == ["text"]
    assert {line["model"] for line in read_kept(out).values()} == {"words (no video)"}


def test_tokens_of_the_budget_are_counted(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        more = ("--max-tokens-total", "440", "--concurrency", "1")
        more += ("--price-in", "10000", "--price-out", "10000")
        assert asked(rows, tmp_path / "a.jsonl", server.url, *more) == 1
    told = capsys.readouterr().out
    assert "stopped: the budget is used up" in told
    assert "400 read, 40 written, cost 4.40" in told


# --- waiting ---------------------------------------------------------------------------------


def test_the_server_is_waited_for_as_it_asks(rows: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    with FaultServer(lambda name: ["rate_limit"]) as server:
        assert asked(rows, out, server.url, "--limit", "1") == 0
    (timing,) = (json.loads(text) for text in (tmp_path / "a.timing.jsonl").open())
    assert timing["attempts"] == 2
    assert 1.0 <= timing["latency_s"] < 3.0


def http_date(seconds: float) -> str:
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return email.utils.format_datetime(when, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": 30.0}, 30.0),
        ({"retry-after": -30.0}, 0.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(
    headers: dict[str, str | float], expected: float | None
) -> None:
    found = retry_after_s(
        {name: http_date(v) if isinstance(v, float) else v for name, v in headers.items()}
    )
    assert found == (None if expected is None else pytest.approx(expected, abs=2))


def test_waits_double_up_to_the_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{ERRORS}.random.uniform", lambda a, b: b)
    retries = Retries(6, 1.0, 5.0)
    assert [retries.wait_s(n) for n in (1, 2, 3, 4)] == [1, 2, 4, 5]
    assert retries.wait_s(1, asked_s=3.0) == 3.25
    assert retries.wait_s(1, asked_s=3600.0) == 5.25


@pytest.mark.parametrize(
    ("status", "body", "kind", "retry", "fatal"),
    [
        (429, "{}", "rate_limit", True, False),
        (429, '{"error": {"code": "insufficient_quota"}}', "rate_limit", False, True),
        (500, "oops", "server", True, False),
        (503, "", "server", True, False),
        (408, "", "timeout", True, False),
        (400, "too long", "refused", False, False),
        (401, "", "refused", False, True),
        (404, "", "refused", False, True),
    ],
)
def test_what_a_status_means(status: int, body: str, kind: str, retry: bool, fatal: bool) -> None:
    problem = of_status(status, body, {}, Secret(KEY))
    assert (problem.kind, problem.retry, problem.fatal) == (kind, retry, fatal)


def read(endpoint: OpenAIEndpoint, data: object) -> tuple[str, bool] | str:
    found = endpoint._read(json.dumps(data))
    return found["text"] if isinstance(found, dict) else (found.kind, found.retry)


def choice(reason: str | None = "stop", **message: object) -> dict:
    return {"choices": [{"message": message, "finish_reason": reason}]}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (completion(" 12 m "), "12 m"),
        (choice(content=[{"type": "text", "text": "12 m"}]), "12 m"),
        (choice(content=None, refusal="I will not"), "I will not"),
        (choice(content=None), ("empty", True)),
        (choice("length", content=""), ("empty", False)),
        (choice("content_filter", content=""), ("refused", False)),
        ({"choices": []}, ("empty", True)),
        ({"choices": None}, ("invalid", True)),
        ({"error": "x"}, ("invalid", True)),
        ([1], ("invalid", True)),
    ],
)
def test_what_a_completion_says(data: object, expected: object) -> None:
    endpoint = OpenAIEndpoint(EndpointConfig("m", base_url="http://127.0.0.1:1/v1"))
    assert read(endpoint, data) == expected


# --- keys ------------------------------------------------------------------------------------


def forms_of_key() -> list[str]:
    return [KEY, KEY[8:], base64.b64encode(KEY.encode()).decode()]


def test_a_key_is_in_nothing_that_is_written(
    rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    # The server puts the key into its errors, and into an answer.
    def faults(name: str) -> Sequence[str]:
        return [["500", "400", "429"][int(name[:2], 16) % 3]] * 9 if int(name[2], 16) % 2 else ()

    with (
        caplog.at_level(logging.DEBUG),
        FaultServer(faults, answer=lambda name: f"the key is {KEY}") as server,
    ):
        asked(rows, tmp_path / "a.jsonl", server.url, "--attempts", "2")
        assert all(headers["authorization"] == f"Bearer {KEY}" for headers in server.headers)
    with FaultServer(lambda name: ["401"] * 9) as server:
        assert asked(rows, tmp_path / "b.jsonl", server.url) == 2
    written = [path.read_text() for path in tmp_path.iterdir()]
    told = capfd.readouterr()
    assert "left out" in written[0] + told.err
    for text in [*written, told.out, told.err, caplog.text]:
        assert not any(form in text for form in forms_of_key())


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY.replace('/', '%2F')}@127.0.0.1/v1",
        f"http://127.0.0.1/v1?key={KEY}",
        f"http://127.0.0.1/v1#{KEY}",
        f"ftp://127.0.0.1/{KEY}",
    ],
)
def test_an_address_that_may_hold_a_key_is_refused_and_not_repeated(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    assert asked(rows, tmp_path / "a.jsonl", url) == 2
    told = capsys.readouterr()
    assert "base_url must" in told.err
    assert not any(form in told.err + told.out for form in [*forms_of_key(), "5ecret"])
    assert list(tmp_path.iterdir()) == []


def chain(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def test_no_exception_leads_back_to_a_request_that_holds_the_key() -> None:
    with FaultServer(lambda name: ["403"] * 9) as server:
        endpoint = OpenAIEndpoint(EndpointConfig("m", base_url=server.url))
        prepared = endpoint.prepare([Request("x", (Turn("user", ("how far?",)),))])
        with pytest.raises(ValueError, match="does not allow") as caught:
            endpoint.respond(prepared)
        endpoint.close()
    for error in chain(caught.value):
        assert not isinstance(error, openai.OpenAIError)
        assert KEY not in repr(error) + str(error)


@pytest.mark.parametrize("told", [repr, str, lambda x: json.dumps(dict(x.settings()))])
def test_a_model_does_not_show_its_key(told: Callable[[OpenAIEndpoint], str]) -> None:
    endpoint = OpenAIEndpoint(EndpointConfig("m", base_url="http://127.0.0.1:1/v1"))
    assert "5ecret" not in told(endpoint)
    assert "5ecret" not in repr(vars(endpoint))


def test_words_that_servers_without_accounts_take_for_a_key_stay_words() -> None:
    assert Secret("none").left_out("none of them") == "none of them"
    assert Secret("EMPTY").without("The road is EMPTY") == "The road is EMPTY"
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))


def test_openais_own_endpoint_needs_a_key(
    rows: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    command = ["run", "--model", "openai:gpt", "--data", str(rows), "--max-frames", "2"]
    assert main([*command, "--out", str(tmp_path / "a.jsonl")]) == 2
    assert "set the environment variable OPENAI_API_KEY" in capsys.readouterr().err
