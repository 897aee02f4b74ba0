"""The ``stkit`` command: build rows, explain one, export and publish them; label plain video."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stkit_datasets._version import __version__
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, StkitError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status, 2 for bad input."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        return int(arguments.run(arguments))
    except BrokenPipeError:
        return stop_quietly()
    except (StkitError, OSError) as error:
        sys.stderr.write(f"stkit: {error}\n")
        return 2
    except KeyboardInterrupt:
        return interrupted("stkit")


def stop_quietly() -> int:
    """End a command whose reader, such as ``head``, has seen enough; 141 as of SIGPIPE."""
    # Python flushes standard output once more when it ends, which must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141


def interrupted(program: str) -> int:
    """End a command that Ctrl-C stopped; 130 as of SIGINT."""
    sys.stderr.write(f"\n{program}: interrupted; what was finished is kept, start again to go on\n")
    return 130


def folder(text: str) -> Path:
    """An argument that names a folder or file: ``--out ""`` is not the working directory."""
    if not text:
        raise argparse.ArgumentTypeError("the path is empty")
    return Path(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="stkit", description=__doc__)
    parser.add_argument("--version", action="version", version=f"stkit {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_build(commands)
    _add_explain(commands)
    _add_export(commands)
    _add_push(commands)
    _add_pseudo_label(commands)
    _add_pseudo_label_filter(commands)
    _add_pseudo_label_report(commands)
    return parser


def _add_build(commands: Any) -> None:
    from stkit_datasets.sources import SOURCES

    build = commands.add_parser("build", help="turn a source's official files into question rows")
    build.set_defaults(run=_build)
    build.add_argument(
        "source", choices=list(SOURCES), metavar="SOURCE", help=f"one of {', '.join(SOURCES)}"
    )
    build.add_argument("--data-dir", type=folder, help="folder with the official files")
    build.add_argument("--out", type=folder, required=True, help="folder to write to")
    build.add_argument(
        "--split", action="append", choices=["train", "validation"], help="default: both"
    )
    build.add_argument(
        "--video",
        choices=["overlay", "raw", "none"],
        default="overlay",
        help="boxes drawn (default), bare, or annotations only",
    )
    build.add_argument(
        "--video-height",
        type=int,
        default=480,
        metavar="PX",
        help="videos are scaled down to this height; boxes are drawn after that (default 480)",
    )
    build.add_argument("--seed", type=int, default=0, help="of every draw (default 0)")
    build.add_argument("--wording", help="JSON file or folder that replaces the sentences")
    add_engine_arguments(build)
    build.add_argument(
        "--on-error",
        choices=["raise", "skip"],
        default="raise",
        help="skip: report a broken scene and go on",
    )
    build.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the source itself; commas make a list",
    )


def _build(arguments: argparse.Namespace) -> int:
    from stkit_datasets.build import BuildConfig, build
    from stkit_datasets.rows import RowConfig
    from stkit_datasets.sources.base import SPLITS

    config = BuildConfig(
        source=arguments.source,
        data_dir=arguments.data_dir,
        out=arguments.out,
        splits=tuple(split for split in SPLITS if split in (arguments.split or SPLITS)),
        rows=RowConfig(
            video=arguments.video,
            seed=arguments.seed,
            wording_path=arguments.wording,
            video_height_px=arguments.video_height,
        ),
        source_options=dict(parse_option(text) for text in arguments.option),
        engine=engine_of(arguments),
        on_error=arguments.on_error,
    )
    report = build(config)
    sys.stdout.write(report.to_text() + "\n")
    return 0


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where units are built."""
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="processes of this machine (default), or a Ray cluster",
    )
    parser.add_argument(
        "--workers", type=int, help="processes (default 1); with ray jobs at once (default: all)"
    )
    parser.add_argument("--address", help="an existing Ray cluster (default: start one here)")


def engine_of(arguments: argparse.Namespace) -> Engine:
    """Read what ``add_engine_arguments`` added."""
    workers = arguments.workers
    if workers is None:
        workers = 1 if arguments.engine == "local" else 0
    return Engine(arguments.engine, workers, arguments.address)


def parse_option(text: str) -> tuple[str, Any]:
    """Read ``NAME=VALUE``: whole numbers and decimals become numbers, commas make a list."""
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise ConfigError(f"--option needs NAME=VALUE, got {text!r}")
    if "," in value:
        return name, [_number_or_text(part) for part in value.split(",") if part]
    return name, _number_or_text(value)


def _number_or_text(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _add_explain(commands: Any) -> None:
    explain = commands.add_parser("explain", help="show the audit of one question")
    explain.set_defaults(run=_explain)
    explain.add_argument("row_id", metavar="ROW_ID")
    explain.add_argument(
        "--data", type=folder, required=True, help="a built folder, or one Parquet file of it"
    )
    explain.add_argument(
        "--picture", type=folder, help="where to write the picture (default: ROW_ID.svg)"
    )


def _explain(arguments: argparse.Namespace) -> int:
    from stkit_datasets.explain import explain, find_row, picture

    row = find_row(arguments.data, arguments.row_id)
    sys.stdout.write(explain(row) + "\n")
    target = arguments.picture or Path(f"{arguments.row_id}.svg")
    from stkit_datasets.atomic import write_text

    write_text(target, picture(row))
    sys.stdout.write(f"picture: {target}\n")
    return 0


def _add_export(commands: Any) -> None:
    export = commands.add_parser(
        "export", help="make a built folder ready to be passed on: shards with video, and a card"
    )
    export.set_defaults(run=_export)
    export.add_argument("built", type=folder, metavar="BUILT_DIR", help="what `stkit build` wrote")
    export.add_argument("--out", type=folder, required=True, help="folder to write to")
    export.add_argument(
        "--include-video",
        nargs="+",
        action="extend",
        default=[],
        metavar="SOURCE",
        help="put video of this source in although its licence restricts it: you vouch for it",
    )


def _export(arguments: argparse.Namespace) -> int:
    from stkit_datasets.export import ExportConfig, export
    from stkit_datasets.licences import agreement

    named = tuple(sorted(set(arguments.include_video)))
    config = ExportConfig(arguments.built, arguments.out, named)
    for source in named:
        sys.stdout.write(agreement(source) + "\n")
    manifest = export(config)
    sys.stdout.write(manifest.to_text() + "\n")
    return 0


def _add_push(commands: Any) -> None:
    push = commands.add_parser("push", help="upload an export to the Hugging Face Hub")
    push.set_defaults(run=_push)
    push.add_argument("folder", type=folder, metavar="DIR", help="what `stkit export` wrote")
    push.add_argument("repository", metavar="ORG/NAME", help="the data set; made if not there")
    push.add_argument("--private", action="store_true", help="make it a private one")
    push.add_argument("--dry-run", action="store_true", help="list what would go, contact nobody")
    push.add_argument(
        "--token-env",
        default="HF_TOKEN",
        metavar="NAME",
        help="the environment variable that holds your token (default HF_TOKEN)",
    )
    push.add_argument(
        "--share",
        nargs="+",
        action="extend",
        default=[],
        metavar="SOURCE",
        help="publish rows of a source that is under an agreement with its owner",
    )


def _push(arguments: argparse.Namespace) -> int:
    from stkit_datasets.hub import check_target, prepare, push

    upload = prepare(arguments.folder)
    terms = {"private": arguments.private, "share": tuple(arguments.share)}
    check_target(upload, arguments.repository, **terms)
    if arguments.dry_run:
        sys.stdout.write(upload.to_text() + f"\nwould go to {arguments.repository}\n")
        return 0
    address = push(upload, arguments.repository, token_env=arguments.token_env, **terms)
    sys.stdout.write(f"{address}\n")
    return 0


def _add_pseudo_label(commands: Any) -> None:
    from stkit_datasets.pseudo_labels import command

    parser = commands.add_parser(
        "pseudo-label", help="estimate 3D tracks in plain video, so that sources can load it"
    )
    parser.set_defaults(run=command.run)
    command.add_arguments(parser)
    add_engine_arguments(parser)


def _add_pseudo_label_filter(commands: Any) -> None:
    from stkit_datasets.pseudo_labels import filter_command

    parser = commands.add_parser(
        "pseudo-label-filter", help="filter built rows: a model's judgement, likelihoods"
    )
    parser.set_defaults(run=filter_command.run)
    filter_command.add_arguments(parser)


def _add_pseudo_label_report(commands: Any) -> None:
    from stkit_datasets.pseudo_labels import report_command

    parser = commands.add_parser(
        "pseudo-label-report", help="what the filters left, and the error where truth is known"
    )
    parser.set_defaults(run=report_command.run)
    report_command.add_arguments(parser)


if __name__ == "__main__":
    sys.exit(main())
