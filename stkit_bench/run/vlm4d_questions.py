"""The questions of VLM4D put to a model: frames of the official videos, either prompt form."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_bench.run.digests import digest_of_sizes
from stkit_bench.run.drafts import Draft, DraftTurn, Slot
from stkit_bench.run.frames import FramesError, evenly, file_times_s
from stkit_bench.run.settings import RunError
from stkit_bench.vlm4d.items import Item
from stkit_bench.vlm4d.prompt_forms import FORMS, prompts

__all__ = ["Vlm4dQuestions"]

DEFAULT_FRAMES = 32
_HEIGHT_PX = 480
_ROUNDING_S = 1e-6


class Vlm4dQuestions:
    """Questions of VLM4D.

    Args:
        items: the questions.
        videos: the folder that holds ``videos_real`` and ``videos_synthetic``.
        form: ``direct`` or ``cot``.
        fps: frames a second from the start; None takes ``max_frames`` evenly from the whole video.
        max_frames: at most this many, evenly.
        video: show frames at all.
        only_present: leave out questions whose video is not there, instead of refusing.
        limit: ask only the first so many questions.

    Raises:
        RunError: a video is missing, or a setting is out of range.
    """

    def __init__(
        self,
        items: Sequence[Item],
        videos: Path,
        form: str = "direct",
        *,
        fps: float | None = None,
        max_frames: int = DEFAULT_FRAMES,
        video: bool = True,
        only_present: bool = False,
        limit: int | None = None,
    ) -> None:
        if form not in FORMS:
            raise RunError(f"form must be one of {', '.join(FORMS)}, got {form!r}")
        if fps is not None and not fps > 0:
            raise RunError(f"fps must be above 0, got {fps:g}")
        if max_frames < 1:
            raise RunError(f"max_frames must be at least 1, got {max_frames}")
        self._videos, self._form, self._fps, self._max = videos, form, fps, max_frames
        self._shows = video
        present = [item for item in items if not video or (videos / item.video).is_file()]
        self.left_out = len(items) - len(present)
        if self.left_out and not only_present:
            absent = next(item for item in items if not (videos / item.video).is_file())
            raise RunError(
                f"{videos / absent.video}: no such video, and {self.left_out - 1} questions more "
                "have none; download them, or ask only those that are there (--only-present)"
            )
        self._items = present[:limit]
        if not self._items:
            raise RunError(f"{videos}: holds no video of any question")
        self.ids: Sequence[str] = [item.id for item in self._items]
        self._times: dict[str, tuple[float, ...]] = {}

    def settings(self) -> Mapping[str, Any]:
        """Return what decides the questions."""
        asked = [[item.id, prompts(item, self._form), item.video] for item in self._items]
        text = json.dumps(asked, ensure_ascii=False)
        names = dict.fromkeys(self._videos / item.video for item in self._items)
        return {
            "kind": "vlm4d",
            "items": hashlib.sha256(text.encode()).hexdigest()[:16],
            "videos": digest_of_sizes(self._videos, names) if self._shows else None,
            "n_questions": len(self._items),
            "form": self._form,
            "fps": self._fps,
            "max_frames": self._max,
            "video": self._shows,
        }

    def n_frames(self, place: int) -> int:
        """Return how many frames the question at this place shows."""
        return len(self._chosen_s(self._items[place])) if self._shows else 0

    def draft(self, place: int) -> Draft:
        """Put the question at this place."""
        item = self._items[place]
        parts: list[str | Slot] = [prompts(item, self._form)]
        if self._shows:
            times_s = self._chosen_s(item)
            parts.insert(0, Slot(times_s, partial(_frames, self._videos / item.video, times_s)))
        record = {
            "split": item.split,
            "group": item.group,
            "video": item.video,
            "question": item.question,
            "choices": item.choices,
            "answer": item.answer,
        }
        row = {"id": item.id, **record}
        return Draft(item.id, (DraftTurn("user", tuple(parts)),), record, row)

    def _chosen_s(self, item: Item) -> tuple[float, ...]:
        if item.video not in self._times:
            try:
                times = file_times_s(self._videos / item.video)
            except FramesError:
                # The question fails when it is asked, and no other with it.
                times = [0.0]
            if self._fps is not None:
                times = _at_rate(times, self._fps)
            self._times[item.video] = tuple(times[k] for k in evenly(len(times), self._max))
        return self._times[item.video]


@lru_cache(maxsize=2)
def _frames(path: Path, times_s: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return the frames on screen at these times, read-only; kept, as questions share videos."""
    from stkit_datasets.video.frames import VideoFrames

    frames = np.stack(list(VideoFrames(path, times_s).read(_HEIGHT_PX)))
    frames.flags.writeable = False
    return frames


def _at_rate(times_s: Sequence[float], fps: float) -> list[float]:
    """Return the time of the frame on screen at 0, 1/fps, 2/fps and so on."""
    wanted_s = np.arange(int((times_s[-1] + _ROUNDING_S) * fps) + 1) / fps
    places = np.searchsorted(times_s, wanted_s + _ROUNDING_S, side="right") - 1
    return [times_s[place] for place in np.unique(places).tolist()]
