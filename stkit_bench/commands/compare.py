"""``stkit-bench compare``: two files of answers to the same questions, paired."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from stkit_bench.commands.score import add_bootstrap_options

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "compare",
        help="compare two files of answers to the same questions",
        description="How much more accurate A is than B, question by question.",
    )
    parser.add_argument("a", metavar="A", type=Path, help="JSONL file of answers")
    parser.add_argument("b", metavar="B", type=Path, help="JSONL file of answers")
    parser.add_argument(
        "--references",
        type=Path,
        metavar="ROWS",
        help="rows that the answers are to; without it A must hold them and B the same ids",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_bootstrap_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the paired difference."""
    from stkit_bench.files import read_answers, read_references
    from stkit_bench.reading import read_response
    from stkit_bench.scoring import compare
    from stkit_bench.text import comparison_text

    given = arguments.references
    a = read_answers(arguments.a, None if given is None else read_references(given))
    b = read_answers(arguments.b, a.references)
    readings_a, readings_b = (
        [
            None if text is None else read_response(r["task"], text, r.get("question"))
            for text, r in zip(answers.responses, a.references, strict=True)
        ]
        for answers in (a, b)
    )
    result = compare(
        a.references,
        readings_a,
        readings_b,
        n_resamples=arguments.n_resamples,
        level=arguments.level,
        seed=arguments.seed,
    )
    if arguments.json:
        sys.stdout.write(json.dumps(result.to_dict(), indent=2, allow_nan=False) + "\n")
    else:
        sys.stdout.write(comparison_text(result, arguments.a.stem, arguments.b.stem))
    return 0
