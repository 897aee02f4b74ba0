"""What a selection did: histograms before and after, and what could not be filled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Count", "SelectionReport", "ShortCell", "TaskReport"]


@dataclass(frozen=True)
class Count:
    """How many candidates there were, and how many were selected."""

    available: int
    selected: int
    requested: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        plain = {"available": self.available, "selected": self.selected}
        return plain if self.requested is None else {**plain, "requested": self.requested}

    def plus(self, other: Count) -> Count:
        """Return the sums; ``requested`` is that of those which have it."""
        asked = [c.requested for c in (self, other) if c.requested is not None]
        return Count(
            self.available + other.available,
            self.selected + other.selected,
            sum(asked) if asked else None,
        )

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Count:
        """Read what ``to_dict`` returned."""
        return cls(**plain)


@dataclass(frozen=True)
class ShortCell:
    """A cell with fewer candidates than its even share of the task."""

    cell: dict[str, str]
    available: int
    even_share: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class TaskReport:
    """One task's selection.

    Attributes:
        task: its name.
        requested: questions wanted.
        available: candidates, less those that are excluded or unlabelled.
        selected: questions taken.
        unlabelled: candidates that lack a label to balance by; they are never taken.
        labels: for each kind of label, how often each label was there and was taken.
        short: the cells (combinations of labels) whose shortage the others topped up.
        not_balanced: kinds of label that no candidate of the task carries.
        sources: by source; ``requested`` only where shares were given.
    """

    task: str
    requested: int
    available: int
    selected: int
    unlabelled: int
    labels: dict[str, dict[str, Count]]
    short: tuple[ShortCell, ...]
    not_balanced: tuple[str, ...]
    sources: dict[str, Count]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            **vars(self),
            "labels": {
                kind: {label: count.to_dict() for label, count in counts.items()}
                for kind, counts in self.labels.items()
            },
            "short": [cell.to_dict() for cell in self.short],
            "not_balanced": list(self.not_balanced),
            "sources": {name: count.to_dict() for name, count in self.sources.items()},
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> TaskReport:
        """Read what ``to_dict`` returned."""
        counts = {
            kind: {label: Count.from_dict(count) for label, count in labels.items()}
            for kind, labels in {**plain["labels"], "": plain["sources"]}.items()
        }
        sources = counts.pop("")
        return cls(
            **{
                **plain,
                "labels": counts,
                "sources": sources,
                "short": tuple(ShortCell(**cell) for cell in plain["short"]),
                "not_balanced": tuple(plain["not_balanced"]),
            }
        )


@dataclass(frozen=True)
class SelectionReport:
    """The whole selection, task by task.

    Attributes:
        excluded: candidates of sources that the given shares do not name, by source.
    """

    seed: int
    per_task: int
    candidates: int
    selected: int
    excluded: dict[str, int]
    tasks: dict[str, TaskReport]

    @property
    def complete(self) -> bool:
        """Whether every task has as many questions as were wanted."""
        return all(task.selected == task.requested for task in self.tasks.values())

    @property
    def sources(self) -> dict[str, Count]:
        """All tasks together, by source; ``requested`` only where shares were given."""
        totals: dict[str, Count] = {}
        for task in self.tasks.values():
            for name, count in task.sources.items():
                totals[name] = totals.get(name, Count(0, 0)).plus(count)
        return dict(sorted(totals.items()))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            **vars(self),
            "tasks": {name: task.to_dict() for name, task in self.tasks.items()},
            "sources": {name: count.to_dict() for name, count in self.sources.items()},
        }

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> SelectionReport:
        """Read what ``to_dict`` returned."""
        tasks = {name: TaskReport.from_dict(task) for name, task in plain["tasks"].items()}
        return cls(**{**{k: v for k, v in plain.items() if k != "sources"}, "tasks": tasks})

    def to_text(self) -> str:
        """Return the report as lines of text."""
        lines = [
            f"{self.selected} of {self.candidates} candidates selected, "
            f"{self.per_task} wanted per task, seed {self.seed}"
        ]
        lines += [
            f"  source {name}: {count} candidates left out, no share was given for it"
            for name, count in self.excluded.items()
        ]
        lines += [_source_line(name, count) for name, count in self.sources.items()]
        for task in self.tasks.values():
            lines += ["", *_task_lines(task)]
        return "\n".join(lines)


def _source_line(name: str, count: Count) -> str:
    line = f"  source {name}: {count.selected} of {count.available} candidates"
    if count.requested is None:
        return line
    off = count.selected - count.requested
    told = "" if not off else f", SHORT by {-off}" if off < 0 else f", {off} more stand in"
    return f"{line}, {count.requested} wanted{told}"


def _task_lines(task: TaskReport) -> list[str]:
    lines = [f"{task.task}: {task.selected} of {task.requested} (candidates: {task.available})"]
    if not task.available and not task.unlabelled:
        return [*lines, f"  SHORT by {task.requested}: there are no candidates"]
    if task.selected < task.requested:
        lines.append(f"  SHORT by {task.requested - task.selected}: all candidates are taken")
    if task.unlabelled:
        lines.append(f"  {task.unlabelled} candidates have no label to balance by")
    if task.not_balanced:
        lines.append(f"  not balanced by {', '.join(task.not_balanced)}: no candidate tells it")
    for kind, counts in task.labels.items():
        told = ", ".join(f"{label} {c.available}→{c.selected}" for label, c in counts.items())
        lines.append(f"  {kind}: {told}")
    if task.sources:
        told = ", ".join(
            f"{name} {c.available}→{c.selected}"
            + ("" if c.requested is None else f" (wanted {c.requested})")
            for name, c in task.sources.items()
        )
        lines.append(f"  source: {told}")
    for cell in task.short:
        name = ", ".join(f"{kind} {label}" for kind, label in cell.cell.items())
        lines.append(
            f"  short cell: {name}: {cell.available} candidates, "
            f"an even share is {cell.even_share:.1f}"
        )
    return lines
