"""The page's tables as rows of cells: scores, errors, published rows, builds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from stkit_bench.blind import AVERAGE, Blind
from stkit_bench.published import PublishedRow, PublishedTable
from stkit_bench.report.data import Build, Paired, Run
from stkit_bench.report.words import (
    NOTHING,
    TASK_NAMES,
    interval,
    number,
    percent,
    percent_interval,
    points,
)
from stkit_bench.results import Interval, TaskScores
from stkit_datasets.tasks.names import TASKS, Task

__all__ = [
    "Cell",
    "Group",
    "Line",
    "accuracy_groups",
    "build_sections",
    "error_groups",
    "paired_lines",
]

FIGURE_SPACE = "\u2007"

_BLIND_NOTES = {
    "chance": "a draw from the targets themselves",
    "constant": "the same answer to every question of a task",
    "random": "a seeded draw for every question",
    "class_prior": "the commonest label or the median of the training rows",
}
_ERROR_TASKS = (Task.TRAVELED_DISTANCE, Task.TRAVELING_SPEED, Task.MOVEMENT_DIRECTION)


@dataclass(frozen=True)
class Cell:
    """A number, and what stands small below it."""

    main: str
    small: str = ""


@dataclass(frozen=True)
class Line:
    """One row of a table: its heading, what stands small below it, its cells."""

    head: str
    small: str
    cells: tuple[Cell, ...]
    best: bool = False


@dataclass(frozen=True)
class Group:
    """Rows under one heading; ``published`` ones are set apart."""

    head: str
    lines: tuple[Line, ...]
    published: bool = False


def accuracy_groups(
    runs: Sequence[Run], tables: Sequence[PublishedTable], blind: Blind | None = None
) -> tuple[Group, ...]:
    """Return the mean accuracy, the seven, coverage and n, of the runs and of the papers.

    What chance and baselines without video reach stands between the two, where it is given.
    """
    own = tuple(
        Line(
            run.name,
            run.note,
            (
                Cell(
                    percent(run.scores.average_accuracy),
                    _if_there(percent_interval(run.scores.average_accuracy_interval)),
                ),
                *(_accuracy(run.scores.tasks.get(task.value)) for task in TASKS),
                Cell(percent(run.scores.coverage)),
                Cell(f"{run.scores.n:,}"),
            ),
        )
        for run in runs
    )
    between = () if blind is None else (Group("Without seeing the video", _blind(blind)),)
    return (
        Group("These runs", own),
        *between,
        *(_published(table, _accuracies) for table in tables),
    )


def paired_lines(paired: Sequence[Paired]) -> tuple[Line, ...]:
    """Return the differences of runs: of the mean, with its p-value, and of the seven tasks."""
    lines = []
    for pair in paired:
        found = pair.comparison
        tasks = [found.tasks.get(task.value) for task in TASKS]
        mean = found.average
        if mean is None:
            continue
        cells = [Cell(points(mean.difference), _points_interval(mean.interval))]
        cells.append(Cell(NOTHING if mean.p_value is None else f"{mean.p_value:.3f}"))
        cells += [
            Cell(NOTHING)
            if task is None
            else Cell(points(task.difference), _points_interval(task.interval))
            for task in tasks
        ]
        lines.append(Line(f"{pair.name_a} − {pair.name_b}", f"{mean.n:,} questions", tuple(cells)))
    return tuple(lines)


def _points_interval(ends: Interval | None) -> str:
    return "" if ends is None else f"{points(ends[0])} to {points(ends[1])}"


def _blind(blind: Blind) -> tuple[Line, ...]:
    n = Cell(f"{len(blind.task):,}")
    found = []
    for name, by in blind.accuracies().items():
        complete = all(task.value in by for task in TASKS)
        mean = Cell(_share(by[AVERAGE]) if complete else NOTHING)
        tasks = (Cell(_share(by.get(task.value))) for task in TASKS)
        found.append(
            Line(
                name.replace("_", " "), _BLIND_NOTES.get(name, ""), (mean, *tasks, Cell(NOTHING), n)
            )
        )
    return tuple(found)


def _share(value: float | None) -> str:
    return NOTHING if value is None or value != value else percent(value)


def error_groups(runs: Sequence[Run], tables: Sequence[PublishedTable]) -> tuple[Group, ...]:
    """Return the mean absolute errors and the mean IoU, of the runs and of the papers."""
    own = tuple(Line(run.name, "", _errors(run)) for run in runs)
    return (Group("These runs", own), *(_published(table, _published_errors) for table in tables))


def _accuracy(task: TaskScores | None) -> Cell:
    if task is None:
        return Cell(NOTHING)
    return Cell(percent(task.accuracy), _if_there(percent_interval(task.accuracy_interval)))


def _errors(run: Run) -> tuple[Cell, ...]:
    cells = []
    for name in _ERROR_TASKS:
        task = run.scores.tasks.get(name.value)
        if task is None:
            cells.append(Cell(NOTHING))
        else:
            cells.append(Cell(number(task.mae), _if_there(interval(task.mae_interval))))
    timestamps = run.scores.tasks.get(Task.DIRECTION_TIMESTAMP.value)
    if timestamps is None:
        return (*cells, Cell(NOTHING))
    ends = _if_there(interval(timestamps.mean_iou_interval))
    return (*cells, Cell(number(timestamps.mean_iou), ends))


def _if_there(text: str) -> str:
    return "" if text == NOTHING else text


def _published(table: PublishedTable, cells: Callable[[PublishedRow], tuple[Cell, ...]]) -> Group:
    lines = tuple(
        Line(row.model, row.group, cells(row), best=row.group.startswith("ST-VLM"))
        for row in table.rows
    )
    version = "" if table.version is None else f", {table.version}"
    return Group(f"Published: {table.table} of the paper{version}", lines, published=True)


def _accuracies(row: PublishedRow) -> tuple[Cell, ...]:
    values = (row.accuracy.get(task.value) for task in TASKS)
    shown = (Cell(NOTHING if value is None else f"{value:.1f}") for value in values)
    return (Cell(f"{row.average:.1f}"), *shown, Cell(NOTHING), Cell("1,400"))


def _published_errors(row: PublishedRow) -> tuple[Cell, ...]:
    errors = (_as_printed(row.mae.get(task.value)) for task in _ERROR_TASKS)
    return (*(Cell(error) for error in errors), Cell(number(row.mean_iou)))


def _as_printed(value: float | None) -> str:
    """Keep the paper's one decimal or two, with room for the second so that points align."""
    if value is None:
        return NOTHING
    whole, _, decimals = f"{value:,}".partition(".")
    return f"{whole}.{decimals or '0'}".ljust(len(whole) + 3, FIGURE_SPACE)


@dataclass(frozen=True)
class Section:
    """Counts of several builds under one heading."""

    head: str
    lines: tuple[tuple[str, tuple[str, ...]], ...]


def build_sections(builds: Sequence[Build]) -> tuple[Section, ...]:
    """Return what the builds read, asked, dropped and could not give, one column a build."""
    reports = [build.report for build in builds]
    read = (
        ("scenes, logs or takes", tuple(f"{report.units:,}" for report in reports)),
        ("clips (one camera each)", tuple(f"{report.clips:,}" for report in reports)),
        ("tracks, counted once a clip", tuple(f"{report.tracks:,}" for report in reports)),
        ("questions", tuple(f"{sum(report.questions.values()):,}" for report in reports)),
    )
    sections = [
        Section("Read and asked", read),
        Section(
            "Questions by task",
            tuple(
                (TASK_NAMES[task], tuple(f"{report.questions[str(task)]:,}" for report in reports))
                for task in TASKS
            ),
        ),
    ]
    for head, counters in (
        ("Tracks without a question, by the first rule they missed", [r.dropped for r in reports]),
        ("No clip, by reason", [r.skipped for r in reports]),
    ):
        reasons = sorted({reason for counter in counters for reason in counter})
        if reasons:
            lines = tuple(
                (reason.replace("_", " "), tuple(f"{counter[reason]:,}" for counter in counters))
                for reason in reasons
            )
            sections.append(Section(head, lines))
    failed = sorted({unit for report in reports for unit in report.failed})
    if failed:
        given_up = tuple(
            (unit, tuple(report.failed.get(unit, NOTHING) for report in reports)) for unit in failed
        )
        sections.append(Section("Given up with an error", given_up))
    return tuple(sections)
