"""``stkit-bench build``: the benchmark from the official files of its sources."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Select questions from the official validation splits, even over the labels and with each source's
share, and build them with their videos. A build that was stopped goes on where it was.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    from stkit_datasets.cli import add_engine_arguments

    parser = subparsers.add_parser(
        "build", help="build the benchmark from official files", description=_DESCRIPTION
    )
    parser.add_argument(
        "--roots",
        type=Path,
        required=True,
        metavar="YAML",
        help="file that maps each source to its folder, as nuscenes: FOLDER",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--per-task", type=int, default=200, help="questions a task (default: 200)")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the rows and the selection (default: 0)"
    )
    parser.add_argument(
        "--shares",
        metavar="JSON",
        help='share of each source, like {"nuplan": 0.9, "nuscenes": 0.1}; "even" for equal ones '
        "(default: the published ones, brought to a sum of 1)",
    )
    parser.add_argument(
        "--video",
        choices=["overlay", "raw", "none"],
        default="overlay",
        help="boxes drawn (default), bare, or annotations only",
    )
    parser.add_argument("--wording", help="JSON file or folder that replaces the sentences")
    parser.add_argument(
        "--train",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="a training set, Parquet, that must share no scene with the bench; can be repeated",
    )
    parser.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="skip: report a broken scene and go on",
    )
    add_engine_arguments(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Build the bench and print its report."""
    from stkit_bench.build import build_bench
    from stkit_bench.roots import read_roots
    from stkit_datasets.cli import engine_of
    from stkit_datasets.rows import RowConfig

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    roots = read_roots(arguments.roots)
    report = build_bench(
        roots,
        arguments.out,
        per_task=arguments.per_task,
        source_shares=_shares(arguments.shares, sorted(roots)),
        seed=arguments.seed,
        rows=RowConfig(video=arguments.video, seed=arguments.seed, wording_path=arguments.wording),
        engine=engine_of(arguments),
        on_error=arguments.on_error,
        train=arguments.train,
    )
    sys.stdout.write(report.to_text() + "\n")
    return 0


def _shares(text: str | None, sources: list[str]) -> dict[str, float] | None:
    from stkit_bench.commands.select import shares_from_json

    if text == "even":
        return {name: 1 / len(sources) for name in sources}
    return None if text is None else dict(shares_from_json(text))
