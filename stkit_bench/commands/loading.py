"""What the commands that score share: their options, and answers beside their references."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stkit_bench.blind import Blind
    from stkit_bench.files import Answers
    from stkit_bench.readers import Reader
    from stkit_bench.reading import Reading

__all__ = [
    "add_answers_options",
    "add_bootstrap_options",
    "add_result_options",
    "add_scoring_options",
    "blind",
    "bootstrap",
    "load",
    "opened",
    "read",
    "status",
    "tell",
]


def add_answers_options(parser: argparse.ArgumentParser, references: str) -> None:
    """Add ``--references``, with this help, and all that scoring takes and tells."""
    parser.add_argument("--references", type=Path, metavar="ROWS", help=references)
    add_result_options(parser)
    add_scoring_options(parser)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--json`` and ``--out``."""
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write that JSON here")


def add_scoring_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the bootstrap, of the class prior and of the reader."""
    add_bootstrap_options(parser)
    parser.add_argument(
        "--train",
        type=Path,
        metavar="ROWS",
        help="training rows: the class prior that they give stands beside the scores, too",
    )
    _add_reader_options(parser)


def add_bootstrap_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--n-resamples``, ``--level`` and ``--seed``."""
    parser.add_argument(
        "--n-resamples",
        type=int,
        default=1000,
        help="bootstrap resamples, a tenth of the exchanges that test a difference (default: 1000)",
    )
    parser.add_argument(
        "--level", type=float, default=0.95, help="level of the intervals (default: 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: 0)")


def blind(arguments: argparse.Namespace, references: Sequence[Mapping[str, Any]]) -> Blind:
    """Return what chance and the baselines without video reach on these questions."""
    from stkit_bench.blind import Blind
    from stkit_bench.run.rows_file import RowsFile

    training = None if arguments.train is None else RowsFile(arguments.train).rows()
    return Blind.of(references, arguments.seed, training)


def bootstrap(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what :func:`add_bootstrap_options` added, as arguments of scoring."""
    return {name: getattr(arguments, name) for name in ("n_resamples", "level", "seed")}


def _add_reader_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--reader`` and what a language model as reader needs."""
    from stkit_bench.readers import add_llm_options

    parser.add_argument(
        "--reader",
        default="rules",
        metavar="NAME",
        help="rules (default), or llm:MODEL for a language model behind --base-url",
    )
    add_llm_options(parser)


@contextmanager
def opened(arguments: argparse.Namespace, name: str | None = None) -> Iterator[Reader]:
    """Open the reader of ``--reader``, or of this name, and say at the end what it was asked."""
    from stkit_bench.readers import open_reader, report_text

    reader = open_reader(arguments.reader if name is None else name, arguments)
    try:
        yield reader
    finally:
        sys.stderr.write(report_text(reader))
        reader.close()


def load(file: Path, references: Path | Sequence[Mapping[str, Any]] | None) -> Answers:
    """Read answers beside their references (see :func:`stkit_bench.robustness.load_answers`)."""
    from stkit_bench.robustness import load_answers

    return load_answers(file, references)


def read(reader: Reader, answers: Answers) -> list[Reading | None]:
    """Read all responses."""
    from stkit_bench.readers import read_all

    return read_all(reader, answers.references, answers.responses)


def tell(arguments: argparse.Namespace, result: Mapping[str, Any], tables: str) -> None:
    """Print the result as ``--json`` or as tables, and write it where ``--out`` says."""
    from stkit_bench.files import write_text

    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.out is not None:
        write_text(arguments.out, text)
    sys.stdout.write(text if arguments.json else tables)


def status(reader_failures: int) -> int:
    """Return the exit status: 1 where the reader failed on a response, as a run's is."""
    return 1 if reader_failures else 0
