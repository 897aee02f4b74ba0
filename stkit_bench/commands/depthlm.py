"""``stkit-bench depthlm``: metric depth at a pixel, on files of DepthLM."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_bench.commands.loading import add_bootstrap_options, bootstrap

if TYPE_CHECKING:
    from stkit_bench.depthlm import DepthScores

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "depthlm",
        help="score metric depth at a pixel",
        description="Score answers to the points of a DepthLM file.",
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    scoring = actions.add_parser(
        "score",
        help="read and score answers",
        description="Accuracy within a factor of 1.25 and the mean absolute error in metres.",
    )
    scoring.add_argument(
        "file",
        metavar="FILE",
        type=Path,
        help='JSONL, a line {"id": "IMAGE#PLACE", "response": text or null} an answer; PLACE is '
        "the place of the pixel in its record, from 0",
    )
    scoring.add_argument(
        "--records", type=Path, required=True, metavar="JSONL", help="the file of DepthLM"
    )
    scoring.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_bootstrap_options(scoring)
    scoring.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the file."""
    from stkit_bench.depthlm import read_points, score_depth
    from stkit_bench.files import FileError, read_jsonl

    responses: dict[str, str | None] = {}
    for number, line in read_jsonl(arguments.file):
        name, response = line.get("id"), line.get("response", 0)
        if not isinstance(name, str) or name in responses:
            rule = f"id must be a text of its own, got {name!r}"
            raise FileError(arguments.file, rule, number)
        if response is not None and not isinstance(response, str):
            raise FileError(arguments.file, "response must be a text or null", number)
        responses[name] = response
    points = read_points(arguments.records)
    try:
        scores = score_depth(points, responses, **bootstrap(arguments))
    except ValueError as error:
        raise FileError(arguments.file, str(error)) from error
    if arguments.json:
        sys.stdout.write(json.dumps(scores.to_dict(), indent=2, allow_nan=False) + "\n")
    else:
        sys.stdout.write(_text(scores))
    return 0


def _text(scores: DepthScores) -> str:
    lines = [
        f"{scores.n} points of {scores.n_images} images, coverage {scores.coverage:.1%}",
        f"accuracy (within a factor of 1.25): {100 * scores.accuracy:.1f} %"
        f"{_ends(scores.accuracy_interval, 100, 1)}",
    ]
    if scores.mae_m is not None and scores.abs_rel is not None:
        lines.append(f"MAE: {scores.mae_m:.2f} m{_ends(scores.mae_m_interval, 1, 2)}")
        lines.append(f"error over truth: {scores.abs_rel:.3f}")
    if scores.n_unanswered:
        lines.append(f"not answered: {scores.n_unanswered} (counted as wrong)")
    if scores.unread:
        told = ", ".join(f"{reason} {count}" for reason, count in scores.unread.items())
        lines.append(f"answered but not readable (counted as wrong): {told}")
    return "\n".join(lines) + "\n"


def _ends(interval: tuple[float, float] | None, scale: float, decimals: int) -> str:
    if interval is None:
        return ""
    low, high = (f"{scale * end:.{decimals}f}" for end in interval)
    return f" [{low}, {high}]"
