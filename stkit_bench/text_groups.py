"""Breakdowns, robustness and agreement of readers as tables of text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from stkit_bench.agreement import Agreement
from stkit_bench.blind import AVERAGE
from stkit_bench.breakdowns import Breakdown
from stkit_bench.results import Scores
from stkit_bench.robustness import Variant
from stkit_bench.text import columns, percent, percent_interval
from stkit_datasets.tasks.names import TASKS

__all__ = ["agreement_text", "breakdown_text", "robustness_text"]

_SHORT = dict(zip(map(str, TASKS), ("TD", "TS", "MD", "DT", "TDC", "TSC", "MDC"), strict=True))
_CHARACTERS = 160


def breakdown_text(breakdown: Breakdown) -> str:
    """Return one attribute's groups as a table: average, chance and baselines, then each task."""
    beside = list(next(iter(breakdown.groups.values())).blind)
    tasks = [task for task in map(str, TASKS) if _has(breakdown, task)]
    heads = (*("n", "scene windows", "tasks", "coverage", "average %", ""), *beside)
    rows: list[tuple[str, ...]] = [
        (breakdown.head, *heads, *(_SHORT[task] for task in tasks)),
    ]
    for name, group in breakdown.groups.items():
        scores = group.scores
        rows.append(
            (
                name,
                str(scores.n),
                str(scores.n_clusters),
                str(len(scores.average_over)),
                "-" if scores.coverage is None else f"{scores.coverage:.1%}",
                percent(scores.average_of_present),
                percent_interval(scores.average_of_present_interval),
                *(percent(group.blind[blind].get(AVERAGE)) for blind in beside),
                *(percent(_accuracy(scores, task)) for task in tasks),
            )
        )
    right = (*range(1, 6), *range(7, len(rows[0])))
    lines = columns(rows, right=right)
    different = {group.scores.average_over for group in breakdown.groups.values()}
    if len(different) > 1:
        lines.append("the averages are over different tasks, and do not compare across groups")
    return "\n".join(lines) + "\n"


def robustness_text(base: str, scores: Scores, variants: Sequence[Variant]) -> str:
    """Return the table of the same questions asked in other ways, differences from the first."""
    tasks = list(scores.tasks)
    rows: list[tuple[str, ...]] = [
        ("asked", "n", "average %", "difference", "", "p", *(_SHORT[task] for task in tasks))
    ]
    accuracies = (percent(_accuracy(scores, task)) for task in tasks)
    first = (str(scores.n), percent(scores.average_of_present), "", "", "")
    rows.append((base, *first, *accuracies))
    for variant in variants:
        found = variant.comparison
        average = found.average
        if average is None:
            continue
        changes = (found.tasks[task].difference if task in found.tasks else None for task in tasks)
        rows.append(
            (
                ": ".join(filter(None, (Path(variant.name).stem, variant.setting))),
                str(average.n),
                percent(average.accuracy_a),
                f"{100 * average.difference:+.1f}",
                percent_interval(average.interval),
                "-" if average.p_value is None else f"{average.p_value:.3f}",
                *("-" if change is None else f"{100 * change:+.1f}" for change in changes),
            )
        )
    lines = columns(rows, right=(1, 2, 3, *range(5, len(rows[0]))))
    lines.append("below the first line: differences from it on the same questions, in points")
    return "\n".join(lines) + "\n"


def agreement_text(agreement: Agreement, max_rows: int) -> str:
    """Return how far two readers agree, by task, and the rows on which they part."""
    a, b = agreement.name_a, agreement.name_b
    heads = ("n", "both read", f"only {a}", f"only {b}", "neither", "same reading", "same verdict")
    rows: list[tuple[str, ...]] = [("task", *heads, f"{a} %", f"{b} %")]
    for name, found in agreement.tasks.items():
        counts = (found.n, found.both_read, found.only_a, found.only_b, found.neither)
        rows.append(
            (
                name,
                *map(str, counts),
                str(found.same_reading),
                f"{found.same_verdict} ({percent(found.agreement)} %)",
                percent(found.accuracy_a),
                percent(found.accuracy_b),
            )
        )
    lines = columns(rows, right=range(1, len(rows[0])))
    if agreement.failures:
        lines.append(f"not compared, as a reader failed: {agreement.failures}")
    parts = agreement.partings
    lines += ["", f"they part on {len(parts)} of {agreement.n} responses"]
    for part in parts[:max_rows]:
        said = " ".join(part.response.split())
        said = said if len(said) <= _CHARACTERS else said[: _CHARACTERS - 1] + "…"
        lines += [
            f"{part.id}  {part.task}: {said}",
            f"    {a}: {part.read_a} ({_verdict(part.correct_a)})   "
            f"{b}: {part.read_b} ({_verdict(part.correct_b)})",
        ]
    if len(parts) > max_rows:
        lines.append(f"and {len(parts) - max_rows} more (--max-rows, --json, --out)")
    return "\n".join(lines) + "\n"


def _has(breakdown: Breakdown, task: str) -> bool:
    return any(task in group.scores.tasks for group in breakdown.groups.values())


def _accuracy(scores: Scores, task: str) -> float | None:
    found = scores.tasks.get(task)
    return None if found is None else found.accuracy


def _verdict(correct: bool) -> str:
    return "right" if correct else "wrong"
