"""Letters in, VLM4D's scores with intervals out. Numpy only, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stkit_bench.bootstrap import (
    FloatArray,
    check_resampling,
    cluster_sums,
    resampled_sums,
    share_interval,
)
from stkit_bench.results import Interval
from stkit_datasets.seeding import stable_choice

from .items import GROUPS, SPLITS, Fault, Item

__all__ = ["SCORES", "GroupScore", "VlmScores", "baseline_letters", "chance", "score_vlm4d"]

#: Every score and the groups it is over, in the order of the paper's Table 1.
SCORES: dict[str, tuple[str, ...]] = {
    "real_egocentric": ("real_egocentric",),
    "real_exocentric": ("real_exocentric",),
    "real": ("real_egocentric", "real_exocentric"),
    "synthetic_directional": ("synthetic_directional",),
    "synthetic_false_positive": ("synthetic_false_positive",),
    "synthetic": ("synthetic_directional", "synthetic_false_positive"),
    "overall": tuple(GROUPS),
}


@dataclass(frozen=True)
class GroupScore:
    """The score of some questions.

    Attributes:
        n: questions; those without a right option are not among them.
        n_read: responses that settle on an option.
        coverage: ``n_read / n``.
        accuracy: share of right answers; missing ones and those that settle on nothing are wrong.
        interval: of the accuracy, from resampled videos.
    """

    n: int
    n_read: int
    coverage: float
    accuracy: float
    interval: Interval | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**vars(self), "interval": None if self.interval is None else list(self.interval)}


@dataclass(frozen=True)
class VlmScores:
    """The scores of one model.

    Attributes:
        scores: by the names of :data:`SCORES`, weighted by question; only those that have one.
        synthetic_mean_of_halves: the plain mean of directional and false-positive accuracy, which
            is what the paper's table prints as its synthetic average; None without both.
        categories: by kind of motion, where the items name it.
        missing: scores that have no question, or lack a part of theirs: an ``overall`` without
            synthetic questions is not the benchmark's.
        not_scored: ids of items that have no right option.
        faults: how many of the scored items carry each known fault.
        n_unanswered: questions without any response.
        n_videos: what the intervals resample.
    """

    scores: dict[str, GroupScore]
    synthetic_mean_of_halves: float | None
    categories: dict[str, GroupScore]
    missing: tuple[str, ...]
    not_scored: tuple[str, ...]
    faults: dict[str, int]
    n_unanswered: int
    n_videos: int
    n_resamples: int
    level: float
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        plain = {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}
        for name in ("scores", "categories"):
            plain[name] = {key: score.to_dict() for key, score in getattr(self, name).items()}
        return plain


def score_vlm4d(
    items: Sequence[Item],
    letters: Sequence[str | None],
    *,
    answered: Sequence[bool] | None = None,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> VlmScores:
    """Score the letters that responses settled on.

    Args:
        items: the questions.
        letters: one per item; None where there was no response or it settled on nothing.
        answered: whether there was a response at all; by default there was one to every question.
        n_resamples: bootstrap resamples of whole videos; 0 leaves the intervals out.
        level: of the intervals, between 0 and 1.
        seed: of the bootstrap.

    Raises:
        ValueError: the lengths differ, an id repeats, a letter is not among an item's options, or
            a setting is out of range.
    """
    _check(items, letters, answered, n_resamples, level)
    kept = [n for n, item in enumerate(items) if Fault.ANSWER_NOT_AN_OPTION not in item.faults]
    scored = [items[n] for n in kept]
    given = [letters[n] for n in kept]
    right = np.array([i.is_right(x) for i, x in zip(scored, given, strict=True)], np.float64)
    read = np.array([x is not None for x in given], np.float64)
    table = _Table(scored, right, read, n_resamples, seed)
    names = sorted({item.category for item in scored if item.category is not None})
    by_group = np.array([item.group for item in scored], dtype=object)
    by_category = np.array([item.category for item in scored], dtype=object)
    found = {
        name: score
        for name, groups in SCORES.items()
        if (score := table.score(np.isin(by_group, groups), level)) is not None
    }
    categories = {name: table.score(by_category == name, level) for name in names}
    present = set(by_group.tolist())
    halves = [found.get(name) for name in SCORES["synthetic"]]
    return VlmScores(
        scores=found,
        synthetic_mean_of_halves=(
            sum(half.accuracy for half in halves if half) / 2 if all(halves) else None
        ),
        categories={name: score for name, score in categories.items() if score is not None},
        missing=tuple(name for name, groups in SCORES.items() if not present.issuperset(groups)),
        not_scored=tuple(item.id for item in items if Fault.ANSWER_NOT_AN_OPTION in item.faults),
        faults=dict(sorted(Counter(f for item in scored for f in item.faults).items())),
        n_unanswered=0 if answered is None else sum(not answered[n] for n in kept),
        n_videos=table.n_videos,
        n_resamples=n_resamples,
        level=level,
        seed=seed,
    )


def chance(items: Sequence[Item]) -> dict[str, float]:
    """Return the expected accuracy of drawing an option at random, by score."""
    found = {}
    for name, groups in SCORES.items():
        shares = [
            len(item.letters) / len(item.choices)
            for item in items
            if item.group in groups and Fault.ANSWER_NOT_AN_OPTION not in item.faults
        ]
        if shares:
            found[name] = sum(shares) / len(shares)
    return found


def baseline_letters(items: Sequence[Item], name: str, *, seed: int = 0) -> list[str]:
    """Return the letters of a baseline that sees no video.

    Args:
        items: the questions.
        name: ``random`` for a draw that depends on an item's id and the seed alone, or a letter,
            given to every question (the first option where a question lacks that letter).
        seed: of the draw.

    Raises:
        ValueError: the name is neither ``random`` nor one capital letter.
    """
    if name == "random":
        return [stable_choice(tuple(i.choices), "vlm4d", "random", seed, i.id) for i in items]
    if len(name) != 1 or not "A" <= name <= "Z":
        raise ValueError(f"`name` must be 'random' or one capital letter, got {name!r}")
    return [name if name in item.choices else next(iter(item.choices)) for item in items]


class _Table:
    """Sums over any choice of questions, resampled by video."""

    def __init__(
        self,
        items: Sequence[Item],
        right: FloatArray,
        read: FloatArray,
        n_resamples: int,
        seed: int,
    ) -> None:
        known: dict[str, int] = {}
        self._video = np.array([known.setdefault(i.video, len(known)) for i in items], np.int64)
        self._right, self._read = right, read
        self._n_resamples, self._seed = n_resamples, seed
        self.n_videos = len(known)

    def score(self, chosen: Any, level: float) -> GroupScore | None:
        """Score the chosen questions; None when there are none."""
        mask = chosen.astype(np.float64)
        n = int(mask.sum())
        if n == 0:
            return None
        columns = np.stack([mask, mask * self._right], axis=1)
        sums = cluster_sums(columns, self._video, self.n_videos)
        drawn = resampled_sums(sums, self._n_resamples, self._seed)
        with np.errstate(invalid="ignore", divide="ignore"):
            samples = drawn[:, 1] / drawn[:, 0]
        n_read = int((mask * self._read).sum())
        accuracy = float((mask * self._right).sum() / n)
        n_videos = int(np.count_nonzero(sums[:, 0]))
        return GroupScore(
            n=n,
            n_read=n_read,
            coverage=n_read / n,
            accuracy=accuracy,
            interval=share_interval(
                accuracy, samples, n_videos, level, accuracy * (1 - accuracy) / n
            ),
        )


def _check(
    items: Sequence[Item],
    letters: Sequence[str | None],
    answered: Sequence[bool] | None,
    n_resamples: int,
    level: float,
) -> None:
    for name, given in (("letters", letters), ("answered", answered)):
        if given is not None and len(given) != len(items):
            raise ValueError(
                f"items and {name} must have the same length, got {len(items)} and {len(given)}"
            )
    check_resampling(n_resamples, level)
    seen: set[str] = set()
    for item, letter in zip(items, letters, strict=True):
        if item.id in seen:
            raise ValueError(f"item {item.id!r} is there twice")
        seen.add(item.id)
        if letter is not None and letter not in item.choices:
            raise ValueError(
                f"item {item.id!r}: the letter must be one of {', '.join(item.choices)} or None, "
                f"got {letter!r}"
            )


assert tuple(dict.fromkeys(GROUPS.values())) == SPLITS
