"""Which questions a page shows: every task, and as many different clips as there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from stkit_bench.report.data import Row
from stkit_datasets.seeding import stable_digest
from stkit_datasets.tasks.names import TASKS

__all__ = ["choose_questions"]

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


def _kinds(row: Row) -> list[tuple[str, object]]:
    return [(name, row.get(name)) for name in ("clip_id", *_VARIETY)]


def _seen(row: Row, shown: Counter[tuple[str, object]]) -> tuple[int, int]:
    clip, *others = _kinds(row)
    return shown[clip], sum(shown[kind] for kind in others)
