"""Small training data in every published form, written into a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from stkit_datasets import prompt
from stkit_datasets.schema import features
from stkit_datasets.video.encode import encode_mp4
from stkit_datasets.wording import load_wording

QUESTION = "How far does the object in the red box travel?"


def pictures(n: int, seed: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A block that moves, so that the videos are no noise and encode small."""
    frames = np.full((n, height, width, 3), 40 + 10 * (seed % 10), np.uint8)
    for index, frame in enumerate(frames):
        left = (5 * seed + 3 * index) % (width - 16)
        frame[10:26, left : left + 16] = (200, 30, 30)
    return frames


def row(number: int, n_frames: int = 6, source: str = "nuscenes", **other: Any) -> dict[str, Any]:
    """A row of STKit with every column of the schema."""
    times = [0.5 * k for k in range(n_frames)]
    wording = load_wording()
    common = prompt.common_prompt(wording, "traveled_distance", times, times[-1], ["red"])
    whole = prompt.full_prompt(common, QUESTION)
    answer = f"It travels {number}.00 m."
    empty = dict.fromkeys(features())
    return {
        **empty,
        "id": f"{number:016x}",
        "source": source,
        "split": "train",
        "scene_id": f"scene-{number // 2}",
        "clip_id": f"clip-{number // 2}",
        "camera": "front",
        "task": "traveled_distance",
        "form": "whole",
        "question": QUESTION,
        "answer": answer,
        "prompt": whole,
        "messages": prompt.messages(whole, answer),
        "target": {**dict.fromkeys(("unit", "clock", "start_s", "end_s", "choice")),
                   "task": "traveled_distance", "value_si": float(number)},
        "objects": [{"track_id": "a", "category": "car", "color": "red",
                     "boxes": [[10, 10, 26, 26]] * n_frames, "occlusion": [0.0] * n_frames,
                     "centers_m": [[0.0, 0.0, 0.0]] * n_frames}],
        "timestamps_s": times,
        "duration_s": times[-1],
        "fps": 2.0,
        "width": 64,
        "height": 48,
        "video": {"bytes": encode_mp4(pictures(n_frames, number), Fraction(2)), "path": None},
        "boxes_drawn": True,
        "frames": [f"{k}.jpg" for k in range(n_frames)],
        **other,
    }  # fmt: skip


def write_rows(folder: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Write rows as ``stkit build`` does: Parquet with the schema of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows), schema=features().arrow_schema)
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return folder


def write_video(path: Path, n_frames: int, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_mp4(pictures(n_frames, seed), Fraction(4)))
    return path


def write_image(path: Path, seed: int, size: tuple[int, int] = (70, 40)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pictures(1, seed, size[1], size[0])[0]).save(path)
    return path


def talk(first: str, *rest: str) -> list[dict[str, str]]:
    """Turns of a person and a model in the form of LLaVA."""
    said = (first, *rest)
    return [{"from": ("human", "gpt")[k % 2], "value": text} for k, text in enumerate(said)]


def write_llava_video(folder: Path, n: int = 4) -> Path:
    """LLaVA-Video-178K: ``<image>`` stands for the video."""
    records = []
    for k in range(n):
        name = f"academic_source/Charades/{k}.mp4"
        write_video(folder / name, 9, k)
        records.append({"id": f"ac-{k}", "conversations": talk("<image>\nWhat moves?", "A block."),
                        "data_source": "0_30_s_academic_v0_1", "video": name})  # fmt: skip
    path = folder / "0_30_s_academic_oe_qa.json"
    path.write_text(json.dumps(records))
    return path


def write_llava_onevision(folder: Path) -> Path:
    """One image, several images, and text alone."""
    for k in range(3):
        write_image(folder / "images" / f"{k}.png", k)
    records = [
        {"id": "one", "image": "images/0.png", "conversations": talk("<image>\nWhat?", "A block.")},
        {"id": "many", "image": ["images/1.png", "images/2.png"],
         "conversations": talk("<image>\n<image>\nDo they differ?", "Yes.", "How?", "In grey.")},
        {"id": "text", "conversations": talk("Two and two?", "Four.")},
    ]  # fmt: skip
    path = folder / "mix.json"
    path.write_text(json.dumps(records, indent=1))
    return path


def write_openspatial(folder: Path, n: int = 2) -> Path:
    """OpenSpatialDataset: two regions of a picture of 8 x 6, as uncompressed run lengths."""
    left = {"size": [6, 8], "counts": [0, 12, 36]}
    right = {"size": [6, 8], "counts": [36, 12]}
    records = []
    for k in range(n):
        write_image(folder / "images" / f"{k:016x}.jpg", k, (80, 60))
        turns = talk("<image>\nIs <mask> left of <mask>?", "Region [0] is left of Region [1].")
        records.append({"filename": f"{k:016x}", "conversations": turns, "rle": [left, right]})
    path = folder / "result_10_depth_convs.json"
    path.write_text(json.dumps(records))
    return path


def write_vlm4d(folder: Path, n: int = 6) -> Path:
    """VLM4D's question files, two questions a video."""
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for split, place in (("real", "davis"), ("synthetic", "cosmos")):
        entries = []
        for k in range(1, n + 1):
            name = f"videos_{split}/{place}/{(k - 1) // 2}.mp4"
            write_video(folder / name, 8, k)
            entries.append({
                "id": f"validation_{k}", "video": f"https://example.org/{name}",
                "question_type": "multiple-choice", "question": "Where does it move?",
                "choices": {"A": "left", "B": "right", "C": "up", "D": "no special direction"},
                "answer": "right"})  # fmt: skip
        (folder / "data" / f"{split}_mc.json").write_text(json.dumps(entries))
    return folder


def write_all(root: Path) -> None:
    """Write a few samples of every form."""
    write_rows(root / "stkit", [row(k, 4 + k % 3) for k in range(12)])
    write_llava_video(root / "llava_video")
    write_llava_onevision(root / "llava_onevision")
    write_openspatial(root / "openspatial")
    write_vlm4d(root / "vlm4d")


def sources() -> list[dict[str, Any]]:
    """The sources that ``write_all`` writes."""
    return [
        {"name": "stkit", "path": "stkit"},
        {"name": "llava-video", "path": "llava_video/*.json", "format": "llava"},
        {"name": "llava-onevision", "path": "llava_onevision/mix.json", "format": "llava"},
        {"name": "openspatial", "path": "openspatial/result_10_depth_convs.json",
         "media": "openspatial/images", "format": "openspatial"},
        {"name": "vlm4d", "path": "vlm4d", "format": "vlm4d", "split": "both", "held_out": 0.34},
    ]  # fmt: skip
