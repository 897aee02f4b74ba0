"""Measure the error of pseudo-labels where truth is known: degraded simulated scenes.

Scenes are rendered with exact depth, masks and poses, made as wrong as real models' by
``stkit_datasets/pseudo_labels/degrade.py``, and labelled in several ways, all from the same input
in the same run. The thresholds were chosen on scenes of seed 77; the default seed is another.

Run: ``python benchmarks/pseudo_label_accuracy.py [--scenes 24] [--seed 4242]``
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from stkit_datasets.clip import Clip
from stkit_datasets.pseudo_labels.accuracy import (
    DistanceErrors,
    could_be_asked,
    distance_errors,
    joined,
)
from stkit_datasets.pseudo_labels.degrade import Degradation, degrade
from stkit_datasets.pseudo_labels.filters import RuleConfig
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.schema import LabelledVideo
from stkit_datasets.pseudo_labels.simulated import exact
from stkit_datasets.simulation.scenes import generator
from stkit_datasets.sources.simulation import Simulation

PIPELINES = {
    "paper, unfiltered": PipelineConfig(mode="paper_unfiltered"),
    "paper, filter 1": PipelineConfig(mode="paper"),
    "  its outliers' tracks discarded": PipelineConfig(
        mode="paper", rules=RuleConfig(outliers="discard")
    ),
    "  its Kalman filter at rest": PipelineConfig(
        mode="paper", rules=RuleConfig(motion="position")
    ),
    "default": PipelineConfig(),
}
DISTANCES_M = {"up to 15 m": (0, 15), "15 to 30 m": (15, 30), "beyond 30 m": (30, np.inf)}
SIZES_M = {"people, two wheels": (0, 3), "cars, vans": (3, 6), "trucks, buses": (6, np.inf)}


@dataclass
class Result:
    """What one pipeline did over all clips."""

    errors: list[DistanceErrors] = field(default_factory=list)
    kept: int = 0
    seconds: float = 0.0
    dropped: Counter[str] = field(default_factory=Counter)


def measure(n_scenes: int, seed: int, how: Degradation) -> tuple[dict[str, Result], int, int]:
    """Label every clip in every way; also count clips and the tracks that could be asked about."""
    source = Simulation(None, {"n_train_scenes": n_scenes, "seed": seed})
    results = {name: Result() for name in PIPELINES}
    n_clips = n_askable = 0
    for unit in source.units("train"):
        scene = source.scene("train", unit)
        for view, clip in enumerate(source.clips("train", scene)):
            geometry, masks = exact(scene, view)
            rng = generator(seed, "degraded", unit, view)
            unscaled, metric, worse = degrade(geometry, masks, rng, how)
            match = {name: name for name in masks.object_ids if name in clip.tracks.track_ids}
            askable = {
                name
                for index, name in enumerate(masks.object_ids)
                if name in match and could_be_asked(worse.boxes_px[index], clip, name)
            }
            n_clips, n_askable = n_clips + 1, n_askable + len(askable)
            for name, config in PIPELINES.items():
                start = time.process_time()
                labels = label_clip(
                    video_of(clip), clip.timestamps_s, unscaled, worse, metric, config
                )
                result = results[name]
                result.seconds += time.process_time() - start
                errors = distance_errors(labels, clip, match)
                result.errors.append(errors)
                moving = {
                    n for n, moves in zip(errors.track_ids, errors.moving, strict=True) if moves
                }
                result.kept += len(moving & askable)
                result.dropped += Counter(labels.making.dropped)
    return results, n_clips, n_askable


def video_of(clip: Clip) -> LabelledVideo:
    """Describe a clip as a video."""
    camera = clip.camera
    duration_s = float(clip.timestamps_s[-1] + 0.5)
    name = f"{clip.clip_id}/{camera.name}"
    size = camera.width_px, camera.height_px
    return LabelledVideo(name, f"{name}.mp4", *size, 2.0, duration_s, clip.domain)


def line(name: str, errors: DistanceErrors, which: np.ndarray | None = None) -> str:
    """Mean and median error of some rows."""
    relative = errors.relative[errors.moving if which is None else errors.moving & which]
    if not len(relative):
        return f"{name:34s}    0 tracks"
    mean, median = 100 * relative.mean(), 100 * np.median(relative)
    return f"{name:34s} {len(relative):4d} tracks  mean {mean:6.1f} %  median {median:5.1f} %"


def reliability(name: str, off: np.ndarray) -> str:
    """How many errors, in stated deviations, are below one and two of them."""
    if not len(off):
        return f"deviations of {name}: no tracks"
    below = [100 * float((np.abs(off) < limit).mean()) for limit in (1, 2)]
    return (
        f"deviations of {name}: below one {below[0]:.0f} %, below two {below[1]:.0f} %, right if "
        f"multiplied by {np.percentile(np.abs(off), 68.27):.2f}"
    )


def shared(results: dict[str, Result]) -> str:
    """Errors on the tracks that both filter 1 and the default keep: the same tracks for both."""
    found: dict[str, list[float]] = {"paper, unfiltered": [], "paper, filter 1": [], "default": []}
    for parts in zip(*(results[name].errors for name in found), strict=True):
        by_name = [
            {n: e for n, e in zip(part.track_ids, part.relative, strict=True) if np.isfinite(e)}
            for part in parts
        ]
        common = set.intersection(*(set(errors) for errors in by_name))
        for values, errors in zip(found.values(), by_name, strict=True):
            values.extend(errors[name] for name in sorted(common))
    means = [f"{name} {100 * np.mean(v):.1f} %" for name, v in found.items() if v]
    return f"the {len(found['default'])} tracks that all keep, mean error: {', '.join(means)}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=24)
    parser.add_argument("--seed", type=int, default=4242)
    arguments = parser.parse_args()
    warnings.filterwarnings("error", category=RuntimeWarning)
    results, n_clips, n_askable = measure(arguments.scenes, arguments.seed, Degradation())
    print(f"{n_clips} clips of {arguments.scenes} scenes, {n_askable} tracks could be asked about")
    for name, result in results.items():
        errors = joined(result.errors)
        still = int((~errors.moving).sum())
        print(
            f"{line(name, errors)}  kept {100 * result.kept / n_askable:3.0f} %  standing taken "
            f"for moving {still:3d}  {result.seconds / n_clips:.2f} s/clip"
        )
    print(f"\n{shared(results)}")
    for name in ("paper, unfiltered", "paper, filter 1", "default"):
        errors = joined(results[name].errors)
        print(f"\n{name}")
        for bins, values in (
            (DISTANCES_M, errors.camera_distances_m),
            (SIZES_M, errors.object_sizes_m),
        ):
            for label, (low, high) in bins.items():
                print(f"  {line(label, errors, (values >= low) & (values < high))}")
        off = (errors.predicted_m - errors.true_m) / errors.sigmas_m
        print(f"  {reliability('distance and speed', off[errors.moving])}")
        for label, (low, high) in DISTANCES_M.items():
            values = errors.camera_distances_m
            which = errors.moving & (values >= low) & (values < high)
            print(f"  {reliability(label, off[which])}")
        turned = errors.moving & np.isfinite(errors.turn_errors_rad)
        turns = errors.turn_errors_rad[turned] / errors.turn_sigmas_rad[turned]
        print(f"  {reliability('turn from first to last step', turns)}")
        dropped = ", ".join(f"{k} {v}" for k, v in sorted(results[name].dropped.items()))
        print(f"  dropped: {dropped or 'nothing'}")


if __name__ == "__main__":
    main()
