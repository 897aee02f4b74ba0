"""Scores of ``stkit-bench score --out`` for a card: as metadata of the Hub and as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from huggingface_hub import EvalResult

from stkit_bench.text import percent

_UNNAMED = "questions of STKit"
_AVERAGE = "average"
_NEEDED = ("tasks", "n", "n_clusters", "level", "coverage", "average_of_present", "average_over",
           "reader_failures", "reader", "blind", "stkit_version")  # fmt: skip
_TASK_NEEDED = ("n", "accuracy", "accuracy_interval", "coverage", "mae", "mae_interval", "mae_unit",
                "mean_iou", "mean_iou_interval")  # fmt: skip


class ScoresError(ValueError):
    """A file is not the scores of a model; the message names it and what is wrong."""


@dataclass(frozen=True)
class Scored:
    """The scores of one set of questions.

    Attributes:
        name: of the questions, as the user calls them.
        file: the file's name.
        scores: its content.
    """

    name: str
    file: str
    scores: Mapping[str, Any]


def read_scores(given: str) -> Scored:
    """Read ``FILE`` or ``NAME=FILE``.

    Raises:
        ScoresError: the file is not what ``stkit-bench score --out`` writes, or is not whole.
    """
    name, _, place = ("", "", given) if Path(given).is_file() else given.rpartition("=")
    path = Path(place)
    try:
        scores = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ScoresError(f"{path}: cannot be read as scores: {error}") from error
    missing = [key for key in _NEEDED if not isinstance(scores, dict) or key not in scores]
    if missing or not scores["tasks"]:
        raise ScoresError(
            f"{path}: not what `stkit-bench score --out` writes: no {', '.join(missing) or 'tasks'}"
        )
    for task, found in scores["tasks"].items():
        lost = [key for key in _TASK_NEEDED if key not in found]
        if lost:
            raise ScoresError(f"{path}: task {task!r}: no {', '.join(lost)}")
        if found["accuracy_interval"] is None:
            raise ScoresError(f"{path}: task {task!r} has no interval; score with resamples")
    if scores["reader_failures"]:
        raise ScoresError(
            f"{path}: not a whole score, the reader failed on {scores['reader_failures']} answers"
        )
    return Scored(name or _UNNAMED, path.name, scores)


def check_model(scored: Scored, names: Collection[str]) -> None:
    """Check that the answers were given by a model, where the scores say whose they are.

    Scores of older versions, and of answers that name no model, say nothing.

    Args:
        scored: the scores.
        names: of the model; a path counts by its last part, too.

    Raises:
        ScoresError: the answers are another model's; names both.
    """
    answers = scored.scores.get("answers")
    models = answers.get("models", []) if isinstance(answers, Mapping) else []
    others = [name for name in models if not {name, PurePath(name).name} & set(names)]
    if others:
        raise ScoresError(
            f"{scored.file}: the answers are of {', '.join(map(repr, others))}, not of the model "
            f"that is published ({', '.join(sorted(names))}); where an endpoint served it under "
            "another name, give that name with --answered_as"
        )


def eval_results(all_scores: Sequence[Scored]) -> list[EvalResult]:
    """Return the scores as the Hub's model index takes them, accuracies from 0 to 1."""
    found = []
    for scored in all_scores:
        scores = scored.scores
        for task, one in scores["tasks"].items():
            found += _of_task(scored, task, one)
        n_tasks = len(scores["average_over"])
        args = {"tasks": n_tasks, "n": scores["n"], "level": scores["level"]}
        edges = scores.get("average_of_present_interval")
        found.append(
            _result(
                scored,
                _AVERAGE,
                "accuracy",
                f"mean accuracy of {n_tasks} tasks",
                scores["average_of_present"],
                edges,
                args,
            )
        )
    return found


def _of_task(scored: Scored, task: str, one: Mapping[str, Any]) -> list[EvalResult]:
    args = {"n": one["n"], "level": scored.scores["level"], "coverage": round(one["coverage"], 4)}
    chance = scored.scores["blind"].get("chance", {}).get(task)
    if chance is not None:
        args["chance"] = round(chance, 4)
    found = [_result(scored, task, "accuracy", "accuracy", one["accuracy"],
                     one["accuracy_interval"], args)]  # fmt: skip
    if one["mae"] is not None:
        name = f"mean absolute error, {one['mae_unit']}"
        found.append(_result(scored, task, "mae", name, one["mae"], one["mae_interval"], args))
    if one["mean_iou"] is not None:
        found.append(_result(scored, task, "mean_iou", "mean IoU", one["mean_iou"],
                             one["mean_iou_interval"], args))  # fmt: skip
    return found


def _result(
    scored: Scored, config: str, kind: str, name: str, value: float, edges: Any,
    args: Mapping[str, Any],
) -> EvalResult:  # fmt: skip
    told = dict(args)
    if edges is not None:
        low, high = (round(float(edge), 4) for edge in edges)
        told["interval"] = [low, high]
        name += f" ({100 * told['level']:g} % interval {low:g} to {high:g})"
    return EvalResult(
        task_type="video-text-to-text",
        task_name="kinematic questions about video",
        dataset_type=re.sub(r"[^a-z0-9]+", "-", scored.name.lower()).strip("-"),
        dataset_name=scored.name,
        dataset_config=config,
        metric_type=kind,
        metric_name=name,
        metric_value=round(float(value), 4),
        metric_args=told,
    )


# --- the table --------------------------------------------------------------------------------


def scores_text(all_scores: Sequence[Scored]) -> str:
    """Return the scores in Markdown."""
    if not all_scores:
        return "None was measured when this was published."
    return "\n\n".join(_text(scored) for scored in all_scores)


def _text(scored: Scored) -> str:
    scores = scored.scores
    level = f"{100 * scores['level']:g} %"
    reader = scores["reader"]
    read = f"{reader['name']} {reader.get('version') or reader.get('model', '')}".strip()
    blind = scores["blind"]
    named = [name for name in blind if blind[name]]
    head = ["task", "n", f"accuracy, % ({level} interval)", "coverage, %",
            f"error ({level} interval)", *(f"{name}, %" for name in named)]  # fmt: skip
    rows = [
        [f"`{task}`", f"{one['n']:,}",
         _share(one["accuracy"], one["accuracy_interval"]), f"{100 * one['coverage']:.1f}",
         _error(one), *(percent(blind[name].get(task)) for name in named)]
        for task, one in scores["tasks"].items()
    ]  # fmt: skip
    rows.append(
        [f"mean of {len(scores['average_over'])} tasks", f"{scores['n']:,}",
         _share(scores["average_of_present"], scores.get("average_of_present_interval")),
         f"{100 * scores['coverage']:.1f}", "",
         *(percent(blind[name].get(_AVERAGE)) for name in named)]
    )  # fmt: skip
    lines = "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
    return (
        f"### {scored.name[:1].upper()}{scored.name[1:]}\n\n{lines}\n\n"
        f"{scores['n']:,} questions in {scores['n_clusters']:,} groups that share a scene; the "
        "intervals draw whole groups. Accuracy counts an answer that could not be read as wrong; "
        f"coverage is the share that could. The last {len(named)} columns see no video. Read by "
        f"{read}, STKit {scores['stkit_version']}.{_of_files(scores)}"
    )


def _of_files(scores: Mapping[str, Any]) -> str:
    if not {"answers", "questions"} <= scores.keys():
        return ""  # of a version that did not write them down
    answers, questions = scores["answers"], scores["questions"]
    return (
        f" Questions with the digest `{questions['digest']}`, answers with the SHA-256 "
        f"`{answers['sha256'][:16]}…`."
    )


def _share(value: float | None, edges: Any) -> str:
    if value is None:
        return "-"
    return percent(value) + (f" ({percent(edges[0])} to {percent(edges[1])})" if edges else "")


def _error(one: Mapping[str, Any]) -> str:
    name, unit = "MAE", f" {one['mae_unit']}"
    value, edges = one["mae"], one["mae_interval"]
    if value is None:
        name, unit, value, edges = "mean IoU", "", one["mean_iou"], one["mean_iou_interval"]
    if value is None:
        return ""
    span = f" ({edges[0]:.2f} to {edges[1]:.2f})" if edges else ""
    return f"{name} {value:.2f}{unit}{span}"
