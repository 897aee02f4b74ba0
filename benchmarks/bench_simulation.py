"""Measure the embedded source: scenes played and frames drawn a second, on one core.

Run: ``python benchmarks/bench_simulation.py [--scenes 16] [--frames 12]``
"""

from __future__ import annotations

import argparse
import statistics
import time

from stkit_datasets.simulation.render import Renderer
from stkit_datasets.sources.simulation import Simulation


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--frames", type=int, default=12, help="frames drawn of each camera")
    arguments = parser.parse_args()
    source = Simulation(None, {"n_train_scenes": arguments.scenes})
    played: list[float] = []
    drawn: dict[str, list[float]] = {"fixed": [], "moving": []}
    for unit in source.units("train"):
        start = time.process_time()
        scene = source.scene("train", unit)
        source.clips("train", scene)
        played.append(time.process_time() - start)
        for index, view in enumerate(scene.views):
            renderer = Renderer(scene, index)
            step = max(1, len(renderer) // arguments.frames)
            frames = range(0, len(renderer), step)
            start = time.process_time()
            for frame in frames:
                renderer.rgb(frame)
            spent = (time.process_time() - start) / len(frames)
            drawn["fixed" if view.mounted_on is None else "moving"].append(spent)
    print(f"processor time, {arguments.scenes} scenes, {renderer.size_px[0]}x{renderer.size_px[1]}")
    print(f"play a scene to clips   {statistics.mean(played) * 1e3:7.1f} ms")
    for camera, spent_s in drawn.items():
        if spent_s:
            mean = statistics.mean(spent_s)
            print(
                f"draw a frame, {camera:<8}  {mean * 1e3:7.1f} ms  {1 / mean:6.1f} frames/s"
                f"  (slowest clip {1 / max(spent_s):.1f})"
            )
    every = statistics.mean(drawn["fixed"] + drawn["moving"])
    print(f"draw a frame, all       {every * 1e3:7.1f} ms  {1 / every:6.1f} frames/s")


if __name__ == "__main__":
    main()
