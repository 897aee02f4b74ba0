"""Batches prepared in processes of their own: the same file, nothing lost, no process left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import run_rows
from run_models import Recorder, broken_at

from stkit_bench.run import AskSettings, RunError, run
from stkit_bench.run import preparing as preparing_module
from stkit_bench.run.answers_file import read_kept
from stkit_bench.run.preparing import Workers
from stkit_bench.run.processes import Forked, can_fork
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.stkit_questions import StkitQuestions
from stkit_datasets.model_clients.base import Reply, Request

pytestmark = pytest.mark.skipif(not can_fork(), reason="processes are forked on Linux only")

SMALL = AskSettings(max_frames=2)
BOTH = Workers(2, processes=True)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    return RowsFile(run_rows.write(tmp_path_factory.mktemp("rows") / "rows.parquet"))


@pytest.fixture
def questions(rows: RowsFile) -> StkitQuestions:
    return StkitQuestions(rows, SMALL)


def shade(request: Request) -> str:
    """Answer from the pixels, so that frames that differ show."""
    return f"{request.id} {request.videos[0].frames.sum()}"


class Marker(Recorder):
    """Notes which process prepared which question."""

    def __init__(self, notes: Path, **settings: Any) -> None:
        super().__init__(shade, **settings)
        self.notes = notes

    def prepare(self, requests: Sequence[Request]) -> Sequence[Request]:
        with self.notes.open("a") as file:
            file.write("".join(f"{os.getpid()} {request.id}\n" for request in requests))
        return requests

    def noted(self) -> list[tuple[int, str]]:
        lines = [line.split(" ", 1) for line in self.notes.read_text().splitlines()]
        return [(int(process), name) for process, name in lines]


# --- runs ------------------------------------------------------------------------------------


def test_processes_write_the_file_of_threads_and_prepare_each_question_once(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path
) -> None:
    files, models = [], []
    for processes in (True, False):
        models.append(Marker(tmp_path / f"notes-{processes}", batch_size=2))
        files.append(tmp_path / f"{processes}.jsonl")
        run(models[-1], questions, files[-1], workers=Workers(2, processes=processes))
    assert files[0].read_bytes() == files[1].read_bytes()
    for model in models:
        assert sorted(name for _, name in model.noted()) == sorted(rows.ids)
    assert os.getpid() not in {process for process, _ in models[0].noted()}
    assert {process for process, _ in models[1].noted()} == {os.getpid()}
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize(("computes_here", "elsewhere"), [(True, True), (False, False)])
def test_only_models_that_compute_here_get_processes_by_themselves(
    questions: StkitQuestions, tmp_path: Path, computes_here: bool, elsewhere: bool
) -> None:
    model = Marker(tmp_path / "notes", computes_here=computes_here)
    run(model, questions, tmp_path / "a.jsonl")
    assert (os.getpid() not in {process for process, _ in model.noted()}) is elsewhere


def test_a_run_with_nothing_to_ask_starts_no_process(
    questions: StkitQuestions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "a.jsonl"
    run(Recorder(), questions, out, workers=BOTH)

    def refuse(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(preparing_module, "Forked", refuse)
    assert run(Recorder(), questions, out, workers=BOTH).n_asked == 0


def test_a_video_that_does_not_decode_costs_one_question_there_too(
    rows: RowsFile, tmp_path: Path
) -> None:
    path = run_rows.break_video(rows.path, 1, tmp_path / "rows.parquet")
    broken = StkitQuestions(RowsFile(path), SMALL)
    summary = run(Recorder(batch_size=4), broken, tmp_path / "a.jsonl", workers=BOTH)
    assert summary.failures == {"video": 1}


@pytest.mark.parametrize("processes", [True, False])
def test_the_next_batch_is_prepared_while_one_is_answered(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path, processes: bool
) -> None:
    class Patient(Marker):
        """Answers a batch when the next one was begun."""

        def respond(self, prepared: Sequence[Request]) -> list[Reply]:
            due = min(len(self.asked) + len(prepared) + 1, len(rows))
            deadline = time.monotonic() + 30
            while len(self.noted()) < due:
                assert time.monotonic() < deadline, "nothing was prepared meanwhile"
                time.sleep(0.01)
            return super().respond(prepared)

    model = Patient(tmp_path / "notes", batch_size=2)
    summary = run(model, questions, tmp_path / "a.jsonl", workers=Workers(1, processes=processes))
    assert summary.n_answered == len(rows)


def test_a_process_that_dies_loses_nothing(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft, parent = questions.draft, os.getpid()

    def deadly(place: int) -> object:
        if place == 4 and os.getpid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return draft(place)

    out, whole = tmp_path / "a.jsonl", tmp_path / "whole.jsonl"
    monkeypatch.setattr(questions, "draft", deadly)
    first, second = Recorder(shade), Recorder(shade)
    with pytest.raises(RunError, match=r"signal SIGKILL.*memory.*--prepare-in threads"):
        run(first, questions, out, workers=Workers(1, processes=True))
    kept = read_kept(out)
    assert list(kept) == rows.ids[:4] == first.asked
    assert multiprocessing.active_children() == []
    monkeypatch.undo()
    run(second, questions, out, workers=BOTH)
    assert second.asked == rows.ids[4:]
    run(Recorder(shade), questions, whole, workers=Workers(processes=False))
    assert out.read_bytes() == whole.read_bytes()


def test_a_question_that_cannot_be_put_ends_the_run_with_its_rule(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "draft", broken_at(2, questions.draft))
    out = tmp_path / "a.jsonl"
    with pytest.raises(RunError, match="row 2 cannot be put"):
        run(Recorder(), questions, out, workers=Workers(1, processes=True))
    assert set(rows.ids[:2]) <= set(read_kept(out))


_KILLED = """
import sys
from pathlib import Path
from run_models import Recorder
from stkit_bench.run import AskSettings, run
from stkit_bench.run.preparing import Workers
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.stkit_questions import StkitQuestions
questions = StkitQuestions(RowsFile(Path(sys.argv[1])), AskSettings(max_frames=2))
run(Recorder(seconds=0.2), questions, Path(sys.argv[2]), workers=Workers(2, processes=True))
"""


def test_a_killed_run_leaves_no_process_and_can_be_taken_up_at_once(
    rows: RowsFile, questions: StkitQuestions, tmp_path: Path
) -> None:
    out = tmp_path / "a.jsonl"
    asked = [sys.executable, "-c", _KILLED, str(rows.path), str(out)]
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = subprocess.Popen(asked, env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 30
    while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.01)
    children = psutil.Process(process.pid).children()
    process.kill()
    process.wait()
    assert len(children) == 2
    done = len(read_kept(out))
    assert 0 < done < len(questions.ids)
    again = Recorder()
    run(again, questions, out, workers=BOTH)
    assert len(again.asked) == len(questions.ids) - done
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []


# --- the setting -----------------------------------------------------------------------------


def test_processes_are_refused_where_there_are_none(
    questions: StkitQuestions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing_module, "can_fork", lambda: False)
    with pytest.raises(RunError, match="on Linux only"):
        run(Recorder(), questions, tmp_path / "a.jsonl", workers=BOTH)
    model = Marker(tmp_path / "notes", computes_here=True)
    run(model, questions, tmp_path / "b.jsonl")
    assert {process for process, _ in model.noted()} == {os.getpid()}


def test_nobody_who_prepares_is_refused() -> None:
    with pytest.raises(RunError, match="preparing must be at least 1, got 0"):
        Workers(0)


# --- values through a pipe -------------------------------------------------------------------


def called(function: Callable[[Any], Any]) -> Any:
    process = Forked(function)
    try:
        return process.call(0)
    finally:
        process.dismiss()
        process.close()


def returned(value: Any) -> Any:
    return called(lambda _: value)


def test_arrays_come_back_whole_and_writable() -> None:
    whole = np.arange(3_000_000, dtype=np.float32).reshape(1000, 3, 1000)
    sent = {"a": whole, "b": whole[::7, :, ::-1], "c": np.zeros((0, 3)), "d": [np.bool_(True)]}
    found = returned(sent)
    for name in ("a", "b", "c"):
        assert found[name].dtype == sent[name].dtype
        np.testing.assert_array_equal(found[name], sent[name])
    assert found["d"] == [True]
    found["a"] += 1


def test_tensors_come_back_with_their_shape_and_precision() -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    whole = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    sent = [
        *(whole.to(dtype) for dtype in (torch.bfloat16, torch.float16, torch.int64, torch.bool)),
        *(whole.transpose(0, 2), torch.tensor(2.5), torch.zeros(0, 5), whole.clone()),
    ]
    for before, after in zip(sent, returned(sent), strict=True):
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert torch.equal(after, before)


def test_a_mistake_in_the_code_comes_back_with_its_place() -> None:
    def mistaken(_: object) -> None:
        raise KeyError("colour")

    with pytest.raises(RuntimeError, match=r"KeyError: 'colour'\n(.|\n)*in mistaken"):
        called(mistaken)


def test_an_interrupt_is_left_to_the_first_process() -> None:
    def interrupted(_: object) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "still here"

    assert called(interrupted) == "still here"


def test_many_threads_of_the_first_process_do_not_hold_up_a_fork() -> None:
    stop = threading.Event()
    threads = [threading.Thread(target=stop.wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        assert returned("there") == "there"
    finally:
        stop.set()
    for thread in threads:
        thread.join()


def test_replies_are_made_in_the_first_process(questions: StkitQuestions, tmp_path: Path) -> None:
    here: list[int] = []

    def answer(request: Request) -> Reply:
        here.append(os.getpid())
        return Reply(request.id)

    run(Recorder(answer), questions, tmp_path / "a.jsonl", workers=BOTH)
    assert set(here) == {os.getpid()}
