"""``stkit-bench score``: read and score a file of answers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from stkit_bench.blind import Blind
    from stkit_bench.readers import Reader
    from stkit_bench.results import Scores

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Read free-text answers and score them. FILE is JSONL: one object a line with "id", "response" (text,
or null for none) and, unless --references is given, "task", "target" and "question". A response
that cannot be read counts as wrong; one that a language model as reader failed on is not scored,
and the exit status is then 1.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "score", help="read and score a JSONL file of answers", description=_DESCRIPTION
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="JSONL file of answers")
    parser.add_argument(
        "--published", action="store_true", help="print the papers' rows beside the scores"
    )
    add_answers_options(
        parser, "rows that the answers are to: JSONL, Parquet, or a folder of Parquet files"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Score the file; print and write what was asked for."""
    from stkit_bench.files import FileError
    from stkit_bench.scored import answers_facts, questions_facts
    from stkit_bench.scoring import score

    answers = load(arguments.file, arguments.references)
    with opened(arguments) as reader:
        try:
            beside = blind(arguments, answers.references)
            readings = read(reader, answers)
            scores = score(answers.references, readings, **bootstrap(arguments))
        except ValueError as error:
            if reader.name != "rules":
                raise
            raise FileError(arguments.references or arguments.file, str(error)) from error
        result = {
            **_result(scores, reader, beside),
            "answers": answers_facts(arguments.file),
            "questions": questions_facts(answers.references),
        }
    tell(arguments, result, _text(scores, reader, beside, arguments))
    return status(scores.reader_failures)


def _result(scores: Scores, reader: Reader, beside: Blind) -> dict[str, Any]:
    from stkit_bench import __version__

    return {
        **scores.to_dict(),
        "blind": _without_nan(beside.accuracies()),
        "reader": reader.describe(),
        "stkit_version": __version__,
    }


def _without_nan(beside: dict[str, dict[str, float]]) -> dict[str, dict[str, float | None]]:
    return {
        name: {task: None if value != value else value for task, value in by.items()}
        for name, by in beside.items()
    }


def _text(scores: Scores, reader: Reader, beside: Blind, arguments: argparse.Namespace) -> str:
    from stkit_bench.text import published_text, scores_text

    told = reader.describe()
    name = f"rules {told['version']}" if reader.name == "rules" else reader.name
    parts = [scores_text(scores, name, beside)]
    if arguments.published:
        parts.append(published_text(scores, arguments.file.stem))
    return "\n".join(parts)
