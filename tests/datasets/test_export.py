from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from export_maker import make_built

from stkit_datasets import card, schema
from stkit_datasets.cli import main
from stkit_datasets.errors import ConfigError, SourceError
from stkit_datasets.export import ExportConfig, export
from stkit_datasets.manifest import Manifest

SMALL = 20_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_built(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def exported(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported")
    export(ExportConfig(built, out, shard_bytes=SMALL), progress=False)
    return out


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows(folder: Path, source: str) -> list[dict]:
    return [
        row
        for path in sorted((folder / source).iterdir())
        for row in pq.read_table(path).to_pylist()
    ]


def front_matter(folder: Path) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_an_export_is_data_and_card_only(exported: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md", "argoverse2", "export.json", "simulation",
    ]  # fmt: skip
    kinds = {path.suffix for path in exported.rglob("*") if path.is_file()}
    assert kinds == {".parquet", ".md", ".json"}


def test_rows_are_those_that_were_built_in_their_order(built: Path, exported: Path) -> None:
    assert rows(exported, "simulation") == rows(built, "simulation")
    without = [{**row, "video": None} for row in rows(built, "argoverse2")]
    assert rows(exported, "argoverse2") == without


def test_video_of_a_restricted_source_stays_at_home(built: Path, exported: Path) -> None:
    assert all(row["video"]["bytes"] for row in rows(built, "argoverse2"))
    assert all(row["video"] is None for row in rows(exported, "argoverse2"))
    assert all(row["video"]["bytes"][4:8] == b"ftyp" for row in rows(exported, "simulation"))
    text = (exported / "README.md").read_text()
    assert "Rows of `argoverse2` come without video" in text
    assert "`argoverse2` | Argoverse 2 Sensor Dataset | CC BY-NC-SA 4.0" in text


def test_the_user_can_name_a_source_whose_video_goes_in(
    built: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["export", str(built), "--out", str(out), "--include-video", "argoverse2"]) == 0
    printed = capsys.readouterr().out
    assert "you say that you may pass on video of Argoverse 2 Sensor Dataset" in printed
    assert "CC BY-NC-SA 4.0" in printed
    assert rows(out, "argoverse2") == rows(built, "argoverse2")
    assert "**The video of `argoverse2` is under CC BY-NC-SA 4.0" in (out / "README.md").read_text()
    assert Manifest.read(out).sources["argoverse2"].named


def test_shards_are_cut_by_size_and_numbered(exported: Path) -> None:
    for source in ("argoverse2", "simulation"):
        names = sorted(path.name for path in (exported / source).iterdir())
        assert len(names) > 1
        total = len(names)
        assert names == [f"validation-{i:05d}-of-{total:05d}.parquet" for i in range(total)]
    largest = max(path.stat().st_size for path in (exported / "argoverse2").iterdir())
    assert largest < SMALL + 40_000  # a footer, and never more than one group over


def test_the_card_tells_configs_features_sizes_and_counts(exported: Path) -> None:
    data = front_matter(exported)
    assert data["license"] == ["apache-2.0", "cc-by-nc-sa-4.0"]
    assert [entry["config_name"] for entry in data["configs"]] == ["argoverse2", "simulation"]
    info = {entry["config_name"]: entry for entry in data["dataset_info"]}["simulation"]
    assert [entry["name"] for entry in info["features"]] == list(schema.features())
    (split,) = info["splits"]
    found = rows(exported, "simulation")
    assert (split["name"], split["num_examples"]) == ("validation", len(found))
    size = sum(path.stat().st_size for path in (exported / "simulation").iterdir())
    assert info["download_size"] == size
    assert info["dataset_size"] > sum(len(row["video"]["bytes"]) for row in found)
    text = (exported / "README.md").read_text()
    other = Counter(row["task"] for row in rows(exported, "argoverse2"))
    for task, count in Counter(row["task"] for row in found).items():
        assert f"| `{task}` | {other[task]:,} | {count:,} |" in text


_READ = """
import importlib.abc, json, sys
class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("stkit_datasets", "stkit_bench"):
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Blocked())
from datasets import get_dataset_config_names, load_dataset
folder, cache = sys.argv[1:]
found = {"configs": get_dataset_config_names(folder)}
for source in found["configs"]:
    rows = load_dataset(folder, source, split="validation", cache_dir=cache)
    streamed = load_dataset(folder, source, split="validation", streaming=True)
    found[source] = {
        "ids": rows["id"][:],
        "streamed": [row["id"] for row in streamed],
        "video": [row["video"] and row["video"]["bytes"][4:8].decode() for row in rows],
        "clock": rows.features["target"]["clock"].dtype,
    }
print(json.dumps(found))
"""


def test_it_loads_and_streams_with_datasets_alone(exported: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _READ, str(exported), str(tmp_path)],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-2000:]
    found = json.loads(ran.stdout)
    assert found["configs"] == ["argoverse2", "simulation"]
    for source, video in (("argoverse2", None), ("simulation", "ftyp")):
        expected = [row["id"] for row in rows(exported, source)]
        assert found[source]["ids"] == found[source]["streamed"] == expected
        assert set(found[source]["video"]) == {video}
        assert found[source]["clock"] == "int32"


def test_the_same_export_is_the_same_bytes_anywhere(
    built: Path, exported: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "moved"
    shutil.copytree(built, elsewhere)
    export(ExportConfig(elsewhere, tmp_path / "out", shard_bytes=SMALL), progress=False)
    assert files(tmp_path / "out") == files(exported)


def test_a_finished_export_is_not_done_again(built: Path, exported: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in exported.rglob("*")}
    manifest = export(ExportConfig(built, exported, shard_bytes=SMALL), progress=False)
    assert manifest == Manifest.read(exported)
    assert {path: path.stat().st_mtime_ns for path in exported.rglob("*")} == before


def test_another_export_replaces_the_one_before(
    built: Path, exported: Path, tmp_path: Path
) -> None:
    export(ExportConfig(built, tmp_path, ("argoverse2",)), progress=False)
    export(ExportConfig(built, tmp_path, shard_bytes=SMALL), progress=False)
    assert files(tmp_path) == files(exported)


_SLOW_EXPORT = """
import sys, time
from pathlib import Path
from stkit_datasets import export as e, shards
plain, move = shards.row_groups, Path.replace
def slow(*args):
    for table in plain(*args):
        time.sleep(0.01)
        yield table
def replace(self, target):
    time.sleep(0.01)
    return move(self, target)
shards.row_groups, Path.replace = slow, replace
print("begins", flush=True)
e.export(e.ExportConfig(Path(sys.argv[1]), Path(sys.argv[2]), shard_bytes=int(sys.argv[3])),
         progress=False)
"""


@pytest.mark.parametrize("delay_s", [0.03, 0.12, 0.25, 0.45])
def test_a_killed_export_ends_in_the_same_bytes(
    built: Path, exported: Path, tmp_path: Path, delay_s: float
) -> None:
    command = [sys.executable, "-c", _SLOW_EXPORT, str(built), str(tmp_path), str(SMALL)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay_s)
        os.kill(process.pid, signal.SIGKILL)
    export(ExportConfig(built, tmp_path, shard_bytes=SMALL), progress=False)
    assert files(tmp_path) == files(exported)


def test_an_export_killed_while_it_moved_shards_ends_in_the_same_bytes(
    built: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move, moved = Path.replace, []

    def dies(self: Path, target: Path) -> Path:
        if target.parent.parent == tmp_path and self.suffix == ".parquet":
            moved.append(target)
            if len(moved) == 3:
                raise KeyboardInterrupt
        return move(self, target)

    monkeypatch.setattr(Path, "replace", dies)
    with pytest.raises(KeyboardInterrupt):
        export(ExportConfig(built, tmp_path, shard_bytes=SMALL), progress=False)
    monkeypatch.undo()
    assert not (tmp_path / "export.json").exists()
    export(ExportConfig(built, tmp_path, shard_bytes=SMALL), progress=False)
    assert files(tmp_path) == files(exported)


def broken(built: Path, tmp_path: Path, change) -> Path:
    folder = tmp_path / "broken"
    shutil.copytree(built, folder)
    change(folder)
    return folder


def shard(folder: Path) -> Path:
    return next((folder / "argoverse2").iterdir())


def cut(folder: Path) -> None:
    shard(folder).write_bytes(shard(folder).read_bytes()[:500])


def without_a_column(folder: Path) -> None:
    pq.write_table(pq.read_table(shard(folder)).drop_columns(["target"]), shard(folder))


def other_type(folder: Path) -> None:
    table = pq.read_table(shard(folder))
    place = table.schema.get_field_index("fps")
    pq.write_table(table.set_column(place, "fps", table["fps"].cast("string")), shard(folder))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (cut, r"argoverse2.validation.*parquet: not a readable Parquet file"),
        (lambda f: shard(f).write_bytes(b""), r"argoverse2.validation.*parquet: not a readable"),
        (without_a_column, r"validation.*parquet: no column 'target': not a file of STKit rows"),
        (other_type, r"parquet: column 'fps': must be double, got string"),
        (
            lambda f: (f / "reports" / "simulation.json").unlink(),
            r"simulation\.json: missing: the b",
        ),
        (
            lambda f: shard(f).rename(shard(f).parent / "validation-00001-of-00003.parquet"),
            r"argoverse2: split 'validation': expected 3 shards of one build, found 1",
        ),
        (lambda f: [shutil.rmtree(p) for p in f.iterdir() if p.is_dir()], "stkit build"),
    ],
)
def test_a_broken_build_is_named(built: Path, tmp_path: Path, change, message: str) -> None:
    folder = broken(built, tmp_path, change)
    with pytest.raises(SourceError, match=message):
        export(ExportConfig(folder, tmp_path / "out"), progress=False)
    assert not (tmp_path / "out").exists()


def test_a_bit_that_flipped_inside_a_shard_is_named(built: Path, tmp_path: Path) -> None:
    def flip(folder: Path) -> None:
        data = bytearray(shard(folder).read_bytes())
        data[len(data) // 3] ^= 4
        shard(folder).write_bytes(data)

    folder = broken(built, tmp_path, flip)
    with pytest.raises(SourceError, match=r"argoverse2.validation-.*parquet: not a readable"):
        export(ExportConfig(folder, tmp_path / "out"), progress=False)
    assert not (tmp_path / "out" / "export.json").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"include_video": ("bdd100k",)}, "include_video names bdd100k, but .* argoverse2, simul"),
        ({"include_video": ("kitti",)}, "the licence of source 'kitti' is not known"),
        ({"shard_bytes": 0}, "shard_bytes must be at least 1, got 0"),
    ],
)
def test_settings_are_checked(built: Path, tmp_path: Path, more: dict, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        export(ExportConfig(built, tmp_path, **more), progress=False)


def test_an_export_replaces_nothing_but_an_export(built: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.md").write_text("years of work")
    with pytest.raises(SourceError, match=r"expected an empty folder or an .*, found thesis\.md"):
        export(ExportConfig(built, tmp_path), progress=False)
    with pytest.raises(ConfigError, match="out must be a folder apart from the built one"):
        ExportConfig(built, built / "export")


def test_the_card_of_a_wheel_is_that_of_the_checkout() -> None:
    checkout = Path(__file__).parents[2] / "cards" / card.TEMPLATE
    assert card.template() == checkout.read_text(encoding="utf-8")
