"""``stkit pseudo-label-report``: what filters left, and errors where truth is known."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.command import SPLITS

if TYPE_CHECKING:
    from stkit_datasets.pseudo_labels.truth_report import TruthReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stkit pseudo-label-report``."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="what `pseudo-label` wrote to")
    truth = parser.add_argument_group("errors, where the truth is known")
    truth.add_argument("--against", metavar="SOURCE", help="an annotated source that was labelled")
    truth.add_argument("--data-dir", type=Path, help="the source's official files")
    truth.add_argument("--split", choices=SPLITS, default="train")
    truth.add_argument(
        "--source-option", action="append", default=[], metavar="NAME=VALUE", help="of the source"
    )
    truth.add_argument(
        "--paths", type=Path, help="where paths are drawn (default DIR/paths.svg, with --against)"
    )
    truth.add_argument(
        "--fit-uncertainty",
        type=Path,
        metavar="FILE",
        help="fit the factors of uncertainties to these errors, and write them",
    )
    table = parser.add_argument_group("the papers' Table 10: samples after each filter")
    table.add_argument("--rows", type=Path, help="rows built from DIR by `stkit build`")
    table.add_argument(
        "--filtered", type=Path, metavar="KEPT", help="what `pseudo-label-filter` made of them"
    )
    table.add_argument(
        "--unfiltered", type=Path, metavar="DIR0", help="labels by --mode paper_unfiltered"
    )
    table.add_argument("--unfiltered-rows", type=Path, metavar="ROWS0", help="rows built from DIR0")
    table.add_argument(
        "--audit", type=Path, metavar="FILE", help="judgements by which low quality is counted"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the report; returns 0."""
    from stkit_datasets.pseudo_labels.filter_report import filter_report, label_files

    _check(arguments)
    files = label_files(arguments.folder)
    sys.stdout.write(filter_report(files).to_text() + "\n")
    report = None
    if arguments.against is not None:
        report = _truth(arguments, arguments.folder)
        _say_truth(arguments, report)
    if arguments.rows is not None:
        sys.stdout.write("\n" + _table(arguments, report) + "\n")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.against is None:
        for name in ("paths", "fit_uncertainty"):
            if getattr(arguments, name) is not None:
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(f"{option} needs --against: nothing is known to be true")
    if arguments.rows is None:
        for name in ("filtered", "unfiltered_rows", "audit"):
            if getattr(arguments, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} needs --rows")


def _truth(arguments: argparse.Namespace, folder: Path) -> TruthReport:
    from stkit_datasets.cli import parse_option
    from stkit_datasets.pseudo_labels.filter_report import label_files
    from stkit_datasets.pseudo_labels.truth_report import truth_report

    options = dict(parse_option(text) for text in arguments.source_option)
    files = label_files(folder)
    return truth_report(files, arguments.against, arguments.data_dir, arguments.split, options)


def _say_truth(arguments: argparse.Namespace, report: TruthReport) -> None:
    from stkit_datasets.atomic import write_text
    from stkit_datasets.pseudo_labels.calibration import (
        coverage_text,
        coverages,
        risk_curves,
        risk_text,
    )
    from stkit_datasets.pseudo_labels.factors import current_table
    from stkit_datasets.pseudo_labels.path_page import path_page
    from stkit_datasets.pseudo_labels.uncertainty_page import uncertainty_page

    paths = arguments.paths or arguments.folder / "paths.svg"
    write_text(paths, path_page(report.paths))
    sys.stdout.write(f"\n{report.to_text()}\npaths: {paths}\n")
    table = current_table()
    rows = coverages(report.questions, table)
    curves = risk_curves(report.questions, table)
    sys.stdout.write(f"\nuncertainties, by the factors fitted to {table.origin}\n")
    sys.stdout.write(f"{coverage_text(rows)}\n\n{risk_text(curves)}\n")
    picture = arguments.folder / "uncertainty.svg"
    write_text(picture, uncertainty_page(rows, curves, table.origin))
    sys.stdout.write(f"picture: {picture}\n")
    if arguments.fit_uncertainty is not None:
        _fit(arguments, report)


def _fit(arguments: argparse.Namespace, report: TruthReport) -> None:
    from stkit_datasets.pseudo_labels.calibration import (
        coverage_text,
        coverages,
        crossed,
        fit_table,
    )
    from stkit_datasets.pseudo_labels.factors import VARIABLE, current_table, write_table

    start, target = current_table(), arguments.fit_uncertainty
    origin = f"{arguments.against}, {arguments.split}, {report.clips} clips"
    for errors, table in crossed(report.questions, origin, start):
        sys.stdout.write("\nfitted to the other half of the clips, on this half\n")
        sys.stdout.write(coverage_text(coverages(errors, table)) + "\n")
    table = fit_table(report.questions, origin, start)
    kept = [name for name in table.tasks if table.tasks[name] is start.tasks[name]]
    if kept:
        sys.stdout.write(f"too few questions, factors as before: {', '.join(kept)}\n")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_table(target, table)
    sys.stdout.write(f"factors: {target}; rows take them where {VARIABLE} names the file\n")


def _table(arguments: argparse.Namespace, report: TruthReport | None) -> str:
    from stkit_datasets.pseudo_labels.judgements import read_judgements
    from stkit_datasets.pseudo_labels.sample_table import (
        RULES,
        UNFILTERED,
        Stage,
        filtered_stages,
        table_text,
    )
    from stkit_datasets.pseudo_labels.samples import read_samples

    stages = []
    if arguments.unfiltered_rows is not None:
        samples, _ = read_samples(arguments.unfiltered_rows)
        errors: Mapping[str, float] = {}
        if arguments.unfiltered is not None and report is not None:
            errors = _truth(arguments, arguments.unfiltered).distance_errors_by_key
        stages.append(Stage(UNFILTERED, samples, errors))
    samples, _ = read_samples(arguments.rows)
    errors = {} if report is None else report.distance_errors_by_key
    stages.append(Stage(RULES, samples, errors))
    if arguments.filtered is not None:
        stages += filtered_stages(samples, arguments.filtered, errors)
    audit = None
    if arguments.audit is not None:
        every = {sample.id: sample for stage in stages for sample in stage.samples}
        audit = read_judgements(arguments.audit, list(every.values()))
    return table_text(stages, audit)
