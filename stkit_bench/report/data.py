"""What a page shows, as plain frozen data: it knows nothing of how any of it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stkit_bench.published import PublishedTable
    from stkit_bench.results import Scores
    from stkit_bench.selection import SelectionReport
    from stkit_datasets.units_of_work import Report

__all__ = ["Build", "Reply", "ReportData", "Row", "Run"]

#: One question, as in a data set of STKit.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """One response as a page shows it.

    Attributes:
        response: what was said; None where there was no response.
        read_as: what the reader took it for, in words, or why it could not be read.
        readable: whether it could be read.
        correct: whether it counts as right.
    """

    response: str | None
    read_as: str
    readable: bool
    correct: bool


@dataclass(frozen=True)
class Run:
    """Everything that one model or baseline said, scored.

    Attributes:
        name: what the run is called everywhere on the page.
        note: one sentence on what it is.
        scores: over all questions of the benchmark, not only those shown.
        replies: by the question's id; at least for the questions shown.
    """

    name: str
    note: str
    scores: Scores
    replies: Mapping[str, Reply]


@dataclass(frozen=True)
class Build:
    """The report of one build, under the name that the page gives it."""

    name: str
    report: Report


@dataclass(frozen=True)
class ReportData:
    """One page.

    Attributes:
        title: the heading.
        facts: what was run, as (label, value), in the order shown.
        runs: in the order of the table.
        questions: the rows shown in full, with their videos where they have one.
        notice: a warning that stands above everything, for example that this is simulation.
        selection: histograms before and after balancing.
        builds: what was read, dropped and asked.
        published: tables of papers to stand beside the runs.
        same_questions: whether the runs answered the very questions of the published tables.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    runs: tuple[Run, ...]
    questions: tuple[Row, ...]
    notice: str | None = None
    selection: SelectionReport | None = None
    builds: tuple[Build, ...] = ()
    published: tuple[PublishedTable, ...] = field(default=())
    same_questions: bool = False
