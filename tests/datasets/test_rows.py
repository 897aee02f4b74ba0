from __future__ import annotations

import json
import re

import numpy as np
import pytest
import toy

from stkit_datasets.audit import audit, positions_m, run_of
from stkit_datasets.clip import Clip
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.explain import explain, picture
from stkit_datasets.rows import RowConfig, clip_rows
from stkit_datasets.schema import arrow_schema, features
from stkit_datasets.video.encode import decode_mp4
from stkit_datasets.video.frames import ArrayFrames
from stkit_datasets.video.palette import COLORS, rgb_of

CONFIG = RowConfig(video="none")


def pair_clip(**more):
    return toy.clip(
        np.stack(
            [
                toy.straight((15, -4, 0.75), (3, 1, 0), 10),
                toy.straight((40, 4, 0.75), (-2, -0.5, 0), 10),
            ]
        ),
        **more,
    )


def with_frames(clip):
    images = [np.full((360, 640, 3), 90, np.uint8) for _ in range(clip.tracks.n_frames)]
    names = tuple(f"frames/{i}.png" for i in range(len(images)))
    return type(clip)(**{**vars(clip), "frames": ArrayFrames(images, names)})


@pytest.fixture(scope="module")
def rows() -> list[dict]:
    return clip_rows(pair_clip(), CONFIG).table.to_pylist()


def test_all_seven_tasks_have_rows(rows: list[dict]) -> None:
    assert len({row["task"] for row in rows}) == 7
    assert len({row["id"] for row in rows}) == len(rows)


def test_types_are_those_of_the_features(rows: list[dict]) -> None:
    table = clip_rows(pair_clip(), CONFIG).table
    assert table.schema == arrow_schema()
    assert features().encode_example(rows[0])["target"]["task"] == rows[0]["task"]


def test_a_row_says_where_its_camera_was(rows: list[dict]) -> None:
    # The toy camera stands 1.5 m above the origin and looks along x: right is -y, down is -z.
    looks_along_x = [0.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 1.5]
    for row in rows:
        assert row["camera_poses"] == [looks_along_x] * len(row["timestamps_s"])
    boxed = {**vars(pair_clip()), "camera_SE3_world": None}
    boxed["boxes_px"] = np.broadcast_to([20.0, 20.0, 70.0, 70.0], (2, 10, 4))
    given = clip_rows(Clip(**boxed), CONFIG).table["camera_poses"].to_pylist()
    assert given
    assert set(given) == {None}


@pytest.mark.parametrize(("video", "drawn"), [("overlay", True), ("raw", False), ("none", None)])
def test_a_row_says_whether_its_boxes_are_drawn(video: str, drawn: bool | None) -> None:
    table = clip_rows(with_frames(pair_clip()), RowConfig(video=video)).table
    assert set(table["boxes_drawn"].to_pylist()) == {drawn}


def test_every_target_is_worked_out_again_from_the_row(rows: list[dict]) -> None:
    checked = [audit(row) for row in rows]
    for row, told in zip(rows, checked, strict=True):
        x_m, y_m, _ = positions_m(row, 0)[run_of(row)[0]]
        assert re.search(rf"\( *{x_m:.3f}, +{y_m:.3f}[,)]", "\n".join(told.lines)), row["task"]
    assert all(entry.agrees for entry in checked)
    tampered = json.loads(json.dumps(rows[0]))
    tampered["target"]["value_si"] *= 1.01
    assert not audit(tampered).agrees


def test_unused_target_fields_are_null(rows: list[dict]) -> None:
    used = {
        "traveled_distance": {"value_si", "unit"},
        "traveling_speed": {"value_si", "unit"},
        "movement_direction": {"clock"},
        "direction_timestamp": {"clock", "start_s", "end_s"},
        "traveled_distance_comparison": {"choice"},
        "traveling_speed_comparison": {"choice"},
        "movement_direction_comparison": {"choice"},
    }
    for row in rows:
        filled = {k for k, v in row["target"].items() if v is not None} - {"task"}
        assert filled == used[row["task"]]


def test_messages_hold_prompt_and_answer_with_the_video_first(rows: list[dict]) -> None:
    user, assistant = rows[0]["messages"]
    assert [part["type"] for part in user["content"]] == ["video", "text"]
    assert user["content"][1]["text"] == rows[0]["prompt"]
    assert assistant["content"][0]["text"] == rows[0]["answer"]
    assert rows[0]["question"] in rows[0]["prompt"]


def test_boxes_and_centers_are_per_frame_with_nulls() -> None:
    centers = toy.straight((20, 0, 0.75), (2, 0, 0), 10)
    centers[8:] = np.nan
    row = clip_rows(toy.clip(centers[None]), CONFIG).table.to_pylist()[0]
    (entry,) = row["objects"]
    assert [box is None for box in entry["boxes"]] == [False] * 8 + [True] * 2
    assert [share is None for share in entry["occlusion"]] == [False] * 8 + [True] * 2
    assert entry["centers_m"][1] == [21.0, 0.0, 0.75]
    assert row["end_s"] == 3.5
    assert len(row["timestamps_s"]) == 10


def test_colors_come_from_the_palette_and_differ(rows: list[dict]) -> None:
    for row in rows:
        colors = [entry["color"] for entry in row["objects"]]
        assert set(colors) <= set(COLORS)
        assert len(set(colors)) == len(colors)
        assert all(color in row["question"] + row["prompt"] for color in colors)


def test_same_input_same_bytes_and_other_seed_other_rows() -> None:
    first, again = (clip_rows(pair_clip(), CONFIG).table for _ in range(2))
    assert first.equals(again)
    other = clip_rows(pair_clip(), RowConfig(video="none", seed=1)).table
    assert set(first["id"].to_pylist()).isdisjoint(other["id"].to_pylist())


def test_id_does_not_depend_on_the_other_tracks() -> None:
    alone = toy.clip(toy.straight((15, -4, 0.75), (3, 1, 0), 10)[None])
    ids = set(clip_rows(alone, CONFIG).table["id"].to_pylist())
    assert ids < set(clip_rows(pair_clip(), CONFIG).table["id"].to_pylist())


def test_a_clip_without_questions_gives_an_empty_table_of_the_right_type() -> None:
    empty = clip_rows(toy.clip(np.full((1, 6, 3), np.nan)), CONFIG)
    assert empty.table.num_rows == 0
    assert empty.table.schema == arrow_schema()


def test_video_without_images_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(SourceError, match=r"no images of camera 'front'.*video='none'"):
        clip_rows(pair_clip(), RowConfig())


def test_overlay_draws_the_named_color_where_the_object_is() -> None:
    clip = with_frames(pair_clip())
    row = clip_rows(clip, RowConfig()).table.to_pylist()[0]
    frames = decode_mp4(row["video"]["bytes"])
    assert frames.shape == (10, 360, 640, 3)
    x0, y0, x1, _ = row["objects"][0]["boxes"][5]
    edge = frames[5, int(y0) - 1, int((x0 + x1) / 2)].astype(int)
    assert np.abs(edge - rgb_of(row["objects"][0]["color"])).max() < 60
    assert row["frames"][5] == "frames/5.png"


def test_raw_video_has_no_boxes() -> None:
    row = clip_rows(with_frames(pair_clip()), RowConfig(video="raw")).table.to_pylist()[0]
    assert np.abs(decode_mp4(row["video"]["bytes"]).astype(int) - 90).max() < 8


def test_rows_about_the_same_objects_share_one_video() -> None:
    table = clip_rows(with_frames(pair_clip()), RowConfig()).table
    by_objects: dict[tuple, set[bytes]] = {}
    for row in table.to_pylist():
        key = tuple(sorted(entry["track_id"] for entry in row["objects"]))
        by_objects.setdefault(key, set()).add(row["video"]["bytes"])
    assert [len(videos) for videos in by_objects.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"video": "mp4"}, "video must be one of overlay, raw, none, got 'mp4'"),
        ({"tasks": ("speed",)}, r"tasks must be among traveled_distance.*got \['speed'\]"),
        ({"tasks": ()}, "tasks must be among"),
        ({"video_height_px": 2}, "video_height_px must be at least 16, got 2"),
    ],
)
def test_settings_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RowConfig(**settings)


def test_explain_names_files_tokens_positions_and_arithmetic(rows: list[dict]) -> None:
    text = explain(next(row for row in rows if row["task"] == "traveled_distance"))
    for part in (
        "tracks.json",
        "t0-3",
        "(    15.000,     -4.000,    0.750) m",
        "sum of 9 steps",
        "(agrees)",
    ):
        assert part in text


def test_picture_is_svg_with_both_tracks(rows: list[dict]) -> None:
    svg = picture(next(row for row in rows if len(row["objects"]) == 2))
    assert svg.startswith("<svg")
    assert svg.count("<polyline") == 6
    assert "nan" not in svg
