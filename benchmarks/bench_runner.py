r"""What the runner adds to a model, and a whole bench of 1,400 questions with kills on the way.

    python benchmarks/bench_runner.py overhead
    python benchmarks/bench_runner.py full --kills 20
    python benchmarks/bench_runner.py full --kills 20 --base-url http://127.0.0.1:8000/v1 \
        --served-model NAME

``overhead`` compares a run of the tiny model of the tests with its bare generation (the same
batches, prepared beforehand, generated one after the other) and with a plain loop that decodes,
prepares and generates in turn. The model gets one core and the preparation another, as an
accelerator leaves the cores free; overlap can only hide as much as generation takes, and no more
than the machine has idle cores. A last run replaces generation by waiting, as a CPU waits for an
accelerator. ``full`` asks 1,400 simulated questions of a server, once undisturbed and once killed
again and again, and compares the two files byte by byte. Without ``--base-url`` the server is a
stand-in that answers from a rule and fails now and then; with it, any server such as
``transformers serve`` or vLLM.

Needs the extras ``video`` and ``models``.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).resolve().parents[1]
for place in ("tests/bench", "tests/cpu_torchvision"):
    sys.path.insert(0, str(REPOSITORY / place))

import sitecustomize  # noqa: E402, F401 - lets torchvision be imported beside a CPU torch
from fault_server import FAULTS, FaultServer  # noqa: E402

from stkit_bench.files import read_table, write_selected  # noqa: E402
from stkit_bench.models.base import Reply  # noqa: E402
from stkit_bench.run import AskSettings, run  # noqa: E402
from stkit_bench.run.answers_file import read_kept  # noqa: E402
from stkit_bench.run.batches import plan  # noqa: E402
from stkit_bench.run.preparing import Workers  # noqa: E402
from stkit_bench.run.rows_file import RowsFile  # noqa: E402
from stkit_bench.run.stkit_questions import StkitQuestions  # noqa: E402
from stkit_bench.selection import select  # noqa: E402
from stkit_bench.selection.candidates import COLUMNS  # noqa: E402
from stkit_datasets.build import BuildConfig, build  # noqa: E402
from stkit_datasets.rows import RowConfig  # noqa: E402

PER_TASK = 200
SCENES = 72
T = TypeVar("T")
QUICK_FAULTS = tuple(fault for fault in FAULTS if fault != "stall")


def bench(folder: Path) -> Path:
    """Build 1,400 simulated questions with boxes drawn, or take those that are there."""
    path = folder / "bench.parquet"
    if path.exists():
        return path
    build(
        BuildConfig(
            source="simulation",
            data_dir=None,
            out=folder / "rows",
            splits=("validation",),
            rows=RowConfig(video="overlay"),
            source_options={
                "n_validation_scenes": SCENES,
                "n_train_scenes": 0,
                "duration_s": 10.0,
                "width_px": 640,
                "height_px": 360,
            },
        ),
        progress=False,
    )
    selection = select(read_table(folder / "rows", COLUMNS), PER_TASK)
    write_selected(folder / "rows", path, frozenset(selection.ids))
    return path


# --- overhead --------------------------------------------------------------------------------


def overhead(folder: Path, n: int, new_tokens: int, repeats: int, waiting_s: float) -> None:
    """Measure what a run takes beside what the model takes."""
    # Before torch is loaded: its own setting does not reach the thread that generates.
    os.environ["OMP_NUM_THREADS"] = "1"
    import tiny_llava
    import torch

    from stkit_bench.models.transformers_model import TransformersConfig, TransformersModel

    torch.set_num_threads(1)
    tiny = folder / "tiny"
    if not tiny.exists():
        tiny_llava.save(tiny)
    model = TransformersModel(
        TransformersConfig(str(tiny), batch_size=8, max_new_tokens=new_tokens)
    )
    questions = StkitQuestions(RowsFile(bench(folder)), AskSettings(), limit=n)
    batches = plan([questions.n_frames(k) for k in range(n)], model.batch_size)
    taken: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        started = time.perf_counter(), time.process_time()
        found = work()
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        taken.setdefault(name, []).append((wall, cpu))
        return found

    def prepare_all() -> list[Any]:
        return [model.prepare([questions.draft(k).request() for k in batch]) for batch in batches]

    def plain_loop() -> None:
        for batch in batches:
            model.respond(model.prepare([questions.draft(k).request() for k in batch]))

    class Waiting:
        """The tiny model, its generation replaced by a wait that needs no core."""

        def __getattr__(self, name: str) -> Any:
            return getattr(model, name)

        def respond(self, prepared: Any) -> list[Reply]:
            time.sleep(waiting_s)
            return [Reply("waited")] * len(prepared["input_ids"])

    model.respond(prepare_all()[0])
    for repeat in range(repeats):
        prepared = timed("decode, draw, prepare", prepare_all)
        timed("bare generation", lambda given=prepared: [model.respond(batch) for batch in given])
        timed("a plain loop", plain_loop)
        out = folder / f"overhead-{os.getpid()}-{repeat}.jsonl"
        timed("the whole run", lambda out=out: run(model, questions, out, workers=Workers(1)))
        out = folder / f"waiting-{os.getpid()}-{repeat}.jsonl"
        timed("waiting, whole run", lambda out=out: run(Waiting(), questions, out))
    print(f"{n} questions in {len(batches)} batches of 8, {new_tokens} new tokens each")
    wall = {name: min(pair[0] for pair in pairs) for name, pairs in taken.items()}
    cpu = {name: min(pair[1] for pair in pairs) for name, pairs in taken.items()}
    for name, seconds in wall.items():
        print(f"{name:24s} wall {seconds:7.2f} s   of all cores {cpu[name]:7.2f} s")
    preparing, bare, plain, whole, waited = wall.values()
    own = cpu["the whole run"] - cpu["bare generation"] - cpu["decode, draw, prepare"]
    print(f"wall time against bare generation    {100 * (whole / bare - 1):+.1f} %")
    print(f"wall time against the plain loop     {100 * (whole / plain - 1):+.1f} %")
    print(f"preparation hidden by generation     {100 * (1 - (whole - bare) / preparing):.0f} %")
    print(
        f"with {waiting_s:g} s a batch that need no core, over the waits alone "
        f"{100 * (waited / (waiting_s * len(batches)) - 1):+.1f} %"
    )
    print(f"the runner's own work, of generation {100 * own / cpu['bare generation']:+.1f} %")


# --- 1,400 questions -------------------------------------------------------------------------


def command(rows: Path, out: Path, url: str, name: str, more: Sequence[str]) -> list[str]:
    """Return the command that asks all questions of a server."""
    asked = [sys.executable, "-m", "stkit_bench.cli", "run", "--model", f"openai:{name}"]
    asked += ["--base-url", url, "--data", str(rows), "--out", str(out), "--no-progress"]
    return [*asked, "--max-frames", "4", "--max-side", "112", "--max-new-tokens", "16", *more]


def start(asked: list[str]) -> subprocess.Popen[bytes]:
    """Start it."""
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "OPENAI_API_KEY": "sk-none-needed"}
    return subprocess.Popen(asked, cwd=REPOSITORY, env=environment)


def killed(asked: list[str], out: Path, kills: int, n: int) -> int:
    """Run to the end with so many kills on the way, spread over the questions."""
    done = 0
    for number in range(kills):
        goal = n * (number + 1) // (kills + 2)
        process = start(asked)
        while process.poll() is None and count(out) < goal:
            time.sleep(0.02)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            done += 1
        process.wait()
    start(asked).wait()
    return done


def count(path: Path) -> int:
    """Count the lines of a file."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def full(folder: Path, kills: int, url: str | None, name: str, concurrency: int) -> None:
    """Ask all questions, undisturbed and with kills."""
    rows = bench(folder)
    n = len(RowsFile(rows))
    tag = f"{os.getpid()}"
    calm, torn = folder / f"calm-{tag}.jsonl", folder / f"torn-{tag}.jsonl"
    more = ["--concurrency", str(concurrency)]
    kinds: dict[str, Sequence[str]] = {}
    server = FaultServer(lambda key: kinds.get(key, ()))
    with server:
        address = url or server.url
        print("server:", url or "a stand-in that answers from a rule")
        started = time.perf_counter()
        start(command(rows, calm, address, name, more)).wait()
        seconds = time.perf_counter() - started
        print(f"undisturbed: {count(calm)} of {n} lines in {seconds:.1f} s")
        names = list(server.attempts)
        if url is None:
            kinds |= {k: [QUICK_FAULTS[i % 5]] for i, k in enumerate(names) if i % 4 == 0}
            server.attempts.clear()
            server.answered.clear()
        started = time.perf_counter()
        times = killed(command(rows, torn, address, name, more), torn, kills, n)
        print(f"killed {times} times: {count(torn)} lines, {time.perf_counter() - started:.1f} s")
    failed = [line for line in read_kept(torn).values() if line["error"] is not None]
    print("failures in the file:", len(failed))
    print("the same answers file:", calm.read_bytes() == torn.read_bytes())
    if url is None:
        twice = sum(server.answered.values()) - len(server.answered)
        print(
            f"faults met: {len(kinds)}; answers that a kill lost on the way: {twice} "
            f"(at most {concurrency} a kill)"
        )
    else:
        differing = [
            key
            for key, line in read_kept(calm).items()
            if line["response"] != read_kept(torn)[key]["response"]
        ]
        print("responses that differ:", json.dumps(differing[:5]))


def main() -> None:
    """Run one of the two measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["overhead", "full"])
    parser.add_argument("--folder", type=Path, default=Path("bench-runner"))
    parser.add_argument("--n", type=int, default=96, help="questions of overhead")
    parser.add_argument("--new-tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--waiting-s", type=float, default=2.0, help="a batch on an accelerator")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--base-url")
    parser.add_argument("--served-model", default="stand-in")
    parser.add_argument("--concurrency", type=int, default=8)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "overhead":
        overhead(given.folder, given.n, given.new_tokens, given.repeats, given.waiting_s)
    else:
        full(given.folder, given.kills, given.base_url, given.served_model, given.concurrency)


if __name__ == "__main__":
    main()
