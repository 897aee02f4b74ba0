"""Broken nuScenes tables: each ends in an error that names the file, the token and the rule."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import UnitResult
from stkit_datasets.sources.nuscenes import NuScenes
from stkit_datasets.sources.nuscenes_index import TABLES

sys.path.append(str(Path(__file__).parent))
from nuscenes_tables_maker import write_release

Rows = list[dict[str, Any]]
VERSION = "v1.0-trainval"


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sound") / "nuscenes"
    write_release(root, VERSION, ["scene-0001", "scene-0002"], sweeps=False)
    return root


@pytest.fixture
def root(sound, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("STKIT_CACHE", str(tmp_path / "cache"))
    shutil.copytree(sound, tmp_path / "nuscenes")
    return tmp_path / "nuscenes"


def read(root: Path, unit: str = "scene-0001") -> UnitResult:
    return NuScenes(root).read("train", unit)


def change(root: Path, table: str, edit: Callable[[Rows], object]) -> Rows:
    path = root / VERSION / f"{table}.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    edit(rows)
    path.write_text(json.dumps(rows), encoding="utf-8")
    return rows


def put(column: str, value: object, row: int = 3) -> Callable[[Rows], object]:
    return lambda rows: rows[row].__setitem__(column, value)


@pytest.mark.parametrize("table", TABLES)
def test_missing_table(root, table):
    path = root / VERSION / f"{table}.json"
    path.unlink()
    with pytest.raises(SourceError, match=re.escape(str(path))):
        read(root)


@pytest.mark.parametrize("table", TABLES)
def test_truncated_table(root, table):
    path = root / VERSION / f"{table}.json"
    text = path.read_bytes()
    path.write_bytes(text[: len(text) // 2])
    with pytest.raises(SourceError, match=rf"{table}\.json: row \d+: must be one complete JSON"):
        read(root)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (b"", "does not begin with"),
        (b"{}", "does not begin with"),
        (b"[1]", "row 0: must be an object, got int"),
        (b'[{"token": "a", "category_token": "b"}{}]', "row 1: must be one complete JSON"),
        (b"[{]", "row 0: must be one complete JSON"),
        (b"[]]", "text follows"),
        (b"\xff\xfe", "must be one complete JSON"),
        (b"[" * 100_000, "row 0: must be one complete JSON"),
    ],
)
def test_not_an_array_of_objects(root, text, match):
    (root / VERSION / "instance.json").write_bytes(text)
    with pytest.raises(SourceError, match=rf"instance\.json.*{match}"):
        read(root)


@pytest.mark.parametrize(
    ("table", "edit", "match"),
    [
        ("sample", put("timestamp", "early"), "row 3, token .*: timestamp must be an integer, got"),
        ("sample", put("timestamp", 1.5), "timestamp must be an integer, got 1.5"),
        ("sample", put("timestamp", 2**70), "timestamp must be an integer"),
        ("sample_annotation", put("translation", 4), r"translation must be a list \(a number each"),
        ("sample_annotation", put("translation", [1, 2]), "translation must have 3 numbers, got"),
        ("sample_annotation", put("rotation", [1, 0, 0, None]), "rotation must be a list"),
        ("sample_annotation", put("size", ["1", 2, 3]), "size must be a list"),
        ("sample_annotation", put("token", None), "row 3: token must be a string, got None"),
        ("sample_data", put("is_key_frame", 1), "is_key_frame must be true or false, got 1"),
        ("sample_annotation", lambda rows: rows[5].pop("size"), "row 5, .*'size' is missing"),
        ("ego_pose", lambda rows: rows[2].pop("rotation"), "row 2, .*'rotation' is missing"),
        ("scene", put("name", "../up", 0), "name must be letters"),
    ],
)  # fmt: skip
def test_wrong_types_and_missing_columns(root, table, edit, match):
    change(root, table, edit)
    with pytest.raises(SourceError, match=rf"{table}\.json: .*{match}"):
        read(root)


@pytest.mark.parametrize(
    ("table", "column", "target"),
    [
        ("sample", "scene_token", "scene"),
        ("sample_annotation", "sample_token", "sample"),
        ("sample_annotation", "instance_token", "instance"),
        ("instance", "category_token", "category"),
        ("calibrated_sensor", "sensor_token", "sensor"),
        ("sample_data", "calibrated_sensor_token", "calibrated_sensor"),
        ("sample_data", "sample_token", "sample"),
    ],
)
def test_dangling_token_names_both(root, table, column, target):
    rows = change(root, table, put(column, "lost", 3))
    with pytest.raises(SourceError) as caught:
        read(root)
    assert caught.value.path.endswith(f"{table}.json")
    assert f"{column} 'lost' is not a token of {target}.json" in caught.value.rule
    assert rows[3]["token"] in caught.value.where


@pytest.mark.parametrize("table", ["scene", "sample", "instance", "calibrated_sensor", "ego_pose"])
def test_a_token_twice(root, table):
    rows = change(root, table, lambda rows: rows.append(rows[0]))
    with pytest.raises(SourceError, match=f"{table}.*must be unique.*{rows[0]['token']}"):
        read(root)


NAN = float("nan")


@pytest.mark.parametrize(
    ("table", "edit", "match"),
    [
        ("sample_annotation", put("translation", [1.0, NAN, 0.0]), "translation must be finite"),
        ("sample_annotation", put("translation", [1.0, float("inf"), 0.0]), "must be finite"),
        ("sample_annotation", put("size", [1.0, 0.0, 1.0]), "size must be positive and finite"),
        ("sample_annotation", put("size", [1.0, -2.0, 1.0]), "size must be positive and finite"),
        ("sample_annotation", put("rotation", [0.0] * 4), "rotation must be a unit quaternion"),
        ("calibrated_sensor", put("camera_intrinsic", [[0.0] * 3] * 3), "positive focal lengths"),
        ("calibrated_sensor", put("camera_intrinsic", []), "must be 3 lists of 3 numbers"),
        ("calibrated_sensor", put("camera_intrinsic", [[1.0]]), "must be 3 lists of 3 numbers"),
        ("calibrated_sensor", put("rotation", [0.0] * 4), "rotation a unit quaternion"),
        ("ego_pose", put("rotation", [0, 0, 0, 0]), "rotation a unit quaternion"),
        ("ego_pose", put("translation", [NAN, 0, 0]), "translation must be finite"),
        ("sample_data", put("width", 0), "width and height must be positive"),
        ("sample_data", put("width", 1500), "width and height must be the same in all images"),
        ("sample_data", put("ego_pose_token", "lost"), "'lost' is not a token of ego_pose.json"),
        ("sample_data", put("filename", "/etc/passwd"), "path inside the data folder"),
        ("sample_data", put("filename", "../a.jpg"), "path inside the data folder"),
        ("sample", put("timestamp", -5), "timestamp must be in microseconds, got -5"),
        ("sample", put("next", "lost"), "next is not a token of sample.json"),
        ("sample", put("next", ""), "timestamps out of order: next is empty"),
    ],
)  # fmt: skip
def test_a_broken_value_breaks_its_scene_only(root, table, edit, match):
    rows = change(root, table, edit)
    with pytest.raises(SourceError, match=rf"{table}\.json: token .*{match}") as caught:
        read(root)
    if match != "timestamp must be in microseconds, got -5":
        assert rows[3]["token"] in str(caught.value)
    assert len(read(root, "scene-0002").clips) == 6


def test_timestamps_out_of_order(root):
    def swap(rows: Rows) -> None:
        a, b = rows[4], rows[5]
        a["timestamp"], b["timestamp"] = b["timestamp"], a["timestamp"]

    rows = change(root, "sample", swap)
    with pytest.raises(SourceError, match=r"timestamps out of order: next is .* at ") as caught:
        read(root)
    assert any(row["token"] in caught.value.where for row in rows[3:6])


def test_equal_timestamps(root):
    change(root, "sample", lambda rows: rows[4].update(timestamp=rows[5]["timestamp"]))
    with pytest.raises(SourceError, match="timestamps out of order"):
        read(root)


def test_instance_twice_in_a_sample(root):
    rows = change(
        root,
        "sample_annotation",
        lambda rows: rows.append(rows[0] | {"token": "again"}),
    )
    with pytest.raises(
        SourceError, match=r"token 'again': instance .* in sample .* once only"
    ) as error:
        read(root)
    assert rows[0]["instance_token"] in error.value.rule
    assert rows[0]["sample_token"] in error.value.rule


def test_two_images_of_one_camera_in_a_sample(root):
    change(root, "sample_data", lambda rows: rows.append(rows[0] | {"token": "again"}))
    with pytest.raises(SourceError, match="CAM_FRONT must have one keyframe image a sample"):
        read(root)


def test_layout_of_the_text_does_not_matter(root):
    expected = read(root).clips
    for table, style in zip(
        TABLES,
        [{"indent": 4}, {"indent": 1}, {"separators": (",", ":")}] * 3,
        strict=True,
    ):
        path = root / VERSION / f"{table}.json"
        path.write_text(" \n" + json.dumps(json.loads(path.read_text()), **style) + "\r\n ")
    # Braces and commas inside a string must not be taken for the end of an object.
    change(root, "sample_data", lambda rows: [row.update(prev='},{"]') for row in rows])
    for clip, same in zip(expected, read(root).clips, strict=True):
        assert np.array_equal(clip.tracks.centers_m, same.tracks.centers_m, equal_nan=True)
        assert clip.frames.names == same.frames.names
        assert np.array_equal(clip.camera_SE3_world, same.camera_SE3_world)


def test_a_missing_keyframe_cuts_the_scene(root):
    def lose(rows: Rows) -> None:
        rows[9]["next"] = rows[11]["token"]
        del rows[10]

    lost = json.loads((root / VERSION / "sample.json").read_text())[10]["token"]
    change(root, "sample", lose)
    for table in ("sample_annotation", "sample_data"):
        change(
            root,
            table,
            lambda rows: rows.__setitem__(
                slice(None), [row for row in rows if row["sample_token"] != lost]
            ),
        )
    clips = read(root).clips
    assert [(clip.clip_id, clip.tracks.n_frames) for clip in clips] == [
        *[("scene-0001@0", 10)] * 6,
        *[("scene-0001@1", 30)] * 6,
    ]
    assert all(clip.scene_id == "scene-0001" for clip in clips)
    assert all(clip.timestamps_s[0] == 0 for clip in clips)
    assert clips[6].start_ns > clips[0].start_ns + clips[0].timestamps_s[-1] * 1e9


def test_a_camera_with_a_hole_gives_its_longest_run(root):
    samples = json.loads((root / VERSION / "sample.json").read_text())
    hole = {samples[7]["token"]}

    def lose(rows: Rows) -> None:
        rows[:] = [
            row
            for row in rows
            if not ("CAM_BACK/" in row["filename"] and row["sample_token"] in hole)
        ]

    change(root, "sample_data", lose)
    clips = {clip.camera.name: clip for clip in read(root).clips}
    back, front = clips["CAM_BACK"], clips["CAM_FRONT"]
    assert back.tracks.n_frames == len(back.frames) == front.tracks.n_frames - 8
    assert back.notes["keyframes"].startswith("32 of 40 ")
    assert back.clip_id == front.clip_id
    assert back.start_ns == samples[8]["timestamp"] * 1000
    assert back.timestamps_s[0] == 0
    ours = front.tracks.window(8, 40)
    assert np.array_equal(back.tracks.centers_m, ours.centers_m, equal_nan=True)


def test_a_scene_without_rows(root):
    change(
        root,
        "scene",
        lambda rows: rows.append(rows[0] | {"token": "empty", "name": "scene-0004"}),
    )
    result = read(root, "scene-0004")
    assert not result.clips
    assert [skipped.reason for skipped in result.skipped] == ["has no keyframes"]


VALUES = [None, True, -1, 0, 1e300, 2**63, NAN, "", "x", [], [[]], {}, [1.0], "\ud800"]


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """The sound tables cut down to one scene and few instances, so that a run is quick."""
    root = tmp_path_factory.mktemp("small") / "nuscenes"
    folder = write_release(root, VERSION, ["scene-0001"], sweeps=False)
    instances = json.loads((folder / "instance.json").read_text())[:4]
    kept = {row["token"] for row in instances}
    boxes = json.loads((folder / "sample_annotation.json").read_text())
    boxes = [row for row in boxes if row["instance_token"] in kept]
    (folder / "instance.json").write_text(json.dumps(instances))
    (folder / "sample_annotation.json").write_text(json.dumps(boxes, indent=0))
    return root


@pytest.fixture(scope="module")
def fuzz(small, tmp_path_factory) -> Callable[[str, bytes], None]:
    """Return a function that puts one table's bytes in place and reads: a result or SourceError."""
    work = tmp_path_factory.mktemp("fuzz")
    shutil.copytree(small, work / "nuscenes")

    def check(table: str, data: bytes) -> None:
        path = work / "nuscenes" / VERSION / f"{table}.json"
        before = path.read_bytes()
        path.write_bytes(data)
        try:
            with contextlib.suppress(SourceError):
                source = NuScenes(work / "nuscenes")
                for unit in source.units("train"):
                    source.read("train", unit)
        finally:
            path.write_bytes(before)

    return check


@pytest.fixture(scope="module")
def fuzz_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STKIT_CACHE", str(tmp_path_factory.mktemp("fuzz-cache")))
        yield


@pytest.mark.usefixtures("fuzz_cache")
@settings(max_examples=120, deadline=None, derandomize=True)
@given(table=st.sampled_from(TABLES), data=st.data())
def test_fuzz_bytes(fuzz, small, table, data):
    text = bytearray((small / VERSION / f"{table}.json").read_bytes())
    if data.draw(st.booleans()):
        text = text[: data.draw(st.integers(0, len(text)))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    fuzz(table, bytes(text))


@pytest.mark.usefixtures("fuzz_cache")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(table=st.sampled_from(TABLES), value=st.sampled_from(VALUES), data=st.data())
def test_fuzz_values(fuzz, small, table, value, data):
    rows = json.loads((small / VERSION / f"{table}.json").read_bytes())
    row = rows[data.draw(st.integers(0, len(rows) - 1))]
    column = data.draw(st.sampled_from(sorted(row)))
    if isinstance(row[column], list) and row[column] and data.draw(st.booleans()):
        row[column][data.draw(st.integers(0, len(row[column]) - 1))] = value
    else:
        row[column] = value
    fuzz(table, json.dumps(rows).encode())
