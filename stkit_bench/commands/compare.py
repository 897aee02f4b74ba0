"""``stkit-bench compare``: two files of answers to the same questions, paired."""

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


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "compare",
        help="compare two files of answers to the same questions",
        description="How much more accurate A is than B, question by question, with an interval "
        "and a p-value from exchanging the two in whole scene windows.",
    )
    parser.add_argument("a", metavar="A", type=Path, help="JSONL file of answers")
    parser.add_argument("b", metavar="B", type=Path, help="JSONL file of answers")
    add_answers_options(
        parser, "rows that the answers are to; without it A must hold them and B the same ids"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the paired difference."""
    from stkit_bench.scoring import compare
    from stkit_bench.text import comparison_text

    a = load(arguments.a, arguments.references)
    b = load(arguments.b, a.references)
    with opened(arguments) as reader:
        readings_a, readings_b = read(reader, a), read(reader, b)
    result = compare(a.references, readings_a, readings_b, **bootstrap(arguments))
    beside = blind(arguments, a.references)
    text = comparison_text(result, arguments.a.stem, arguments.b.stem, beside)
    tell(arguments, result.to_dict(), text)
    return status(result.reader_failures)
