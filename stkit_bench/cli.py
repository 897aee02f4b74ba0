"""``stkit-bench``: the command line of the benchmark.

A subcommand is a module of ``stkit_bench.commands`` with ``add_parser(subparsers)``, which sets
``run`` to a function from the parsed arguments to an exit status.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from stkit_bench.commands import (
    agree,
    breakdown,
    build,
    compare,
    demo,
    depthlm,
    lmms_eval_path,
    report,
    robustness,
    run,
    score,
    select,
    shift,
    space,
    vlm4d,
)
from stkit_datasets.cli import interrupted, stop_quietly

__all__ = ["main"]

_COMMANDS = (
    *(build, run, score, compare, breakdown, robustness, agree, report),
    *(select, shift, demo, vlm4d, depthlm),
    *(lmms_eval_path, space),
)


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from stkit_bench import __version__

        sys.stdout.write(f"stkit-bench {__version__}\n")
        parser.exit()


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all subcommands."""
    parser = argparse.ArgumentParser(
        prog="stkit-bench", description="Score answers to kinematic questions about videos."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when it is done, 2 when its input breaks a rule."""
    arguments = build_parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except BrokenPipeError:
        return stop_quietly()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"stkit-bench: error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return interrupted("stkit-bench")
    return status


if __name__ == "__main__":
    sys.exit(main())
