"""The card of a built bench: YAML that ``datasets`` reads, and what people want to know."""

from __future__ import annotations

from collections.abc import Mapping

from stkit_bench.bench_report import BenchReport
from stkit_datasets.tasks.names import TASKS

__all__ = ["bench_card"]


def bench_card(report: BenchReport, split: str, notes: Mapping[str, str]) -> str:
    """Return the README whose YAML makes ``load_dataset(FOLDER)`` work without STKit.

    Args:
        report: what the bench holds.
        split: its split.
        notes: source -> :func:`stkit_datasets.built.rows_note` of its files.
    """
    sources = sorted(report.built)
    lines = ["---", "configs:", "- config_name: all", "  default: true"]
    lines += [f"  description: {' '.join(notes[name] for name in sources)}", "  data_files:"]
    lines += [f"  - split: {split}", "    path:"]
    lines += [f"    - {name}/{split}-*.parquet" for name in sources]
    for name in sources:
        lines += [f"- config_name: {name}", f"  description: {notes[name]}", "  data_files:"]
        lines += [f"  - split: {split}", f"    path: {name}/{split}-*.parquet"]
    lines += ["---", "", "# STKit-Bench", "", _introduction(report), "", *_table(report, sources)]
    lines += ["", *_shortfalls(report), *_ENDING]
    return "\n".join(lines) + "\n"


_ENDING = (
    "`bench.json` holds the settings, the label histograms before and after the selection, the",
    "scenes, and the fingerprints. The questions are from the official validation splits and",
    "must not be trained on. The rows come under the licences of the data they were made from.",
)


def _introduction(report: BenchReport) -> str:
    return (
        f"{report.n_questions:,} kinematic questions about video clips, built by STKit "
        f"{report.version} with seed {report.selection.seed}, balanced over the labels of their "
        "tasks."
    )


def _table(report: BenchReport, sources: list[str]) -> list[str]:
    built = {name: report.built[name].questions for name in sources}
    lines = [
        f"| task | {' | '.join(sources)} | all |",
        f"|---|{'---:|' * (len(sources) + 1)}",
    ]
    for task in map(str, TASKS):
        counts = [built[name][task] for name in sources]
        lines.append(f"| {task} | {' | '.join(map(str, counts))} | {sum(counts)} |")
    totals = [sum(built[name].values()) for name in sources]
    lines.append(f"| all | {' | '.join(map(str, totals))} | {sum(totals)} |")
    return lines


def _shortfalls(report: BenchReport) -> list[str]:
    """What the sources could not give, one line each; nothing where all was there."""
    told = [
        f"- {name}: {task.selected} of {task.requested} questions, there are no more candidates"
        for name, task in report.selection.tasks.items()
        if task.selected < task.requested
    ]
    told += [
        f"- {name}: {count.selected} questions, its share would be {count.requested}"
        for name, count in report.selection.sources.items()
        if count.requested is not None and count.selected < count.requested
    ]
    told += [
        f"- {name}: combinations of labels with fewer candidates than an even share: "
        f"{len(task.short)}"
        for name, task in report.selection.tasks.items()
        if task.short
    ]
    if report.failed:
        told.append(f"- scenes that could not be read: {len(report.failed)}")
    lost = report.selection.selected - report.n_questions
    if lost:
        told.append(f"- questions that were selected and could not be drawn: {lost}")
    return ["Short of what was wanted:", "", *told, ""] if told else []
