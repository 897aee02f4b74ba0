"""``stkit-bench vlm4d``: score answers to VLM4D, regrade published ones, write its prompts."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stkit_bench.commands.loading import add_bootstrap_options

if TYPE_CHECKING:
    from stkit_bench.vlm4d.items import Item
    from stkit_bench.vlm4d.scores import VlmScores

__all__ = ["add_parser"]

_SCORE = """
Read one model's answers and score them. A FILE is JSONL with "id" (real/validation_1) and
"response" on each line, or a published file of judged responses (.json, .json.gz), whose verdicts
are not looked at. Several files are one model's.
"""
_AGREE = """
Grade published files of judged responses anew and compare with the judge's verdicts, row by row.
"""
_PROMPTS = "Write one line a question: id, prompt and the video's path below the data folder."


def add_parser(subparsers: Any) -> None:
    """Add the command to the parser of ``stkit-bench``."""
    parser = subparsers.add_parser(
        "vlm4d",
        help="score, regrade and prompt the VLM4D benchmark",
        description="VLM4D: four-way multiple choice about motion in real and synthetic videos.",
    )
    own = parser.add_subparsers(metavar="WHAT", required=True)
    score = own.add_parser("score", help="score one model's answers", description=_SCORE)
    _add_data(score)
    _add_answers(score)
    score.add_argument("--out", type=Path, metavar="FILE", help="write the scores as JSON here")
    score.add_argument(
        "--published", action="store_true", help="print the paper's rows beside the scores"
    )
    add_bootstrap_options(score)
    score.set_defaults(run=_run_score)
    agree = own.add_parser("agree", help="compare with the published judge", description=_AGREE)
    _add_answers(agree)
    agree.set_defaults(run=_run_agree)
    prompts = own.add_parser("prompts", help="write the prompts", description=_PROMPTS)
    _add_data(prompts)
    prompts.add_argument(
        "--form",
        choices=("direct", "cot"),
        default="direct",
        help="the letter alone, or reasoning first (default: direct)",
    )
    prompts.add_argument("--out", type=Path, metavar="FILE", required=True, help="JSONL to write")
    prompts.set_defaults(run=_run_prompts)


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        required=True,
        help="folder with real_mc.json and synthetic_mc.json, or one of these files",
    )


def _add_answers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--answers", type=Path, metavar="FILE", nargs="+", required=True, help="files of answers"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _run_score(arguments: argparse.Namespace) -> int:
    from stkit_bench.files import write_text
    from stkit_bench.vlm4d import READER_VERSION
    from stkit_bench.vlm4d.items import load
    from stkit_bench.vlm4d.text import published_text, scores_text

    items = load(arguments.data)
    scores, baselines = _scores(items, arguments)
    result = {
        **scores.to_dict(),
        "baselines": baselines,
        "reader": {"name": "vlm4d options", "version": READER_VERSION},
    }
    text = json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if arguments.out is not None:
        write_text(arguments.out, text)
    if arguments.json:
        sys.stdout.write(text)
        return 0
    sys.stdout.write(scores_text(scores, f"vlm4d options {READER_VERSION}", baselines))
    if arguments.published:
        name = arguments.answers[0].name.partition(".json")[0]
        sys.stdout.write("\n" + published_text(scores, name))
    return 0


def _scores(
    items: list[Item], arguments: argparse.Namespace
) -> tuple[VlmScores, dict[str, dict[str, float]]]:
    from stkit_bench.vlm4d import read_choice
    from stkit_bench.vlm4d.answers import answers_to
    from stkit_bench.vlm4d.scores import baseline_letters, chance, score_vlm4d

    responses = answers_to(items, arguments.answers)
    letters = [read_choice(text, i.choices) for text, i in zip(responses, items, strict=True)]
    scores = score_vlm4d(
        items,
        letters,
        answered=[text is not None for text in responses],
        n_resamples=arguments.n_resamples,
        level=arguments.level,
        seed=arguments.seed,
    )
    always = score_vlm4d(items, baseline_letters(items, "A"), n_resamples=0)
    baselines = {
        "chance": chance(items),
        "always A": {name: score.accuracy for name, score in always.scores.items()},
    }
    return scores, baselines


def _run_agree(arguments: argparse.Namespace) -> int:
    from stkit_bench.vlm4d.agreement import agreement, together
    from stkit_bench.vlm4d.text import agreement_text

    parts = [agreement(path) for path in arguments.answers]
    whole = together(parts, "all")
    if arguments.json:
        result = [part.to_dict() for part in [*parts, whole]]
        sys.stdout.write(json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write(agreement_text(parts, whole))
    return 0


def _run_prompts(arguments: argparse.Namespace) -> int:
    from stkit_bench.files import write_text
    from stkit_bench.vlm4d.items import load
    from stkit_bench.vlm4d.prompt_forms import prompts

    lines = [
        json.dumps(
            {"id": item.id, "prompt": prompts(item, arguments.form), "video": item.video},
            ensure_ascii=False,
        )
        for item in load(arguments.data)
    ]
    write_text(arguments.out, "".join(f"{line}\n" for line in lines))
    sys.stdout.write(f"{len(lines)} prompts written to {arguments.out}\n")
    return 0
