import json

import numpy as np
import pseudo_maker as maker
import pytest

from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.rows import RowConfig
from stkit_datasets.sources import open_source
from stkit_datasets.sources.llava_video import LlavaVideo
from stkit_datasets.units_of_work import unit_rows

SUBSET = "0_30_s_academic_v0_1"
VIDEO = "academic_source/Charades/RW587.mp4"
UNIT = f"{SUBSET}+academic_source+Charades+RW587.mp4"
VIDEO_ID = f"{SUBSET}/academic_source/Charades/RW587"


def record(video=VIDEO, number="RW587", **changes):
    """A record with the published fields."""
    talk = [
        {"from": "human", "value": '<image>\nWhat is in the "video": a door?'},
        {"from": "gpt", "value": "A door."},
    ]
    made = {"id": number, "conversations": talk, "data_source": SUBSET, "video": video}
    return {k: v for k, v in (made | changes).items() if v is not None}


def write_list(folder, records, subset=SUBSET, name="cap_processed"):
    path = folder / subset / f"{subset}_{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(records if isinstance(records, str) else json.dumps(records))
    return path


def make(folder, domain="general"):
    write_list(folder, [record()])
    write_list(folder, [record(), record("academic_source/NextQA/1/2.mp4")], name="oe_processed")
    maker.write(folder / "pseudo_labels", maker.labels(VIDEO_ID, domain))
    return folder


def test_a_unit_is_a_video_of_the_lists(tmp_path):
    source = LlavaVideo(make(tmp_path))
    write_list(tmp_path, [record("NextQA/a.webm"), record("frames/b")], "0_30_s_nextqa")
    assert source.units("train") == [
        "0_30_s_academic_v0_1+academic_source+Charades+RW587.mp4",
        "0_30_s_academic_v0_1+academic_source+NextQA+1+2.mp4",
        "0_30_s_nextqa+NextQA+a.webm",
    ]
    assert source.units("validation") == []
    (skipped,) = source.read("train", source.units("train")[1]).skipped
    assert skipped.reason == "no pseudo-label file"


def test_a_clip(tmp_path):
    (clip,) = LlavaVideo(make(tmp_path)).read("train", UNIT).clips
    assert (clip.source, clip.clip_id, clip.domain) == ("llava_video", UNIT, "general")
    assert clip.files == (f"pseudo_labels/{VIDEO_ID}.parquet",)
    assert clip.frames.names[1] == f"{SUBSET}/{VIDEO}#t=0.500"
    np.testing.assert_allclose(clip.boxes_px[0, 2], maker.car_box(1.0))


def test_reading_a_unit_needs_no_list(tmp_path):
    make(tmp_path)
    for path in tmp_path.glob("0*/*.json"):
        path.write_text("")
    assert len(LlavaVideo(tmp_path).read("train", UNIT).clips) == 1


@pytest.mark.parametrize(("domain", "asked"), [("general", True), ("sports", False)])
def test_directions_are_asked_about_except_in_sports(tmp_path, domain, asked):
    source = open_source("llava_video", make(tmp_path, domain))
    built = unit_rows(source, "train", UNIT, RowConfig(video="none"))
    rows = [row for table in built.tables for row in table.to_pylist()]
    assert {row["domain"] for row in rows} == {domain}
    assert ("movement_direction" in {row["task"] for row in rows}) is asked
    assert all(row["uncertainty_si"] > 0 for row in rows)


def test_rows_with_the_boxes_drawn_on_the_video(tmp_path):
    make(tmp_path)
    maker.write_video(tmp_path / SUBSET / VIDEO)
    config = RowConfig(tasks=("traveling_speed",), video_height_px=180)
    (table,) = unit_rows(open_source("llava_video", tmp_path), "train", UNIT, config).tables
    assert all(row["video"]["bytes"] for row in table.to_pylist())


def test_index_files_are_lists_and_labels(tmp_path):
    names = [path.name for path in LlavaVideo(make(tmp_path)).index_files("train")]
    assert names == [
        f"{SUBSET}_cap_processed.json",
        f"{SUBSET}_oe_processed.json",
        "RW587.parquet",
    ]
    assert list(LlavaVideo(tmp_path).index_files("validation")) == []


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ("", "expected JSON"),
        ("[{", "expected JSON"),
        ("{}", "expected a list of records, got dict"),
        ([record(), 1], "record 1: expected a record with a text 'video', got None"),
        ([record(video=None, image="a.png")], "record 0: expected a record with a text 'video'"),
        ([record(5)], "record 0: .*got 5"),
        ([record("../../a.mp4")], "record 0: expected video to be a path inside"),
        ([record("/a.mp4")], "expected video to be a path inside"),
        ([record("a.mp4"), record("a.webm")], "differ in more than suffix"),
    ],
)
def test_broken_lists(tmp_path, records, message):
    write_list(tmp_path, records)
    with pytest.raises(SourceError, match=rf"cap_processed\.json: .*{message}"):
        LlavaVideo(tmp_path).units("train")


def test_every_cut_of_a_list_is_an_error(tmp_path):
    path = write_list(tmp_path, [record()])
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        with pytest.raises(SourceError, match="expected JSON"):
            LlavaVideo(tmp_path).units("train")


def test_a_folder_of_something_else_and_other_units(tmp_path):
    for split in ("train", "validation"):
        with pytest.raises(SourceError, match=r"expected the folder of LLaVA-Video-178K"):
            LlavaVideo(tmp_path).units(split)
    make(tmp_path)
    for unit in ("a+b", "..+a.mp4", "a/b.mp4", ""):
        with pytest.raises(SourceError, match="expected a video"):
            LlavaVideo(tmp_path).read("train", unit)
    with pytest.raises(SourceError, match="of the split validation"):
        LlavaVideo(tmp_path).read("validation", UNIT)
    with pytest.raises(ConfigError, match="train, validation"):
        LlavaVideo(tmp_path).units("caption")
