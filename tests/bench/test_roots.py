from __future__ import annotations

from pathlib import Path

import pytest

from stkit_bench.files import FileError
from stkit_bench.roots import Root, read_roots


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data" / "nuscenes").mkdir(parents=True)
    return tmp_path


def test_folders_and_options(folder: Path) -> None:
    path = folder / "roots.yaml"
    absolute = folder / "data"
    path.write_text(
        "nuscenes: data/nuscenes\n"
        f"argoverse2: {{data_dir: {absolute}, options: {{cameras: [ring_front_center]}}}}\n"
        "simulation: {options: {seed: 2}}\n"
    )
    assert read_roots(path) == {
        "nuscenes": Root(folder / "data" / "nuscenes"),
        "argoverse2": Root(absolute, {"cameras": ["ring_front_center"]}),
        "simulation": Root(None, {"seed": 2}),
    }


def test_a_source_without_files_needs_no_value(folder: Path) -> None:
    (folder / "roots.yaml").write_text("simulation:\n")
    assert read_roots(folder / "roots.yaml") == {"simulation": Root()}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must map at least one source to its folder"),
        ("- nuscenes", "must map at least one source to its folder"),
        ("nuscenes: [", "cannot be read as YAML"),
        ("kitti: data", "key 'kitti': unknown source, expected one of argoverse2"),
        ("1: data", "key 1: unknown source"),
        ("nuscenes:", "key 'nuscenes': data_dir must be a folder, got None"),
        ("nuscenes: 3", "key 'nuscenes': data_dir must be a folder, got 3"),
        ("nuscenes: nowhere", r"key 'nuscenes': .*nowhere is not a folder"),
        ("nuscenes: {folder: data}", "key 'nuscenes': expected data_dir and options, got 'folder'"),
        (
            "nuscenes: {data_dir: data, options: [1]}",
            r"key 'nuscenes': options must map names to values, got \[1\]",
        ),
        ("nuscenes: !!python/object:os.system {}", "cannot be read as YAML"),
    ],
)
def test_errors_name_the_file_and_the_key(folder: Path, text: str, message: str) -> None:
    (folder / "roots.yaml").write_text(text)
    with pytest.raises(FileError, match=rf"roots\.yaml: {message}"):
        read_roots(folder / "roots.yaml")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"none\.yaml: cannot be read"):
        read_roots(tmp_path / "none.yaml")
