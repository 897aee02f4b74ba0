from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import nuplan_maker
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from argoverse2_maker import make_log
from bench_maker import LOGS, SHARES, files, make_bench, make_roots
from busy_log import make_busy_log
from datasets import load_dataset
from nuscenes_tables_maker import write_release

from stkit_bench.bench_report import BenchReport
from stkit_bench.build import build_bench, default_shares
from stkit_bench.cli import main
from stkit_bench.overlap import OverlapError
from stkit_bench.roots import Root
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.rows import RowConfig
from stkit_datasets.tasks.names import TASKS

NO_VIDEO = RowConfig(video="none")


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Root]:
    return make_roots(tmp_path_factory.mktemp("official"))


@pytest.fixture(scope="module")
def built(roots: dict[str, Root], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bench")
    make_bench(roots, out)
    return out


def rows_of(out: Path) -> list[dict]:
    return [row for path in sorted(out.glob("*/test-*.parquet"))
            for row in pq.read_table(path).to_pylist()]  # fmt: skip


def test_every_task_has_its_questions_with_video_from_the_validation_splits(built: Path) -> None:
    rows = rows_of(built)
    assert {str(task): sum(row["task"] == task for row in rows) for task in TASKS} == dict.fromkeys(
        map(str, TASKS), 3
    )
    assert {row["split"] for row in rows} == {"validation"}
    assert all(row["video"]["bytes"] for row in rows)
    assert len({row["id"] for row in rows}) == 21


def test_the_folder_holds_shards_card_and_reports_and_nothing_else(built: Path) -> None:
    assert list(files(built)) == [
        "README.md",
        "argoverse2/test-00000-of-00001.parquet",
        "bench.json",
        "reports/argoverse2.json",
        "reports/simulation.json",
        "simulation/test-00000-of-00001.parquet",
    ]


def test_the_report_tells_shares_labels_scenes_and_what_is_short(built: Path) -> None:
    report = json.loads((built / "bench.json").read_text())
    rows = rows_of(built)
    assert report["shares"] == SHARES
    sources = report["selection"]["sources"]
    for name, share in SHARES.items():
        taken = sum(row["source"] == name for row in rows)
        assert sources[name]["selected"] == taken
        assert abs(sources[name]["requested"] - share * 21) < 1
    assert sources["argoverse2"]["selected"] == sources["argoverse2"]["requested"]
    clocks = report["selection"]["tasks"]["movement_direction"]["labels"]["clock"]
    assert sum(count["selected"] for count in clocks.values()) == 3
    assert sum(count["available"] for count in clocks.values()) > 3
    assert {(s, scene) for s, found in report["scenes"].items() for scene in found} == {
        (row["source"], row["scene_id"]) for row in rows
    }
    again = BenchReport.read(built / "bench.json")
    assert again.to_json() == (built / "bench.json").read_text()
    # A page shows labels in this order, not by name.
    assert list(again.selection.tasks) == list(map(str, TASKS))
    assert list(again.selection.tasks["traveled_distance"].labels["distance_m"])[:3] == [
        *("0-2.5", "2.5-5", "5-10"),
    ]


def test_the_bench_has_the_same_rows_as_a_plain_build(built: Path, tmp_path: Path) -> None:
    from bench_maker import SIMULATION

    config = BuildConfig("simulation", None, tmp_path, ("validation",), source_options=SIMULATION)
    build(config, progress=False)
    plain = {row["id"]: row for row in pq.read_table(tmp_path / "simulation").to_pylist()}
    for row in rows_of(built):
        if row["source"] == "simulation":
            assert row == plain[row["id"]]


def test_the_folder_loads_with_datasets_alone(built: Path, tmp_path: Path) -> None:
    everything = load_dataset(str(built), split="test", cache_dir=str(tmp_path))
    one = load_dataset(str(built), "argoverse2", split="test", cache_dir=str(tmp_path))
    assert everything.num_rows == 21
    assert set(one["source"]) == {"argoverse2"}


def test_the_same_arguments_give_the_same_bytes(
    roots: dict[str, Root], built: Path, tmp_path: Path
) -> None:
    make_bench(roots, tmp_path)
    assert files(tmp_path) == files(built)


def test_workers_do_not_change_a_byte(roots: dict[str, Root], tmp_path: Path) -> None:
    some = {"argoverse2": roots["argoverse2"]}
    for workers in (1, 2):
        engine = Engine(workers=workers)
        make_bench(some, tmp_path / str(workers), source_shares=None, engine=engine)
    assert files(tmp_path / "1") == files(tmp_path / "2")


def test_a_finished_bench_is_not_built_again(roots: dict[str, Root], built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    report = make_bench(roots, built)
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before
    assert report.to_json() == (built / "bench.json").read_text()


def test_another_bench_replaces_all_of_the_earlier_one(
    roots: dict[str, Root], tmp_path: Path
) -> None:
    some = {"argoverse2": roots["argoverse2"]}
    settings = {"source_shares": None, "per_task": 2, "rows": NO_VIDEO}
    make_bench(roots, tmp_path / "a", rows=NO_VIDEO)
    make_bench(some, tmp_path / "a", **settings)
    make_bench(some, tmp_path / "b", **settings)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert not (tmp_path / "a" / "simulation").exists()


def test_another_seed_asks_other_questions(
    roots: dict[str, Root], built: Path, tmp_path: Path
) -> None:
    report = make_bench(roots, tmp_path, seed=1, rows=NO_VIDEO)
    digest = json.loads((built / "bench.json").read_text())["questions_digest"]
    assert report.questions_digest != digest


# --- killed ----------------------------------------------------------------------------------

_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[4:]
import stkit_bench.build, stkit_datasets.build
from bench_maker import SIMULATION, make_bench
from stkit_bench.roots import Root
from stkit_datasets import atomic
module, name, number, *half = sys.argv[3].split(":")
module, calls = sys.modules[module], []
plain = getattr(module, name)
def dying(*args, **more):
    calls.append(0)
    if len(calls) == int(number):
        if half:
            writing = atomic.replacing(args[0])
            writing.__enter__().write_text("half a file")
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(*args, **more)
setattr(module, name, dying)
roots = {"argoverse2": Root(Path(sys.argv[1]), {"cameras": ["ring_front_center"]}),
         "simulation": Root(None, SIMULATION)}
make_bench(roots, Path(sys.argv[2]))
"""


@pytest.mark.parametrize(
    "point",
    [
        "stkit_datasets.build:unit_rows:5",  # within the candidates
        "stkit_datasets.build:unit_rows:8",  # within the videos
        "stkit_datasets.build:_write_shards:4",  # all videos, the last shard not
        "stkit_bench.build:write_text:2:half",  # the card, and half of bench.json
    ],
)
def test_a_killed_build_ends_in_the_same_bytes(
    roots: dict[str, Root], built: Path, tmp_path: Path, point: str
) -> None:
    here = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "datasets")]
    data = str(roots["argoverse2"].data_dir)
    command = [sys.executable, "-c", _KILLED, data, str(tmp_path), point, *here]
    ran = subprocess.run(command, cwd=here[0] + "/../..", capture_output=True, check=False)
    assert ran.returncode == -signal.SIGKILL, ran.stderr.decode()
    assert not (tmp_path / "bench.json").exists()
    make_bench(roots, tmp_path)
    assert files(tmp_path) == files(built)


def test_candidates_left_by_a_kill_at_the_very_end_are_removed(
    roots: dict[str, Root], built: Path
) -> None:
    (built / ".candidates" / "argoverse2").mkdir(parents=True)
    (built / ".candidates" / "argoverse2" / "validation-00000-of-00001.parquet").touch()
    make_bench(roots, built)
    assert not (built / ".candidates").exists()


# --- sources and shares ----------------------------------------------------------------------


def stay_ahead(connection: sqlite3.Connection) -> None:
    """Move the car of a nuPlan log to 14 m before the ego car, in view of its cameras."""
    query = (
        "SELECT lidar_pc.token, x, y, qw, qz FROM lidar_pc JOIN ego_pose "
        "ON ego_pose.token = ego_pose_token"
    )
    for sweep, x, y, qw, qz in connection.execute(query).fetchall():
        yaw = 2 * math.atan2(qz, qw)
        place = (x + 14 * math.cos(yaw), y + 14 * math.sin(yaw), sweep)
        connection.execute("UPDATE lidar_box SET x = ?, y = ? WHERE lidar_pc_token = ?", place)


@pytest.fixture(scope="module")
def driving(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Root]:
    """Three of the published sources, tables only."""
    root = tmp_path_factory.mktemp("driving")
    for number in range(6):
        make_busy_log(root / "argoverse2", f"log-{number}")
    write_release(root / "nuscenes", "v1.0-trainval", ["scene-0003", "scene-0012"], sweeps=False)
    nuplan_maker.make_log(root / "nuplan", change=stay_ahead)
    return {name: Root(root / name) for name in ("argoverse2", "nuplan", "nuscenes")}


def test_sources_with_plenty_have_their_shares_within_a_question(
    driving: dict[str, Root], tmp_path: Path
) -> None:
    shares = {"argoverse2": 0.1, "nuscenes": 0.9}
    some = {name: driving[name] for name in shares}
    report = build_bench(
        some, tmp_path, per_task=12, source_shares=shares, rows=NO_VIDEO, progress=False
    )
    counts = report.selection.sources
    assert report.selection.complete
    assert {name: count.selected for name, count in counts.items()} == pytest.approx(
        {name: share * 84 for name, share in shares.items()}, abs=1
    )


def test_too_few_questions_are_told_and_fill_what_they_can(
    driving: dict[str, Root], tmp_path: Path
) -> None:
    """The published shares want most from nuPlan, which here has a handful."""
    report = build_bench(driving, tmp_path, per_task=30, rows=NO_VIDEO, progress=False)
    nuplan = report.selection.sources["nuplan"]
    assert 0 < nuplan.selected < nuplan.requested
    text = report.to_text()
    assert f"{nuplan.requested} wanted, SHORT by {nuplan.requested - nuplan.selected}" in text
    card = (tmp_path / "README.md").read_text()
    assert f"- nuplan: {nuplan.selected} questions, its share would be {nuplan.requested}" in card


def test_a_source_of_which_nothing_is_asked_leaves_no_folder(
    roots: dict[str, Root], tmp_path: Path
) -> None:
    make_log(tmp_path / "argoverse2", log="nothing-in-view")
    with_nothing = {**roots, "argoverse2": Root(tmp_path / "argoverse2")}
    report = make_bench(with_nothing, tmp_path / "out", rows=NO_VIDEO)
    assert report.selection.sources["argoverse2"].selected == 0
    assert report.selection.sources["argoverse2"].requested == 5
    assert not (tmp_path / "out" / "argoverse2").exists()
    assert report.selection.complete


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (("nuplan", "nuscenes"), {"nuplan": 0.748 / 0.873, "nuscenes": 0.125 / 0.873}),
        (("argoverse2",), {"argoverse2": 1.0}),
        (("custom", "simulation"), {"custom": 0.5, "simulation": 0.5}),
    ],
)
def test_default_shares(sources: tuple[str, ...], expected: dict[str, float]) -> None:
    assert default_shares(sources) == pytest.approx(expected)


def test_shares_of_a_mixture_must_be_given() -> None:
    with pytest.raises(ConfigError, match="simulation: no published share"):
        default_shares(["nuplan", "simulation"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"per_task": 0}, "per_task must be at least 1, got 0"),
        ({"source_shares": {"nuplan": 1.0}}, "must name the sources of the roots, argoverse2, sim"),
        ({"source_shares": {"argoverse2": 0.5, "simulation": 0.1}}, "sum to 1"),
        ({"on_error": "ignore"}, "on_error must be one of"),
    ],
)
def test_settings_are_checked_before_the_work(
    roots: dict[str, Root], tmp_path: Path, more: dict, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        make_bench(roots, tmp_path / "out", **more)
    assert not (tmp_path / "out").exists()


def test_no_source_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one source"):
        make_bench({}, tmp_path)


# --- broken files ----------------------------------------------------------------------------


def broken_pictures(tmp_path: Path) -> dict[str, Root]:
    roots = make_roots(tmp_path / "official")
    for path in (tmp_path / "official" / "argoverse2" / "val" / LOGS[1]).rglob("*.jpg"):
        path.write_bytes(b"no picture")
    return {"argoverse2": roots["argoverse2"]}


def test_a_broken_picture_stops_the_build(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"log-b.*\.jpg"):
        make_bench(broken_pictures(tmp_path), tmp_path / "out", source_shares=None)
    assert not (tmp_path / "out" / "bench.json").exists()


def test_a_broken_picture_is_told_when_skipping_was_asked_for(tmp_path: Path) -> None:
    report = make_bench(
        broken_pictures(tmp_path), tmp_path / "out", source_shares=None, on_error="skip"
    )
    assert list(report.failed) == ["argoverse2/log-b"]
    assert report.n_questions == len(rows_of(tmp_path / "out")) < report.selection.selected
    assert "scenes given up (on_error='skip'): 1" in report.to_text()
    card = (tmp_path / "out" / "README.md").read_text()
    assert "- scenes that could not be read: 1" in card
    assert f"could not be drawn: {report.selection.selected - report.n_questions}" in card


def test_a_scene_that_breaks_before_the_selection_is_told_too(tmp_path: Path) -> None:
    roots = {"argoverse2": make_roots(tmp_path / "official")["argoverse2"]}
    path = tmp_path / "official" / "argoverse2" / "val" / LOGS[1] / "annotations.feather"
    path.write_bytes(path.read_bytes()[:100])
    report = make_bench(roots, tmp_path / "out", source_shares=None, on_error="skip", rows=NO_VIDEO)
    assert list(report.failed) == ["argoverse2/log-b"]
    assert "annotations.feather" in report.to_text()
    assert report.n_questions == report.selection.selected == 10


# --- overlap ---------------------------------------------------------------------------------


def test_a_training_set_with_scenes_of_the_bench_is_refused_before_a_video_is_drawn(
    roots: dict[str, Root], tmp_path: Path
) -> None:
    rows = pa.table({"source": ["argoverse2"], "scene_id": ["log-b"], "split": ["train"]})
    (tmp_path / "train").mkdir()
    pq.write_table(rows, tmp_path / "train" / "rows.parquet")
    only = {"argoverse2": roots["argoverse2"]}
    with pytest.raises(OverlapError, match="share 1 scene: argoverse2/log-b"):
        make_bench(only, tmp_path / "out", source_shares=None, train=[tmp_path / "train"])
    assert not list((tmp_path / "out").glob("*/test-*"))


def test_a_finished_bench_is_checked_against_a_training_set_too(
    roots: dict[str, Root], built: Path, tmp_path: Path
) -> None:
    pq.write_table(
        pa.table({"source": ["argoverse2"], "scene_id": ["log-a"]}), tmp_path / "rows.parquet"
    )
    with pytest.raises(OverlapError, match="argoverse2/log-a"):
        make_bench(roots, built, train=[tmp_path / "rows.parquet"])


def test_a_disjoint_training_set_changes_nothing(
    roots: dict[str, Root], built: Path, tmp_path: Path
) -> None:
    before = files(built)
    rows = pa.table({"source": ["argoverse2"], "scene_id": ["log-z"]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    make_bench(roots, built, train=[tmp_path])
    assert files(built) == before


# --- command line ----------------------------------------------------------------------------


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_busy_log(tmp_path / "official", "log-a")
    (tmp_path / "roots.yaml").write_text(
        "argoverse2: {data_dir: official, options: {cameras: [ring_front_center]}}\n"
    )
    line = ["build", "--roots", str(tmp_path / "roots.yaml"), "--out", str(tmp_path / "out")]
    assert main([*line, "--per-task", "1", "--video", "none", "--seed", "3"]) == 0
    told = capsys.readouterr().out
    assert "4 of 6 candidates selected, 1 wanted per task, seed 3" in told
    assert "SHORT by 1: there are no candidates" in told
    assert main([*line, "--train", str(tmp_path / "out"), "--video", "none"]) == 2
    assert "share 1 scene: argoverse2/log-a" in capsys.readouterr().err


def test_a_missing_source_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty"):
        make_bench({"argoverse2": Root(tmp_path / "empty")}, tmp_path / "o", source_shares=None)
    assert not os.listdir(tmp_path / "empty")
