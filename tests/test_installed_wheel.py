"""A second project in another folder, with the package installed from a built wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
START_UP = str(REPOSITORY / "tests" / "cpu_torchvision")

HARNESS = """
import stkit_bench
import evaluate

RESPONSES = {"q1": "about 12.5 meters", "q2": None, "q3": "The blue one is faster."}
REFERENCES = [
    {"id": "q1", "task": "traveled_distance", "value_si": 12.0},
    {"id": "q2", "task": "movement_direction", "clock": 3},
    {"id": "q3", "task": "traveling_speed_comparison", "choice": "red",
     "question": "Which is slower, the object in the red box or the one in the blue box?"},
]


def main():
    metric = evaluate.load("stkit_bench")
    responses = [RESPONSES[reference["id"]] for reference in REFERENCES]
    scores = metric.compute(predictions=responses, references=REFERENCES)
    print(stkit_bench.__file__)
    print(scores["coverage"], scores["traveled_distance"]["mae"])
    print(scores["traveling_speed_comparison"]["accuracy"])


if __name__ == "__main__":
    main()
"""


def run(*command: object, cwd: Path) -> str:
    dropped = ("HF_", "STKIT_", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    ran = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, "HF_HOME": str(cwd / "hf"), "HF_HUB_OFFLINE": "1", "PYTHONPATH": START_UP},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the ``bin`` of an environment that has our wheel, and the tests' libraries behind."""
    root = tmp_path_factory.mktemp("installed")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", root, cwd=REPOSITORY)
    (wheel,) = root.glob("*.whl")
    venv.create(root / "venv", with_pip=False)
    bin_folder = root / "venv" / ("Scripts" if os.name == "nt" else "bin")
    names = {"base": str(root / "venv"), "platbase": str(root / "venv")}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=names))
    # Behind the wheel on the path: what it needs is not installed a second time.
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    pip = (sys.executable, "-m", "pip", "--python", bin_folder / "python", "install", "--quiet")
    run(*pip, "--no-deps", "--no-index", "--force-reinstall", wheel, cwd=root)
    return bin_folder


def test_a_users_harness_loads_the_metric(installed: Path, tmp_path: Path) -> None:
    pytest.importorskip("evaluate")
    (tmp_path / "harness.py").write_text(HARNESS)
    path, scores, accuracy = run(installed / "python", "harness.py", cwd=tmp_path).splitlines()
    assert Path(path).is_relative_to(installed.parent)
    assert scores == "0.6666666666666666 0.5"
    assert accuracy == "1.0"


def test_commands_find_the_files_they_need(installed: Path, tmp_path: Path) -> None:
    folder = Path(run(installed / "stkit-bench", "lmms-eval-path", cwd=tmp_path).strip())
    assert folder.is_relative_to(installed.parent)
    assert (folder / "stkit_bench.yaml").is_file()
    assert (folder / "_vlm4d_template").is_file()
    run(installed / "stkit-bench", "space", "--out", tmp_path / "space", cwd=tmp_path)
    assert (tmp_path / "space" / "app.py").is_file()
