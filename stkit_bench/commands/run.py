"""``stkit-bench run``: ask a model the questions of a benchmark."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_bench.commands.run_options import add_options
from stkit_bench.endpoint_options import budget_of, extra_body_of, temperature_of

if TYPE_CHECKING:
    from stkit_bench.run import AskSettings, RunSummary
    from stkit_bench.run.drafts import Questions
    from stkit_bench.run.preparing import Workers
    from stkit_datasets.model_clients.base import Model

__all__ = ["add_parser", "run"]

_DESCRIPTION = """
Ask a model every question and write one line of answer each. Killed and started again with the
same options it asks only what is missing. API keys are read from the environment alone. The exit
status is 1 when a question is left without a response.
"""
_VLM4D = "vlm4d:"


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "run", help="ask a model the questions of a benchmark", description=_DESCRIPTION
    )
    add_options(parser)
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Ask, write, and say what happened."""
    from stkit_bench.models.factory import parse
    from stkit_bench.run import run as run_all

    kind, _, text_only = parse(arguments.model)
    sees = not text_only and not arguments.no_video
    questions = _questions(arguments, sees, kind)
    workers = _workers(arguments, kind)
    model = _model(arguments, kind, sees)
    try:
        summary = run_all(
            model,
            questions,
            arguments.out,
            budget=budget_of(arguments),
            workers=workers,
            max_failures_in_a_row=arguments.max_failures_in_a_row,
            progress=not arguments.no_progress and workers.rank == 0,
            told={"base_url": arguments.base_url} if kind == "openai" else {},
        )
    except KeyboardInterrupt:
        sys.stderr.write(f"\nstopped; the same command goes on with {arguments.out}\n")
        return 130
    finally:
        model.close()
        if workers.world_size > 1:
            _part_ways()
    if workers.rank == 0:
        sys.stdout.write(_told(summary, arguments.out, getattr(questions, "left_out", 0)))
    return 0 if summary.n_answered == summary.n_questions else 1


def _questions(arguments: argparse.Namespace, sees: bool, kind: str) -> Questions:
    if arguments.data.startswith(_VLM4D):
        return _vlm4d(arguments, sees, kind)
    from stkit_bench.run.rows_file import RowsFile
    from stkit_bench.run.stkit_questions import StkitQuestions

    rows = RowsFile(Path(arguments.data))
    shot_rows = RowsFile(arguments.shot_data) if arguments.shots and arguments.shot_data else None
    return StkitQuestions(
        rows,
        _settings(arguments, sees),
        shot_rows,
        arguments.depth_dir,
        arguments.wording,
        arguments.limit,
    )


def _vlm4d(arguments: argparse.Namespace, sees: bool, kind: str) -> Questions:
    from stkit_bench.run import RunError
    from stkit_bench.run.vlm4d_questions import DEFAULT_FRAMES, Vlm4dQuestions
    from stkit_bench.vlm4d import load

    if kind == "baseline":
        raise RunError("the baselines answer rows of STKit, not VLM4D")
    given = {
        "--shots": arguments.shots,
        "--geometry": arguments.geometry,
        "--paraphrased": arguments.paraphrased,
        "--no-boxes": not arguments.boxes,
    }
    wrong = [name for name, value in given.items() if value]
    if wrong:
        raise RunError(f"{', '.join(wrong)} cannot be had with VLM4D")
    folder = Path(arguments.data.removeprefix(_VLM4D))
    return Vlm4dQuestions(
        load(folder),
        arguments.videos or folder,
        arguments.form,
        fps=arguments.fps,
        max_frames=arguments.max_frames or DEFAULT_FRAMES,
        video=sees,
        only_present=arguments.only_present,
        limit=arguments.limit,
    )


def _settings(arguments: argparse.Namespace, sees: bool) -> AskSettings:
    from stkit_bench.run import AskSettings

    return AskSettings(
        shots=arguments.shots,
        geometry=tuple(part for part in arguments.geometry.split(",") if part),
        paraphrased=arguments.paraphrased,
        fps=2.0 if arguments.fps is None else arguments.fps,
        boxes=arguments.boxes,
        max_frames=arguments.max_frames,
        video=sees,
        seed=arguments.seed,
    )


def _model(arguments: argparse.Namespace, kind: str, sees: bool) -> Model:
    from stkit_bench.models.factory import model_of
    from stkit_bench.run.rows_file import RowsFile

    options: dict[str, Any] = {"seed": arguments.seed}
    if kind == "openai":
        options = _endpoint_options(arguments)
    elif kind == "transformers":
        names = ("batch_size", "max_new_tokens", "dtype", "revision")
        options = {name: getattr(arguments, name) for name in names}
    training = arguments.shot_data
    rows = None if training is None else lambda: RowsFile(training).rows()
    return model_of(arguments.model, options, video=sees, training_rows=rows)


def _endpoint_options(arguments: argparse.Namespace) -> dict[str, Any]:
    from stkit_datasets.model_clients.endpoint_errors import Retries

    return {
        "base_url": arguments.base_url,
        "key_variable": arguments.api_key_env,
        "max_new_tokens": arguments.max_new_tokens,
        "temperature": temperature_of(arguments),
        "seed": arguments.sampling_seed,
        "tokens_field": arguments.tokens_field,
        "detail": arguments.image_detail,
        "max_side_px": arguments.max_side,
        "extra": extra_body_of(arguments),
        "concurrency": arguments.concurrency,
        "timeout_s": arguments.timeout,
        "retries": Retries(arguments.attempts),
    }


def _workers(arguments: argparse.Namespace, kind: str) -> Workers:
    from stkit_bench.run.preparing import Workers

    preparing, place = arguments.preparing, arguments.prepare_in
    if preparing < 1:
        raise ValueError(f"--preparing must be at least 1, got {preparing}")
    processes = None if place == "auto" else place == "processes"
    if kind != "transformers" or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Workers(preparing, processes=processes)
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    share = (state.process_index, state.num_processes, state.wait_for_everyone)
    return Workers(preparing, *share, processes=processes)


def _part_ways() -> None:
    from accelerate import PartialState

    PartialState().destroy_process_group()


def _told(summary: RunSummary, out: Path, left_out: int) -> str:
    lines = [
        f"{out}: {summary.n_answered} of {summary.n_questions} questions answered, "
        f"{summary.n_asked} asked in {summary.seconds:.1f} s",
        f"tokens: {summary.input_tokens:,} read, {summary.output_tokens:,} written"
        + ("" if summary.cost is None else f", cost {summary.cost:.2f}"),
    ]
    if left_out:
        lines.append(f"left out, as their video is missing: {left_out} questions")
    if summary.failures:
        told = ", ".join(f"{kind} {count}" for kind, count in summary.failures.items())
        lines.append(f"without a response: {told}; run again to ask them again")
    if summary.stopped is not None:
        lines.append(f"stopped: {summary.stopped}")
    return "\n".join(lines) + "\n"
