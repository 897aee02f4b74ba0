"""``stkit-bench breakdown``: scores by every attribute of the questions."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from stkit_bench.commands.loading import (
    add_blind_options,
    add_bootstrap_options,
    add_reader_options,
    blind,
    bootstrap,
    load,
    opened,
    read,
    status,
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
        "--references",
        type=Path,
        metavar="ROWS",
        help="rows that the answers are to; they hold the attributes",
    )
    parser.add_argument(
        "--by",
        default="all",
        metavar="NAMES",
        help="all (default: all that the rows tell), or names with commas between them: "
        "occlusion, object_count, camera_motion, object_size, fps, domain, source, in_domain, "
        "camera, box_color, paraphrase, polarity, form",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the scores as JSON here")
    add_bootstrap_options(parser)
    add_blind_options(parser)
    add_reader_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print one table an attribute."""
    from stkit_bench.breakdowns import break_down
    from stkit_bench.files import write_text
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
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.out is not None:
        write_text(arguments.out, text)
    tables = "\n".join(breakdown_text(one) for one in found)
    tables = tables or "the rows tell nothing that questions could be grouped by\n"
    sys.stdout.write(text if arguments.json else tables)
    return status(sum(r is not None and r.reason == READER_FAILED for r in readings))
