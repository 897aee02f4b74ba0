import copy
import json
import pickle

import numpy as np
import pseudo_maker as maker
import pytest

from stkit_datasets.errors import SourceError
from stkit_datasets.rows import RowConfig
from stkit_datasets.sources import open_source
from stkit_datasets.sources.multisports import MultiSports
from stkit_datasets.sources.multisports_gt import read_ground_truth, write_json_copy
from stkit_datasets.units_of_work import unit_rows

VIDEO = "basketball/v_a_c001"
UNIT = "basketball+v_a_c001"
FPS = 30.0  # of the maker's videos
SHIFT = np.array([5, 0, 5, 0])


class Bomb:
    """Unpickling it would end the tests."""

    def __reduce__(self):
        return exit, ("it ran",)


def tube(first_s=2.0, last_s=4.0):
    """The car's boxes, moved 5 px to the right, on every frame of two seconds."""
    numbers = np.arange(round(first_s * FPS) + 1, round(last_s * FPS) + 2)
    boxes = [maker.car_box((n - 1) / FPS) + SHIFT for n in numbers]
    return np.column_stack([numbers, boxes]).astype(np.float32)


def truth():
    return {
        "labels": ["pass", "shoot"],
        "train_videos": [[VIDEO, "football/v_b_c002"]],
        "test_videos": [["volleyball/v_c_c003"]],
        "nframes": {VIDEO: 330},
        "resolution": {VIDEO: (180, 320)},
        "gttubes": {VIDEO: {1: [tube(6, 7), tube()]}},
    }


def write_truth(folder, content, name="multisports_GT.pkl"):
    path = folder / "trainval" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content, 2))
    return path


def make(folder, content=None, **changes):
    write_truth(folder, truth() if content is None else content)
    made = maker.labels(VIDEO, "sports", **({"track_ids": ("1-1", "walker")} | changes))
    maker.write(folder / "pseudo_labels", made)
    return folder


def read(folder, unit=UNIT, split="train"):
    return MultiSports(folder).read(split, unit)


# ---- the outcome --------------------------------------------------------------------------------


def test_official_splits(tmp_path):
    source = MultiSports(make(tmp_path))
    assert source.units("train") == [UNIT, "football+v_b_c002"]
    assert source.units("validation") == ["volleyball+v_c_c003"]
    (skipped,) = source.read("validation", "volleyball+v_c_c003").skipped
    assert skipped.reason == "no pseudo-label file"
    with pytest.raises(SourceError, match="of the split validation"):
        source.read("validation", UNIT)


def test_a_tube_gives_boxes_on_its_frames(tmp_path):
    (clip,) = read(make(tmp_path)).clips
    assert (clip.source, clip.clip_id, clip.domain) == ("multisports", UNIT, "sports")
    assert clip.files == (f"pseudo_labels/{VIDEO}.parquet", "trainval/multisports_GT.pkl")
    assert clip.frames.names[2] == f"trainval/{VIDEO}.mp4#t=1.000"
    for k in range(20):
        moved = SHIFT if 4 <= k <= 8 else 0
        np.testing.assert_allclose(clip.boxes_px[0, k], maker.car_box(k / 2) + moved, atol=1e-4)
    np.testing.assert_allclose(clip.boxes_px[1, 4], maker.walker_box(2.0))
    assert clip.tracks.categories == ("car", "person")


def test_the_json_copy_gives_the_same(tmp_path):
    (first,) = read(make(tmp_path)).clips
    folder = tmp_path / "trainval"
    write_json_copy(folder / "multisports_GT.pkl", folder / "multisports_GT.json")
    (folder / "multisports_GT.pkl").unlink()
    (second,) = read(tmp_path).clips
    np.testing.assert_array_equal(first.boxes_px, second.boxes_px)
    assert second.files[1] == "trainval/multisports_GT.json"
    assert MultiSports(folder, {"pseudo_labels": "../pseudo_labels"}).units("train")


def test_rows_ask_nothing_on_direction(tmp_path):
    source = open_source("multisports", make(tmp_path))
    built = unit_rows(source, "train", UNIT, RowConfig(video="none"))
    rows = [row for table in built.tables for row in table.to_pylist()]
    assert {row["task"] for row in rows} == {
        "traveled_distance",
        "traveling_speed",
        "traveled_distance_comparison",
        "traveling_speed_comparison",
    }
    assert all(row["uncertainty_si"] > 0 for row in rows)


def test_rows_with_the_boxes_drawn_on_the_video(tmp_path):
    make(tmp_path)
    maker.write_video(tmp_path / "trainval" / f"{VIDEO}.mp4")
    config = RowConfig(tasks=("traveling_speed",), video_height_px=180)
    (table,) = unit_rows(open_source("multisports", tmp_path), "train", UNIT, config).tables
    assert all(row["video"]["bytes"] for row in table.to_pylist())


def test_index_files_are_annotation_and_labels(tmp_path):
    names = [path.name for path in MultiSports(make(tmp_path)).index_files("train")]
    assert names == ["multisports_GT.pkl", "v_a_c001.parquet"]


# ---- the published clip -------------------------------------------------------------------------


def test_the_published_pickle_and_its_json_copy_are_the_same(shared_data, tmp_path):
    by_hand = read_ground_truth(shared_data("multisports/gt.pkl"))
    copied = read_ground_truth(shared_data("multisports/multisports_gt_eval_sample.json"))
    assert by_hand.labels == copied.labels
    names = shared_data("multisports/label_map.txt").read_text().splitlines()
    assert [f"{i}: {n.replace(' ', '_')}" for i, n in enumerate(by_hand.labels)] == names
    assert by_hand.videos == copied.videos
    (video,) = by_hand.videos["validation"]
    assert by_hand.size_px(video) == copied.size_px(video) == (1280, 720)
    one, other = (source.image_tracks(video, 25.0) for source in (by_hand, copied))
    assert one.track_ids == other.track_ids
    assert len(one.track_ids) == 8
    np.testing.assert_array_equal(one.boxes_px, other.boxes_px)
    np.testing.assert_array_equal(one.timestamps_ns, other.timestamps_ns)
    # Frame 288 of tube 10-0, counted from 1, at 25 frames a second.
    first = one.track_index.tolist().index(one.track_ids.index("10-0"))
    assert one.timestamps_ns[first] == 11_480_000_000
    assert one.boxes_px[first].tolist() == [562, 361, 656, 600]


def test_a_copy_of_the_published_pickle(shared_data, tmp_path):
    copy_path = tmp_path / "copy.json"
    write_json_copy(shared_data("multisports/gt.pkl"), copy_path)
    published = json.loads(shared_data("multisports/multisports_gt_eval_sample.json").read_text())
    assert json.loads(copy_path.read_text()) == published


# ---- errors -------------------------------------------------------------------------------------


def test_a_pickle_is_not_run(tmp_path):
    content = truth() | {"more": Bomb()}
    with pytest.raises(SourceError, match=r"multisports_GT\.pkl: .*Quitter, which is not read"):
        read(make(tmp_path, content))
    with pytest.raises(SourceError, match="Quitter"):
        write_json_copy(tmp_path / "trainval" / "multisports_GT.pkl", tmp_path / "copy.json")
    assert not (tmp_path / "copy.json").exists()


def without(name):
    return {k: v for k, v in truth().items() if k != name}


def with_tubes(tubes):
    return truth() | {"gttubes": {VIDEO: tubes}}


def row_changed(place, value):
    rows = tube().copy()
    rows[place] = value
    return with_tubes({1: [rows]})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a pickle"),
        (pickle.dumps(truth(), 2)[:-30], "expected a pickle"),
        ([1], "expected a dict, got list"),
        (without("labels"), "field 'labels': expected a list of texts"),
        (truth() | {"labels": [1]}, "field 'labels'"),
        (without("gttubes"), "field 'gttubes': expected a dict"),
        (truth() | {"resolution": []}, "field 'resolution': expected a dict"),
        ({**without("train_videos"), "test_videos": None}, "field 'test_videos'"),
        (truth() | {"train_videos": [VIDEO]}, "field 'train_videos': expected a list that holds"),
        (truth() | {"train_videos": [["../a"]]}, "field 'train_videos'"),
        (truth() | {"test_videos": [[VIDEO]]}, f"'{VIDEO}' is in both"),
        (with_tubes([]), "expected tubes by label"),
        (with_tubes({2: [tube()]}), "index of one of 2 labels, got 2"),
        (with_tubes({"x": [tube()]}), "index of one of 2 labels, got 'x'"),
        (with_tubes({1: tube()}), "expected a list of tubes"),
        (with_tubes({1: [tube()[:, :4]]}), "tube 1-0: expected rows of 5 numbers"),
        (with_tubes({1: [[[1, 2, 3, 4, 5], [1]]]}), "tube 1-0: expected rows of 5 numbers"),
        (with_tubes({1: [["a"]]}), "tube 1-0: expected rows of 5 numbers"),
        (with_tubes({1: [tube()[:0]]}), "tube 1-0: expected rows of 5 numbers"),
        (row_changed((3, 0), 1), "expected frame numbers in order"),
        (row_changed((3, 0), 0), "expected whole frame numbers from 1"),
        (row_changed((3, 0), 64.5), "expected whole frame numbers from 1"),
        (row_changed((3, 2), np.nan), "finite boxes"),
        (row_changed((3, 3), 0), "expected x1 < x2"),
        (truth() | {"resolution": {}}, r"expected resolution \(height, width\), got None"),
        (truth() | {"resolution": {VIDEO: (720, 0)}}, "expected resolution"),
    ],
)
def test_broken_annotations(tmp_path, content, message):
    with pytest.raises(SourceError, match=rf"multisports_GT\.pkl: .*{message}"):
        read(make(tmp_path, content))


def test_a_missing_list_is_an_empty_split(tmp_path):
    source = MultiSports(make(tmp_path, without("train_videos")))
    assert source.units("train") == []
    neither = {k: v for k, v in truth().items() if not k.endswith("_videos")}
    source = MultiSports(make(tmp_path, neither))
    with pytest.raises(SourceError, match="expected train_videos or test_videos"):
        source.units("train")


def test_pictures_of_another_size(tmp_path):
    content = copy.deepcopy(truth()) | {"resolution": {VIDEO: (720, 1280)}}
    with pytest.raises(SourceError, match=r"v_a_c001\.parquet: expected pictures of 1280x720"):
        read(make(tmp_path, content))


def test_broken_json(tmp_path):
    make(tmp_path)
    write_truth(tmp_path, b"{", "multisports_GT.json")
    with pytest.raises(SourceError, match=r"multisports_GT\.json: expected JSON"):
        read(tmp_path)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(SourceError, match=r"expected multisports_GT\.json or multisports_GT\.pkl"):
        MultiSports(tmp_path).units("train")
