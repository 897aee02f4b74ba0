"""The task of inspect_ai: run with its mock model, and refused where inspect_ai is missing."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import run_rows

REPOSITORY = Path(__file__).resolve().parents[2]
MODULE = "stkit_bench.harness.inspect_ai"
needs_inspect = pytest.mark.skipif(
    importlib.util.find_spec("inspect_ai") is None,
    reason="inspect_ai is not installed; benchmarks/harness_smoke.py runs these with it",
)


def test_without_inspect_ai_the_import_says_what_to_install() -> None:
    code = f"import sys; sys.modules['inspect_ai'] = None; import {MODULE}"
    command = [sys.executable, "-c", code]
    ran = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1] == (
        "ImportError: the inspect_ai task of STKit-Bench needs inspect_ai: pip install inspect_ai"
    )


def test_inspect_ai_finds_the_task_by_the_packages_name() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # inspect_ai looks for the entry point that is named like the task's top-level module.
    assert project["entry-points"]["inspect_ai"] == {"stkit_bench": MODULE}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("av")
    folder = tmp_path_factory.mktemp("bench")
    (folder / "custom").mkdir()
    run_rows.write(folder / "custom" / "test-00000-of-00001.parquet", names=("a",))
    return folder


@needs_inspect
def test_scores_of_a_mock_model(bench: Path, tmp_path: Path) -> None:
    from inspect_ai import eval as run_eval
    from inspect_ai.model import ModelOutput, ModelUsage, get_model

    from stkit_bench.harness.inspect_ai import stkit_bench

    task = stkit_bench(str(bench))
    answers = {sample.input[0].text: sample.target for sample in task.dataset}
    unread = next(iter(answers))
    seen = []

    def answer(messages, tools, choice, config):
        seen.append([part.type for part in messages[-1].content])
        text = messages[-1].text
        output = ModelOutput.from_content("mock", "No idea." if text == unread else answers[text])
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    model = get_model("mockllm/model", custom_outputs=answer)
    (log,) = run_eval(task, model=model, log_dir=str(tmp_path), display="none")
    assert log.status == "success", log.error
    assert seen[0] == ["video", "text"]
    (scores,) = log.results.scores
    found = {name: metric.value for name, metric in scores.metrics.items()}
    n = len(answers)
    assert found["n"] == n
    assert found["coverage"] == pytest.approx((n - 1) / n)
    assert math.isnan(found["average_accuracy"])  # these rows lack the comparisons
    kept = {sample.id: sample.scores["free_text"] for sample in log.samples}
    assert sorted(score.value for score in kept.values()) == [0.0] + [1.0] * (n - 1)
    (wrong,) = (score for score in kept.values() if score.value == 0)
    assert wrong.reason in ("refusal", "no_number", "no_clock", "no_time")


@needs_inspect
def test_frames_as_pictures(bench: Path) -> None:
    from stkit_bench.harness.inspect_ai import stkit_bench

    task = stkit_bench(str(bench), visual="frames", max_frames=3)
    content = task.dataset[0].input[0].content
    assert [part.type for part in content] == ["image"] * 3 + ["text"]
    assert "Number of frames shown: 3," in content[-1].text


@needs_inspect
def test_a_failed_reader_leaves_a_response_unscored() -> None:
    from stkit_bench.harness.inspect_ai import score_of
    from stkit_bench.judging import READER_FAILED
    from stkit_bench.reading import Reading

    truth = {"task": "movement_direction", "clock": 3}
    failed = score_of(truth, Reading(reason=READER_FAILED))
    assert math.isnan(failed.value)
    assert failed.reason == READER_FAILED
    unread = score_of(truth, Reading(reason="no_clock"))
    assert (unread.value, unread.reason) == (0.0, "no_clock")
    assert score_of(truth, Reading(clock=3)).value == 1.0
