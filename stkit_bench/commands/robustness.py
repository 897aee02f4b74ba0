"""``stkit-bench robustness``: the same questions asked in other ways, compared with the first."""

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
Compare answers to the same questions asked at other frame rates, in other words, with other boxes
or with the horizon shifted, each with the first file, question by question. Below stand the first
file's scores by camera and by box color.
"""
_GROUPED = ("camera", "box_color")


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "robustness",
        help="what a frame rate, a paraphrase or a shift costs",
        description=_DESCRIPTION,
    )
    parser.add_argument("base", metavar="BASE", type=Path, help="answers to the questions as built")
    parser.add_argument(
        "others", metavar="FILE", type=Path, nargs="+", help="answers to the same, asked otherwise"
    )
    add_answers_options(parser, "rows that the answers are to; without it BASE must hold them")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the table."""
    from stkit_bench.breakdowns import break_down
    from stkit_bench.robustness import asked_with, robustness, settings_text
    from stkit_bench.scoring import score
    from stkit_bench.text_groups import breakdown_text, robustness_text

    options = bootstrap(arguments)
    base = load(arguments.base, arguments.references)
    asked = asked_with(arguments.base)
    with opened(arguments) as reader:
        readings = read(reader, base)
        others = {
            str(path): (
                settings_text(asked_with(path), asked),
                read(reader, load(path, base.references)),
            )
            for path in arguments.others
        }
    scores = score(base.references, readings, **options)
    variants = robustness(base.references, readings, others, **options)
    beside = blind(arguments, base.references)
    broken = break_down(base.references, readings, _GROUPED, blind=beside, **options)
    groups = [one for one in broken if one.tells]
    failed = scores.reader_failures + sum(v.comparison.reader_failures for v in variants)
    result = {
        "base": {"name": str(arguments.base), "asked": asked, "scores": scores.to_dict()},
        "variants": [variant.to_dict() for variant in variants],
        "by": {one.name: one.to_dict() for one in groups},
    }
    table = robustness_text(arguments.base.stem, scores, variants)
    tell(arguments, result, "\n".join([table, *(breakdown_text(one) for one in groups)]))
    return status(failed)
