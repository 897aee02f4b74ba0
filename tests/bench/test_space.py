"""The Space's folder: what is in it, and that ``evaluate`` loads it from elsewhere."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from stkit_bench.cli import main
from stkit_bench.space import BUNDLED, write_space
from stkit_datasets.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]
FILES = {"README.md", "app.py", "requirements.txt", "stkit_bench.py"}


def front_matter(card: Path) -> dict:
    _, matter, _ = card.read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(matter)


def test_a_folder_ready_to_push(tmp_path: Path, capsys) -> None:
    out = tmp_path / "stkit_bench"
    assert main(["space", "--out", str(out)]) == 0
    assert str(out / "app.py") in capsys.readouterr().out
    assert {path.name for path in out.iterdir()} == FILES | {BUNDLED}
    card = front_matter(out / "README.md")
    assert (card["sdk"], card["app_file"], card["pinned"]) == ("gradio", "app.py", False)
    assert {"evaluate", "metric"} <= set(card["tags"])
    assert "$" not in (out / "README.md").read_text(encoding="utf-8")
    assert not list(out.rglob("__pycache__"))
    (out / BUNDLED / "gone.py").touch()
    write_space(out)
    assert not (out / BUNDLED / "gone.py").exists()


def test_its_requirements_are_those_of_the_package(tmp_path: Path) -> None:
    write_space(tmp_path)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extra = [line for line in project["optional-dependencies"]["eval"] if "evaluate" in line]
    wanted = {str(Requirement(line)) for line in [*project["dependencies"], *extra]}
    lines = (tmp_path / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert {str(Requirement(line)) for line in lines} == wanted


def test_a_named_package_is_not_bundled(tmp_path: Path) -> None:
    write_space(tmp_path)
    files = write_space(tmp_path, "stkit[eval] @ https://example.org/stkit.whl")
    assert {path.name for path in files} == FILES
    needs = (tmp_path / "requirements.txt").read_text(encoding="utf-8")
    assert needs == "stkit[eval] @ https://example.org/stkit.whl\n"
    assert '`pip install "stkit[eval] @' in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_where_a_space_must_not_go(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file: must be a folder"):
        write_space(tmp_path / "file")
    with pytest.raises(ConfigError, match="holds the package itself"):
        write_space(REPOSITORY / "stkit_bench")


def test_the_app_drops_its_folder_before_it_imports_the_package() -> None:
    body = ast.parse((REPOSITORY / "stkit_bench" / "space" / "app.py").read_text("utf-8")).body
    texts = [ast.unparse(node) for node in body]
    dropped = next(n for n, text in enumerate(texts) if text.startswith("sys.path[:] = "))
    imports = [n for n, text in enumerate(texts) if text.startswith("from stkit_bench")]
    assert dropped < min(imports)


def run(command: list[str], cwd: Path) -> str:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "STKIT_NO"))}
    environment = {**kept, "HF_HOME": str(cwd / "hf"), "HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_evaluate_loads_it_from_elsewhere_beside_the_bundled_package(tmp_path: Path) -> None:
    pytest.importorskip("evaluate")
    folder = tmp_path / "stkit_bench"
    write_space(folder)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    code = f"""
import sys
sys.modules["transformers"] = None  # evaluate imports it where it can, which takes seconds
sys.path.insert(0, {str(folder / BUNDLED)!r})
import evaluate
del sys.modules["transformers"]
for given in {[str(folder), str(folder / "stkit_bench.py")]!r}:
    metric = evaluate.load(given)
    scores = metric.compute(
        predictions=["12 m", None],
        references=[
            {{"task": "traveled_distance", "value_si": 12.0}},
            {{"task": "movement_direction", "clock": 3}},
        ],
    )
    print(scores["coverage"])
import stkit_bench
print(stkit_bench.__file__)
"""
    *coverages, path = run([sys.executable, "-c", code], elsewhere).splitlines()
    assert coverages == ["0.5", "0.5"]
    assert Path(path).is_relative_to(folder)
