"""Run the bench inside lmms-eval, inspect_ai and the Space for real, each in its own environment.

    python benchmarks/harness_smoke.py [--work DIR] [lmms-eval | inspect | space …]

Makes a virtual environment for each (about 3 GB and some minutes for lmms-eval, once; ``--work``
keeps them), installs the newest release from PyPI beside a wheel of this checkout, and then works
offline: a small bench and a toy VLM4D of simulated clips, a LLaVA-OneVision of 161 thousand random
weights. Ends with an error where something does not run or a score is not what it must be.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
MODEL_ARGS = "pretrained={model},device=cpu,device_map=cpu,dtype=float32,max_frames_num=4"
# On a CPU "torch" alone brings several GB of GPU libraries; the constraints name the CPU build.
PACKAGES = {
    "lmms-eval": [["torch==2.13.0"], ["lmms-eval", "decord", "{wheel}[video]"]],
    "inspect": [["inspect_ai", "{wheel}[video]", "pytest", "packaging"]],
    "space": [["gradio", "gradio_client", "evaluate", "{wheel}[eval]"]],
}
# inspect_ai's mock model counts tokens with a vocabulary that is downloaded.
NO_DOWNLOAD = """
import sys, types
class Bytes:
    def encode(self, text, **_): return list(text.encode())
stand_in = types.ModuleType("tiktoken")
stand_in.get_encoding = stand_in.encoding_for_model = lambda name: Bytes()
sys.modules["tiktoken"] = stand_in
"""
READ_AND_SCORE = """
import json, sys
from gradio_client import Client
client = Client(sys.argv[1], verbose=False)
reading = client.predict("traveled_distance", "How far?", "100 feet.", api_name="/read")
scores = client.predict('["12 m"]', '[{"task": "traveled_distance", "value_si": 12}]',
                        api_name="/score")
print(json.dumps([reading["value_si"], scores["coverage"]]))
"""
LOAD = """
import evaluate, sys
metric = evaluate.load(sys.argv[1])
target = {"task": "traveled_distance", "value_si": 12.0}
print(metric.compute(predictions=["12 m"], references=[target])["coverage"])
"""
NAMES = """
import sys, yaml
from lmms_eval.tasks import TaskManager
known = set(TaskManager(include_path=sys.argv[1]).all_tasks)
wanted = set(yaml.safe_load(open(sys.argv[2]))["tasks"].split(","))
wanted |= {"stkit_bench", "vlm4d_direct", "vlm4d_cot"}
assert wanted <= known, sorted(wanted - known)
"""


class Place:
    """One environment below the work folder."""

    def __init__(self, work: Path, name: str) -> None:
        self.work, self.name = work, name
        self.python = work / f"{name}-venv" / "bin" / "python"

    def install(self, wheel: Path) -> None:
        """Make the environment, or bring only the wheel up to date."""
        if not self.python.exists():
            venv.create(self.python.parents[1], with_pip=True)
            for names in PACKAGES[self.name]:
                self.pip([name.format(wheel=wheel) for name in names])
        self.pip(["--force-reinstall", "--no-deps", str(wheel)])

    def pip(self, arguments: list[str]) -> None:
        """Install, with the network."""
        subprocess.run([self.python, "-m", "pip", "install", "--quiet", *arguments], check=True)

    def environment(self, **more: object) -> dict[str, str]:
        """Return an environment without network for everything of Hugging Face."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("STKIT_", "PYTHONPATH"))}
        offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "NO_COLOR": "1"}
        return {
            **kept,
            **offline,
            "HF_HOME": str(self.work / "hf"),
            "PYTHONPATH": str(REPOSITORY / "tests" / "cpu_torchvision"),
            **{name: str(value) for name, value in more.items()},
        }

    def run(self, *command: object, **variables: object) -> str:
        """Run Python with these arguments and return what it wrote; show it where it failed."""
        ran = subprocess.run(
            [str(self.python), *map(str, command)],
            cwd=self.work,
            env=self.environment(**variables),
            capture_output=True,
            text=True,
            timeout=1200,
            check=False,
        )
        if ran.returncode:
            sys.stderr.write(f"{ran.stdout[-6000:]}\n{ran.stderr[-6000:]}\n")
            raise SystemExit(f"{self.name}: {' '.join(map(str, command))[:300]} failed")
        return ran.stdout


def lmms_eval(place: Place, material: Path) -> None:
    """A LLaVA-OneVision answers everything, from the video and from its frames."""
    tasks = place.run("-m", "stkit_bench.cli", "lmms-eval-path").strip()
    recipe = Path(tasks).with_name("general_video.yaml")
    place.run("-c", NAMES, tasks, recipe)
    place.run("-c", MAKE_MODEL, material / "model", REPOSITORY / "tests" / "bench")
    data = {"STKIT_BENCH_DATA": material / "bench", "STKIT_VLM4D_DATA": material / "vlm4d"}

    def evaluated(out: str, *arguments: str, **variables: object) -> dict[str, Any]:
        common = ("--include_path", tasks, "--log_samples", "--output_path", out)
        said = place.run("-m", "lmms_eval", *common, *arguments, **{**data, **variables})
        written = sorted((place.work / out).rglob("*results.json"))
        if not written:
            raise SystemExit(f"lmms-eval wrote no results:\n{said[-4000:]}")
        results: dict[str, Any] = json.loads(written[-1].read_text())["results"]
        return results

    every = "stkit_bench,vlm4d_direct,vlm4d_cot"
    right = evaluated("dummy", "--model", "dummy", "--model_args", "response=A", "--tasks", every)
    # A toy VLM4D of which each first option is right, and the bench as the package scores it.
    assert right["vlm4d_direct"]["question_accuracy,none"] == 1.0, right["vlm4d_direct"]
    for name, value in scores_of_one_response(material / "bench", "A").items():
        assert right["stkit_bench"][f"{name},none"] == value, (name, value)
    model = ("--model", "llava_hf", "--model_args", MODEL_ARGS.format(model=material / "model"))
    few = ("--gen_kwargs", "max_new_tokens=8", "--limit", "6")
    # lmms-eval's newer adapter for this model hands over an empty list of images beside a video,
    # which transformers 5 refuses; --force_simple takes the older one.
    video = evaluated(
        "video", *model, *few, "--force_simple", "--tasks", every, STKIT_BENCH_MAX_FRAMES=4
    )
    assert video["stkit_bench"]["n,none"] == 6
    frames = evaluated(
        "frames",
        *model,
        *few,
        "--tasks",
        "stkit_bench",
        STKIT_BENCH_VISUAL="frames",
        STKIT_BENCH_MAX_FRAMES=3,
        STKIT_BENCH_FPS=1,
    )
    assert frames["stkit_bench"]["n,none"] == 6


def inspect(place: Place, material: Path) -> None:
    """The mock model answers through the command line, and a mock of the tests through Python."""
    (place.work / "offline").mkdir(exist_ok=True)
    (place.work / "offline" / "sitecustomize.py").write_text(NO_DOWNLOAD)
    file = REPOSITORY / "stkit_bench" / "harness" / "inspect_ai.py"
    for named in ("stkit_bench/stkit_bench", f"{file}@stkit_bench"):
        for visual in ("video", "frames"):
            said = place.run(
                *("-m", "inspect_ai", "eval", named, "--model", "mockllm/model"),
                *("-T", f"data={material / 'bench'}", "-T", f"visual={visual}"),
                *("--display", "plain", "--log-dir", place.work / "inspect-logs"),
                PYTHONPATH=place.work / "offline",
            )
            assert "direction_timestamp/mean_iou" in said, said
    tests = REPOSITORY / "tests" / "bench" / "test_harness_inspect.py"
    said = place.run("-m", "pytest", tests, "-p", "no:cacheprovider", "-rs")
    assert "skipped" not in said, said


def space(place: Place, material: Path) -> None:
    """The page answers over its API, and ``evaluate`` loads the folder."""
    folder = material / "space" / "stkit_bench"
    place.run("-m", "stkit_bench.cli", "space", "--out", folder)
    assert place.run("-c", LOAD, folder).strip() == "1.0"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    variables = {"GRADIO_SERVER_PORT": port, "GRADIO_ANALYTICS_ENABLED": "False"}
    # As a Space starts it: with its own folder as the working directory.
    page = subprocess.Popen(
        [place.python, "app.py"], cwd=folder, env=place.environment(**variables)
    )
    try:
        wait_for(url, page)
        read, coverage = json.loads(place.run("-c", READ_AND_SCORE, url))
        assert (read, coverage) == (30.48, 1.0)
    finally:
        page.terminate()
        page.wait(timeout=30)


def wait_for(url: str, page: subprocess.Popen[bytes], limit_s: float = 120.0) -> None:
    """Return when the page answers a GET."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end and page.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"{url} does not answer (exit status {page.poll()})")


MAKE_MODEL = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import tiny_llava
folder = tiny_llava.save(Path(sys.argv[1]))
# lmms-eval's older adapter gives the template a plain text with the video's placeholder in it.
template = folder / "chat_template.jinja"
text = template.read_text()
start, end = text.index("{% for part"), text.index("<|im_end|>")
plain = "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
template.write_text(text[:start] + plain + text[start:end] + "{% endif %}" + text[end:])
"""


def make_material(folder: Path) -> None:
    """Write a bench of simulated clips and a VLM4D about two of its videos."""
    sys.path.insert(0, str(REPOSITORY))
    if (folder / "vlm4d").exists():
        return
    import pyarrow.parquet as pq

    from stkit_bench.build import build_bench
    from stkit_bench.roots import Root

    small = {"duration_s": 6.0, "width_px": 320, "height_px": 180, "n_validation_scenes": 3}
    build_bench({"simulation": Root(None, small)}, folder / "bench", per_task=2)
    (shard,) = (folder / "bench").glob("simulation/*.parquet")
    video = pq.read_table(shard, columns=["video"])["video"][0].as_py()["bytes"]
    for split in ("real", "synthetic"):
        clip = folder / "vlm4d" / f"videos_{split}" / "toy" / "clip.mp4"
        clip.parent.mkdir(parents=True)
        clip.write_bytes(video)
        items = [
            {
                "id": f"validation_{n}",
                "video": f"https://example.org/videos_{split}/toy/clip.mp4",
                "question": "Which way does the car go?",
                "choices": {"A": answer, "B": "right", "C": "up", "D": "down"},
                "answer": answer,
            }
            for n, answer in ((1, "left"), (930, "no car"))
        ]
        (folder / "vlm4d" / f"{split}_mc.json").write_text(json.dumps(items))


def scores_of_one_response(bench: Path, response: str) -> dict[str, float | None]:
    """Return what the package itself makes of one response to every question."""
    import pyarrow.parquet as pq

    from stkit_bench import read_response, references, score

    (shard,) = bench.glob("simulation/*.parquet")
    asked = references(pq.read_table(shard))
    scores = score(asked, [read_response(r["task"], response, r["question"]) for r in asked])
    overall = {"average_accuracy": scores.average_accuracy, "coverage": scores.coverage}
    of_tasks = {f"{name}_accuracy": task.accuracy for name, task in scores.tasks.items()}
    return {**overall, **of_tasks}


CHECKS: dict[str, Callable[[Place, Path], None]] = {
    "lmms-eval": lmms_eval,
    "inspect": inspect,
    "space": space,
}


def main() -> None:
    """Run the checks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(CHECKS)}")
    parser.add_argument("--work", type=Path, help="folder to keep the environments in")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(CHECKS)
    if unknown:
        parser.error(f"unknown {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        make_material(work)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(work)]
        subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
        wheel = max(work.glob("*.whl"), key=lambda path: path.stat().st_mtime)
        for name in arguments.names or CHECKS:
            place = Place(work, name)
            place.install(wheel)
            start = time.monotonic()
            CHECKS[name](place, work)
            print(f"{name}: runs ({time.monotonic() - start:.0f} s)")


if __name__ == "__main__":
    main()
