"""``stkit-bench select``: a balanced benchmark out of many rows."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stkit_bench.selection import Selection

__all__ = ["add_parser", "run"]


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "select",
        help="select a balanced benchmark out of many rows",
        description="Select as many questions of each task, even over the labels, from a seed.",
    )
    parser.add_argument(
        "rows", metavar="ROWS", type=Path, help="JSONL, Parquet, or a folder of Parquet files"
    )
    parser.add_argument("--per-task", type=int, default=200, help="questions a task (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="of the selection (default: 0)")
    parser.add_argument(
        "--shares",
        default=None,
        metavar="JSON",
        help='share of each source, like {"nuplan": 0.9, "nuscenes": 0.1}; '
        '"published" for those of the published benchmark (default: sources as they come)',
    )
    parser.add_argument(
        "--out", type=Path, help="write the selected rows here, in the format of ROWS"
    )
    parser.add_argument("--report", type=Path, help="write the report as JSON here")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Select, write what was asked for, print the report."""
    from stkit_bench.files import FileError, read_jsonl, read_table, write_selected, write_text
    from stkit_bench.selection import select
    from stkit_bench.selection.candidates import COLUMNS

    path: Path = arguments.rows
    rows: Any
    if not path.exists():
        raise FileError(path, "does not exist")
    if path.is_dir() or path.suffix == ".parquet":
        rows = read_table(path, COLUMNS)
    else:
        rows = [row for _, row in read_jsonl(path)]
    try:
        selection: Selection = select(
            rows, arguments.per_task, _shares(arguments.shares), arguments.seed
        )
    except ValueError as error:
        raise FileError(path, str(error)) from error
    if arguments.out is not None:
        write_selected(path, arguments.out, frozenset(selection.ids))
    if arguments.report is not None:
        text = json.dumps(selection.report.to_dict(), indent=2, allow_nan=False)
        write_text(arguments.report, text + "\n")
    sys.stdout.write(selection.report.to_text() + "\n")
    return 0


def _shares(text: str | None) -> Mapping[str, float] | None:
    from stkit_bench.selection import PUBLISHED_SOURCE_SHARES

    if text is None:
        return None
    if text == "published":
        return PUBLISHED_SOURCE_SHARES
    return shares_from_json(text)


def shares_from_json(text: str) -> dict[str, float]:
    """Read the value of ``--shares``.

    Raises:
        ValueError: it is no JSON object of numbers.
    """
    try:
        shares = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"--shares is not valid JSON: {error.msg}") from error
    if not isinstance(shares, dict) or not all(
        isinstance(v, (int, float)) for v in shares.values()
    ):
        raise ValueError(f"--shares must be a JSON object of numbers, got {text}")
    return shares
