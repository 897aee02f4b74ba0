"""Measure the error of pseudo-labels where truth is known: degraded simulated scenes.

Scenes are rendered with exact depth, masks and poses at the rate that ``stkit pseudo-label`` labels
at, made as wrong as real models' by ``stkit_datasets/pseudo_labels/degrade.py``, and labelled in
several ways, all from the same input in the same run. How wrong, all thresholds and the factors of
uncertainties were chosen on scenes of the seeds 77, 101, 202 and 303; the default seed is another.

Run: ``python benchmarks/pseudo_label_accuracy.py [--scenes 24] [--seed 9001] [--fps 4]``;
``--picture FILE`` draws uncertainties against errors, ``--fit-uncertainty FILE`` fits their factors
to these scenes.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stkit_datasets.atomic import write_text
from stkit_datasets.pseudo_labels.accuracy import (
    DistanceErrors,
    could_be_asked,
    distance_errors,
    joined,
)
from stkit_datasets.pseudo_labels.calibration import (
    coverage_text,
    coverages,
    fit_table,
    risk_curves,
    risk_text,
)
from stkit_datasets.pseudo_labels.factors import UNCHANGED, current_table, write_table
from stkit_datasets.pseudo_labels.filters import RuleConfig
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig
from stkit_datasets.pseudo_labels.question_errors import QuestionErrors, question_errors
from stkit_datasets.pseudo_labels.question_errors import joined as questions_joined
from stkit_datasets.pseudo_labels.trials import FPS, Trial, trials
from stkit_datasets.pseudo_labels.uncertainty_page import uncertainty_page

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
    asked: list[QuestionErrors] = field(default_factory=list)


def measure(n_scenes: int, seeds: Sequence[int], fps: float) -> tuple[dict[str, Result], int, int]:
    """Label every clip in every way; also count clips and the tracks that could be asked about."""
    results = {name: Result() for name in PIPELINES}
    n_clips = n_askable = 0
    for trial in (trial for seed in seeds for trial in trials(n_scenes, seed, fps=fps)):
        askable = askable_tracks(trial)
        n_clips, n_askable = n_clips + 1, n_askable + len(askable)
        for name, config in PIPELINES.items():
            start = time.process_time()
            labels = trial.labels(config)
            result = results[name]
            result.seconds += time.process_time() - start
            errors = distance_errors(labels, trial.clip, trial.match)
            result.errors.append(errors)
            moving = {n for n, moves in zip(errors.track_ids, errors.moving, strict=True) if moves}
            result.kept += len(moving & askable)
            result.dropped += Counter(labels.making.dropped)
            if name == "default":
                result.asked.append(question_errors(labels, trial.clip, trial.match))
    return results, n_clips, n_askable


def askable_tracks(trial: Trial) -> set[str]:
    """Objects that perfect labels with these boxes would give a question about."""
    times_s, frames_s = trial.clip.timestamps_s, trial.timestamps_s
    on_grid = np.abs(frames_s[:, None] - times_s).argmin(axis=0)
    return {
        name
        for index, name in enumerate(trial.segmentation.object_ids)
        if name in trial.match
        and could_be_asked(trial.segmentation.boxes_px[index, on_grid], trial.clip, name)
    }


def line(name: str, errors: DistanceErrors, which: np.ndarray | None = None) -> str:
    """Mean and median error of some rows."""
    relative = errors.relative[errors.moving if which is None else errors.moving & which]
    if not len(relative):
        return f"{name:34s}    0 tracks"
    mean, median = 100 * relative.mean(), 100 * np.median(relative)
    return f"{name:34s} {len(relative):4d} tracks  mean {mean:6.1f} %  median {median:5.1f} %"


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
    parser.add_argument("--scenes", type=int, default=24, help="of each seed")
    parser.add_argument("--seed", type=int, nargs="+", default=[9001])
    parser.add_argument("--fps", type=float, default=FPS)
    parser.add_argument("--picture", type=Path, metavar="FILE")
    parser.add_argument("--fit-uncertainty", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    warnings.filterwarnings("error", category=RuntimeWarning)
    results, n_clips, n_askable = measure(arguments.scenes, arguments.seed, arguments.fps)
    seeds = ", ".join(map(str, arguments.seed))
    print(
        f"{n_clips} clips of {arguments.scenes} scenes a seed ({seeds}) at {arguments.fps:g} Hz, "
        f"{n_askable} tracks could be asked about"
    )
    for name, result in results.items():
        errors = joined(result.errors)
        still = int((~errors.moving).sum())
        print(
            f"{line(name, errors)}  kept {100 * result.kept / n_askable:3.0f} %  standing taken "
            f"for moving {still:3d}  {result.seconds / n_clips:.2f} s/clip"
        )
    print(f"\n{shared(results)}")
    for name in ("paper, unfiltered", "paper, filter 1", "default"):
        by_distance_and_size(name, results[name])
    tell_uncertainty(questions_joined(results["default"].asked), arguments.picture)
    if arguments.fit_uncertainty is not None:
        origin = (
            f"simulation, seeds {seeds}, {arguments.scenes} scenes each, degraded, labelled at "
            f"{arguments.fps:g} Hz"
        )
        found = fit_table(questions_joined(results["default"].asked), origin, UNCHANGED)
        write_table(arguments.fit_uncertainty, found)


def by_distance_and_size(name: str, result: Result) -> None:
    """Print errors in bins, and what was dropped."""
    errors = joined(result.errors)
    print(f"\n{name}")
    for bins, values in (
        (DISTANCES_M, errors.camera_distances_m),
        (SIZES_M, errors.object_sizes_m),
    ):
        for label, (low, high) in bins.items():
            print(f"  {line(label, errors, (values >= low) & (values < high))}")
    dropped = ", ".join(f"{k} {v}" for k, v in sorted(result.dropped.items()))
    print(f"  dropped: {dropped or 'nothing'}")


def tell_uncertainty(asked: QuestionErrors, picture: Path | None) -> None:
    """Print stated uncertainties against errors, and draw them."""
    table = current_table()
    rows, curves = coverages(asked, table), risk_curves(asked, table)
    print(f"\nuncertainties, first order\n{coverage_text(coverages(asked, UNCHANGED))}")
    print(f"\nby the factors of {table.origin}\n{coverage_text(rows)}\n\n{risk_text(curves)}")
    if picture is not None:
        write_text(picture, uncertainty_page(rows, curves, table.origin))


if __name__ == "__main__":
    main()
