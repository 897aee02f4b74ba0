"""Measure this project's own part of pseudo-labelling one 20 s video, on one core.

Own part: scale, gravity, lifting, filters, smoothing and the file; then the question rows that the
file gives. What the models cost is not part of it. The input is a degraded simulated scene of 40
frames with masks of 640 x 360 and depth of 320 x 180.

Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_pseudo_labels.py [--scenes 6]``
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from stkit_datasets.clip import Clip, Tracks
from stkit_datasets.pseudo_labels.degrade import degrade
from stkit_datasets.pseudo_labels.files import read_pseudo_labels, write_pseudo_labels
from stkit_datasets.pseudo_labels.pipeline import MODES, PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.schema import LabelledVideo, PseudoLabels
from stkit_datasets.pseudo_labels.simulated import exact
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.simulation.scenes import generator
from stkit_datasets.sources.simulation import Simulation

MARK_S = 0.5


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=6)
    arguments = parser.parse_args()
    source = Simulation(None, {"n_train_scenes": 1000, "seed": 77})
    spent: dict[str, list[float]] = {mode: [] for mode in MODES}
    rows_s: list[float] = []
    objects: list[int] = []
    for unit in source.units("train"):
        scene = source.scene("train", unit)
        clip = source.clips("train", scene)[0]
        if len(clip.timestamps_s) < 40:
            continue
        geometry, masks = exact(scene, 0)
        unscaled, metric, worse = degrade(geometry, masks, generator(0, unit))
        objects.append(len(worse))
        size = clip.camera.width_px, clip.camera.height_px
        video = LabelledVideo(unit, f"{unit}.mp4", *size, 2.0, 20.0, clip.domain)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "labels.parquet"
            for mode in MODES:
                start = time.process_time()
                config = PipelineConfig(mode=mode)
                labels = label_clip(video, clip.timestamps_s, unscaled, worse, metric, config)
                write_pseudo_labels(path, labels)
                spent[mode].append(time.process_time() - start)
                if mode == "default":
                    start = time.process_time()
                    make_rows(read_pseudo_labels(path), clip)
                    rows_s.append(time.process_time() - start)
        if len(objects) > arguments.scenes:
            break
    # The first video pays for imports and for parsing the sentences, once for all videos.
    for values in (*spent.values(), rows_s, objects):
        values.pop(0)
    print(f"{len(objects)} videos of 20 s at 2 Hz, {statistics.mean(objects):.0f} objects each")
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
    n, t = len(labels.track_ids), len(clip.timestamps_s)
    at = labels.track_index, np.searchsorted(clip.timestamps_s, labels.timestamps_s)
    centers, sizes = np.full((2, n, t, 3), np.nan)
    boxes, sigmas = np.full((n, t, 4), np.nan), np.full((n, t), np.nan)
    centers[at], sizes[at] = labels.centers_m, labels.sizes_lwh_m
    boxes[at], sigmas[at] = labels.boxes_px, labels.sigmas_m
    rotations = np.where(np.isfinite(sigmas)[..., None], [1.0, 0, 0, 0], np.nan)
    tracks = Tracks(
        track_ids=labels.track_ids,
        categories=labels.categories,
        kinds=labels.kinds,
        centers_m=centers,
        sizes_lwh_m=sizes,
        rotations_wxyz=rotations,
        annotation_keys=np.full((n, t, 1), -1),
        sigmas_m=sigmas,
        scale_sigma=labels.scale_sigma,
    )
    labelled = Clip(
        *("bdd100k", "train", clip.clip_id, clip.scene_id, clip.camera, clip.timestamps_s),
        tracks=tracks,
        frames=None,
        files=(),
        boxes_px=boxes,
        domain=clip.domain,
    )
    config = RowConfig(video="none")
    return int(clip_rows(labelled, config, config.wording).table.num_rows)


if __name__ == "__main__":
    main()
