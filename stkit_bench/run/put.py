"""One row put as a question: which frames are shown, and the text for the frames really shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from stkit_bench.run.frames import FARTHEST_M, evenly
from stkit_bench.run.settings import AskSettings, RunError
from stkit_bench.views import view
from stkit_datasets import geometry, prompt
from stkit_datasets.wording import Wording, fill

__all__ = ["Put", "frame_places", "put"]


@dataclass(frozen=True)
class Put:
    """A row put as a question.

    Attributes:
        places: which of the row's frames are shown.
        times_s: their times.
        text: the whole prompt.
        question: the question alone.
        answer: the answer in words, for examples.
    """

    places: tuple[int, ...]
    times_s: tuple[float, ...]
    text: str
    question: str
    answer: str


def frame_places(n_frames: int, row_fps: float, settings: AskSettings) -> list[int]:
    """Return which frames of a row are shown, before any look at the row's text."""
    step = Fraction(row_fps) / Fraction(settings.fps)
    if step.denominator != 1:
        raise RunError(f"rows at {row_fps:g} fps cannot be shown at {settings.fps:g}")
    kept = range(0, n_frames, step.numerator)
    return [kept[k] for k in evenly(len(kept), settings.max_frames)]


def put(
    row: Mapping[str, Any],
    settings: AskSettings,
    wording: Wording,
    n_frames: int | None = None,
) -> Put:
    """Put a row as a question.

    Args:
        row: a row of a bench without its video.
        settings: how.
        wording: the sentences that the row was built with.
        n_frames: show this many frames and no other number, as examples do.

    Raises:
        ViewError, RunError: the row cannot be put so; the message names it.
    """
    seen = view({**row, "video": None}, settings.fps, settings.paraphrased, wording)
    places = frame_places(len(row["timestamps_s"]), row["fps"], settings)
    if n_frames is not None:
        places = [places[k] for k in evenly(len(places), n_frames)]
    times_s = tuple(float(row["timestamps_s"][place]) for place in places)
    common = _common(seen, times_s, wording)
    if not settings.boxes:
        common = _without_boxes(common, row, places, times_s, wording)
    if "poses" in settings.geometry:
        common = f"{common}\n{_poses(row, places, times_s)}"
    if "depth" in settings.geometry:
        common = f"{common}\n{_depth_words(len(places))}"
    text = prompt.full_prompt(common, seen["question"])
    return Put(tuple(places), times_s, text, seen["question"], row["answer"])


def _common(seen: Mapping[str, Any], times_s: Sequence[float], wording: Wording) -> str:
    """Return what stands before the question, for these frames."""
    ending = prompt.full_prompt("", seen["question"])
    if not seen["prompt"].endswith(ending):
        raise RunError(f"row {seen['id']}: its prompt must end in its question")
    common = str(seen["prompt"].removesuffix(ending))
    if list(times_s) == list(seen["timestamps_s"]):
        return common

    def made(times: Sequence[float]) -> str:
        colors = [item["color"] for item in seen["objects"]]
        return prompt.common_prompt(wording, seen["task"], times, seen["duration_s"], colors)

    if common != made(seen["timestamps_s"]):
        raise RunError(
            f"row {seen['id']}: its prompt was written with other sentences; give the file of "
            "sentences that the bench was built with (--wording)"
        )
    return made(times_s)


def _without_boxes(
    common: str,
    row: Mapping[str, Any],
    places: Sequence[int],
    times_s: Sequence[float],
    wording: Wording,
) -> str:
    """Replace the sentence about the boxes by where each object is first seen."""
    objects = row["objects"]
    colors = [item["color"] for item in objects]
    names = ("color",) if len(colors) == 1 else ("color_a", "color_b")
    sentences = wording.common_prompt
    boxed = fill(
        sentences.one_object if len(colors) == 1 else sentences.two_objects,
        dict(zip(names, colors, strict=True)),
    )
    if boxed not in common:
        raise RunError(
            f"row {row['id']}: its prompt was written with other sentences; give the file of "
            "sentences that the bench was built with (--wording)"
        )
    told = [_place_words(row, item, places, times_s) for item in objects]
    return common.replace(boxed, " ".join(["No box is drawn into the frames.", *told]))


def _place_words(
    row: Mapping[str, Any],
    item: Mapping[str, Any],
    places: Sequence[int],
    times_s: Sequence[float],
) -> str:
    for place, time_s in zip(places, times_s, strict=True):
        box = item["boxes"][place]
        if box is not None:
            x0, x1 = (round(100 * float(x) / row["width"]) for x in box[0::2])
            y0, y1 = (round(100 * float(y) / row["height"]) for y in box[1::2])
            return (
                f"What the question calls the {item['color']} box is around an object of the kind "
                f"{item['category']!r}; at {prompt.format_seconds(time_s)} s it takes up {x0} to "
                f"{x1} % of the width from the left and {y0} to {y1} % of the height from the top."
            )
    raise RunError(f"row {row['id']}: the {item['color']} object is in none of the frames shown")


def _poses(row: Mapping[str, Any], places: Sequence[int], times_s: Sequence[float]) -> str:
    flat = row.get("camera_poses")
    if flat is None:
        raise RunError(
            f"row {row['id']}: `camera_poses` is missing or null, so poses cannot be told; the "
            "source gives none, or the bench was built before rows held them"
        )
    world_SE3_camera = np.tile(np.eye(4), (len(places), 1, 1))
    world_SE3_camera[:, :3] = np.array([flat[k] for k in places], np.float64).reshape(-1, 3, 4)
    first_SE3_camera = geometry.inverse(world_SE3_camera[0]) @ world_SE3_camera
    rotations = geometry.rotation_quaternions(first_SE3_camera[:, :3, :3])
    lines = [
        f"{prompt.format_seconds(time_s)} s: position {_numbers(pose[:3, 3], 2)}, "
        f"rotation {_numbers(rotation, 4)}"
        for time_s, pose, rotation in zip(times_s, first_SE3_camera, rotations, strict=True)
    ]
    told = (
        "Where the camera was at each frame, as measured: its position in meters (x to the right, "
        "y down, z forward) and its rotation as a unit quaternion (w, x, y, z), both relative to "
        "the camera at the first frame."
    )
    return "\n".join([told, *lines])


def _numbers(values: Any, decimals: int) -> str:
    return "(" + ", ".join(f"{round(float(v), decimals) + 0.0:.{decimals}f}" for v in values) + ")"


def _depth_words(n: int) -> str:
    return (
        f"After the {n} frames come {n} depth pictures of the same moments in the same order: the "
        f"brighter a point, the nearer it is; black is {FARTHEST_M:g} m and farther, or not "
        "measured."
    )
