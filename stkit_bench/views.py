"""Views of the questions of a bench: fewer frames a second, or the same question in other words.

A view asks the same of the same clip: ``id``, ``target``, ``answer`` and the scenario attributes
stay, so that the scores of two views compare question by question.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from stkit_datasets import prompt
from stkit_datasets.seeding import stable_choice
from stkit_datasets.wording import Wording, fill, load_wording

__all__ = ["FRAME_RATES", "ViewError", "at_fps", "check_fps", "paraphrased", "view", "view_table"]

FRAME_RATES = (2.0, 1.0, 0.5, 0.25)
"""Frames per second that a bench is asked at [P2 C.1]; the first is that of every built row."""

_BY_FRAME = ("timestamps_s", "frames")
_OBJECT_BY_FRAME = ("boxes", "occlusion", "centers_m")
_READ = ("id", "task", "form", "question", "answer", "prompt", "target", "duration_s", "fps")
_FPS_COLUMNS = (
    *_READ,
    *_BY_FRAME,
    "camera_poses",
    "objects",
    "start_s",
    "end_s",
    "messages",
    "video",
)
_WORDS_COLUMNS = (*_READ, "objects", "start_s", "end_s", "messages")

Row = dict[str, Any]


class ViewError(ValueError):
    """A view cannot be made of a row; the message names the row and the rule."""


def check_fps(fps: float) -> float:
    """Return the frame rate, which must be one of ``FRAME_RATES``."""
    if fps not in FRAME_RATES:
        known = ", ".join(f"{rate:g}" for rate in FRAME_RATES)
        raise ViewError(f"fps must be one of {known}, got {fps!r}")
    return float(fps)


def view(row: Mapping[str, Any], fps: float, rewords: bool, wording: Wording | None = None) -> Row:
    """Return the row at a frame rate and, where ``rewords``, with its question paraphrased."""
    seen = at_fps(row, fps, wording)
    return paraphrased(seen, wording) if rewords else seen


def at_fps(row: Mapping[str, Any], fps: float, wording: Wording | None = None) -> Row:
    """Return the row with fewer frames a second, every ``row["fps"] / fps``-th from the first.

    ``timestamps_s``, ``frames`` and what the objects hold per frame are cut alike, the common
    prompt is rebuilt for the frames that are left, and an embedded video is encoded anew from its
    own frames. The length of the clip stays, and so does the run that the target was computed over.

    Args:
        row: a row of the bench, its video as ``{"bytes", "path"}`` or null; not changed.
        fps: one of ``FRAME_RATES``.
        wording: the sentences that the row was built with; None for the package's.

    Raises:
        ViewError: the rate is unknown or does not divide the row's, or the row's prompt was
            written with other sentences.
    """
    step = _step(row, check_fps(fps))
    if step == 1:
        return dict(row)
    wording = wording or load_wording()
    common = _common_prompt(row, row["timestamps_s"], wording)
    if row["prompt"] != prompt.full_prompt(common, row["question"]):
        raise ViewError(
            f"row {row['id']}: its prompt was written with other sentences; give the `wording` "
            "that the bench was built with"
        )
    cut = {**row, **{name: row[name][::step] for name in _BY_FRAME}, "fps": float(fps)}
    if row.get("camera_poses") is not None:
        cut["camera_poses"] = row["camera_poses"][::step]
    cut["objects"] = [
        {**item, **{name: item[name][::step] for name in _OBJECT_BY_FRAME}}
        for item in row["objects"]
    ]
    common = _common_prompt(row, cut["timestamps_s"], wording)
    video = row.get("video")
    if video is not None and video.get("bytes") is not None:
        cut["video"] = {**video, "bytes": _fewer_frames(video["bytes"], step, Fraction(fps))}
    return _asking(cut, row["question"], common)


def paraphrased(row: Mapping[str, Any], wording: Wording | None = None) -> Row:
    """Return the row with its question in other words, drawn by the row's id.

    Args:
        row: a row of the bench, at any frame rate; not changed.
        wording: where the paraphrases are taken from; None for the package's.

    Raises:
        ViewError: the row's prompt does not end in its question, or its ``form`` names no group of
            sentences.
    """
    wording = wording or load_wording()
    groups = wording[row["task"]].paraphrases
    if row["form"] not in groups:
        raise ViewError(
            f"row {row['id']}: form must be one of {', '.join(groups)}, got {row['form']!r}"
        )
    ending = prompt.full_prompt("", row["question"])
    if not row["prompt"].endswith(ending):
        raise ViewError(f"row {row['id']}: its prompt must end in its question")
    sentence = stable_choice(groups[row["form"]], row["id"], "paraphrase")
    return _asking(dict(row), fill(sentence, _slots(row)), row["prompt"].removesuffix(ending))


def view_table(table: Any, fps: float, rewords: bool, wording: Wording | None = None) -> Any:
    """Return :func:`view` of every row of an Arrow table with the schema of the bench.

    Columns that the view does not touch, the videos under a paraphrase among them, are passed on
    as they are.
    """
    import pyarrow as pa

    names: tuple[str, ...] = ()
    if rewords:
        names = _WORDS_COLUMNS
    if check_fps(fps) != FRAME_RATES[0]:
        names = _FPS_COLUMNS
    if not names or not table.num_rows:
        return table
    rows = [view(row, fps, rewords, wording) for row in table.select(names).to_pylist()]
    for name in names:
        place = table.schema.get_field_index(name)
        field = table.schema.field(place)
        values = pa.array([row[name] for row in rows], type=field.type)
        table = table.set_column(place, field, values)
    return table


def _step(row: Mapping[str, Any], fps: float) -> int:
    step = Fraction(row["fps"]) / Fraction(fps)
    if step.denominator != 1:
        raise ViewError(f"row {row['id']}: {row['fps']:g} fps cannot be brought to {fps:g}")
    return step.numerator


def _common_prompt(row: Mapping[str, Any], timestamps_s: list[float], wording: Wording) -> str:
    colors = [item["color"] for item in row["objects"]]
    return prompt.common_prompt(wording, row["task"], timestamps_s, row["duration_s"], colors)


def _asking(row: Row, question: str, common: str) -> Row:
    whole = prompt.full_prompt(common, question)
    asked = {"question": question, "prompt": whole}
    return {**row, **asked, "messages": prompt.messages(whole, row["answer"])}


def _slots(row: Mapping[str, Any]) -> dict[str, str]:
    """What a question may name; the target's own times are an answer, not a slot."""
    colors = [item["color"] for item in row["objects"]]
    names = ("color",) if len(colors) == 1 else ("color_a", "color_b")
    slots = dict(zip(names, colors, strict=True))
    if row["form"] == "interval":
        slots["start"] = prompt.format_seconds(row["start_s"])
        slots["end"] = prompt.format_seconds(row["end_s"])
    if row["task"] == "direction_timestamp":
        slots["clock"] = str(row["target"]["clock"])
    return slots


@lru_cache(maxsize=16)
def _fewer_frames(mp4: bytes, step: int, fps: Fraction) -> bytes:
    # Questions about the same objects share one video and mostly follow one another.
    from stkit_datasets.video.encode import decode_mp4, encode_mp4

    return encode_mp4(decode_mp4(mp4)[::step], fps)
