"""One record of a source, in whichever published form, to one sample: messages and pixels.

The forms, each read as its owner publishes it:

- ``stkit``: a row of this project (:mod:`stkit_datasets.schema`), its video embedded.
- ``stkit_boxes``: the same row, its boxes named instead of its question asked
  (:mod:`trainers.box_captions`).
- ``llava``: ``id``, ``conversations`` of ``{"from": "human" | "gpt", "value": …}`` and ``image`` (a
  path, a list of paths, or embedded bytes), ``video`` (a path) or neither, with ``<image>`` or
  ``<video>`` where a picture stands. So are LLaVA-Video-178K
  (huggingface.co/datasets/lmms-lab/LLaVA-Video-178K, where ``<image>`` also stands for the video)
  and LLaVA-OneVision-Data (huggingface.co/datasets/lmms-lab/LLaVA-OneVision-Data).
- ``openspatial``: OpenSpatialDataset (huggingface.co/datasets/a8cheng/OpenSpatialDataset):
  ``filename`` without its ending, ``conversations`` with ``<mask>`` for a region, ``rle`` with one
  COCO run-length mask a region. A model without region features is shown each region as a coloured
  box instead.
- ``vlm4d``: a question of VLM4D (:mod:`stkit_bench.vlm4d.items`), answered by its letter.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stkit_datasets import prompt
from stkit_datasets.video.overlay import draw_boxes
from stkit_datasets.video.palette import COLORS
from stkit_datasets.wording import Wording, load_wording
from trainers import box_captions, media

Record = Mapping[str, Any]
Message = dict[str, Any]

ROW_FORMATS = ("stkit", "stkit_boxes")
FORMATS = (*ROW_FORMATS, "llava", "openspatial", "vlm4d")

_PLACEHOLDER = re.compile(r"\s*<(?:image|video)>\s*")
_MASK = re.compile(r"(Region \[\d+\] )?<mask>(?: <depth>)?")
_ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}


class SampleError(ValueError):
    """A sample cannot be read; the message says why."""


@dataclass(frozen=True)
class Sample:
    """What a model is trained on.

    Attributes:
        id: the record's own id, for logs.
        messages: a conversation; the content of a message lists ``{"type": "text", "text"}``,
            ``{"type": "image"}`` and ``{"type": "video"}``.
        images: (H, W, 3) uint8 RGB, one for each image of the messages, in their order.
        videos: (T, H, W, 3) uint8 RGB, one for each video of the messages, in their order.
    """

    id: str
    messages: list[Message]
    images: list[NDArray[np.uint8]] = field(default_factory=list)
    videos: list[NDArray[np.uint8]] = field(default_factory=list)


def read_sample(
    record: Record, form: str, media_root: Path, max_frames: int, wording: str | None = None
) -> Sample:
    """Decode one record.

    Args:
        record: as its source publishes it.
        form: one of :data:`FORMATS`.
        media_root: what the record's paths are relative to.
        max_frames: a video with more frames is sampled evenly down to this number.
        wording: file of the sentences that the rows of STKit were built with; None for ours.

    Raises:
        SampleError: something is missing, does not decode, or breaks the form's rules.
    """
    readers = {
        "stkit": lambda: _stkit(record, max_frames, load_wording_file(wording)),
        "stkit_boxes": lambda: _stkit_boxes(record, max_frames),
        "llava": lambda: _llava(record, media_root, max_frames),
        "openspatial": lambda: _openspatial(record, media_root),
        "vlm4d": lambda: _vlm4d(record, media_root, max_frames),
    }
    try:
        return readers[form]()
    except SampleError:
        raise
    except KeyError as error:
        raise SampleError(f"the record has no {error}; it has {', '.join(record)}") from error
    except (ValueError, TypeError, OSError) as error:
        raise SampleError(str(error)) from error


def record_id(record: Record, fallback: str) -> str:
    """Return what a log calls the record."""
    found = record.get("id", record.get("filename"))
    return fallback if found is None else str(found)


# --- STKit ------------------------------------------------------------------------------------


def _stkit(row: Record, max_frames: int, wording: Wording) -> Sample:
    kept = media.spread(len(row["timestamps_s"]), max_frames)
    text = stkit_prompt(row, kept, wording)
    messages = prompt.messages(text, row["answer"])
    return Sample(str(row["id"]), messages, videos=[_stkit_frames(row, kept)])


def _stkit_boxes(row: Record, max_frames: int) -> Sample:
    kept = media.spread(len(row["timestamps_s"]), max_frames)
    messages = prompt.messages(box_captions.PROMPT, box_captions.caption(row, kept))
    return Sample(str(row["id"]), messages, videos=[_stkit_frames(row, kept)])


def _stkit_frames(row: Record, kept: Sequence[int]) -> NDArray[np.uint8]:
    video = row["video"]
    if video is None or video.get("bytes") is None:
        raise SampleError("the row holds no video; build the rows with video")
    frames = media.decode_bytes(video["bytes"], len(row["timestamps_s"]), kept)
    if row.get("boxes_drawn") is False:
        _draw_boxes(frames, row, kept)
    return frames


def stkit_prompt(row: Record, kept: Sequence[int], wording: Wording) -> str:
    """Return the prompt of a row of STKit for these of its frames.

    The common prompt names the time of every frame, so it is written anew when frames are left
    out.

    Raises:
        SampleError: the row's prompt was written with other sentences than ``wording``.
    """
    if len(kept) == len(row["timestamps_s"]):
        return str(row["prompt"])
    colors = [item["color"] for item in row["objects"]]

    def written_for(times_s: Sequence[float]) -> str:
        common = prompt.common_prompt(wording, row["task"], times_s, row["duration_s"], colors)
        return prompt.full_prompt(common, row["question"])

    if written_for(row["timestamps_s"]) != row["prompt"]:
        raise SampleError(
            "the row's prompt was written with other sentences; give the source's `wording`"
        )
    return written_for([row["timestamps_s"][index] for index in kept])


def _draw_boxes(frames: NDArray[np.uint8], row: Record, kept: Sequence[int]) -> None:
    height, width = frames.shape[1:3]
    scale = np.tile([width / row["width"], height / row["height"]], 2)
    colors = [item["color"] for item in row["objects"]]
    hidden = [np.nan] * 4
    for frame, index in zip(frames, kept, strict=True):
        boxes = [item["boxes"][index] or hidden for item in row["objects"]]
        draw_boxes(frame, np.asarray(boxes, np.float64) * scale, colors)


# --- conversations in the form of LLaVA -------------------------------------------------------


def _llava(record: Record, media_root: Path, max_frames: int) -> Sample:
    image, video = record.get("image"), record.get("video")
    if image and video:
        raise SampleError("the record has an image and a video; expected one or neither")
    sample_id = record_id(record, "?")
    if video:
        clips = [media.decode_video(media_root / str(video), max_frames)]
        return Sample(sample_id, conversation(record["conversations"], "video", 1), videos=clips)
    listed = image if isinstance(image, list) else [image] if image else []
    pictures = [media.decode_image(item, media_root) for item in listed]
    messages = conversation(record["conversations"], "image", len(pictures))
    return Sample(sample_id, messages, images=pictures)


def conversation(turns: Sequence[Record], visual: str, count: int) -> list[Message]:
    """Turn ``human`` and ``gpt`` turns into messages, their placeholders into content.

    Args:
        turns: ``{"from", "value"}`` in turn, the first one human.
        visual: ``image`` or ``video``, what every placeholder stands for.
        count: how many there are; without any placeholder they stand before the first turn.

    Raises:
        SampleError: the placeholders are not ``count``, or the turns do not alternate.
    """
    found = sum(len(_PLACEHOLDER.findall(turn["value"])) for turn in turns)
    if found not in (0, count):
        raise SampleError(f"the conversation names {found} pictures, the record has {count}")
    messages: list[Message] = []
    for number, turn in enumerate(turns):
        role = _ROLES.get(turn["from"])
        if role != ("user", "assistant")[number % 2]:
            raise SampleError(
                f"turn {number} is from {turn['from']!r}; human and gpt must alternate"
            )
        here = len(_PLACEHOLDER.findall(turn["value"]))
        if found == 0 and number == 0:
            here = count
        text = _PLACEHOLDER.sub("\n", turn["value"]).strip()
        content: list[Message] = [{"type": visual} for _ in range(here)]
        messages.append({"role": role, "content": [*content, {"type": "text", "text": text}]})
    if len(messages) < 2 or len(messages) % 2:
        raise SampleError(f"{len(messages)} turns; expected pairs of a question and an answer")
    return messages


# --- OpenSpatialDataset -----------------------------------------------------------------------


def _openspatial(record: Record, media_root: Path) -> Sample:
    name = record["filename"]
    places = [media_root / f"{name}{ending}" for ending in (".jpg", ".jpeg", ".png")]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise SampleError(f"no picture {name}.jpg below {media_root}")
    picture = media.decode_image(path.name, media_root)
    boxes = [media.rle_box(mask, picture.shape[:2]) for mask in record["rle"]]
    turns, shown = regions_as_boxes(record["conversations"], boxes)
    if shown:
        picture = picture.copy()
        draw_boxes(picture, np.asarray(list(shown), np.float64), list(shown.values()))
    return Sample(str(name), conversation(turns, "image", 1), images=[picture])


Box = tuple[float, float, float, float]


def regions_as_boxes(
    turns: Sequence[Record], boxes: Sequence[Box]
) -> tuple[list[Record], dict[Box, str]]:
    """Write every ``<mask>`` as the region's number in its turn and the colour of its box.

    The masks are numbered through the whole conversation or, where there are fewer than
    ``<mask>``, anew in each turn. Pairs of turns are kept while the palette has colours left.

    Returns:
        The turns kept, and the colour of every box that they name.

    Raises:
        SampleError: a ``<mask>`` without a mask, or a first turn with too many regions.
    """
    total = sum(len(_MASK.findall(turn["value"])) for turn in turns)
    colors: dict[Box, str] = {}
    kept: list[Record] = []
    next_mask = 0
    for question, answer in zip(turns[::2], turns[1::2], strict=False):
        if total > len(boxes):
            next_mask = 0
        count = len(_MASK.findall(question["value"]))
        named = list(boxes[next_mask : next_mask + count])
        if len(named) != count:
            raise SampleError(f"{total} <mask> in the conversation, {len(boxes)} masks")
        next_mask += count
        fresh = [box for box in dict.fromkeys(named) if box not in colors]
        if len(colors) + len(fresh) > len(COLORS):
            break
        colors.update(zip(fresh, COLORS[len(colors) :], strict=False))
        kept += [{**question, "value": _name_regions(question["value"], named, colors)}, answer]
    if not kept:
        raise SampleError(f"the first question names more than {len(COLORS)} regions")
    return kept, colors


def _name_regions(text: str, named: Sequence[Box], colors: Mapping[Box, str]) -> str:
    numbered = iter(enumerate(named))

    def words(match: re.Match[str]) -> str:
        number, box = next(numbered)
        return f"{match[1] or f'Region [{number}] '}({colors[box]} box)"

    return _MASK.sub(words, text)


# --- VLM4D ------------------------------------------------------------------------------------


def _vlm4d(record: Record, media_root: Path, max_frames: int) -> Sample:
    from stkit_bench.vlm4d.prompt_forms import prompts

    if len(record["letters"]) != 1:
        raise SampleError(f"{len(record['letters'])} options are right; expected one")
    frames = media.decode_video(media_root / record["video"], max_frames)
    messages = prompt.messages(prompts(record, "direct"), record["letters"][0])
    return Sample(str(record["id"]), messages, videos=[frames])


@lru_cache(maxsize=8)
def load_wording_file(path: str | None) -> Wording:
    """Return the sentences of a file, or this project's own."""
    return load_wording() if path is None else load_wording(Path(path))
