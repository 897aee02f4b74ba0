"""Read nuScenes tables of full size: to clips here, and only loaded by the official devkit.

    python benchmarks/bench_nuscenes_read.py --devkit-python /path/to/devkit-venv/bin/python

The tables are made in a temporary folder (about 2.6 GB for 850 scenes) in the layout of the
official release. Each reader runs in a process of its own; wall and processor time include its
imports, and peak memory is the largest resident set of that process and its children. The devkit
(nuscenes-devkit==1.2.0, which pins numpy<2) needs an environment of its own; without
``--devkit-python`` only ours is run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "datasets")]

OURS = """
import sys
from pathlib import Path
from stkit_datasets.sources.nuscenes import NuScenes
source = NuScenes(Path(sys.argv[1]))
clips = boxes = 0
for split in ("train", "validation"):
    for unit in source.units(split):
        for clip in source.read(split, unit).clips:
            clips += 1
            boxes += int(clip.tracks.annotated.sum()) if clip.camera.name == "CAM_FRONT" else 0
print(f"{clips} clips, {boxes} boxes around their front cameras")
"""
DEVKIT = """
import sys
from nuscenes.nuscenes import NuScenes
tables = NuScenes("v1.0-trainval", sys.argv[1], verbose=False)
print(f"{len(tables.scene)} scenes, {len(tables.sample_annotation)} boxes")
"""


def run(python: str, code: str, root: Path, environment: dict[str, str]) -> dict[str, float]:
    """Run a script; measure the process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    process = subprocess.Popen(
        [python, "-c", code, str(root)], env=environment, stdout=subprocess.PIPE, text=True
    )
    peak = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        parent = psutil.Process(process.pid)
        while not done.wait(0.02):
            try:
                family = [parent, *parent.children(recursive=True)]
                peak = max(peak, sum(member.memory_info().rss for member in family))
            except psutil.NoSuchProcess:
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    output, _ = process.communicate()
    wall = time.perf_counter() - started
    done.set()
    watcher.join()
    if process.returncode:
        raise SystemExit(f"the reader failed with status {process.returncode}")
    print(f"    {output.strip()}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # The kernel's own peak catches what lay between two looks, but keeps that of earlier jobs.
    if after.ru_maxrss > before.ru_maxrss:
        peak = max(peak, after.ru_maxrss * 1024)
    return {"wall_s": wall, "processor_s": processor, "peak_mb": peak / 1e6}


def main() -> None:
    """Make the tables, run the readers, print what they took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=850)
    parser.add_argument("--devkit-python", help="python of an environment with nuscenes-devkit")
    parser.add_argument("--repeat", type=int, default=1, help="runs of ours, the best counts")
    arguments = parser.parse_args()
    from nuscenes_tables_maker import write_release

    from stkit_datasets.sources.nuscenes_splits import official_lists

    names = sorted(official_lists()["train"] | official_lists()["val"])[: arguments.scenes]
    figures: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "nuscenes"
        started = time.perf_counter()
        tables = write_release(root, "v1.0-trainval", names)
        size = sum(path.stat().st_size for path in tables.iterdir())
        print(f"{len(names)} scenes, {size / 1e6:.0f} MB, made in "
              f"{time.perf_counter() - started:.0f} s")  # fmt: skip
        jobs = [("ours, no index yet", sys.executable, OURS)] * arguments.repeat
        jobs.append(("ours, index there", sys.executable, OURS))
        if arguments.devkit_python:
            jobs.append(("devkit, loading only", arguments.devkit_python, DEVKIT))
        for name, python, code in jobs:
            cache = Path(folder) / "cache"
            if name == "ours, no index yet":
                for path in cache.glob("*"):
                    path.unlink()
            path = str(REPOSITORY) if python == sys.executable else ""
            environment = os.environ | {"STKIT_CACHE": str(cache), "PYTHONPATH": path}
            measured = run(python, code, root, environment)
            print(
                f"{name:22} {measured['wall_s']:7.2f} s wall {measured['processor_s']:7.2f} s "
                f"processor {measured['peak_mb']:7.0f} MB peak"
            )
            best = figures.get(name)
            if best is None or measured["wall_s"] < best["wall_s"]:
                figures[name] = {key: round(value, 2) for key, value in measured.items()}
    if "devkit, loading only" in figures:
        ours, devkit = figures["ours, no index yet"], figures["devkit, loading only"]
        figures["devkit / ours"] = {key: round(devkit[key] / ours[key], 2) for key in ours}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
