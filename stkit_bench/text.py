"""Scores as tables of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stkit_bench import published
from stkit_bench.blind import AVERAGE, Blind
from stkit_bench.results import Comparison, Counts, Difference, Interval, Scores, TaskScores
from stkit_datasets.tasks.names import TASKS

__all__ = [
    *("columns", "comparison_text", "percent", "percent_interval", "published_text"),
    "scores_text",
]

#: The papers' abbreviations, in the order of the tasks.
_SHORT = ("TD", "TS", "MD", "DT", "TDC", "TSC", "MDC")


def scores_text(scores: Scores, reader: str, blind: Blind | None = None) -> str:
    """Return the scores as a table, with what was not read or not answered below it.

    Args:
        scores: of some questions.
        reader: who read the responses.
        blind: of the same questions; its accuracies stand in columns of their own.
    """
    beside = {} if blind is None else blind.accuracies()
    lines = [
        f"{scores.n} questions on {scores.n_clusters} scene windows, reader: {reader}, "
        f"{scores.level:.0%} intervals from {scores.n_resamples} resamples of scene windows",
        "",
    ]
    rows: list[tuple[str, ...]] = [("task", "n", "coverage", "accuracy %", "", *beside, "error")]
    rows += [_task_row(task, beside) for task in scores.tasks.values()]
    average = scores.average_of_present
    if average is not None:
        complete = scores.average_accuracy is not None
        name = "average" if complete else f"average of {len(scores.average_over)} tasks only"
        interval = percent_interval(scores.average_of_present_interval)
        blinds = (percent(by[AVERAGE]) for by in beside.values())
        figures = (str(scores.n), _share(scores.coverage), percent(average), interval)
        rows.append((name, *figures, *blinds, ""))
    lines += columns(rows, right=(1, 2, 3, *range(5, 5 + len(beside))))
    if beside:
        lines += ["", f"{', '.join(beside)}: accuracy in percent without seeing a video"]
    if scores.reader_failures:
        lines += ["", f"the reader failed on: {scores.reader_failures} (not scored)"]
    if scores.missing_tasks:
        lines += ["", f"no question of: {', '.join(scores.missing_tasks)}"]
    if scores.n_unanswered:
        lines += ["", f"not answered: {scores.n_unanswered} (counted as wrong)"]
    if scores.unread:
        told = ", ".join(f"{reason} {count}" for reason, count in scores.unread.items())
        unread = sum(scores.unread.values())
        lines += ["", f"answered but not readable: {unread} (counted as wrong): {told}"]
    return "\n".join(lines) + "\n"


def published_text(scores: Scores, name: str) -> str:
    """Return the papers' accuracies with these scores on top, in percent."""
    own = [
        f"{100 * scores.tasks[task].accuracy:.1f}" if task in scores.tasks else "-"
        for task in TASKS
    ]
    average = scores.average_accuracy
    own.append("-" if average is None else f"{100 * average:.1f}")
    lines = ["Accuracy in percent beside published rows. Theirs are on the papers' own questions."]
    for table_name in ("stkit_bench_v1", "stkit_bench_v2"):
        table = published.table(table_name)
        rows = [("", *_SHORT, "average"), (name, *own)]
        rows += [
            (row.model, *(f"{row.accuracy[task]:.1f}" for task in TASKS), f"{row.average:.1f}")
            for row in table.rows
        ]
        lines += ["", f"{table.source} (answers read by {table.reader})"]
        lines += columns(rows, right=range(1, 9))
    return "\n".join(lines) + "\n"


def comparison_text(
    comparison: Comparison, name_a: str, name_b: str, blind: Blind | None = None
) -> str:
    """Return the paired differences as a table, beside what sees no video where that is given."""
    beside = {} if blind is None else blind.accuracies()
    rows: list[tuple[str, ...]] = [("task", "n", name_a, name_b, "difference", "", "p", *beside)]
    named = dict(comparison.tasks)
    if comparison.average is not None:
        named[f"average of {len(comparison.average_over)} tasks"] = comparison.average
    rows += [
        (
            *_difference_row(name, difference),
            *(percent(by.get(name, by[AVERAGE])) for by in beside.values()),
        )
        for name, difference in named.items()
    ]
    kind = "possible" if comparison.exact else "random"
    lines = [
        f"{comparison.n} questions on {comparison.n_clusters} scene windows, accuracy in percent, "
        f"{comparison.level:.0%} intervals and p-values of the difference from "
        f"{comparison.n_flips:,} {kind} exchanges of the two in whole windows",
        "",
        *columns(rows, right=(1, 2, 3, 4, *range(7, 7 + len(beside)))),
    ]
    if comparison.exact and 1 / comparison.n_flips > 1 - comparison.level:
        lines += ["", "these are too few scene windows to show any difference at this level"]
    if comparison.reader_failures:
        lines += ["", f"the reader failed on: {comparison.reader_failures} (left out for both)"]
    sides = ((name_a, comparison.a), (name_b, comparison.b))
    lines += [line for name, counts in sides for line in _unread_lines(name, counts)]
    return "\n".join(lines) + "\n"


def _unread_lines(name: str, counts: Counts) -> list[str]:
    """Say how many of one side's responses count as wrong without having been wrong."""
    if not counts.n_unanswered and not counts.n_unreadable:
        return []
    return [
        f"{name}: {counts.n_unanswered} not answered, {counts.n_unreadable} answered but not "
        "readable (counted as wrong)"
    ]


def _difference_row(name: str, difference: Difference) -> tuple[str, ...]:
    return (
        name,
        str(difference.n),
        f"{100 * difference.accuracy_a:.1f}",
        f"{100 * difference.accuracy_b:.1f}",
        f"{100 * difference.difference:+.1f}",
        percent_interval(difference.interval),
        "" if difference.p_value is None else f"{difference.p_value:.3f}",
    )


def _task_row(task: TaskScores, beside: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    error = ""
    if task.mae is not None:
        error = f"MAE {task.mae:.2f} {task.mae_unit}{_interval(task.mae_interval)}"
    elif task.mean_iou is not None:
        error = f"mean IoU {task.mean_iou:.2f}{_interval(task.mean_iou_interval)}"
    return (
        task.task,
        str(task.n),
        _share(task.coverage),
        f"{100 * task.accuracy:.1f}",
        percent_interval(task.accuracy_interval),
        *(percent(by.get(task.task)) for by in beside.values()),
        error,
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"


def percent(value: float | None) -> str:
    """Write a share in percent without the sign; ``-`` for None and NaN."""
    return "-" if value is None or value != value else f"{100 * value:.1f}"


def percent_interval(interval: Interval | None) -> str:
    """Write an interval of shares in percent, in brackets."""
    return "" if interval is None else f"[{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _interval(interval: Interval | None) -> str:
    return "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"


def columns(rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    """Return lines in which the cells stand below one another, those of ``right`` to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
