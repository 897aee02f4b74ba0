"""``stkit pseudo-label``: videos in, pseudo-label files out."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stkit_datasets import atomic
from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends import (
    STAGES,
    BackendSpec,
    Stage,
    check_backend,
)
from stkit_datasets.pseudo_labels.collecting import (
    Place,
    clip_jobs,
    find_videos,
    link_videos,
    video_jobs,
)
from stkit_datasets.pseudo_labels.cost import cost_text
from stkit_datasets.pseudo_labels.labeller import OUTCOMES, Outcome, Setup
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig
from stkit_datasets.pseudo_labels.running import label_videos
from stkit_datasets.pseudo_labels.tables import write_custom_tables

OUTCOME_FILE = "outcomes.jsonl"


def run(arguments: argparse.Namespace) -> int:
    """Label; returns 1 where a video could not be, else 0."""
    from stkit_datasets.cli import engine_of, parse_option

    setup = _setup(arguments)
    for spec in setup.backends:
        check_backend(spec)
    place = Place(arguments.out, arguments.layout, arguments.split, arguments.domain)
    if bool(arguments.videos) == (arguments.source is not None):
        raise ConfigError("give either videos or --source")
    if arguments.source is not None:
        options = dict(parse_option(text) for text in arguments.source_option)
        jobs = clip_jobs(arguments.source, arguments.data_dir, options, place)
    else:
        jobs = video_jobs(find_videos(arguments.videos), place)
    for folder in {job.labels_path.parent for job in jobs}:
        atomic.remove_leftovers(folder)
    outcomes = label_videos(jobs, setup, engine_of(arguments), progress=sys.stderr.isatty())
    if place.layout == "plain" and arguments.source is None:
        link_videos(jobs, place)
        files = [job.labels_path for job in jobs if job.labels_path.exists()]
        write_custom_tables(place.out, files, place.split)
    write_outcomes(place.out / OUTCOME_FILE, outcomes)
    sys.stdout.write(summary(outcomes) + "\n" + cost_text(outcomes) + "\n")
    return int(any(outcome.kind in ("broken", "failed") for outcome in outcomes))


def _setup(arguments: argparse.Namespace) -> Setup:
    options = _backend_options(arguments.option)
    specs: dict[Stage, BackendSpec] = {}
    for stage in STAGES:
        name = getattr(arguments, stage)
        if name is not None:
            accepted = tuple(sorted(set(arguments.accept_license)))
            specs[stage] = BackendSpec(
                stage,
                name,
                options.pop(stage, {}),
                accepted,
                arguments.device,
                arguments.allow_unpinned,
            )
    if options:
        raise ConfigError(f"--option {next(iter(options))}.…: no backend of this stage was chosen")
    if arguments.height < 2:
        raise ConfigError(f"--height must be at least 2, got {arguments.height}")
    prompts = {"prompts": tuple(arguments.prompt)} if arguments.prompt else {}
    return Setup(
        geometry=specs["geometry"],
        semantics=specs["semantics"],
        metric=specs.get("metric"),
        pipeline=PipelineConfig(mode=arguments.mode),
        fps=arguments.fps,
        height_px=arguments.height,
        **prompts,
    )


def _backend_options(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    from stkit_datasets.cli import parse_option

    out: dict[str, dict[str, Any]] = {}
    for text in texts:
        key, value = parse_option(text)
        stage, dot, name = key.partition(".")
        if not dot or not name or stage not in STAGES:
            raise ConfigError(
                f"--option needs STAGE.NAME=VALUE with a stage of {', '.join(STAGES)}, got {text!r}"
            )
        out.setdefault(stage, {})[name] = value
    return out


def write_outcomes(path: Path, outcomes: Sequence[Outcome]) -> None:
    """Write a JSON line for every video, with those of earlier runs that are not among them."""
    lines: dict[str, Mapping[str, Any]] = {}
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            own = json.loads(line)
            lines[own["video_id"]] = own
    for outcome in outcomes:
        values = asdict(outcome)
        # Seconds differ from run to run; the cost that is printed has them.
        values.pop("seconds")
        lines[outcome.video_id] = values
    text = "".join(json.dumps(lines[name], sort_keys=True) + "\n" for name in sorted(lines))
    atomic.write_text(path, text)


def summary(outcomes: Sequence[Outcome]) -> str:
    """Say how many videos ended how, and why those that have no labels have none."""
    counts = Counter(outcome.kind for outcome in outcomes)
    tracks = sum(outcome.tracks for outcome in outcomes)
    said = ", ".join(f"{counts[kind]} {kind}" for kind in OUTCOMES if counts[kind])
    lines = [f"{len(outcomes)} videos: {said or 'none'}; {tracks} tracks"]
    lines += [
        f"  {outcome.video_id}: {outcome.kind}" + (f" ({outcome.reason})" if outcome.reason else "")
        for outcome in outcomes
        if outcome.kind != "labelled" or outcome.reason
    ]
    return "\n".join(lines)
