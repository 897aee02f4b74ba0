"""Measure this project's own part of pseudo-labelling one 20 s video, on one core.

Own part: scale, gravity, lifting, filters, smoothing and the file; then the question rows that the
file gives. What the models cost is not part of it. The input is a degraded simulated scene of 20 s
at the rate that ``stkit pseudo-label`` labels at, with masks of 640 x 360 and depth of 320 x 180.

Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_pseudo_labels.py [--scenes 6] [--fps 4]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from stkit_datasets.clip import Clip
from stkit_datasets.pseudo_labels.files import read_pseudo_labels, write_pseudo_labels
from stkit_datasets.pseudo_labels.pipeline import MODES, PipelineConfig
from stkit_datasets.pseudo_labels.question_errors import labelled_clip
from stkit_datasets.pseudo_labels.schema import PseudoLabels
from stkit_datasets.pseudo_labels.trials import FPS, trials
from stkit_datasets.rows import RowConfig, clip_rows

MARK_S = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=6)
    parser.add_argument("--fps", type=float, default=FPS)
    arguments = parser.parse_args()
    spent: dict[str, list[float]] = {mode: [] for mode in MODES}
    rows_s: list[float] = []
    objects: list[int] = []
    for trial in trials(1000, 77, fps=arguments.fps):
        if len(trial.clip.timestamps_s) < 40:
            continue
        objects.append(len(trial.segmentation))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "labels.parquet"
            for mode in MODES:
                start = time.process_time()
                write_pseudo_labels(path, trial.labels(PipelineConfig(mode=mode)))
                spent[mode].append(time.process_time() - start)
                if mode == "default":
                    start = time.process_time()
                    make_rows(read_pseudo_labels(path), trial.clip)
                    rows_s.append(time.process_time() - start)
        if len(objects) > arguments.scenes:
            break
    # The first video pays for imports and for parsing the sentences, once for all videos.
    for values in (*spent.values(), rows_s, objects):
        values.pop(0)
    print(
        f"{len(objects)} videos of 20 s at {arguments.fps:g} Hz, "
        f"{statistics.mean(objects):.0f} objects each"
    )
    for mode, values in spent.items():
        print(f"labels and file, {mode:<17} {report(values)}")
    print(f"question rows, without video        {report(rows_s)}")
    whole = [a + b for a, b in zip(spent["default"], rows_s, strict=True)]
    print(f"default with rows                   {report(whole)}  mark {MARK_S} s")


def report(values: list[float]) -> str:
    """Mean and slowest."""
    return f"mean {statistics.mean(values):.3f} s  slowest {max(values):.3f} s"


def make_rows(labels: PseudoLabels, clip: Clip) -> int:
    """Put the labels into rows as the sources of pseudo-label files do, without their video."""
    config = RowConfig(video="none")
    return int(clip_rows(labelled_clip(labels, clip), config, config.wording).table.num_rows)


if __name__ == "__main__":
    main()
