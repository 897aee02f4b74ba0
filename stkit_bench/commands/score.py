"""``stkit-bench score``: read and score a file of answers."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stkit_bench.results import Scores

__all__ = ["add_bootstrap_options", "add_parser", "run"]

_DESCRIPTION = """
Read free-text answers by rules and score them. FILE is JSONL: one object a line with "id",
"response" (text, or null for none) and, unless --references is given, "task", "target" and
"question".
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "score", help="read and score a JSONL file of answers", description=_DESCRIPTION
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL file of answers")
    parser.add_argument(
        "--references",
        type=Path,
        metavar="ROWS",
        help="rows that the answers are to: JSONL, Parquet, or a folder of Parquet files",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the scores as JSON here")
    parser.add_argument(
        "--published", action="store_true", help="print the papers' rows beside the scores"
    )
    add_bootstrap_options(parser)
    parser.set_defaults(run=run)


def add_bootstrap_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--n-resamples``, ``--level`` and ``--seed``."""
    parser.add_argument(
        "--n-resamples", type=int, default=1000, help="bootstrap resamples (default: 1000)"
    )
    parser.add_argument(
        "--level", type=float, default=0.95, help="level of the intervals (default: 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Score the file; print and write what was asked for."""
    from stkit_bench.files import write_text

    scores = _score(arguments)
    result = _result(scores)
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.out is not None:
        write_text(arguments.out, text)
    sys.stdout.write(text if arguments.json else _text(scores, arguments))
    return 0


def _score(arguments: argparse.Namespace) -> Scores:
    from stkit_bench.files import FileError, read_answers, read_references
    from stkit_bench.reading import read_response
    from stkit_bench.scoring import score

    given = arguments.references
    answers = read_answers(arguments.file, None if given is None else read_references(given))
    readings = [
        None if text is None else read_response(r["task"], text, r.get("question"))
        for text, r in zip(answers.responses, answers.references, strict=True)
    ]
    try:
        return score(
            answers.references,
            readings,
            n_resamples=arguments.n_resamples,
            level=arguments.level,
            seed=arguments.seed,
        )
    except ValueError as error:
        raise FileError(given or arguments.file, str(error)) from error


def _result(scores: Scores) -> dict[str, Any]:
    from stkit_bench import __version__
    from stkit_bench.reading import READER_VERSION

    return {
        **scores.to_dict(),
        "reader": {"name": "rules", "version": READER_VERSION},
        "stkit_version": __version__,
    }


def _text(scores: Scores, arguments: argparse.Namespace) -> str:
    from stkit_bench.reading import READER_VERSION
    from stkit_bench.text import published_text, scores_text

    parts = [scores_text(scores, f"rules {READER_VERSION}")]
    if arguments.published:
        parts.append(published_text(scores, arguments.file.stem))
    return "\n".join(parts)
