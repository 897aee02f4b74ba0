"""What a page shows, as plain frozen data: it knows nothing of how any of it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stkit_bench.blind import Blind
    from stkit_bench.breakdowns import Breakdown
    from stkit_bench.published import PublishedTable
    from stkit_bench.results import Comparison, Scores
    from stkit_bench.selection import SelectionReport
    from stkit_datasets.units_of_work import Report

__all__ = ["VERDICTS", "Build", "Paired", "Reply", "ReportData", "Row", "Run"]

#: One question, as in a data set of STKit.
Row = Mapping[str, Any]

#: What a reply can turn out to be, by the name that filters use, in words.
VERDICTS = {
    "right": "✓ right",
    "wrong": "✗ wrong",
    "unreadable": "✗ not readable",
    "none": "✗ no response",
    "failed": "– reader failed, not scored",
}


@dataclass(frozen=True)
class Reply:
    """One response as a page shows it.

    Attributes:
        response: what was said; None where there was no response.
        read_as: what the reader took it for, in words, or why it could not be read.
        readable: whether it could be read.
        correct: whether it counts as right.
        failed: whether the reader failed on it, so that it does not count at all.
        asked: how the question was asked, as (label, value).
    """

    response: str | None
    read_as: str
    readable: bool
    correct: bool
    failed: bool = False
    asked: tuple[tuple[str, str], ...] = ()

    @property
    def verdict(self) -> str:
        """One of :data:`VERDICTS`."""
        if self.response is None:
            return "none"
        if self.failed:
            return "failed"
        if not self.readable:
            return "unreadable"
        return "right" if self.correct else "wrong"


@dataclass(frozen=True)
class Run:
    """Everything that one model or baseline said, scored.

    Attributes:
        name: what the run is called everywhere on the page.
        note: one sentence on what it is.
        scores: over all questions of the benchmark, not only those shown.
        replies: by the question's id; at least for the questions shown.
        breakdowns: the scores of groups of questions, by attribute.
    """

    name: str
    note: str
    scores: Scores
    replies: Mapping[str, Reply]
    breakdowns: tuple[Breakdown, ...] = ()


@dataclass(frozen=True)
class Paired:
    """Two runs on the same questions: how much better A is than B."""

    name_a: str
    name_b: str
    comparison: Comparison


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
        blind: what chance and baselines without video reach on the same questions.
        paired: runs compared with one another.
        max_video_bytes: of all videos together; None for the page's own limit.
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
    blind: Blind | None = None
    paired: tuple[Paired, ...] = ()
    max_video_bytes: int | None = None
