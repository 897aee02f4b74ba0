"""``stkit-bench breakdown``: scores by every attribute of the questions."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stkit_bench.commands.loading import (
    add_answers_options,
    blind,
    bootstrap,
    load,
    opened,
    read,
    status,
    tell,
)

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Score each group of questions by itself, beside chance and the baselines that see no video. Groups
by frame rate and by words come from how the questions were asked, where `stkit-bench run` wrote it
down; to compare several ways of asking, see `stkit-bench robustness`.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "breakdown",
        help="score by scenario, source, camera, box color and more",
        description=_DESCRIPTION,
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL file of answers")
    parser.add_argument(
        "--by",
        default="all",
        metavar="NAMES",
        help="all (default: all that the rows tell), or names with commas between them: "
        "occlusion, object_count, camera_motion, object_size, fps, domain, source, in_domain, "
        "camera, box_color, paraphrase, polarity, form",
    )
    add_answers_options(parser, "rows that the answers are to; they hold the attributes")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one table an attribute."""
    from stkit_bench.breakdowns import break_down
    from stkit_bench.judging import READER_FAILED
    from stkit_bench.text_groups import breakdown_text

    names = None if arguments.by == "all" else [name.strip() for name in arguments.by.split(",")]
    answers = load(arguments.file, arguments.references)
    with opened(arguments) as reader:
        readings = read(reader, answers)
        described = reader.describe()
    beside = blind(arguments, answers.references)
    found = break_down(answers.references, readings, names, blind=beside, **bootstrap(arguments))
    result = {"reader": described, "by": {one.name: one.to_dict() for one in found}}
    tables = "\n".join(breakdown_text(one) for one in found)
    tables = tables or "the rows tell nothing that questions could be grouped by\n"
    tell(arguments, result, tables)
    return status(sum(r is not None and r.reason == READER_FAILED for r in readings))
