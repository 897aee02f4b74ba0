"""``stkit-bench lmms-eval-path``: where the task files for lmms-eval lie."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Print the folder to give to lmms-eval, as in: python -m lmms_eval --include_path
"$(stkit-bench lmms-eval-path)" --tasks stkit_bench …
"""


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "lmms-eval-path", help="print the folder of lmms-eval's tasks", description=_DESCRIPTION
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the folder."""
    folder = Path(__file__).resolve().parents[1] / "harness" / "lmms_eval"
    sys.stdout.write(f"{folder}\n")
    return 0
