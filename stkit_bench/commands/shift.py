"""``stkit-bench shift``: the same questions through a camera that points elsewhere."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Write the rows of a bench with every frame shifted up or down and the boxes with it, to be asked
like the original. A model that judges motion by what it sees, and not by the camera it knows,
answers both alike; `stkit-bench robustness` compares them.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "shift",
        help="shift the pictures of a bench up or down",
        description=_DESCRIPTION,
    )
    parser.add_argument("rows", metavar="ROWS", type=Path, help="Parquet file, or folder of them")
    parser.add_argument(
        "--fraction",
        type=float,
        required=True,
        metavar="F",
        help="of the height, such as 0.1 (everything lower) or -0.1",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="Parquet file")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    from stkit_bench.horizon import write_shifted

    n = write_shifted(arguments.rows, arguments.out, arguments.fraction)
    sys.stdout.write(f"{arguments.out}: {n} rows, shifted by {arguments.fraction:+.0%}\n")
    return 0
