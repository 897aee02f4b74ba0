"""``stkit-bench run``: ask a model the questions of a benchmark."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_bench.endpoint_options import (
    add_connection_options,
    add_extra_body_option,
    add_spending_options,
    budget_of,
    extra_body_of,
    temperature_of,
)

if TYPE_CHECKING:
    from stkit_bench.models.base import Model
    from stkit_bench.run import AskSettings, RunSummary
    from stkit_bench.run.drafts import Questions
    from stkit_bench.run.preparing import Workers

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
    parser.add_argument(
        "--model",
        required=True,
        help="openai:NAME (any compatible endpoint), transformers:PATH_OR_ID, "
        "baseline:constant|random|class_prior, or text:openai:NAME and "
        "text:transformers:PATH_OR_ID for models without vision",
    )
    parser.add_argument(
        "--data",
        required=True,
        help="rows: JSONL, Parquet, or a folder of Parquet files; vlm4d:FOLDER for VLM4D",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="answers, JSONL")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N questions")
    parser.add_argument("--no-progress", action="store_true", help="show no bar")
    _add_settings(parser.add_argument_group("how questions are put"))
    _add_vlm4d(parser.add_argument_group("VLM4D"))
    _add_endpoint(parser.add_argument_group("openai: models behind an endpoint"))
    _add_in_process(parser.add_argument_group("transformers: models in this process"))
    _add_limits(parser.add_argument_group("limits"))
    parser.set_defaults(run=run)


def _add_settings(group: Any) -> None:
    group.add_argument("--fps", type=float, help="frames a second: 2 (default), 1, 0.5 or 0.25")
    group.add_argument("--max-frames", type=int, metavar="N", help="at most N frames, evenly")
    group.add_argument("--paraphrased", action="store_true", help="ask in other words")
    group.add_argument(
        "--boxes",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="show the objects' boxes; --no-boxes needs rows built with --video raw",
    )
    group.add_argument("--no-video", action="store_true", help="give the text alone")
    group.add_argument("--shots", type=int, default=0, choices=[0, 1, 3], help="examples")
    group.add_argument(
        "--shot-data",
        type=Path,
        metavar="ROWS",
        help="training rows: examples are drawn from them, and class_prior learns from them",
    )
    group.add_argument(
        "--geometry",
        default="",
        metavar="WHAT",
        help="poses (the camera's, as text), depth (as images), or poses,depth",
    )
    group.add_argument(
        "--depth-dir",
        type=Path,
        metavar="FOLDER",
        help="FOLDER/CLIP_ID/CAMERA/000000.png and so on, 16 bits in millimetres or 8 bits",
    )
    group.add_argument("--wording", help="the sentences that the rows were built with")
    group.add_argument("--seed", type=int, default=0, help="of draws of examples and of random")


def _add_vlm4d(group: Any) -> None:
    group.add_argument("--form", default="direct", choices=["direct", "cot"], help="of the prompt")
    group.add_argument(
        "--videos", type=Path, metavar="FOLDER", help="with videos_real and videos_synthetic"
    )
    group.add_argument(
        "--only-present", action="store_true", help="leave out questions whose video is missing"
    )


def _add_endpoint(group: Any) -> None:
    add_connection_options(group, per="question")
    group.add_argument("--sampling-seed", type=int, metavar="N", help="sent to the endpoint")
    group.add_argument("--image-detail", choices=["auto", "low", "high"])
    group.add_argument("--max-side", type=int, metavar="PX", help="scale frames down to this")
    group.add_argument(
        "--tokens-field",
        choices=["max_tokens", "max_completion_tokens"],
        help="default: the former with --base-url, else the latter",
    )
    add_extra_body_option(group)


def _add_in_process(group: Any) -> None:
    group.add_argument("--batch-size", type=int, default=8, help="(default: 8)")
    group.add_argument(
        "--dtype", default="auto", choices=["auto", "bfloat16", "float16", "float32"]
    )
    group.add_argument("--revision", help="of the model on the Hub")
    group.add_argument(
        "--preparing", type=int, default=2, help="threads that decode ahead (default: 2)"
    )


def _add_limits(group: Any) -> None:
    group.add_argument(
        "--max-new-tokens", type=int, default=256, help="of a response (default: 256)"
    )
    add_spending_options(group, of="answers")
    group.add_argument(
        "--max-failures-in-a-row",
        type=int,
        default=20,
        metavar="N",
        help="stop after so many (default: 20)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask, write, and say what happened."""
    from stkit_bench.models.factory import parse
    from stkit_bench.run import run as run_all

    kind, _, text_only = parse(arguments.model)
    sees = not text_only and not arguments.no_video
    questions = _questions(arguments, sees, kind)
    workers = _workers(kind, arguments.preparing)
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
    from stkit_bench.models.endpoint_errors import Retries

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


def _workers(kind: str, preparing: int) -> Workers:
    from stkit_bench.run.preparing import Workers

    if preparing < 1:
        raise ValueError(f"--preparing must be at least 1, got {preparing}")
    if kind != "transformers" or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Workers(preparing)
    import torch
    from accelerate import PartialState

    state = PartialState(cpu=not torch.cuda.is_available())
    return Workers(preparing, state.process_index, state.num_processes, state.wait_for_everyone)


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
