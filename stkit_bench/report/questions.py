"""Which questions a page shows: every task, and as many different clips as there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from stkit_bench.report.data import Row
from stkit_datasets.seeding import stable_digest
from stkit_datasets.tasks.names import TASKS

__all__ = ["choose_questions", "choose_telling"]

#: How much of a page shows what went wrong; the rest is chosen from what went right.
_TELLING_SHARE = 0.75
_VARIETY = ("domain", "camera_motion", "polarity", "object_count")


def choose_questions(rows: Sequence[Row], count: int = 12, seed: int = 0) -> tuple[str, ...]:
    """Choose ``count`` rows to show, tasks taking turns, and return their ids by task.

    Within a task the row comes first whose clip, and then whose scenario, was shown least so far;
    a seeded hash of the id decides between equals, so the order of the rows does not matter.

    Args:
        rows: each with ``id`` and ``task``, and where known ``clip_id``, ``domain``,
            ``camera_motion``, ``polarity`` and ``object_count``. Videos are not needed.
        count: how many; all rows when there are fewer.
        seed: another seed chooses others.
    """
    left = {str(task): [row for row in rows if row["task"] == task] for task in TASKS}
    digests = {str(row["id"]): stable_digest("shown", seed, str(row["id"])) for row in rows}
    shown: Counter[tuple[str, object]] = Counter()
    chosen: list[Row] = []
    while len(chosen) < count and any(left.values()):
        for candidates in left.values():
            if not candidates or len(chosen) == count:
                continue
            best = min(candidates, key=lambda row: (*_seen(row, shown), digests[str(row["id"])]))
            candidates.remove(best)
            chosen.append(best)
            shown.update(_kinds(best))
    order = {str(task): place for place, task in enumerate(TASKS)}
    chosen.sort(key=lambda row: order[row["task"]])
    return tuple(str(row["id"]) for row in chosen)


def choose_telling(
    rows: Sequence[Row], telling: Collection[str], count: int = 40, seed: int = 0
) -> tuple[str, ...]:
    """Choose rows to show, most of them among ``telling``, and return their ids by task.

    Args:
        rows: as for :func:`choose_questions`.
        telling: ids of questions that some run did not get right.
        count: how many; where one kind has too few the other fills up.
        seed: another seed chooses others.
    """
    wrong = [row for row in rows if str(row["id"]) in telling]
    right = [row for row in rows if str(row["id"]) not in telling]
    share = max(round(_TELLING_SHARE * count), count - len(right))
    first = choose_questions(wrong, min(share, count), seed)
    second = choose_questions(right, count - len(first), seed)
    order = {str(task): place for place, task in enumerate(TASKS)}
    task_of = {str(row["id"]): order[row["task"]] for row in rows}
    return tuple(sorted((*first, *second), key=lambda name: task_of[name]))


def _kinds(row: Row) -> list[tuple[str, object]]:
    return [(name, row.get(name)) for name in ("clip_id", *_VARIETY)]


def _seen(row: Row, shown: Counter[tuple[str, object]]) -> tuple[int, int]:
    clip, *others = _kinds(row)
    return shown[clip], sum(shown[kind] for kind in others)
