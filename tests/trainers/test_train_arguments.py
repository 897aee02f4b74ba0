from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import needs_train
import pytest

needs_train.skip_if_missing()

import yaml  # noqa: E402

from trainers.arguments import parse  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[2]
BASE: dict[str, Any] = {
    "model_name_or_path": "m",
    "output_dir": "o",
    "use_cpu": True,
    "bf16": False,
    "sources": [{"name": "a", "path": "a"}],
}


def write(folder: Path, values: dict[str, Any] | str) -> str:
    path = folder / "recipe.yaml"
    path.write_text(values if isinstance(values, str) else yaml.safe_dump(values))
    return str(path)


def test_a_recipe_and_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, {**BASE, "learning_rate": "1e-5", "max_steps": 3})
    data, model, _, run = parse(["--config", path, "--max_steps", "5"])
    assert data.sources[0].name == "a"
    assert model.model_name_or_path == "m"
    assert (run.learning_rate, run.max_steps) == (1e-5, 5)
    assert parse([f"--config={path}"])[3].max_steps == 3


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"learning_rat": 1}, "no such setting: learning_rat"),
        ({"max_steps": 2.5}, "max_steps is 2.5, expected int"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast'"),
        ({"streaming": "maybe"}, "streaming is 'maybe', expected bool"),
        ({"output_dir": 7}, "output_dir is 7"),
        ({"sources": [{"name": "a", "path": "a", "wieght": 1}]}, "'a': no such setting: wieght"),
        ({"sources": [{"name": "a", "path": "a", "count": "many"}]}, "source 'a': count is 'many'"),
        ({"sources": [{"name": "a"}]}, "source 'a': path is needed"),
        ({"sources": ["a"]}, "a source is a mapping"),
        ({"max_length": 1024}, "max_length must be None"),
        ({"packing": True}, "packing must be False"),
        ({"remove_unused_columns": True}, "remove_unused_columns must be False"),
        ({"vision": "some"}, "vision must be auto"),
        ({"model_name_or_path": None}, "model_name_or_path is needed"),
        ({"global_batch_size": 3, "per_device_train_batch_size": 2}, "global_batch_size 3 is no"),
        ({"lr_scheduler_type": "cosin"}, "cosin"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(tmp_path: Path, values: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(["--config", write(tmp_path, {**BASE, **values})])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2\n", "'a' is given twice"),
        ("- a\n", "a recipe is a mapping"),
        ("a: [\n", "recipe.yaml"),
    ],
)
def test_what_is_no_recipe_is_told(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(["--config", write(tmp_path, text)])


@pytest.mark.parametrize("word", ["--max_step", "--no_such_setting"])
def test_options_are_not_guessed(tmp_path: Path, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        parse(["--config", write(tmp_path, BASE), word, "3"])


def test_the_global_batch_sets_what_is_accumulated(tmp_path: Path) -> None:
    values = {**BASE, "global_batch_size": 12, "per_device_train_batch_size": 2}
    args = parse(["--config", write(tmp_path, values)])[3]
    assert (args.gradient_accumulation_steps, args.samples_per_step) == (6, 12)


def test_samples_of_a_step_are_counted_without_a_global_batch(tmp_path: Path) -> None:
    values = {**BASE, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 5}
    assert parse(["--config", write(tmp_path, values)])[3].samples_per_step == 10


def test_a_script_starts_from_anywhere(tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / "trainers" / "likelihood.py"), "--help"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("usage:")
