"""Many videos: on this machine, or spread over the GPUs of a Ray cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, StkitError
from stkit_datasets.pseudo_labels.labeller import LabelJob, Labeller, Outcome, Setup, finished


def label_videos(
    jobs: Sequence[LabelJob], setup: Setup, engine: Engine, *, progress: bool = True
) -> list[Outcome]:
    """Label videos, each once; those that an earlier run has labelled are not done again.

    Args:
        jobs: the videos.
        setup: how.
        engine: ``local`` holds one set of models in each of its processes; ``ray`` one on each
            GPU of the cluster, or on each core where it has no GPU.
        progress: show a bar with the videos done and the time left.

    Returns:
        What became of each, by name.

    Raises:
        ConfigError: a setting is wrong, or a file that is there was made with others.
    """
    if engine.name == "local" and engine.workers > 1 and _on_gpu(setup):
        raise ConfigError(
            "several workers of this machine would share a GPU: use --engine ray, which holds "
            "one set of models on each, or --device cpu"
        )
    outcomes: list[Outcome] = []
    waiting: list[LabelJob] = []
    for job in jobs:
        done = finished(job, setup)
        waiting += [job] if done is None else []
        outcomes += [] if done is None else [done]
    with tqdm(total=len(jobs), unit="video", disable=not progress, initial=len(outcomes)) as bar:
        for outcome in _run(waiting, setup, engine):
            outcomes.append(outcome)
            bar.set_postfix_str(f"{outcome.video_id}: {outcome.kind}", refresh=False)
            bar.update()
    return sorted(outcomes, key=lambda outcome: outcome.video_id)


def _on_gpu(setup: Setup) -> bool:
    if all(spec.name == "precomputed" or spec.device == "cpu" for spec in setup.backends):
        return False
    import torch

    return bool(torch.cuda.is_available())


def _run(jobs: Sequence[LabelJob], setup: Setup, engine: Engine) -> Iterator[Outcome]:
    if not jobs:
        return
    if engine.name == "ray":
        yield from _run_on_actors(jobs, setup, engine)
    else:
        yield from engine.run(_label, [_Task(job, setup) for job in jobs])


@dataclass(frozen=True)
class _Task:
    job: LabelJob
    setup: Setup


_held: list[Labeller] = []


def _label(task: _Task) -> Outcome:
    """Label with this process's set of models, loaded with its first video."""
    if not _held or _held[0].setup != task.setup:
        _held[:] = [Labeller(task.setup)]
    return _held[0].label(task.job)


def _run_on_actors(jobs: Sequence[LabelJob], setup: Setup, engine: Engine) -> Iterator[Outcome]:
    """Run as a Ray Data map over actors, one video a block: a lost node repeats only its own."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "engine 'ray' needs Ray: pip install \".[ray]\" in a clone of STKit"
        ) from error
    if not ray.is_initialized():
        ray.init(address=engine.address, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    shared = ray.put((setup, list(jobs)))
    has = ray.cluster_resources()
    gpus = int(has.get("GPU", 0))
    most = engine.workers or max(gpus or int(has.get("CPU", 1)), 1)

    class Actor:
        def __init__(self) -> None:
            self._setup, self._jobs = ray.get(shared)
            self._labeller: Labeller | None = None

        def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
            try:
                if self._labeller is None:
                    self._labeller = Labeller(self._setup)
                return {"outcome": (self._labeller.label(self._jobs[int(row["id"])]), None)}
            except StkitError as error:  # bad settings are no failure of the node
                return {"outcome": (None, error)}

    data = ray.data.range(len(jobs), override_num_blocks=len(jobs))
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(jobs)))
    needs: dict[str, Any] = {"num_gpus": 1} if gpus else {"num_cpus": 1}
    for row in data.map(Actor, compute=pool, **needs).iter_rows():
        outcome, broken = row["outcome"]
        if broken is not None:
            raise broken
        yield outcome
