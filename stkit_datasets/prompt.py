"""The text that goes to a model: common prompt, question, and the conversational form of a row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from stkit_datasets.wording import TASK_RULES, Wording, fill


def format_seconds(time_s: float) -> str:
    """Write a time with two decimals, without its unit: ``3.5`` becomes ``3.50``."""
    if not math.isfinite(time_s):
        raise ValueError(f"a time must be finite, got {time_s}")
    # Adding zero turns a rounded -0.0 into 0.0.
    return f"{round(time_s, 2) + 0.0:.2f}"


def common_prompt(
    wording: Wording,
    task: str,
    timestamps_s: Sequence[float],
    duration_s: float,
    colors: Sequence[str],
) -> str:
    """Return what stands before every question: length, frames, their times, box colors.

    It names the frames that are really given, so it is made anew when frames are subsampled. The
    direction tasks add the clock convention without which their answers mean nothing.

    Args:
        wording: the sentences.
        task: the task's id.
        timestamps_s: the time of each frame given, seconds from the start of the clip, rising.
        duration_s: the length of the clip in seconds.
        colors: the box colors in the order of the question: one, or two for a comparison.

    Raises:
        ValueError: times that are missing, not finite, negative or not rising, a frame after the
            end of the clip, or a wrong number of colors.
    """
    convention = wording[task].convention
    times = _times_text(tuple(timestamps_s), duration_s)
    sentences = [
        fill(
            wording.common_prompt.video,
            {
                "seconds": format_seconds(duration_s),
                "frames": str(len(timestamps_s)),
                "times": times,
            },
        ),
        _boxes(wording, task, colors),
    ]
    return " ".join(sentences if convention is None else [*sentences, convention])


@lru_cache(maxsize=64)
def _times_text(timestamps_s: tuple[float, ...], duration_s: float) -> str:
    """Check and write the times of a clip's frames; all questions of a clip share them."""
    _check_times(timestamps_s, duration_s)
    return ", ".join(f"{format_seconds(t)} s" for t in timestamps_s)


def _check_times(timestamps_s: Sequence[float], duration_s: float) -> None:
    if len(timestamps_s) == 0:
        raise ValueError("`timestamps_s` must hold at least one frame, got none")
    for index, time_s in enumerate(timestamps_s):
        previous = timestamps_s[index - 1] if index else -math.inf
        if not (math.isfinite(time_s) and time_s >= 0 and time_s > previous):
            raise ValueError(
                f"`timestamps_s` must be finite, not negative and rising, got {time_s} at {index}"
            )
    if not (math.isfinite(duration_s) and round(duration_s - timestamps_s[-1], 2) >= 0):
        raise ValueError(
            f"`duration_s` must reach the last frame at {timestamps_s[-1]}, got {duration_s}"
        )


def _boxes(wording: Wording, task: str, colors: Sequence[str]) -> str:
    expected = TASK_RULES[task].object_count
    if isinstance(colors, str) or len(colors) != expected or len(set(colors)) != expected:
        raise ValueError(f"{task} needs {expected} different box color(s), got {colors!r}")
    if expected == 1:
        return fill(wording.common_prompt.one_object, {"color": colors[0]})
    return fill(wording.common_prompt.two_objects, {"color_a": colors[0], "color_b": colors[1]})


def full_prompt(common: str, question: str) -> str:
    """Return the common prompt and the question, on lines of their own."""
    return f"{common}\n{question}"


def messages(prompt: str, answer: str) -> list[dict[str, Any]]:
    """Return one exchange in conversational form, the placeholder of the video first."""
    return [
        {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": prompt}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer}]},
    ]
