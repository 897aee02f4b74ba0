from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from busy_log import make_busy_log
from datasets import load_dataset
from filelock import FileLock

from stkit_datasets.build import BuildConfig, build
from stkit_datasets.cli import main, parse_option
from stkit_datasets.engine import Engine
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.export import ExportConfig, export
from stkit_datasets.rows import RowConfig
from stkit_datasets.units_of_work import Report

ANNOTATIONS_ONLY = RowConfig(video="none")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("argoverse2")
    for name in ("log-a", "log-b", "log-c", "log-d"):
        make_busy_log(root, name)
    return root


def config(logs: Path, out: Path, **more) -> BuildConfig:
    settings = {"splits": ("validation",), "rows": ANNOTATIONS_ONLY, "shard_bytes": 40_000}
    return BuildConfig("argoverse2", logs, out, **{**settings, **more})


def files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built(logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built")
    build(config(logs, out), progress=False)
    return out


def test_report_counts_everything(logs: Path, built: Path, tmp_path: Path) -> None:
    report = build(config(logs, tmp_path), progress=False)
    rows = pq.read_table(built / "argoverse2").num_rows
    assert sum(report.questions.values()) == rows > 0
    assert report.units == 4
    stored = json.loads((built / "reports" / "argoverse2.json").read_text())
    assert stored["questions"] == {task: report.questions[task] for task in stored["questions"]}


def test_shards_are_named_in_order_and_nothing_else_stays(built: Path) -> None:
    names = sorted(path.name for path in (built / "argoverse2").iterdir())
    assert len(names) > 1
    assert names == [f"validation-{i:05d}-of-{len(names):05d}.parquet" for i in range(len(names))]
    assert sorted(path.name for path in built.iterdir()) == ["README.md", "argoverse2", "reports"]


def test_folder_loads_with_datasets_alone(built: Path, tmp_path: Path) -> None:
    rows = load_dataset(str(built), "argoverse2", split="validation", cache_dir=str(tmp_path))
    assert rows.features["target"]["clock"].dtype == "int32"
    assert rows.num_rows == pq.read_table(built / "argoverse2").num_rows


def test_shards_can_be_called_otherwise(logs: Path, built: Path, tmp_path: Path) -> None:
    named = config(logs, tmp_path, shard_names={"validation": "test"})
    build(named, progress=False)
    shards = sorted((tmp_path / "argoverse2").iterdir())
    assert [path.name.replace("test", "validation") for path in shards] == sorted(
        path.name for path in (built / "argoverse2").iterdir()
    )
    before = {path: path.stat().st_mtime_ns for path in shards}
    build(named, progress=False)
    assert {path: path.stat().st_mtime_ns for path in shards} == before


def test_workers_do_not_change_a_byte(logs: Path, built: Path, tmp_path: Path) -> None:
    build(config(logs, tmp_path, engine=Engine(workers=2)), progress=False)
    assert files(tmp_path) == files(built)


def test_a_finished_build_is_not_done_again(logs: Path, built: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*.parquet")}
    report = build(config(logs, built), progress=False)
    assert sum(report.questions.values()) > 0
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*.parquet")} == before


def test_another_build_replaces_the_shards_of_the_split(
    logs: Path, built: Path, tmp_path: Path
) -> None:
    build(config(logs, tmp_path, shard_bytes=10**9), progress=False)
    build(config(logs, tmp_path, rows=RowConfig(video="none", seed=3)), progress=False)
    build(config(logs, tmp_path), progress=False)
    assert files(tmp_path) == files(built)


_SLOW_BUILD = """
import sys, time
from pathlib import Path
import stkit_datasets.build as b
plain = b.unit_rows
def slow(*args, **more):
    print("unit", flush=True)
    time.sleep(0.15)
    return plain(*args, **more)
b.unit_rows = slow
from stkit_datasets.rows import RowConfig
b.build(b.BuildConfig("argoverse2", Path(sys.argv[1]), Path(sys.argv[2]), ("validation",),
                      RowConfig(video="none"), shard_bytes=40_000), progress=False)
"""


@pytest.mark.parametrize("units_before_kill", [1, 3])
def test_a_killed_build_ends_in_the_same_bytes(
    logs: Path, built: Path, tmp_path: Path, units_before_kill: int
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _SLOW_BUILD, str(logs), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    for _ in range(units_before_kill):
        process.stdout.readline()
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not list(tmp_path.glob("argoverse2/*.parquet"))
    build(config(logs, tmp_path), progress=False)
    assert files(tmp_path) == files(built)


def test_a_build_killed_while_it_wrote_a_shard_leaves_no_rest(
    logs: Path, built: Path, tmp_path: Path
) -> None:
    rest = tmp_path / "argoverse2" / ".validation-00000-of-00002.parquet.x1.tmp"
    rest.parent.mkdir()
    rest.write_bytes(b"PAR1 half")
    build(config(logs, tmp_path), progress=False)
    assert files(tmp_path) == files(built)


@pytest.mark.parametrize("harm", ["lost", "cut", "report"])
def test_a_harmed_build_is_done_again(logs: Path, built: Path, tmp_path: Path, harm: str) -> None:
    shutil.copytree(built, tmp_path / "out")
    shard = sorted((tmp_path / "out" / "argoverse2").iterdir())[0]
    if harm == "lost":
        shard.unlink()
    elif harm == "cut":
        shard.write_bytes(shard.read_bytes()[:100])
    else:
        (tmp_path / "out" / "reports" / "argoverse2.json").write_text("{")
    build(config(logs, tmp_path / "out"), progress=False)
    assert files(tmp_path / "out") == files(built)


SCENES = {"n_train_scenes": 2, "n_validation_scenes": 1, "duration_s": 4.0}


def split_by_split(out: Path, *splits: str, **more) -> Report:
    settings = {"rows": ANNOTATIONS_ONLY, "source_options": SCENES, **more}
    return build(BuildConfig("simulation", None, out, splits, **settings), progress=False)


def test_splits_built_one_after_the_other_are_all_in_the_report(tmp_path: Path) -> None:
    out, place = tmp_path / "out", tmp_path / "out" / "reports" / "simulation.json"
    train = split_by_split(out, "train")
    validation = split_by_split(out, "validation")
    told = json.loads(place.read_text())
    assert (train.units, validation.units, told["units"]) == (2, 1, 3)
    assert told["splits"] == ["train", "validation"]
    assert told["shards"] == {p.name: p.stat().st_size for p in (out / "simulation").iterdir()}
    for split, report in (("train", train), ("validation", validation)):
        part = {key: told["by_split"][split][key] for key in report.to_dict()}
        assert part == report.to_dict()
    total = sum(told["questions"].values())
    assert total == pq.read_table(out / "simulation").num_rows

    before = files(out)
    shard = next((out / "simulation").glob("train-*"))
    written = shard.stat().st_mtime_ns
    # Each is known to be finished, whatever was built after it.
    assert split_by_split(out, "train") == train
    assert split_by_split(out, "validation") == validation
    assert (files(out), shard.stat().st_mtime_ns) == (before, written)
    split_by_split(tmp_path / "other", "validation")
    split_by_split(tmp_path / "other", "train")
    assert files(tmp_path / "other") == before
    both = split_by_split(tmp_path / "both", "train", "validation")
    assert both.units == 3
    assert split_by_split(tmp_path / "both", "train", "validation") == both
    assert json.loads((tmp_path / "both/reports/simulation.json").read_text())["units"] == 3

    export(ExportConfig(out, tmp_path / "export"), progress=False)
    loaded = load_dataset(str(tmp_path / "export"), "simulation", cache_dir=str(tmp_path / "c"))
    assert sum(part.num_rows for part in loaded.values()) == total


def test_the_report_forgets_a_split_whose_shards_are_gone(tmp_path: Path) -> None:
    place = tmp_path / "reports" / "simulation.json"
    split_by_split(tmp_path, "train")
    split_by_split(tmp_path, "validation")
    for shard in (tmp_path / "simulation").glob("train-*"):
        shard.unlink()
    split_by_split(tmp_path, "validation", source_options={**SCENES, "n_validation_scenes": 2})
    told = json.loads(place.read_text())
    assert (told["splits"], told["units"]) == (["validation"], 2)
    # A report that was made of another one, such as that of filtered rows, is not a build's.
    place.write_text(json.dumps({**told, "fingerprint": f"filtered-{told['fingerprint']}"}))
    split_by_split(tmp_path, "train")
    assert json.loads(place.read_text())["splits"] == ["train"]


def test_two_builds_of_a_source_into_one_folder_are_refused(logs: Path, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".argoverse2.lock"),
        pytest.raises(ConfigError, match="another build of source 'argoverse2' is writing here"),
    ):
        build(config(logs, tmp_path), progress=False)


def broken(logs: Path, tmp_path: Path) -> Path:
    root = tmp_path / "broken"
    for name in ("log-a", "log-b"):
        make_busy_log(root, name)
    path = root / "val" / "log-b" / "annotations.feather"
    path.write_bytes(path.read_bytes()[:200])
    return root


def test_a_broken_log_stops_the_build_and_leaves_nothing_finished(
    logs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SourceError, match=r"log-b.annotations\.feather"):
        build(config(broken(logs, tmp_path), out), progress=False)
    assert not (out / "argoverse2").exists()
    assert not (out / "reports").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_broken_log_is_counted_when_skipping_was_asked_for(
    logs: Path, tmp_path: Path, workers: int
) -> None:
    engine = Engine(workers=workers)
    settings = config(broken(logs, tmp_path), tmp_path / "out", on_error="skip", engine=engine)
    report = build(settings, progress=False)
    assert list(report.failed) == ["log-b"]
    assert "annotations.feather" in report.failed["log-b"]
    assert "units given up (on_error='skip'): 1" in report.to_text()


def test_a_broken_log_stops_a_build_with_workers(logs: Path, tmp_path: Path) -> None:
    settings = config(broken(logs, tmp_path), tmp_path / "out", engine=Engine(workers=2))
    with pytest.raises(SourceError, match=r"log-b.annotations\.feather"):
        build(settings, progress=False)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"splits": ("test",)}, r"splits must be among train, validation, got \['test'\]"),
        ({"on_error": "ignore"}, "on_error must be one of raise, skip, got 'ignore'"),
        ({"shard_bytes": 0}, "shard_bytes must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(logs: Path, tmp_path: Path, more: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config(logs, tmp_path, **more)


def test_a_split_without_units_is_an_error(logs: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no train units of 'argoverse2'"):
        build(config(logs, tmp_path, splits=("train",)), progress=False)


def test_command_line_builds_reports_and_explains(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    build_line = ["build", "argoverse2", "--data-dir", str(logs), "--out", str(out)]
    assert main([*build_line, "--split", "validation", "--video", "none"]) == 0
    printed = capsys.readouterr().out
    assert "4 units" in printed
    assert "traveled_distance" in printed
    row_id = pq.read_table(out / "argoverse2", columns=["id"])["id"][0].as_py()
    picture = tmp_path / "picture.svg"
    assert main(["explain", row_id, "--data", str(out), "--picture", str(picture)]) == 0
    printed = capsys.readouterr().out
    assert "val/log-a/annotations.feather" in printed
    assert "(agrees)" in printed
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["build", "argoverse2", "--out", "o"], "needs data_dir"),
        (["build", "argoverse2", "--data-dir", "nowhere", "--out", "o"], "nowhere"),
        (["explain", "abc", "--data", "nowhere"], "nowhere: expected a built folder"),
    ],
)
def test_command_line_errors_are_one_line(
    line: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(line) == 2
    error = capsys.readouterr().err
    assert error.startswith("stkit: ")
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seed=3", ("seed", 3)),
        ("jitter_m=0.1", ("jitter_m", 0.1)),
        ("version=v1.0-mini", ("version", "v1.0-mini")),
        ("cameras=CAM_FRONT,CAM_BACK", ("cameras", ["CAM_FRONT", "CAM_BACK"])),
        ("cameras=CAM_FRONT,", ("cameras", ["CAM_FRONT"])),
    ],
)
def test_options_of_a_source(text: str, expected: tuple) -> None:
    assert parse_option(text) == expected


def test_an_option_needs_a_value() -> None:
    with pytest.raises(ConfigError, match="--option needs NAME=VALUE, got 'seed'"):
        parse_option("seed")
