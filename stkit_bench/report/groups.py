"""The breakdowns of all runs as tables of the page, one an attribute, with small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from stkit_bench.blind import AVERAGE
from stkit_bench.breakdowns import Breakdown, BrokenDown
from stkit_bench.report.charts import Dot, accuracy_svg
from stkit_bench.report.data import Run
from stkit_bench.report.tables import Cell, Line
from stkit_bench.report.words import NOTHING, percent, percent_interval

__all__ = ["GroupTable", "group_tables"]

#: More groups than this are told in the table alone.
_MOST_DRAWN = 8


@dataclass(frozen=True)
class GroupPicture:
    """One run's accuracies over the groups."""

    head: str
    svg: Markup


@dataclass(frozen=True)
class GroupTable:
    """One attribute.

    Attributes:
        head: its name.
        names: of the groups.
        heads: of the columns after n: the baselines, then the runs.
        lines: one a group.
        pictures: one a run.
    """

    head: str
    names: tuple[str, ...]
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    pictures: tuple[GroupPicture, ...]


def group_tables(runs: Sequence[Run]) -> list[GroupTable]:
    """Return one table an attribute that tells at least two groups apart.

    All runs are on the same questions, so the groups, their n and their chance are the first's;
    the frame rate and the words may differ from run to run and have a run's own groups.
    """
    heads = dict.fromkeys(one.name for run in runs for one in run.breakdowns)
    tables = []
    for name in heads:
        found = [
            (look, run, one)
            for look, run in enumerate(runs)
            for one in run.breakdowns
            if one.name == name
        ]
        names = dict.fromkeys(group for *_, one in found for group in one.groups)
        if len(names) > 1:
            tables.append(_table(found, tuple(names)))
    return tables


def _table(found: Sequence[tuple[int, Run, Breakdown]], names: tuple[str, ...]) -> GroupTable:
    beside = list(next(iter(found[0][2].groups.values())).blind)
    lines = []
    for name in names:
        groups = [one.groups.get(name) for *_, one in found]
        first = next(group for group in groups if group is not None)
        windows = _many(first.scores.n_clusters, "scene window")
        told = f"{windows}, {_many(len(first.scores.average_over), 'task')}"
        blind = (Cell(_share(first.blind[other].get(AVERAGE))) for other in beside)
        cells = (Cell(f"{first.scores.n:,}"), *blind, *map(_cell, groups))
        lines.append(Line(name, told, cells))
    pictures: tuple[GroupPicture, ...] = ()
    if len(names) <= _MOST_DRAWN:
        pictures = tuple(_picture(look, run, one) for look, run, one in found)
    heads = (*beside, *(run.name for _, run, _ in found))
    return GroupTable(found[0][2].head, names, heads, tuple(lines), pictures)


def _many(n: int, thing: str) -> str:
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def _cell(group: BrokenDown | None) -> Cell:
    if group is None or group.scores.average_of_present is None:
        return Cell(NOTHING)
    ends = group.scores.average_of_present_interval
    return Cell(
        percent(group.scores.average_of_present), "" if ends is None else percent_interval(ends)
    )


def _picture(look: int, run: Run, found: Breakdown) -> GroupPicture:
    dots = [
        Dot(name, group.scores.average_of_present, group.scores.average_of_present_interval)
        for name, group in found.groups.items()
    ]
    svg = accuracy_svg(f"{run.name}, {found.head}", dots, look=look)
    # The charts escape their own texts; they are tested for that.
    return GroupPicture(run.name, Markup(svg))


def _share(value: float | None) -> str:
    return NOTHING if value is None or value != value else percent(value)
