"""Data and runs for the tests of the training scripts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def _alone_and_offline(tmp_path_factory: pytest.TempPathFactory) -> None:
    import datasets
    import torch

    # Tests run side by side, and the tiny model is too small to share a step between threads.
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("caches")
    os.environ.update(STKIT_CACHE=str(folder / "stkit"), HF_DATASETS_CACHE=str(folder / "hf"),
                      HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")  # fmt: skip
    # It has read the environment already, and would find the rows of an earlier run of the tests.
    datasets.config.HF_DATASETS_CACHE = folder / "hf"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tiny model."""
    import tiny

    return tiny.save(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return data of every form: 12 rows of STKit, and a few samples of the others."""
    import material

    root = tmp_path_factory.mktemp("data")
    material.write_all(root)
    return root


Settings = dict[str, Any]


@pytest.fixture
def settings(tiny_model: Path, data_root: Path, tmp_path: Path) -> Settings:
    """Return the settings of a short run on a CPU, over samples of every form."""
    import material

    return {
        "model_name_or_path": str(tiny_model),
        "dtype": "float32",
        "data_root": str(data_root),
        "sources": material.sources(),
        "output_dir": str(tmp_path / "run"),
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "max_steps": 4,
        "per_device_train_batch_size": 2,
        "global_batch_size": 4,
        "learning_rate": 1e-3,
        "max_frames": 5,
        "logging_steps": 1,
        "save_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[Settings], Path]:
    """Return a function that writes settings as a recipe."""

    def write(values: Settings) -> Path:
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(values))
        return path

    return write


@pytest.fixture
def train(recipe: Callable[[Settings], Path]) -> Callable[..., list[float]]:
    """Return a function that trains in this process and returns the losses."""

    def run(values: Settings, **other: Any) -> list[float]:
        from trainers import sft

        merged = {**values, **other}
        sft.main(["--config", str(recipe(merged))])
        return losses(Path(merged["output_dir"]))

    return run


def losses(output_dir: Path) -> list[float]:
    """Return the loss of every step that a finished run logged."""
    history = json.loads((output_dir / "trainer_state.json").read_text())["log_history"]
    return [entry["loss"] for entry in history if "loss" in entry]


@pytest.fixture
def launch(recipe: Callable[[Settings], Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that trains in processes of their own."""

    def run(
        values: Settings, *, processes: int = 1, script: str = "trainers/sft.py",
        env: dict[str, str] | None = None, **other: Any,
    ) -> subprocess.CompletedProcess[str]:  # fmt: skip
        merged = {**values, **other}
        command = [sys.executable, "-W", "ignore"]
        if processes > 1:
            # `accelerate launch --cpu --num_processes 2` starts one process.
            command += ["-m", "torch.distributed.run", "--standalone",
                        "--nproc_per_node", str(processes)]  # fmt: skip
        command += [str(REPOSITORY / script), "--config", str(recipe(merged))]
        whole = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        started = subprocess.Popen(
            command, cwd=REPOSITORY, env=whole, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, start_new_session=True,
        )  # fmt: skip
        try:
            out, err = started.communicate(timeout=200)
        except subprocess.TimeoutExpired:
            os.killpg(started.pid, signal.SIGKILL)  # the processes that it started, too
            raise
        return subprocess.CompletedProcess(command, started.returncode, out, err)

    return run


FSDP2 = {
    "ACCELERATE_USE_FSDP": "true",
    "FSDP_VERSION": "2",
    "FSDP_AUTO_WRAP_POLICY": "TRANSFORMER_BASED_WRAP",
    "FSDP_TRANSFORMER_CLS_TO_WRAP": "Qwen2DecoderLayer",
    "FSDP_RESHARD_AFTER_FORWARD": "true",
    "FSDP_STATE_DICT_TYPE": "SHARDED_STATE_DICT",
    "FSDP_ACTIVATION_CHECKPOINTING": "false",
    "FSDP_CPU_RAM_EFFICIENT_LOADING": "true",
}
"""What ``accelerate launch`` makes of ``trainers/accelerate/fsdp2_8gpu.yaml``."""


@pytest.fixture
def fsdp2() -> dict[str, str]:
    """Return the environment that turns FSDP2 on."""
    return dict(FSDP2)
