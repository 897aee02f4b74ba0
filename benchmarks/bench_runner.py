r"""What the runner adds to a model, 1,400 questions with kills, and a server that stalls.

    python benchmarks/bench_runner.py overhead
    python benchmarks/bench_runner.py full --kills 20
    python benchmarks/bench_runner.py full --kills 20 --base-url http://127.0.0.1:8000/v1 \
        --served-model NAME
    python benchmarks/bench_runner.py stall --stall-s 60

``overhead`` compares whole runs of the tiny model of the tests with its bare generation: the same
batches, prepared beforehand, generated one after the other. The model gets one core, and one
process prepares on another. Beside them stand what preparing takes, a plain loop that decodes,
prepares and generates in turn, a run whose preparation is in a thread, and bare generation while
the other core prepares for nobody: what the machine's two cores cost each other, with no runner.
Of several rounds the fastest counts. Other load makes wall times meaningless; CPU times of the
generating process suffer less. ``full`` asks 1,400 simulated questions of a server, once
undisturbed and once killed again and again, and compares the two files byte by byte. Without
``--base-url`` the server is a stand-in that answers from a rule and fails now and then; with it,
any server such as ``transformers serve`` or vLLM. ``stall`` asks a stand-in that answers a sixth of
the questions so many seconds late.

Needs the extras ``video`` and ``models``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

REPOSITORY = Path(__file__).resolve().parents[1]
for place in ("tests/bench", "tests/cpu_torchvision"):
    sys.path.insert(0, str(REPOSITORY / place))

import sitecustomize  # noqa: E402, F401 - lets torchvision be imported beside a CPU torch
from runner_server import bench, full, stall  # noqa: E402

from stkit_bench.run import AskSettings, run  # noqa: E402
from stkit_bench.run.batches import plan  # noqa: E402
from stkit_bench.run.preparing import Workers  # noqa: E402
from stkit_bench.run.processes import Forked  # noqa: E402
from stkit_bench.run.rows_file import RowsFile  # noqa: E402
from stkit_bench.run.stkit_questions import StkitQuestions  # noqa: E402
from stkit_datasets.model_clients.base import Request  # noqa: E402

T = TypeVar("T")


class Placed:
    """The tiny model on one core; whatever prepares for it in another process is on the next."""

    computes_here = True

    def __init__(self, model: Any) -> None:
        self._model, self._process = model, os.getpid()
        self._cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, self._cores[:1])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def prepare(self, requests: Sequence[Request]) -> Any:
        """Prepare as the model does."""
        if os.getpid() != self._process:
            os.sched_setaffinity(0, self._cores[-1:])
        return self._model.prepare(requests)


def overhead(folder: Path, n: int, new_tokens: int, repeats: int) -> None:
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
    rows = RowsFile(bench(folder))
    config = TransformersConfig(str(tiny), batch_size=8, max_new_tokens=new_tokens)
    model = Placed(TransformersModel(config))
    questions = StkitQuestions(rows, AskSettings(), limit=n)
    batches = plan([questions.n_frames(k) for k in range(n)], model.batch_size)
    taken: dict[str, list[tuple[float, float]]] = {}

    def timed(name: str, work: Callable[[], T]) -> T:
        started = time.perf_counter(), time.process_time()
        found = work()
        wall, cpu = time.perf_counter() - started[0], time.process_time() - started[1]
        taken.setdefault(name, []).append((wall, cpu))
        return found

    def prepare(batch: Sequence[int]) -> Any:
        return model.prepare([questions.draft(k).request() for k in batch])

    def generate() -> None:
        for batch in prepared:
            model.respond(batch)

    def prepare_for_nobody(_: object) -> None:
        for batch in batches:
            prepare(batch)

    def beside() -> None:
        other = Forked(prepare_for_nobody)
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(other.call, 0)
            timed("bare, other core busy", generate)
            waiting.result()
        other.dismiss()
        other.close()

    def whole(processes: bool) -> None:
        out = folder / f"overhead-{os.getpid()}-{len(taken)}-{time.time_ns()}.jsonl"
        run(model, questions, out, workers=Workers(1, processes=processes))

    model.respond(prepare(batches[0]))
    prepared = timed("decode, draw, prepare", lambda: [prepare(batch) for batch in batches])
    timed("a plain loop", lambda: [model.respond(prepare(batch)) for batch in batches])
    timed("whole run, thread", lambda: whole(False))
    for _ in range(repeats):
        timed("bare generation", generate)
        timed("whole run", lambda: whole(True))
        beside()
    print(f"{n} questions in {len(batches)} batches of 8, {new_tokens} new tokens each")
    wall = {name: min(pair[0] for pair in pairs) for name, pairs in taken.items()}
    cpu = {name: min(pair[1] for pair in pairs) for name, pairs in taken.items()}
    for name, seconds in wall.items():
        rounds = ", ".join(f"{pair[0]:.2f}" for pair in taken[name])
        print(f"{name:24s} wall {seconds:7.2f} s, CPU {cpu[name]:7.2f} s   all walls: {rounds}")
    for unit, times in (("wall", wall), ("CPU", cpu)):
        for base in ("bare generation", "bare, other core busy", "a plain loop"):
            more = 100 * (times["whole run"] / times[base] - 1)
            print(f"whole run against {base:24s} {unit:4s} {more:+6.1f} %")


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["overhead", "full", "stall"])
    parser.add_argument("--folder", type=Path, default=Path("bench-runner"))
    parser.add_argument("--n", type=int, default=400, help="questions of overhead")
    parser.add_argument("--new-tokens", type=int, default=256, help="as the command's default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--stall-s", type=float, default=60.0)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--base-url")
    parser.add_argument("--served-model", default="stand-in")
    parser.add_argument("--concurrency", type=int, default=8)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.what == "overhead":
        overhead(given.folder, given.n, given.new_tokens, given.repeats)
    elif given.what == "stall":
        stall(given.folder, given.stall_s)
    else:
        full(given.folder, given.kills, given.base_url, given.served_model, given.concurrency)


if __name__ == "__main__":
    main()
