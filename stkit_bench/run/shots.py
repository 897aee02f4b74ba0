"""Few-shot examples: training rows of the same task, drawn by the question's id."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.settings import RunError
from stkit_datasets.seeding import stable_index

__all__ = ["Examples"]

_DRAWS = 64


class Examples:
    """Where examples come from.

    Args:
        rows: training rows, with ``task``, ``source``, ``scene_id`` and ``answer``.
        seed: of the draw.
    """

    def __init__(self, rows: RowsFile, seed: int) -> None:
        self.rows, self._seed = rows, seed
        missing = {"task", "source", "scene_id", "answer", "prompt"} - rows.columns
        if missing:
            raise RunError(f"{rows.path}: examples need the columns {', '.join(sorted(missing))}")
        self._scenes = list(zip(rows.column("source"), rows.column("scene_id"), strict=True))
        self._n_frames = [len(times or ()) for times in rows.column("timestamps_s")]
        self._by_task: dict[str, list[int]] = {}
        for place, task in enumerate(rows.column("task")):
            self._by_task.setdefault(task, []).append(place)

    def draw(self, row: Mapping[str, Any], count: int, n_frames: int) -> list[int]:
        """Return the places of the examples of a question.

        The draw depends on the question's id and the seed alone. Every example is of another scene
        than the question and than the other examples, and of at least as many frames.

        Raises:
            RunError: there are not as many.
        """
        if row.get("scene_id") is None:
            raise RunError(f"row {row['id']}: without `scene_id` no example is known to be another")
        scenes = {(row["source"], row["scene_id"])}
        chosen: list[int] = []
        for place in self._drawn(row, self._by_task.get(row["task"], [])):
            if len(chosen) == count:
                break
            if self._scenes[place] in scenes or self._n_frames[place] < n_frames:
                continue
            scenes.add(self._scenes[place])
            chosen.append(place)
        if len(chosen) < count:
            raise RunError(
                f"row {row['id']}: {self.rows.path} holds only {len(chosen)} of {count} examples "
                f"of the task {row['task']} from other scenes with at least {n_frames} frames "
                "(--max-frames asks for fewer)"
            )
        return chosen

    def _drawn(self, row: Mapping[str, Any], places: Sequence[int]) -> Iterator[int]:
        """Yield places in an order drawn by the row: some draws, then all from the last one on."""
        start = 0
        for number in range(_DRAWS if places else 0):
            start = stable_index(len(places), "example", self._seed, row["id"], number)
            yield places[start]
        yield from (*places[start:], *places[:start])
