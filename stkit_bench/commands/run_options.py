"""The options of ``stkit-bench run``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from stkit_bench.endpoint_options import (
    add_connection_options,
    add_extra_body_option,
    add_spending_options,
)

__all__ = ["add_options"]


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add all options."""
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
    _add_preparing(parser.add_argument_group("frames decoded and drawn ahead of the model"))
    _add_limits(parser.add_argument_group("limits"))


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


def _add_preparing(group: Any) -> None:
    group.add_argument(
        "--preparing", type=int, default=2, metavar="N", help="so many at once (default: 2)"
    )
    group.add_argument(
        "--prepare-in",
        default="auto",
        choices=["auto", "processes", "threads"],
        help="default: processes for transformers: on Linux, which decode without slowing the "
        "model; threads for all others",
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
