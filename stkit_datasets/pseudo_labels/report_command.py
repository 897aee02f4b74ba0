"""``stkit pseudo-label-report``: what filters left, and errors where truth is known."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.command import SPLITS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stkit pseudo-label-report``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `pseudo-label` wrote to")
    parser.add_argument("--against", metavar="SOURCE", help="an annotated source that was labelled")
    parser.add_argument("--data-dir", type=Path, help="the source's official files")
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument(
        "--source-option", action="append", default=[], metavar="NAME=VALUE", help="of the source"
    )
    parser.add_argument(
        "--paths", type=Path, help="where paths are drawn (default DIR/paths.svg, with --against)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; returns 0."""
    from stkit_datasets.atomic import write_text
    from stkit_datasets.cli import parse_option
    from stkit_datasets.pseudo_labels.filter_report import filter_report, label_files
    from stkit_datasets.pseudo_labels.path_page import path_page
    from stkit_datasets.pseudo_labels.truth_report import truth_report

    files = label_files(arguments.folder)
    sys.stdout.write(filter_report(files).to_text() + "\n")
    if arguments.against is None:
        if arguments.paths is not None:
            raise ConfigError("--paths needs --against: there is nothing to draw beside")
        return 0
    options = dict(parse_option(text) for text in arguments.source_option)
    report = truth_report(files, arguments.against, arguments.data_dir, arguments.split, options)
    target = arguments.paths or arguments.folder / "paths.svg"
    write_text(target, path_page(report.paths))
    sys.stdout.write(f"\n{report.to_text()}\npaths: {target}\n")
    return 0
