"""What scoring returns: frozen results that turn into plain dictionaries for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Difference", "Interval", "Scores", "TaskScores"]

#: Low and high end.
Interval = tuple[float, float]


@dataclass(frozen=True)
class TaskScores:
    """The scores of one task.

    Attributes:
        task: its name.
        n: questions that are scored.
        n_readable: responses that could be read.
        n_unanswered: questions without a response.
        reader_failures: questions that are not scored, as the reader failed on their responses.
        coverage: ``n_readable / n``.
        accuracy: share of right answers, unreadable and missing ones counted as wrong.
        mae: mean absolute error over the readable responses, in ``mae_unit``; None for a task that
            has none, or when nothing was readable.
        mean_iou: of direction timestamps, unreadable ones counted as 0; None for other tasks.
        unread: how often each reason for an unreadable response occurred.
    """

    task: str
    n: int
    n_readable: int
    n_unanswered: int
    reader_failures: int
    coverage: float
    coverage_interval: Interval | None
    accuracy: float
    accuracy_interval: Interval | None
    mae: float | None
    mae_interval: Interval | None
    mae_unit: str | None
    mean_iou: float | None
    mean_iou_interval: Interval | None
    unread: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {key: _plain(value) for key, value in vars(self).items()}


@dataclass(frozen=True)
class Scores:
    """The scores of a set of responses.

    Attributes:
        tasks: by name, in the papers' order, only tasks that have a question.
        average_accuracy: the mean of the seven accuracies; None when a task has no question, so
            that a mean over fewer tasks never passes for it.
        average_of_present: the mean over the tasks that are there, named by ``average_over``.
        missing_tasks: those that have no question.
        n: questions that are scored.
        reader_failures: questions that are not, as the reader failed on their responses.
        n_clusters: clips that the intervals resample.
    """

    tasks: dict[str, TaskScores]
    average_accuracy: float | None
    average_accuracy_interval: Interval | None
    average_of_present: float | None
    average_of_present_interval: Interval | None
    average_over: tuple[str, ...]
    missing_tasks: tuple[str, ...]
    n: int
    n_readable: int
    n_unanswered: int
    reader_failures: int
    n_clusters: int
    coverage: float | None
    unread: dict[str, int]
    n_resamples: int
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold, the tasks under ``tasks``."""
        plain = {key: _plain(value) for key, value in vars(self).items() if key != "tasks"}
        return {**plain, "tasks": {name: task.to_dict() for name, task in self.tasks.items()}}


@dataclass(frozen=True)
class Difference:
    """How much more accurate A is than B on the same questions (A - B, from -1 to 1)."""

    accuracy_a: float
    accuracy_b: float
    difference: float
    interval: Interval | None
    p_value: float | None
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {key: _plain(value) for key, value in vars(self).items()}


@dataclass(frozen=True)
class Comparison:
    """Two sets of responses to the same questions, paired.

    Attributes:
        tasks: the difference in accuracy by task.
        average: the difference of the averages over the tasks that have a question, which
            ``average_over`` names; None when there is none.
        reader_failures: questions left out, as the reader failed on a response of A or of B.
    """

    tasks: dict[str, Difference]
    average: Difference | None
    average_over: tuple[str, ...]
    reader_failures: int
    n_clusters: int
    n_resamples: int
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        plain = {k: _plain(v) for k, v in vars(self).items() if k not in ("tasks", "average")}
        return {
            **plain,
            "average": None if self.average is None else self.average.to_dict(),
            "tasks": {name: difference.to_dict() for name, difference in self.tasks.items()},
        }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
