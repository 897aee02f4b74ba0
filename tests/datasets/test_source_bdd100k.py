import json
import pickle
import shutil

import numpy as np
import pseudo_maker as maker
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stkit_datasets.audit import audit
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.pseudo_labels.factors import current_table
from stkit_datasets.rows import RowConfig
from stkit_datasets.sources import open_source
from stkit_datasets.sources.bdd100k import Bdd100k
from stkit_datasets.units_of_work import build_fingerprint, unit_rows
from stkit_datasets.video.encode import decode_mp4

SHIFT = np.array([5, 0, 5, 0])
SAMPLE = "b1c66a42-6f7d68ca"


def box_label(name, box, category="car", **attributes):
    sides = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return {"id": name, "category": category, "attributes": attributes, "box2d": sides}


def frames(video="v1", n=55):
    """Box tracks at 5 Hz: the car 5 px right of where the labels see it, until 6 s."""
    return [
        {
            "name": f"{video}-{k + 1:07d}.jpg",
            "videoName": video,
            "frameIndex": k,
            "labels": [box_label("car", maker.car_box(k / 5) + SHIFT, "truck")] if k <= 30 else [],
        }
        for k in range(n)
    ]


def write_tracks(folder, content, video="v1", half="train"):
    path = folder / "labels" / "box_track_20" / half / f"{video}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def make(folder, content=None, **changes):
    maker.write(folder / "pseudo_labels" / "train", maker.labels(**changes))
    if content is not None:
        write_tracks(folder, content)
    return folder


def touch_video(folder, half, name):
    path = folder / "videos" / half / f"{name}.mov"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def read(folder, unit="v1", split="train", **options):
    return Bdd100k(folder, options).read(split, unit)


# ---- the outcome --------------------------------------------------------------------------------


def test_a_clip_of_a_pseudo_label_file(tmp_path):
    (clip,) = read(make(tmp_path)).clips
    assert (clip.source, clip.split, clip.clip_id, clip.scene_id) == (
        "bdd100k",
        "train",
        "v1",
        "v1",
    )
    assert (clip.domain, clip.camera.width_px, clip.camera.height_px) == ("driving", 320, 180)
    assert clip.files == ("pseudo_labels/train/v1.parquet",)
    times_s = 0.5 * np.arange(20)
    np.testing.assert_allclose(clip.timestamps_s, times_s)
    np.testing.assert_allclose(clip.tracks.centers_m[0, :, 0], 4 * times_s)
    np.testing.assert_allclose(clip.boxes_px[0], [maker.car_box(t) for t in times_s])
    np.testing.assert_allclose(clip.tracks.sigmas_m[:, 0], [0.3, 0.1])
    assert clip.tracks.scale_sigma == 0.05
    assert clip.tracks.annotation_keys[0, 3].tolist() == [1_500_000_000, -1]
    assert clip.frames.names[3] == "videos/train/v1.mov#t=1.500"
    assert clip.camera.intrinsics[0, 0] == 250


def test_box_tracks_give_boxes_and_category_by_id(tmp_path):
    (clip,) = read(make(tmp_path, frames())).clips
    assert clip.files == ("pseudo_labels/train/v1.parquet", "labels/box_track_20/train/v1.json")
    assert clip.tracks.categories == ("truck", "person")
    # 2.5 s lies half way between two of the box tracks' frames.
    np.testing.assert_allclose(clip.boxes_px[0, 5], maker.car_box(2.5) + SHIFT)
    # From 6 s on the car has no box there, so that it is not visible; its positions stay.
    assert np.isfinite(clip.boxes_px[0, :, 0]).tolist() == [k <= 12 for k in range(20)]
    assert clip.tracks.annotated.all()
    np.testing.assert_allclose(clip.boxes_px[1, 9], maker.walker_box(4.5))


def test_videos_belong_to_the_split_they_lie_in(tmp_path):
    for half, name in (("train", "a"), ("val", "b"), ("test", "c")):
        touch_video(tmp_path, half, name)
    # b is a validation video, whatever else lies in a folder of train.
    write_tracks(tmp_path, frames("b"), "b")
    write_tracks(tmp_path, frames("d"), "d", "val")
    maker.write(tmp_path / "pseudo_labels" / "train", maker.labels("d"))
    maker.write(tmp_path / "pseudo_labels" / "train", maker.labels("e"))
    (tmp_path / "pseudo_labels" / "train" / ".f.parquet.x.parquet").touch()
    source = Bdd100k(tmp_path)
    assert source.units("train") == ["a", "e"]
    assert source.units("validation") == ["b", "d"]
    assert {s.reason for s in source.read("train", "a").skipped} == {"no pseudo-label file"}
    with pytest.raises(SourceError, match="expected a video 'b' of the split train"):
        source.read("train", "b")


def test_the_folder_above_will_do_and_labels_may_lie_elsewhere(tmp_path):
    make(tmp_path / "data" / "bdd100k")
    (clip,) = read(tmp_path / "data").clips
    assert clip.files == ("bdd100k/pseudo_labels/train/v1.parquet",)
    assert clip.frames.names[0] == "bdd100k/videos/train/v1.mov#t=0.000"
    shutil.move(tmp_path / "data" / "bdd100k" / "pseudo_labels", tmp_path / "mine")
    touch_video(tmp_path / "data" / "bdd100k", "train", "v1")
    (other,) = read(tmp_path / "data", pseudo_labels=str(tmp_path / "mine")).clips
    np.testing.assert_array_equal(other.tracks.centers_m, clip.tracks.centers_m)


def test_index_files_are_those_that_decide_the_rows(tmp_path):
    make(tmp_path, frames())
    touch_video(tmp_path, "train", "v2")
    source = Bdd100k(tmp_path)
    assert [path.name for path in source.index_files("train")] == ["v1.parquet", "v1.json"]
    assert list(source.index_files("validation")) == []
    before = build_fingerprint(source, RowConfig(video="none"))
    maker.write(tmp_path / "pseudo_labels" / "train", maker.labels(scale_sigma=0.1))
    assert build_fingerprint(Bdd100k(tmp_path), RowConfig(video="none")) != before


def test_a_source_travels_to_workers(tmp_path):
    source = Bdd100k(make(tmp_path, frames()))
    assert len(source.units("train")) == 1
    other = pickle.loads(pickle.dumps(source))  # noqa: S301
    assert other.read("train", "v1").clips[0].tracks.track_ids == ("car", "walker")


# ---- the whole path -----------------------------------------------------------------------------


def test_rows_carry_targets_and_uncertainties(tmp_path):
    source = open_source("bdd100k", make(tmp_path))
    built = unit_rows(source, "train", "v1", RowConfig(video="none"))
    rows = [row for table in built.tables for row in table.to_pylist()]
    assert len({row["task"] for row in rows}) >= 5
    assert all(audit(row).agrees for row in rows)
    assert all(row["uncertainty_si"] > 0 for row in rows)
    (row,) = [
        row
        for row in rows
        if (row["task"], row["form"], row["objects"][0]["track_id"])
        == ("traveled_distance", "whole", "car")
    ]
    # 9.5 s at 4 m/s; two ends of 0.3 m and 5 % of scale.
    assert row["target"]["value_si"] == pytest.approx(38)
    factors = current_table().tasks["traveled_distance"]
    assert row["uncertainty_si"] == pytest.approx(factors.sigma(0.3 * np.sqrt(2), 1.9), abs=1e-6)
    assert row["camera_motion"] is None
    assert row["provenance"]["files"] == ["pseudo_labels/train/v1.parquet"]


def test_rows_with_the_boxes_drawn_on_the_video(tmp_path):
    make(tmp_path)
    maker.write_video(tmp_path / "videos" / "train" / "v1.mov")
    source = open_source("bdd100k", tmp_path)
    config = RowConfig(tasks=("traveled_distance",), video_height_px=180)
    (table,) = unit_rows(source, "train", "v1", config).tables
    row = next(r for r in table.to_pylist() if r["objects"][0]["track_id"] == "car")
    pictures = decode_mp4(row["video"]["bytes"]).astype(int)
    assert pictures.shape == (20, 180, 320, 3)
    x0, y0, x1, _ = row["objects"][0]["boxes"][10]
    edge = pictures[10, round(y0) - 2 : round(y0) + 2, round((x0 + x1) / 2)]
    assert np.abs(edge - 128).max() > 40
    assert np.abs(pictures[10, 5, 300] - 128).max() < 12


# ---- real labels --------------------------------------------------------------------------------


def test_the_published_sample(shared_data, tmp_path):
    sample = shared_data("bdd100k/track_sample_anns.json")
    content = json.loads(sample.read_text())
    write_tracks(tmp_path, content, SAMPLE, "val")
    source = Bdd100k(tmp_path)
    assert source.units("validation") == [SAMPLE]
    tracks = source.image_tracks("validation", SAMPLE)
    # Of 144 tracks and 3,241 boxes two tracks with 132 boxes are crowds.
    labels = [x for f in content for x in f["labels"] if not x["attributes"]["crowd"]]
    assert len(tracks.track_ids) == len({label["id"] for label in labels}) == 142
    assert len(tracks.boxes_px) == len(labels) == 3109
    assert set(tracks.categories) == {"car", "pedestrian", "motorcycle", "rider", "truck", "bus"}
    assert tracks.timestamps_ns.max() == 40_200_000_000
    first = tracks.boxes_px[tracks.track_index == tracks.track_ids.index("a-00122062")][0]
    np.testing.assert_allclose(first, [0, 346.55482900742646, 75.41276162779963, 407.4496307987563])


def test_labels_that_start_from_the_published_sample(shared_data, tmp_path):
    """A labeller that names its tracks by the sample's ids gets the sample's boxes."""
    content = json.loads(shared_data("bdd100k/track_sample_anns.json").read_text())
    write_tracks(tmp_path, content, SAMPLE)
    made = maker.labels(
        SAMPLE,
        times_s=0.5 * np.arange(80),
        track_ids=("a-00122062", "other"),
        world_SE3_camera=None,
    )
    video = type(made.video)(**{**vars(made.video), "width_px": 1280, "height_px": 720})
    maker.write(tmp_path / "pseudo_labels" / "train", type(made)(**{**vars(made), "video": video}))
    first, second = read(tmp_path, SAMPLE).clips
    assert (first.clip_id, second.clip_id) == (f"{SAMPLE}@0", f"{SAMPLE}@1")
    np.testing.assert_allclose(first.boxes_px[0, 0, 3], 407.4496307987563)
    seen = {f["frameIndex"] for f in content for x in f["labels"] if x["id"] == "a-00122062"}
    visible = np.isfinite(first.boxes_px[0, :, 0])
    # Whole seconds are frames of the sample themselves.
    assert visible[::2].tolist() == [5 * k in seen for k in range(20)]


# ---- errors -------------------------------------------------------------------------------------


def change(edit, place=3):
    content = frames()
    edit(content[place])
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ('{"a": 1}', "expected a list of frames"),
        ([1], "expected a list of frames"),
        (change(lambda f: f.pop("frameIndex")), "frame 3: expected frameIndex .* got None"),
        (change(lambda f: f.update(frameIndex=-1)), "frame 3: expected frameIndex"),
        (change(lambda f: f.update(frameIndex="3")), "frame 3: expected frameIndex"),
        (change(lambda f: f.update(frameIndex=2)), "frame 3, label 'car': .*one box of an object"),
        (change(lambda f: f.update(videoName="v2")), "frame of video 'v1', got 'v2'"),
        (change(lambda f: f.update(labels={})), "expected labels to be a list"),
        (change(lambda f: f["labels"][0].pop("id")), "frame 3, label None: expected id"),
        (change(lambda f: f["labels"][0].update(category=None)), "expected category"),
        (change(lambda f: f["labels"][0].update(attributes=[1])), "expected attributes"),
        (change(lambda f: f["labels"][0].update(box2d=[1, 2, 3, 4])), "expected box2d"),
        (change(lambda f: f["labels"][0]["box2d"].pop("x2")), "expected box2d"),
        (change(lambda f: f["labels"][0]["box2d"].update(x2=None)), "expected box2d"),
        (change(lambda f: f["labels"][0]["box2d"].update(x2=float("nan"))), "expected box2d"),
    ],
)
def test_broken_box_tracks(tmp_path, content, message):
    with pytest.raises(SourceError, match=rf"box_track_20/train/v1\.json: .*{message}"):
        read(make(tmp_path, content))


def test_what_is_no_object_is_left_out(tmp_path):
    content = frames(n=2)
    content[0]["labels"] += [
        box_label("crowd", [1, 1, 9, 9], crowd=True),
        box_label("flat", [5, 1, 5, 9]),
        {"id": "lane", "category": "lane", "poly2d": []},
        {"id": 7, "category": "car", "box2d": {"x1": 1, "y1": 1, "x2": 9, "y2": 9}},
    ]
    content[1]["labels"] = None
    write_tracks(tmp_path, {"frames": content})
    tracks = Bdd100k(tmp_path).image_tracks("train", "v1")
    assert tracks.track_ids == ("7", "car")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"video_id": "v2"}, "expected the labels of video 'v1', got 'v2'"),
        ({"domain": "sports"}, "expected domain 'driving', got 'sports'"),
        ({"times_s": [0, 30_000]}, "frame_timestamps_s: sweeps span"),
        ({"times_s": [0, 1e-12]}, "frame_timestamps_s: sweep times must be .*increasing"),
    ],
)
def test_a_file_that_does_not_belong(tmp_path, changes, message):
    path = make(tmp_path, **changes) / "pseudo_labels" / "train"
    if "video_id" in changes:
        (path / "v2.parquet").rename(path / "v1.parquet")
    with pytest.raises(SourceError, match=rf"v1\.parquet: {message}"):
        read(tmp_path)


def test_a_folder_of_something_else(tmp_path):
    with pytest.raises(SourceError, match=r"expected the folder bdd100k.*videos/\{train,val\}"):
        Bdd100k(tmp_path).units("train")
    with pytest.raises(ConfigError, match="train, validation"):
        Bdd100k(tmp_path).units("val")
    with pytest.raises(ConfigError, match="bdd100k: unknown option 'cameras'"):
        Bdd100k(tmp_path, {"cameras": ["a"]})
    with pytest.raises(ConfigError, match="pseudo_labels must name a folder"):
        Bdd100k(tmp_path, {"pseudo_labels": 3})


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_fuzz_box_tracks(tmp_path, data):
    path = write_tracks(make(tmp_path), frames(n=12))
    broken = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(broken[: data.draw(st.none() | st.integers(0, len(broken)))])
    try:
        result = read(tmp_path)
    except SourceError:
        return
    assert len(result.clips) == 1
