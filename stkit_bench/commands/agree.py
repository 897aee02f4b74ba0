"""``stkit-bench agree``: two readers on one file of answers, and where they part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stkit_bench.commands.loading import (
    add_result_options,
    load,
    opened,
    read,
    status,
    tell,
)
from stkit_bench.readers import add_llm_options

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "agree",
        help="compare two readers on one file of answers",
        description="Read every response twice and print where the readers part.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL file of answers")
    parser.add_argument(
        "--readers",
        required=True,
        metavar="A,B",
        help="two of rules and llm:MODEL, for example rules,llm:gpt-5-nano",
    )
    parser.add_argument(
        "--references", type=Path, metavar="ROWS", help="rows that the answers are to"
    )
    parser.add_argument(
        "--max-rows", type=int, default=20, metavar="N", help="print at most N rows (default: 20)"
    )
    add_result_options(parser)
    add_llm_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print counts by task and the rows."""
    from stkit_bench.agreement import agree
    from stkit_bench.text_groups import agreement_text

    names = [name.strip() for name in arguments.readers.split(",")]
    if len(names) != 2 or names[0] == names[1]:
        raise ValueError(f"--readers takes two different readers, got {arguments.readers!r}")
    answers = load(arguments.file, arguments.references)
    with opened(arguments, names[0]) as a, opened(arguments, names[1]) as b:
        first, second = read(a, answers), read(b, answers)
    both = (names[0], names[1])
    found = agree(answers.references, answers.responses, first, second, both)
    tell(arguments, found.to_dict(), agreement_text(found, arguments.max_rows))
    return status(found.failures)
