"""``stkit-bench report``: answers to any rows as one self-contained page."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import Any

from stkit_bench.commands.loading import (
    add_scoring_options,
    blind,
    bootstrap,
    opened,
    status,
)

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Write one HTML file: scores beside the papers' tables, chance and baselines without video,
differences between the runs, breakdowns, and questions to browse with their video, prompt,
responses, readings and audit, most of them such as went wrong. It needs no network.
"""
_MEGABYTE = 1_000_000


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "report", help="answers as one self-contained page", description=_DESCRIPTION
    )
    parser.add_argument(
        "--runs",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="JSONL files of answers to the same rows; the others are compared with the first",
    )
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="ROWS",
        help="the rows: JSONL, Parquet, or a folder of Parquet files",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="HTML", help="the page")
    parser.add_argument("--title", default="STKit-Bench", help="(default: STKit-Bench)")
    parser.add_argument(
        "--max-questions",
        type=int,
        default=40,
        metavar="N",
        help="shown in full, with video (default: 40)",
    )
    parser.add_argument(
        "--max-video-mb",
        type=float,
        default=16.0,
        metavar="MB",
        help="of all videos together; the page takes a third more (default: 16)",
    )
    parser.add_argument(
        "--same-questions",
        action="store_true",
        help="these are the papers' own 1,400 questions",
    )
    add_scoring_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the page."""
    if importlib.util.find_spec("jinja2") is None:
        raise ValueError('the page needs jinja2: pip install ".[eval]" in a clone of STKit')
    from stkit_bench.files import read_references
    from stkit_bench.report.from_files import PageOptions, report_data
    from stkit_bench.report.page import render_page
    from stkit_datasets.atomic import write_text

    options = PageOptions(
        title=arguments.title,
        max_questions=arguments.max_questions,
        max_video_bytes=int(arguments.max_video_mb * _MEGABYTE),
        same_questions=arguments.same_questions,
        **bootstrap(arguments),
    )
    with opened(arguments) as reader:
        beside = blind(arguments, read_references(arguments.data))
        data = report_data(arguments.data, arguments.runs, reader, options, beside)
    write_text(arguments.out, render_page(data))
    size_mb = arguments.out.stat().st_size / _MEGABYTE
    told = f"{len(data.runs)} runs, {len(data.questions)} questions shown, {size_mb:.1f} MB"
    sys.stdout.write(f"{arguments.out}: {told}\n")
    return status(sum(run.scores.reader_failures for run in data.runs))
