"""``stkit pseudo-label-filter``: filters 2 and 3 over built rows."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_datasets.errors import ConfigError
from stkit_datasets.model_clients.options import add_endpoint_options

if TYPE_CHECKING:
    from stkit_datasets.built import RowFile
    from stkit_datasets.model_clients.base import Model
    from stkit_datasets.pseudo_labels.judgements import Responses
    from stkit_datasets.pseudo_labels.samples import Sample

JUDGEMENT_FILE = "judgements.jsonl"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stkit pseudo-label-filter``."""
    parser.add_argument("rows", type=Path, metavar="ROWS", help="what `stkit build` wrote")
    parser.add_argument("--out", type=Path, required=True, help="folder for the rows that are left")
    vlm = parser.add_argument_group("filter 2, a vision-language model is asked four questions")
    vlm.add_argument("--judge", metavar="MODEL", help="ask this model of an endpoint")
    add_endpoint_options(vlm, per="question")
    vlm.add_argument(
        "--max-new-tokens",
        type=int,
        default=64,
        metavar="N",
        help="of a response; models that reason need more (default: 64)",
    )
    vlm.add_argument("--frames", type=int, default=16, help="of a video (default: 16)")
    vlm.add_argument("--max-side", type=int, metavar="PX", help="scale frames down to this")
    vlm.add_argument("--questions", type=Path, metavar="FILE", help="sentences of your own")
    vlm.add_argument(
        "--judgements",
        type=Path,
        metavar="FILE",
        help="answers: read, and with --judge gone on with (default: OUT/judgements.jsonl)",
    )
    other = parser.add_argument_group("filter 3, how likely a tuned model finds each answer")
    other.add_argument(
        "--likelihoods",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="what trainers/likelihood.py wrote",
    )
    parser.add_argument(
        "--undecided",
        choices=["wait", "keep"],
        default="wait",
        help="rows without judgement or likelihood: wait writes no rows before all are decided "
        "(default), keep lets them pass",
    )


def run(arguments: argparse.Namespace) -> int:
    """Filter; returns 1 where rows are not decided and so nothing was written, else 0."""
    from stkit_datasets.pseudo_labels.judgements import read_judgements
    from stkit_datasets.pseudo_labels.likelihoods import read_likelihoods
    from stkit_datasets.pseudo_labels.row_filter import apply_filters, write_record
    from stkit_datasets.pseudo_labels.samples import read_samples, write_kept

    if arguments.judge is None and arguments.judgements is None and arguments.likelihoods is None:
        raise ConfigError("nothing to filter by: give --judge, --judgements or --likelihoods")
    if arguments.out.resolve() == arguments.rows.resolve():
        raise ConfigError("--out must be another folder than the rows")
    samples, files = read_samples(arguments.rows)
    responses: Responses | None = None
    if arguments.judge is not None:
        responses = _judged(arguments, samples, files)
    elif arguments.judgements is not None:
        responses = read_judgements(arguments.judgements, samples)
    likelihoods = None if arguments.likelihoods is None else read_likelihoods(arguments.likelihoods)
    found = apply_filters(samples, responses, likelihoods)
    for report in found.reports:
        sys.stdout.write(report.to_text() + "\n")
    waiting = sum(report.waiting for report in found.reports)
    if waiting and arguments.undecided == "wait":
        sys.stdout.write(
            "some rows are not decided, so no rows were written: run again to ask for what is "
            "missing, or let them pass by --undecided keep\n"
        )
        return 1
    settings = _settings(arguments)
    notes = {"settings": settings, "stages": [vars(report) for report in found.reports]}
    write_kept(files, arguments.out, {sample.id for sample in found.kept}, notes)
    write_record(arguments.out, found, settings)
    sys.stdout.write(f"rows: {arguments.out}\n")
    return 0


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "judge": arguments.judge,
        "frames": arguments.frames if arguments.judge is not None else None,
        "judgements": None if arguments.judgements is None else str(arguments.judgements),
        "likelihoods": [str(path) for path in arguments.likelihoods or []],
        "undecided": arguments.undecided,
    }


def _judged(
    arguments: argparse.Namespace, samples: list[Sample], files: dict[str, list[RowFile]]
) -> Responses:
    from stkit_datasets.pseudo_labels.asking import ask_all
    from stkit_datasets.pseudo_labels.judge import default_questions, read_questions
    from stkit_datasets.pseudo_labels.judgements import read_judgements

    asked_for = arguments.questions
    questions = default_questions() if asked_for is None else read_questions(asked_for)
    path = arguments.judgements or arguments.out / JUDGEMENT_FILE
    known: Responses = {}
    if path.exists():
        known = read_judgements(path, samples, arguments.judge, questions)
    if arguments.frames < 1:
        raise ConfigError(f"--frames must be at least 1, got {arguments.frames}")
    model = _endpoint(arguments)
    try:
        asked = ask_all(
            model,
            samples,
            files,
            known,
            path,
            questions,
            max_frames=arguments.frames,
            progress=sys.stderr.isatty(),
        )
    except ValueError as error:  # what the endpoint says of a wrong key or model
        raise ConfigError(f"--judge {arguments.judge}: {error}") from error
    finally:
        model.close()
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(asked.failures.items()))
    sys.stdout.write(f"asked: {asked.answered} answers; failed: {failed or 'none'}; {path}\n")
    return known


def _endpoint(arguments: argparse.Namespace) -> Model:
    from stkit_datasets.model_clients.endpoint_errors import Retries
    from stkit_datasets.model_clients.openai_endpoint import EndpointConfig, OpenAIEndpoint

    try:
        config = EndpointConfig(
            arguments.judge,
            base_url=arguments.base_url,
            key_variable=arguments.api_key_env,
            max_new_tokens=arguments.max_new_tokens,
            concurrency=arguments.concurrency,
            timeout_s=arguments.timeout,
            max_side_px=arguments.max_side,
            retries=Retries(arguments.attempts),
        )
        return OpenAIEndpoint(config)
    except ValueError as error:
        raise ConfigError(str(error)) from error
