"""Build nuScenes rows end to end at the size of a release, and watch that memory stays flat.

    python benchmarks/bench_nuscenes_build.py --scenes 85 850

Tables are made in a temporary folder (about 2.6 GB for 850 scenes) in the layout of the official
release; rows are annotations only. Each build runs as ``stkit build`` in a process of its own with
its workers. Memory is that of the parent and its children together, looked at ten times a second:
RSS counts shared pages, such as the mapped index, once per process; USS counts what would be freed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "datasets")]

CLI = "import sys; from stkit_datasets.cli import main; sys.exit(main())"


class Watch:
    """Peak memory of a process and its children, sampled in a thread."""

    def __init__(self, pid: int) -> None:
        self.peak_rss = self.peak_uss = 0
        self.series: list[tuple[float, int, int]] = []
        self._parent = psutil.Process(pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """End the sampling."""
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        started = time.perf_counter()
        while not self._done.wait(0.1):
            rss = uss = 0
            try:
                for member in (self._parent, *self._parent.children(recursive=True)):
                    memory = member.memory_full_info()
                    rss, uss = rss + memory.rss, uss + memory.uss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            self.peak_rss, self.peak_uss = max(self.peak_rss, rss), max(self.peak_uss, uss)
            self.series.append((time.perf_counter() - started, rss, uss))


def run_build(root: Path, out: Path, cache: Path, workers: int) -> dict[str, float]:
    """Run one build; wall time, rows and memory."""
    command = [sys.executable, "-c", CLI, "build", "nuscenes", "--data-dir", str(root)]
    command += ["--out", str(out), "--video", "none", "--workers", str(workers)]
    environment = os.environ | {"STKIT_CACHE": str(cache), "PYTHONPATH": str(REPOSITORY)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    watch = Watch(process.pid)
    _, errors = process.communicate()
    wall_s = time.perf_counter() - started
    watch.stop()
    if process.returncode:
        raise SystemExit(f"the build failed with status {process.returncode}: {errors[-2000:]}")
    report = json.loads((out / "reports" / "nuscenes.json").read_text(encoding="utf-8"))
    rows = sum(report["questions"].values())
    size = sum(path.stat().st_size for path in (out / "nuscenes").iterdir())
    quarter = watch.series[len(watch.series) // 4 :: max(1, len(watch.series) // 8)]
    print("    s: RSS/USS MB   " + "  ".join(
        f"{at:.0f}: {rss / 1e6:.0f}/{uss / 1e6:.0f}" for at, rss, uss in quarter))  # fmt: skip
    return {
        "clips": report["clips"],
        "rows": rows,
        "wall_s": round(wall_s, 1),
        "rows_per_s": round(rows / wall_s, 1),
        "peak_rss_mb": round(watch.peak_rss / 1e6),
        "peak_uss_mb": round(watch.peak_uss / 1e6),
        "shards_mb": round(size / 1e6, 1),
        "load": round(os.getloadavg()[0], 1),
    }


def main() -> None:
    """Make the tables, build, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, nargs="+", default=[85, 850])
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    from nuscenes_tables_maker import write_release

    from stkit_datasets.sources.nuscenes_splits import official_lists

    every = sorted(official_lists()["train"] | official_lists()["val"])
    figures: dict[int, dict[str, float]] = {}
    for count in arguments.scenes:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "nuscenes"
            write_release(root, "v1.0-trainval", every[:count])
            for name in ("no index yet", "index there"):
                out = Path(folder) / name.replace(" ", "-")
                measured = run_build(root, out, Path(folder) / "cache", arguments.workers)
                print(f"{count:4} scenes, {name:12} {json.dumps(measured)}", flush=True)
                if name == "no index yet":
                    figures[count] = measured
    if len(figures) > 1:
        few, many = figures[min(figures)], figures[max(figures)]
        for name in ("peak_rss_mb", "peak_uss_mb"):
            print(f"{name}: {many[name] / few[name]:.2f} times")


if __name__ == "__main__":
    main()
