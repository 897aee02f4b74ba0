from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import needs_train
import numpy as np
import pytest

needs_train.skip_if_missing()

import material  # noqa: E402

from trainers import json_records, media  # noqa: E402
from trainers.json_records import JsonRecords, iterate  # noqa: E402
from trainers.mixture import Mixture, stream  # noqa: E402
from trainers.samples import SampleError, conversation, read_sample, regions_as_boxes  # noqa: E402
from trainers.sources import SourceConfig, held_out  # noqa: E402


def mixture(root: Path, *sources: dict[str, Any], **other: Any) -> Mixture:
    return Mixture([SourceConfig(**source) for source in sources], root, **other)


def samples(made: Mixture) -> list[Any]:
    owner, row = made.places
    found = [made.where({"source": o, "row": int(r)}) for o, r in zip(owner, row, strict=True)]
    return [source.sample(record) for source, record, _ in found]


def text_of(message: dict[str, Any]) -> str:
    return next(item["text"] for item in message["content"] if item["type"] == "text")


def kinds(message: dict[str, Any]) -> list[str]:
    return [item["type"] for item in message["content"]]


# --- counts and weights ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("two")
    for name, n in (("a", 10), ("b", 4)):
        lines = [{"id": f"{name}{k}", "conversations": material.talk("q", "a"),
                  "kind": "even" if k % 2 == 0 else "odd"} for k in range(n)]  # fmt: skip
        (root / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "wrong.json").write_text('{"task": 3}')
    return root


A = {"name": "a", "path": "a.jsonl", "format": "llava"}
B = {"name": "b", "path": "b.jsonl", "format": "llava"}


@pytest.mark.parametrize(
    ("a", "b", "size", "expected"),
    [
        ({}, {}, None, {"a": 10, "b": 4}),
        ({"count": 6}, {}, None, {"a": 6, "b": 4}),
        ({"weight": 3}, {"weight": 1}, 8, {"a": 6, "b": 2}),
        ({"weight": 1}, {"weight": 2}, 4, {"a": 1, "b": 3}),
        ({"count": 12, "if_short": "all"}, {}, None, {"a": 10, "b": 4}),
        ({"count": 25, "if_short": "repeat"}, {}, None, {"a": 25, "b": 4}),
        ({"where": {"kind": ["odd"]}}, {}, None, {"a": 5, "b": 4}),
    ],
)
def test_counts(two: Path, a: Any, b: Any, size: int | None, expected: dict[str, int]) -> None:
    made = mixture(two, {**A, **a}, {**B, **b}, size=size)
    assert made.table() == expected
    assert len(made) == sum(expected.values())


def test_the_seed_decides_which(two: Path) -> None:
    drawn = [mixture(two, {**A, "count": 4}, seed=seed).places[1].tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len(set(drawn[0])) == 4


@pytest.mark.parametrize(
    ("sources", "size", "says"),
    [
        ([{**A, "count": 11}], None, "'a' holds 10 samples, 11 are asked"),
        ([{**A, "weight": 1}, B], 4, "every source"),
        ([{**A, "weight": 1}], None, "mixture_size"),
        ([A, A], None, "names of their own"),
        ([], None, "names of their own"),
        ([{**A, "where": {"kind": ["none"]}}], None, "'a' holds no sample"),
        ([{**A, "path": "c.jsonl"}], None, r"'a': no file .*c\.jsonl"),
        ([{**A, "path": "nowhere"}], None, "'a': nothing at"),
        ([{**A, "wording": "mine.json"}], None, "'a': wording mine.json: expected a JSON file"),
        ([{**A, "wording": "wrong.json"}], None, r"'a': wording .*wrong\.json"),
    ],
)
def test_what_does_not_add_up_is_told(
    two: Path, sources: Any, size: Any, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(two)
    with pytest.raises(ValueError, match=says):
        mixture(two, *sources, size=size).prepare()


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            {"format": "coco"},
            "format must be one of stkit, stkit_boxes, llava, openspatial, vlm4d, got 'coco'",
        ),
        ({"if_short": "skip"}, "if_short must be one of"),
        ({"count": 1, "weight": 1.0}, "count or weight"),
        ({"count": 0}, "at least 1"),
        ({"weight": 0.0}, "above 0"),
        ({"held_out": 1.0}, "below 1"),
        ({"part": "test"}, "train or held_out"),
    ],
)
def test_settings_of_a_source_are_checked(other: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SourceConfig("x", "x", **other)


def test_a_stream_gives_the_counts_once_over_all_shards(two: Path) -> None:
    made = mixture(two, {**A, "count": 6}, {**B, "count": 3})
    shards = [list(stream(made, [k], 3, 0)) for k in range(3)]
    whole = list(stream(made, [0, 1, 2], 3, 0))
    ids = [reference["record"]["id"] for reference in whole]
    assert sorted(ids) == ["a0", "a1", "a2", "a3", "a4", "a5", "b0", "b1", "b2"]
    split = [reference["record"]["id"] for shard in shards for reference in shard]
    assert sorted(split) == sorted(ids)
    assert [r["record"]["id"] for r in stream(made, [0, 1, 2], 3, 4)] == ids[4:]


def test_the_split_is_by_video_and_stays(data_root: Path) -> None:
    base = {"name": "v", "path": "vlm4d", "format": "vlm4d", "split": "real", "held_out": 0.34}
    parts = {
        part: {sample_id(made) for made in records(mixture(data_root, {**base, "part": part}))}
        for part in ("train", "held_out")
    }
    assert len(parts["train"]) == 2
    assert len(parts["held_out"]) == 1
    assert parts["train"] & parts["held_out"] == set()
    clips = [f"clip{k}" for k in range(100)]
    assert held_out(clips, 0.2, 0) == held_out(clips[::-1], 0.2, 0)
    assert len(held_out(clips, 0.2, 0)) == 20
    assert held_out(clips, 0.2, 1) != held_out(clips, 0.2, 0)


def records(made: Mixture) -> list[Any]:
    return [made.where({"source": 0, "row": int(row)})[1] for row in made.places[1]]


def sample_id(record: Any) -> str:
    return str(record["video"])


# --- the published forms ----------------------------------------------------------------------


def test_rows_of_stkit_keep_their_prompt_or_name_the_frames_kept(tmp_path: Path) -> None:
    row = material.row(3, n_frames=6)
    whole = read_sample(row, "stkit", tmp_path, 32)
    assert text_of(whole.messages[0]) == row["prompt"]
    assert whole.videos[0].shape == (6, 48, 64, 3)
    fewer = read_sample(row, "stkit", tmp_path, 3)
    assert fewer.videos[0].shape[0] == 3
    told = text_of(fewer.messages[0])
    assert "0.00 s, 1.00 s, 2.50 s" in told
    assert told.endswith(material.QUESTION)
    np.testing.assert_array_equal(fewer.videos[0], whole.videos[0][[0, 2, 5]])


def test_boxes_are_drawn_where_the_video_has_none(tmp_path: Path) -> None:
    bare = read_sample(material.row(1, boxes_drawn=False), "stkit", tmp_path, 32)
    plain = read_sample(material.row(1), "stkit", tmp_path, 32)
    assert (bare.videos[0] != plain.videos[0]).any()


@pytest.mark.parametrize(
    ("other", "max_frames", "says"),
    [
        ({"video": None}, 32, "holds no video"),
        ({"video": {"bytes": b"junk", "path": None}}, 32, "does not decode"),
        ({"timestamps_s": [0.0]}, 32, "has 6 frames, timestamps_s has 1"),
        ({"prompt": "Other words."}, 3, "`wording`"),
    ],
)
def test_broken_rows_say_why(tmp_path: Path, other: Any, max_frames: int, says: str) -> None:
    with pytest.raises(SampleError, match=says):
        read_sample(material.row(1, **other), "stkit", tmp_path, max_frames)


def test_llava_video(data_root: Path) -> None:
    made = mixture(data_root, {"name": "v", "path": "llava_video/*.json", "format": "llava"},
                   max_frames=5)  # fmt: skip
    first = samples(made)[0]
    assert kinds(first.messages[0]) == ["video", "text"]
    assert text_of(first.messages[0]) == "What moves?"
    assert first.videos[0].shape == (5, 48, 64, 3)


def test_llava_onevision_in_its_three_kinds(data_root: Path) -> None:
    made = mixture(data_root, {"name": "o", "path": "llava_onevision/mix.json", "format": "llava"})
    one, many, text = samples(made)
    assert [kinds(sample.messages[0]) for sample in (one, many, text)] == [
        ["image", "text"], ["image", "image", "text"], ["text"]]  # fmt: skip
    assert [len(sample.images) for sample in (one, many, text)] == [1, 2, 0]
    assert [message["role"] for message in many.messages] == ["user", "assistant"] * 2


def test_llava_onevision_as_parquet_with_embedded_images(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    png = material.write_image(tmp_path / "0.png", 0).read_bytes()
    (tmp_path / "rows").mkdir()
    image = {"bytes": png, "path": None}
    row = {"id": "e", "image": image, "conversations": material.talk("<image>\nWhat?", "This.")}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "rows" / "train-0.parquet")
    (sample,) = samples(mixture(tmp_path, {"name": "e", "path": "rows", "format": "llava"}))
    assert sample.images[0].shape == (40, 70, 3)


@pytest.mark.parametrize(
    ("turns", "count", "says"),
    [
        (material.talk("<image> and <image>", "a"), 1, "names 2 pictures, the record has 1"),
        (material.talk("q"), 0, "pairs"),
        ([{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}], 0, "alternate"),
    ],
)
def test_conversations_that_do_not_fit(turns: Any, count: int, says: str) -> None:
    with pytest.raises(SampleError, match=says):
        conversation(turns, "image", count)


def test_openspatial_regions_become_boxes(data_root: Path) -> None:
    made = mixture(data_root, {"name": "s", "path": "openspatial/result_10_depth_convs.json",
                               "media": "openspatial/images", "format": "openspatial"})  # fmt: skip
    sample = samples(made)[0]
    assert text_of(sample.messages[0]) == "Is Region [0] (red box) left of Region [1] (green box)?"
    assert text_of(sample.messages[1]) == "Region [0] is left of Region [1]."
    red = (sample.images[0] == (230, 20, 20)).all(-1)
    assert red.any()
    assert red.nonzero()[1].max() < 40, "the left region's box lies in the left half"


def test_regions_are_numbered_anew_in_each_turn_and_stop_at_the_palette() -> None:
    boxes = [(float(k), 0.0, k + 1.0, 1.0) for k in range(10)]
    turns = material.talk(*[t for k in range(5) for t in (f"<mask> or <mask> {k}?", "Region [0].")])
    kept, colors = regions_as_boxes(turns, boxes)
    assert len(colors) == 8
    assert len(kept) == 8, "the fifth pair of turns would need a ninth colour"
    again, colors = regions_as_boxes(turns, boxes[:2])
    assert len(again) == 10
    assert list(colors.values()) == ["red", "green"]
    with pytest.raises(SampleError, match="10 <mask>"):
        regions_as_boxes(turns, boxes[:1])


def test_vlm4d_is_answered_by_its_letter(data_root: Path) -> None:
    made = mixture(data_root, {"name": "v", "path": "vlm4d", "format": "vlm4d", "split": "real"})
    sample = samples(made)[0]
    assert text_of(sample.messages[1]) == "B"
    assert kinds(sample.messages[0]) == ["video", "text"]


# --- files --------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [True, False], ids=["lines", "list"])
@pytest.mark.parametrize("piece", [7, 64, 1 << 20])
def test_json_is_read_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: bool, piece: int
) -> None:
    monkeypatch.setattr(json_records, "_PIECE_BYTES", piece)
    listed = [{"id": k, "text": f'Größe {"é" * k} " ] }}'} for k in range(20)]
    path = tmp_path / f"r{piece}.json"
    if lines:
        path.write_text("".join(json.dumps(item, ensure_ascii=False) + "\n" for item in listed))
    else:
        path.write_text("\ufeff" + json.dumps(listed, ensure_ascii=False, indent=2))
    found = JsonRecords(path)
    assert [found[k] for k in range(len(found))] == listed == list(iterate(path))
    assert JsonRecords(path)[7] == listed[7], "from the cache"


@pytest.mark.parametrize(
    ("text", "says"),
    [('[{"a": 1}', "no end"), ("[1, 2]", "expected objects, found int"), ('[{"a": ', "not JSON"),
     ('{"a": 1}\nwords', "not JSON near byte 9")],
)  # fmt: skip
def test_broken_json_says_where(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=says):
        JsonRecords(tmp_path / "x.json")


def encode_counts(runs: list[int]) -> str:
    """COCO's text form, written from its description."""
    text = ""
    for index, run in enumerate(runs):
        value = run - (runs[index - 2] if index > 2 else 0)
        while True:
            group, value = value & 0x1F, value >> 5
            ends = (value == 0 and not group & 0x10) or (value == -1 and group & 0x10)
            text += chr(48 + (group | (0 if ends else 0x20)))
            if ends:
                break
    return text


def test_masks_in_coco_form() -> None:
    mask = np.zeros((30, 50), np.uint8)
    mask[5:20, 7:33] = 1
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    assert media.decode_counts(encode_counts(runs)) == runs
    counts = encode_counts(runs)
    assert media.rle_box({"size": [30, 50], "counts": counts}, (30, 50)) == (7, 5, 33, 20)
    assert media.rle_box({"size": [30, 50], "counts": counts}, (60, 50)) == (7, 10, 33, 40)
    with pytest.raises(ValueError, match="empty"):
        media.rle_box({"size": [2, 2], "counts": [4]}, (2, 2))
    with pytest.raises(ValueError, match="fill 3 of 4"):
        media.rle_box({"size": [2, 2], "counts": [3]}, (2, 2))
