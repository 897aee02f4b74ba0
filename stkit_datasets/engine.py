"""How many units are worked on at once: processes of this machine, or a Ray cluster."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from stkit_datasets.errors import ConfigError

Job = TypeVar("Job")
Result = TypeVar("Result")

ENGINES = ("local", "ray")


@dataclass(frozen=True)
class Engine:
    """Where jobs run.

    Attributes:
        name: ``local`` for processes of this machine, ``ray`` for Ray Data on a cluster.
        workers: processes of ``local``; jobs at a time of ``ray``, 0 for as many as it has cores.
        address: an existing Ray cluster, as for ``ray.init``; None starts one on this machine.
    """

    name: str = "local"
    workers: int = 1
    address: str | None = None

    def __post_init__(self) -> None:
        if self.name not in ENGINES:
            raise ConfigError(f"engine must be one of {', '.join(ENGINES)}, got {self.name!r}")
        if self.workers < (1 if self.name == "local" else 0):
            raise ConfigError(f"workers must be at least 1, got {self.workers}")
        if self.address is not None and self.name != "ray":
            raise ConfigError("an address goes with engine 'ray' only")

    def run(self, function: Callable[[Job], Result], jobs: Sequence[Job]) -> Iterator[Result]:
        """Yield the result of every job: in order with ``local``, as they end with ``ray``.

        Args:
            function: a module-level function, so that workers can import it.
            jobs: its arguments, picklable.

        Raises:
            StkitError: whatever a job raised; with ``local`` the first in order.
        """
        if self.name == "ray":
            yield from _run_on_ray(function, jobs, self.workers, self.address)
        elif self.workers == 1:
            yield from map(function, jobs)
        else:
            yield from _run_in_processes(function, jobs, self.workers)


def _run_in_processes(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[Result]:
    # Forked workers would inherit locks of Arrow's and FFmpeg's threads in an unknown state.
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=_end_with_parent
    ) as pool:
        ahead = iter(jobs)
        waiting = [pool.submit(function, job) for job in islice(ahead, 4 * workers)]
        try:
            while waiting:
                yield waiting.pop(0).result()
                waiting += [pool.submit(function, job) for job in islice(ahead, 1)]
        finally:
            for future in waiting:
                future.cancel()


def _end_with_parent() -> None:
    """Let a worker end when the build that started it is killed, instead of waiting for ever."""
    parent = parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=wait, daemon=True).start()


def _run_on_ray(
    function: Callable[[Job], Result], jobs: Sequence[Job], workers: int, address: str | None
) -> Iterator[Result]:
    """Run jobs as a Ray Data map, one job a block, so that a lost node repeats only its own."""
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "engine 'ray' needs Ray: pip install \".[ray]\" in a clone of STKit",
        ) from error
    if not ray.is_initialized():
        ray.init(address=address, log_to_driver=False)
    if not jobs:
        return
    # The caller's own bar shows units and questions; Ray's would show blocks beside it.
    ray.data.DataContext.get_current().enable_progress_bars = False
    shared = ray.put((function, list(jobs)))

    def run(row: dict[str, Any]) -> dict[str, Any]:
        call, items = ray.get(shared)
        return {"outcome": _outcome(call, items[int(row["id"])])}

    data = ray.data.range(len(jobs), override_num_blocks=len(jobs))
    limits: dict[str, Any] = {"concurrency": workers} if workers else {}
    for row in data.map(run, **limits).iter_rows():
        result, broken = row["outcome"]
        if broken is not None:
            raise broken
        yield result


def _outcome(function: Callable[[Job], Result], job: Job) -> tuple[Result | None, Any]:
    """The result of a job or the error that bad input caused, which is no failure of the node."""
    from stkit_datasets.errors import StkitError

    try:
        return function(job), None
    except StkitError as error:
        return None, error
