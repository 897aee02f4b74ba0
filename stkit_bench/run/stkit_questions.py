"""Rows of STKit as questions: few-shot examples, frames, boxes, geometry and text put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_bench.run.digests import digest_of_sizes
from stkit_bench.run.drafts import Draft, DraftTurn, Slot
from stkit_bench.run.frames import (
    FramesError,
    chosen_frames,
    depth_frames,
    depth_paths,
    draw,
)
from stkit_bench.run.put import Put, frame_places, put
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.settings import AskSettings, RunError
from stkit_bench.run.shots import Examples
from stkit_datasets.wording import load_wording

__all__ = ["StkitQuestions"]

_KEPT = ("task", "source", "clip_id", "target", "duration_s")


class StkitQuestions:
    """The questions of a bench, put in one way.

    Args:
        rows: the bench.
        settings: how its questions are put.
        shot_rows: training rows that examples are drawn from; needed for ``shots``.
        depth_dir: depth pictures of the bench (see :func:`stkit_bench.run.frames.depth_frames`);
            needed for ``geometry`` with ``depth``.
        wording_path: the sentences that the bench was built with, where not the package's own.
        limit: ask only the first so many questions.

    Raises:
        RunError: a setting asks for what the rows do not hold.
    """

    def __init__(
        self,
        rows: RowsFile,
        settings: AskSettings,
        shot_rows: RowsFile | None = None,
        depth_dir: Path | None = None,
        wording_path: str | None = None,
        limit: int | None = None,
    ) -> None:
        self._rows, self._settings, self._depth_dir = rows, settings, depth_dir
        self._wording = load_wording(wording_path)
        self.ids: Sequence[str] = rows.ids[:limit]
        _check_rows(rows, settings, depth_dir)
        times, rates = rows.column("timestamps_s"), rows.column("fps")
        self._n_frames = [
            len(frame_places(len(t), fps, settings)) for t, fps in zip(times, rates, strict=True)
        ]
        self._examples: Examples | None = None
        if settings.shots:
            if shot_rows is None:
                raise RunError("examples are drawn from training rows: give them (--shot-data)")
            _check_rows(shot_rows, settings, depth_dir)
            self._examples = Examples(shot_rows, settings.seed)
        # Sentences that do not fit, or poses that are missing, show before the first answer.
        self.draft(0)

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the questions; reads every video that is asked about once."""
        video, examples, asked = self._settings.video, self._examples, range(len(self.ids))
        shots = [shot for place in asked for shot in self._shots(place)]
        return {
            "kind": "stkit",
            "rows": self._rows.digest(asked, "bytes" if video else "none"),
            "n_questions": len(self.ids),
            "wording": self._wording.fingerprint,
            **self._settings.to_dict(),
            # All videos of a training set would take far longer than the run itself.
            "shot_rows": examples and examples.rows.digest(shots, "sizes" if video else "none"),
            "depth_pictures": self._depth_digest(asked, shots),
        }

    def n_frames(self, place: int) -> int:
        """Return how many frames the question at this place shows."""
        return self._n_frames[place]

    def draft(self, place: int) -> Draft:
        """Put the question at this place."""
        row, settings = self._rows.row(place), self._settings
        own = put(row, settings, self._wording)
        turns: list[DraftTurn] = []
        shots: list[str] = []
        if self._examples is not None:
            for shot in self._shots(place):
                example = self._examples.rows.row(shot)
                shown = put(example, settings, self._wording, n_frames=len(own.places))
                turns.append(self._turn(self._examples.rows, shot, example, shown))
                turns.append(DraftTurn("assistant", (shown.answer,)))
                shots.append(example["id"])
        turns.append(self._turn(self._rows, place, row, own))
        record = {name: row.get(name) for name in _KEPT}
        record["question"] = own.question
        if shots:
            record["shots"] = shots
        return Draft(row["id"], tuple(turns), record, {**row, "question": own.question})

    def _shots(self, place: int) -> list[int]:
        """Return the places of a question's examples."""
        if self._examples is None:
            return []
        row = self._rows.row(place)
        return self._examples.draw(row, self._settings.shots, self._n_frames[place])

    def _depth_digest(self, asked: Sequence[int], shots: Sequence[int]) -> str | None:
        folder, examples = self._depth_dir, self._examples
        if folder is None or "depth" not in self._settings.geometry:
            return None
        rows = [self._rows.row(place) for place in asked]
        if examples is not None:
            rows += [examples.rows.row(place) for place in shots]
        paths = (depth_paths(folder, row, range(len(row["timestamps_s"]))) for row in rows)
        return digest_of_sizes(folder, chain.from_iterable(paths))

    def _turn(self, rows: RowsFile, place: int, row: dict[str, Any], own: Put) -> DraftTurn:
        slots: list[Slot] = []
        if self._settings.video:
            read = partial(self._frames, rows, place, row, own.places)
            slots.append(Slot(own.times_s, read))
        if "depth" in self._settings.geometry and self._depth_dir is not None:
            depths = partial(depth_frames, self._depth_dir, row, own.places)
            slots.append(Slot(own.times_s, depths, "depth"))
        return DraftTurn("user", (*slots, own.text))

    def _frames(
        self, rows: RowsFile, place: int, row: dict[str, Any], places: Sequence[int]
    ) -> NDArray[np.uint8]:
        video = rows.video(place)
        if video is None:
            raise FramesError(f"row {row['id']}: it holds no video")
        try:
            frames = chosen_frames(video, len(row["timestamps_s"]), places)
        except ValueError as error:
            raise FramesError(f"row {row['id']}: {error}") from error
        if self._settings.boxes and not row["boxes_drawn"]:
            frames = frames.copy()
            draw(frames, row, places)
        return frames


def _check_rows(rows: RowsFile, settings: AskSettings, depth_dir: Path | None) -> None:
    needed = {"id", "task", "question", "answer", "prompt", "timestamps_s", "fps", "target"}
    if settings.video:
        needed |= {"video", "boxes_drawn", "objects", "width", "height"}
    missing = sorted(needed - rows.columns)
    if missing:
        raise RunError(f"{rows.path}: the rows lack the columns {', '.join(missing)}")
    if "depth" in settings.geometry and depth_dir is None:
        raise RunError("depth is shown from a folder of depth pictures: give it (--depth-dir)")
    if not settings.video:
        return
    for identity, drawn in zip(rows.ids, rows.column("boxes_drawn"), strict=True):
        if drawn is None:
            raise RunError(
                f"{rows.path}: row {identity} holds no video; build with `--video overlay` or "
                "`--video raw`, or ask without video (--no-video)"
            )
        if drawn and not settings.boxes:
            raise RunError(
                f"{rows.path}: row {identity} has its boxes drawn into the video; without boxes "
                "needs rows that were built with `--video raw`"
            )
