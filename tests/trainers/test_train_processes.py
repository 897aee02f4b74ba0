from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import needs_train
import pytest

needs_train.skip_if_missing()

from safetensors.torch import load_file  # noqa: E402

from trainers import checkpoints  # noqa: E402

STEPS = 20
CLOSE = 1e-5


@pytest.fixture
def saving(settings: dict[str, Any]) -> dict[str, Any]:
    return {**settings, "max_steps": STEPS, "save_strategy": "steps", "save_steps": 10,
            "save_total_limit": 3}  # fmt: skip


@pytest.fixture
def curve(train: Any, saving: dict[str, Any], tmp_path: Path) -> list[float]:
    """Return the losses of one process."""
    losses: list[float] = train(saving, output_dir=str(tmp_path / "alone"))
    assert losses[-1] < losses[0] - 0.5
    return losses


def logged(done: Any, output_dir: str) -> list[float]:
    assert done.returncode == 0, done.stderr[-3000:]
    history = json.loads((Path(output_dir) / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


def test_two_processes_give_the_curve_of_one_and_one_goes_on_from_them(
    launch: Any, train: Any, saving: dict[str, Any], curve: list[float]
) -> None:
    done = launch(saving, processes=2, per_device_train_batch_size=1)
    assert logged(done, saving["output_dir"]) == pytest.approx(curve, abs=CLOSE)
    shutil.rmtree(Path(saving["output_dir"]) / "checkpoint-20")
    assert train(saving, resume_from_checkpoint="last") == pytest.approx(curve, abs=CLOSE)


def test_fsdp2_gives_the_curve_of_one_process_and_goes_on(
    launch: Any, saving: dict[str, Any], curve: list[float], fsdp2: dict[str, str], tmp_path: Path
) -> None:
    sharded_run = {"processes": 2, "env": fsdp2, "script": "tests/trainers/fsdp2_on_cpu.py"}
    done = launch(saving, **sharded_run)
    run = Path(saving["output_dir"])
    assert logged(done, saving["output_dir"]) == pytest.approx(curve, abs=CLOSE)
    assert (run / "checkpoint-10" / "pytorch_model_fsdp_0").is_dir(), "FSDP was not on"
    # Checkpoints are sharded; the result is whole all the same, and the same weights.
    sharded = load_file(run / "model.safetensors")
    alone = load_file(tmp_path / "alone" / "model.safetensors")
    assert sharded.keys() == alone.keys()
    for name, weights in alone.items():
        assert sharded[name].numpy() == pytest.approx(weights.numpy(), abs=1e-4), name
    shutil.rmtree(run / "checkpoint-20")
    resumed = launch(saving, **sharded_run, resume_from_checkpoint="last")
    assert logged(resumed, saving["output_dir"]) == pytest.approx(curve, abs=CLOSE)


def test_a_run_killed_while_saving_goes_on_from_the_last_whole_checkpoint(
    launch: Any, train: Any, settings: dict[str, Any], tmp_path: Path
) -> None:
    saving = {**settings, "max_steps": 6, "save_strategy": "steps", "save_steps": 2}
    whole = train(saving, output_dir=str(tmp_path / "alone"))
    killed = launch(saving, script="tests/trainers/killed_run.py")
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
    run = Path(settings["output_dir"])
    assert (run / "checkpoint-4" / "optimizer.pt").read_bytes() == b"half of it"
    assert checkpoints.last_whole(run) == run / "checkpoint-2"
    assert train(saving, resume_from_checkpoint="last") == pytest.approx(whole, abs=CLOSE)
    assert checkpoints.is_whole(run / "checkpoint-4")
