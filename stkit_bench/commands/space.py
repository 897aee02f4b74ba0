"""``stkit-bench space``: the folder of a Space for ``evaluate.load("org/stkit_bench")``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Write the files of a Hugging Face Space: the script that evaluate.load takes, the metric's card and
a page to try it. Push the folder to a Space named stkit_bench.
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "space", help="write a Space for evaluate.load", description=_DESCRIPTION
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to")
    parser.add_argument(
        "--install",
        metavar="REQUIREMENT",
        help="what pip installs as the package, as 'stkit[eval] @ git+https://…' "
        "(default: put a copy of it into the folder)",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the folder and say how to try it."""
    from stkit_bench.space import write_space

    files = write_space(arguments.out, arguments.install)
    sys.stdout.write(
        f"{len(files)} files written to {arguments.out}\n"
        f"Try it: pip install gradio && python {arguments.out / 'app.py'}\n"
    )
    return 0
