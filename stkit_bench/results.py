"""What scoring returns: frozen results that turn into plain dictionaries for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

__all__ = ["Comparison", "Counts", "Difference", "Interval", "Scores", "TaskScores", "counted"]

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
        n_clusters: scene windows that the intervals resample: the stretches of a scene that
            questions are about, all cameras that filmed one taken together.
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
    """How much more accurate A is than B on the same questions (A - B, from -1 to 1).

    Attributes:
        interval: see :mod:`stkit_bench.sign_flips`, as for the p-value; None when nothing was
            resampled.
        n: questions.
        n_clusters: scene windows that they are about.
    """

    accuracy_a: float
    accuracy_b: float
    difference: float
    interval: Interval | None
    p_value: float | None
    n: int
    n_clusters: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {key: _plain(value) for key, value in vars(self).items()}


@dataclass(frozen=True)
class Counts:
    """What became of one side's responses to the questions that are compared.

    Attributes:
        n_readable: could be read.
        n_unanswered: there was none; counted as wrong.
        n_unreadable: there was one that could not be read; counted as wrong.
        unread: how often each reason for that occurred.
    """

    n_readable: int
    n_unanswered: int
    n_unreadable: int
    unread: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return dict(vars(self))


@dataclass(frozen=True)
class Comparison:
    """Two sets of responses to the same questions, paired.

    Attributes:
        tasks: the difference in accuracy by task.
        average: the difference of the averages over the tasks that have a question, which
            ``average_over`` names; None when there is none.
        a: what became of A's responses.
        b: what became of B's.
        reader_failures: questions left out, as the reader failed on a response of A or of B.
        n: questions that are compared.
        n_clusters: scene windows that they are about.
        n_flips: ways of exchanging A and B that the test tried.
        exact: whether these are all there are.
    """

    tasks: dict[str, Difference]
    average: Difference | None
    average_over: tuple[str, ...]
    a: Counts
    b: Counts
    reader_failures: int
    n: int
    n_clusters: int
    n_flips: int
    exact: bool
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        parts = ("tasks", "average", "a", "b")
        return {
            **{key: _plain(value) for key, value in vars(self).items() if key not in parts},
            "a": self.a.to_dict(),
            "b": self.b.to_dict(),
            "average": None if self.average is None else self.average.to_dict(),
            "tasks": {name: difference.to_dict() for name, difference in self.tasks.items()},
        }


def counted(reasons: Iterable[str | None]) -> dict[str, int]:
    """Return how often each reason occurred, the commonest first."""
    counts = Counter(reason for reason in reasons if reason is not None)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
