"""Every question about real files against a recomputation that shares no code with the packages."""

from __future__ import annotations

import copy
import math
import shutil
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
import pyarrow.feather
import pytest
from independent import Pose, Scene, clocks, turn_deg
from independent_checks import (
    CHECKS,
    asked_questions,
    disagreements,
    expected_questions,
)
from independent_files import read_argoverse2, read_nuscenes

LOG = "7fab2350-7eaf-3b7e-a39d-6937a4c1bede"
NUSCENES = {"train": "scene-0655", "validation": "scene-0103"}
TASKS = {
    *("traveled_distance", "traveling_speed", "movement_direction", "direction_timestamp"),
    *("traveled_distance_comparison", "traveling_speed_comparison"),
    "movement_direction_comparison",
}


def load(source: str, data_dir: Path, cache: Path, split: str) -> list[dict]:
    from datasets import load_dataset

    import stkit_datasets  # noqa: F401  makes "stkit" known

    return load_dataset(
        "stkit", source, data_dir=str(data_dir), split=split, video="none", cache_dir=str(cache)
    ).to_list()


@pytest.fixture(scope="module")
def scenes(shared_data) -> dict[str, Scene]:
    tables = shared_data("nuscenes/v1.0-mini")
    found = [read_nuscenes(tables, name) for name in NUSCENES.values()]
    found.append(read_argoverse2(shared_data(f"argoverse2/val/{LOG}")))
    return {scene.scene_id: scene for scene in found}


@pytest.fixture(scope="module")
def rows(shared_data, scenes, tmp_path_factory) -> list[dict]:
    cache = tmp_path_factory.mktemp("cache")
    found = load("argoverse2", shared_data("argoverse2"), cache, "validation")
    for split in NUSCENES:
        found += load("nuscenes", shared_data("nuscenes"), cache, split)
    return [row for row in found if row["scene_id"] in scenes]


def test_three_scenes_give_hundreds_of_questions_over_all_tasks(rows, scenes):
    assert len(rows) >= 300
    assert {row["scene_id"] for row in rows} == set(scenes)
    for source in ("argoverse2", "nuscenes"):
        tasks = Counter(row["task"] for row in rows if row["source"] == source)
        assert set(tasks) == TASKS
    assert len({row["id"] for row in rows}) == len(rows)


@pytest.mark.parametrize("check", CHECKS)
def test_every_row_agrees_with_the_raw_files(rows, scenes, check):
    assert disagreements(check, rows, scenes) == []


def test_frames_are_the_cameras_own_keyframes(rows, scenes):
    for row in rows:
        views = scenes[row["scene_id"]].views[row["camera"]]
        assert row["frames"] == [view.image for view in views if view.image], row["id"]


def test_provenance_names_files_that_exist(rows, shared_data):
    for row in rows:
        root = shared_data(row["source"])
        assert row["provenance"]["files"], row["id"]
        assert all((root / name).is_file() for name in row["provenance"]["files"]), row["id"]


def test_every_moving_object_of_every_camera_is_asked_about(rows, scenes):
    n_expected = 0
    for scene in scenes.values():
        for camera in scene.views:
            if camera.startswith("stereo"):
                continue
            expected = expected_questions(scene, camera)
            n_expected += len(expected)
            assert asked_questions(rows, scene, camera) == expected, (scene.scene_id, camera)
    assert n_expected >= 300


# ------------------------------------------------------------------- gaps in the annotation


CAR, SLOWER_CAR, WALKER = (
    "04f7a0aa-ba71-4e88-ade0-1b4a1957117d",
    "7f57d71f-7aee-4f0c-9ea1-a085e9430bb1",
    "5b8de22b-cd96-46f2-8460-d34d1362e321",
)
JUMPS_M = {CAR: 60.0, SLOWER_CAR: 10.0, WALKER: 10.0}
"""Added to one position of a track: 120 m/s for a car, and 20 m/s for a car and a person."""


@pytest.fixture(scope="module")
def altered_log(shared_data, tmp_path_factory) -> Path:
    """The log with holes at the times of the grid.

    Of every second track the sweeps at each third frame are gone (neighbours 0.2 s apart); of
    the others, once, the three sweeps about the seventh frame (0.4 s); and one whole sweep.
    Three tracks jump, once each, at their last time on the grid but one.
    """
    root = tmp_path_factory.mktemp("altered")
    log = root / "val" / LOG
    shutil.copytree(shared_data(f"argoverse2/val/{LOG}"), log)
    table = pa.table(pyarrow.feather.read_table(log / "annotations.feather"))
    sweeps = sorted(set(table["timestamp_ns"].to_pylist()))
    tracks = sorted(set(table["track_uuid"].to_pylist()))
    short = {(track, sweep) for track in tracks[::2] for sweep in sweeps[5::15]}
    long = {(track, sweep) for track in tracks[1::2] for sweep in sweeps[29:32]}
    keep = [
        (track, sweep) not in short | long and sweep != sweeps[100]
        for track, sweep in zip(*_keys(table), strict=True)
    ]
    table = table.filter(pa.array(keep))
    places, left = table["tx_m"].to_pylist(), set(zip(*_keys(table), strict=True))
    for track, jump_m in JUMPS_M.items():
        sweep = [sweep for sweep in sweeps[::5] if (track, sweep) in left][-2]
        places[list(zip(*_keys(table), strict=True)).index((track, sweep))] += jump_m
    column = table.schema.get_field_index("tx_m")
    table = table.set_column(column, "tx_m", pa.array(places))
    pyarrow.feather.write_feather(table, log / "annotations.feather")
    return log


def _keys(table: pa.Table) -> tuple[list[str], list[int]]:
    return table["track_uuid"].to_pylist(), table["timestamp_ns"].to_pylist()


@pytest.fixture(scope="module")
def altered_rows(altered_log, tmp_path_factory) -> list[dict]:
    cache = tmp_path_factory.mktemp("cache")
    return load("argoverse2", altered_log.parents[1], cache, "validation")


@pytest.fixture(scope="module")
def altered_scene(altered_log) -> Scene:
    return read_argoverse2(altered_log)


@pytest.mark.parametrize("check", CHECKS)
def test_holes_in_the_annotation_are_bridged_or_kept(altered_rows, altered_scene, check):
    assert disagreements(check, altered_rows, {LOG: altered_scene}) == []


def test_tracks_that_jump_are_dropped(rows, altered_rows, altered_scene):
    asked = {item["track_id"] for row in rows for item in row["objects"]}
    assert set(JUMPS_M) <= asked
    assert altered_scene.too_fast(CAR)
    assert altered_scene.too_fast(WALKER)
    assert not altered_scene.too_fast(SLOWER_CAR)
    asked = {item["track_id"] for row in altered_rows for item in row["objects"]}
    assert asked & set(JUMPS_M) == {SLOWER_CAR}


def test_holes_change_what_is_asked_as_they_should(altered_rows, altered_scene, scenes):
    scene = altered_scene
    bridged = [
        cuboid
        for track in scene.cuboids.values()
        for cuboid in track
        if cuboid is not None and len(cuboid.tokens) == 2
    ]
    assert len(bridged) > 50
    whole, holed = (
        sum(cuboid is None for track in each.cuboids.values() for cuboid in track)
        for each in (scenes[LOG], scene)
    )
    assert holed > whole + 20
    for camera in scene.views:
        if not camera.startswith("stereo"):
            assert asked_questions(altered_rows, scene, camera) == expected_questions(scene, camera)


# ------------------------------------------------------------------- the checks themselves


def test_an_object_that_does_not_qualify_is_found(rows, scenes):
    row = copy.deepcopy(rows[0])
    scene = scenes[row["scene_id"]]
    parked = [
        track
        for track in scene.cuboids
        if scene.appearance(row["camera"], track) and not scene.qualifies(row["camera"], track)
    ]
    assert parked
    for row["objects"][0]["track_id"] in parked:
        assert disagreements("gates", [row], scenes)


def test_a_quarter_turn_to_the_left_takes_x_to_y():
    half = math.sqrt(0.5)
    pose = Pose.from_quaternion(half, 0.0, 0.0, half, (10.0, 0.0, 1.0))
    assert pose((2.0, 0.0, 0.0)) == pytest.approx([10.0, 2.0, 1.0])
    assert pose.back((10.0, 2.0, 1.0)) == pytest.approx([2.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("direction", "degrees"), [((1, 0), 0), ((0, -1), 90), ((0, 1), -90), ((1, -1), 45)]
)
def test_turns_are_clockwise_from_above(direction, degrees):
    assert turn_deg((1, 0), direction) == pytest.approx(degrees)


def test_clocks_of_a_u_turn_to_the_right():
    corners = [(0, 0, 0), (2, 0, 0), (4, 0, 0), (4, -2, 0), (4, -2.1, 0), (2, -2.1, 0)]
    centers = [Pose.from_quaternion(1, 0, 0, 0, corner).translation for corner in corners]
    assert clocks(centers) == [12, 12, 3, None, 6]


def _scaled(row: dict) -> None:
    row["target"]["value_si"] *= 1.001


def _later(row: dict) -> None:
    row["target"]["end_s"] += 0.5


def _next_hour(row: dict) -> None:
    row["target"]["clock"] = row["target"]["clock"] % 12 + 1


def _other_object(row: dict) -> None:
    (choice,) = {item["color"] for item in row["objects"]} - {row["target"]["choice"]}
    row["target"]["choice"] = choice


def _other_way(row: dict) -> None:
    row["target"]["choice"] = {"same": "different", "different": "same"}[row["target"]["choice"]]


def _other_polarity(row: dict) -> None:
    row["polarity"] = {"more": "less", "less": "more"}[row["polarity"]]


def _shifted_box(row: dict) -> None:
    box = next(box for box in row["objects"][0]["boxes"] if box)
    box[0] += 0.2


def _lost_box(row: dict) -> None:
    boxes = row["objects"][0]["boxes"]
    boxes[next(k for k, box in enumerate(boxes) if box)] = None


def _wrong_answer(row: dict) -> None:
    row["answer"] = row["answer"].replace(".", ".1", 1)


def _lost_token(row: dict) -> None:
    row["provenance"]["tokens"].pop()


def _one_frame_less(row: dict) -> None:
    row["prompt"] = row["prompt"].replace("0.50 s, ", "", 1)


def _shifted_center(row: dict) -> None:
    center = next(center for center in row["objects"][0]["centers_m"] if center)
    center[2] += 0.001


def _shorter_run(row: dict) -> None:
    row["end_s"] = row["timestamps_s"][row["timestamps_s"].index(row["end_s"]) - 1]


def _one_object_more(row: dict) -> None:
    row["n_objects"] += 1


@pytest.mark.parametrize(
    ("task", "falsify", "check"),
    [
        ("traveled_distance", _scaled, "target"),
        ("traveling_speed", _scaled, "target"),
        ("movement_direction", _next_hour, "target"),
        ("direction_timestamp", _next_hour, "target"),
        ("direction_timestamp", _later, "target"),
        ("traveled_distance_comparison", _other_object, "target"),
        ("traveling_speed_comparison", _other_polarity, "target"),
        ("movement_direction_comparison", _other_way, "target"),
        ("traveled_distance_comparison", _other_object, "answer"),
        ("movement_direction_comparison", _other_way, "answer"),
        ("traveled_distance_comparison", _other_polarity, "question"),
        ("traveling_speed", _wrong_answer, "answer"),
        ("direction_timestamp", _later, "answer"),
        ("traveled_distance", _shifted_box, "boxes"),
        ("traveled_distance", _lost_box, "boxes"),
        ("traveled_distance", _shifted_center, "positions"),
        ("movement_direction", _shorter_run, "run"),
        ("traveled_distance_comparison", _shorter_run, "run"),
        ("traveled_distance", _one_object_more, "clip"),
        ("traveled_distance", _lost_token, "tokens"),
        ("traveled_distance", _one_frame_less, "prompt"),
    ],
)
def test_a_false_row_is_found(rows, scenes, task, falsify, check):
    for row in [row for row in rows if row["task"] == task][:20]:
        false = copy.deepcopy(row)
        falsify(false)
        assert disagreements(check, [false], scenes), row["id"]
