"""``stkit-bench demo``: the main job on simulated scenes, down to a page."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_datasets.tasks.names import TASKS

if TYPE_CHECKING:
    from stkit_bench.demo import DemoResult

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Build questions with video from simulated scenes, select a small balanced bench, answer it with the
baselines that see no video, score, and write one self-contained page. Needs no download and no
key, and takes about a minute; run again, it uses the builds that are finished.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "demo", help="the main job end to end on simulated scenes", description=_DESCRIPTION
    )
    parser.add_argument(
        "--out", type=Path, default=Path("demo"), help="folder to write to (default: demo)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of every draw (default: 0)")
    parser.add_argument("--workers", type=int, default=2, help="processes that build (default: 2)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; progress on the error stream, the result on the output."""
    _check_extras()
    from stkit_bench.demo import DemoConfig, run_demo

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("stkit_bench.demo").setLevel(logging.INFO)
    result = run_demo(DemoConfig(out=arguments.out, seed=arguments.seed, workers=arguments.workers))
    sys.stdout.write(_told(result))
    return 0


def _check_extras() -> None:
    missing = [name for name in ("av", "jinja2") if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f'it needs {" and ".join(missing)}: pip install ".[video,eval]" in a clone of STKit'
        )


def _told(result: DemoResult) -> str:
    total = sum(result.seconds.values())
    return (
        f"\n{_score_table(result)}\n\n"
        "This is simulation: the scenes are drawn by a renderer, and the scores are those of\n"
        "baselines that see no video. They are not results on the papers' benchmark.\n\n"
        f"Done in {total:.0f} s. Open this page in a browser:\n  {result.page.resolve()}\n"
    )


def _score_table(result: DemoResult) -> str:
    """Accuracies in percent with their intervals, one line a task, one column a run."""
    lines = [("accuracy in percent", *(run.name for run in result.runs))]
    for task in TASKS:
        scores = [run.scores.tasks.get(task.value) for run in result.runs]
        cells = ["-" if s is None else _cell(s.accuracy, s.accuracy_interval) for s in scores]
        lines.append((task.value, *cells))
    means = [
        _cell(run.scores.average_accuracy, run.scores.average_accuracy_interval)
        for run in result.runs
    ]
    lines.append(("mean of the seven", *means))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _cell(accuracy: float | None, interval: tuple[float, float] | None) -> str:
    if accuracy is None or interval is None:
        return "-"
    low, high = (100 * end for end in interval)
    return f"{100 * accuracy:5.1f} [{low:5.1f}, {high:5.1f}]"
