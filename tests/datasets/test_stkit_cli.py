from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from stkit_datasets import cli

SMALL = ["--video", "none", "--option", "n_train_scenes=1", "--option", "duration_s=6"]


def build(out: Path | str) -> list[str]:
    return ["build", "simulation", "--split", "train", "--out", str(out), *SMALL]


@pytest.mark.parametrize("inside", ["", "/deeper"])
def test_a_folder_that_cannot_be_written_is_one_line(
    inside: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.write_text("a file")
    assert cli.main(build(f"{taken}{inside}")) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("stkit: ")
    assert str(taken) in last


def test_an_empty_path_is_not_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2"):
        cli.main(build(""))
    assert "--out: the path is empty" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_ctrl_c_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stkit_datasets.build.build", stop)
    assert cli.main(build(tmp_path)) == 130
    assert "stkit: interrupted" in capsys.readouterr().err


def test_an_unknown_source_lists_the_known_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["build", "nuscene", "--out", "x"])
    assert capsys.readouterr().err.count("argoverse2") == 1


def test_videos_are_as_high_as_asked_and_questions_the_same(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    kept = SMALL[2:]  # with video
    asked = ["build", "simulation", "--split", "train", *kept]
    assert cli.main([*asked, "--out", str(tmp_path / "low"), "--video-height", "64"]) == 0
    assert cli.main(build(tmp_path / "none")) == 0
    low = pq.read_table(next((tmp_path / "low" / "simulation").glob("*.parquet")))
    none = pq.read_table(next((tmp_path / "none" / "simulation").glob("*.parquet")))
    assert low["question"].equals(none["question"])
    with av.open(io.BytesIO(low["video"][0].as_py()["bytes"])) as container:
        assert container.streams.video[0].height == 64
    assert cli.main([*asked, "--out", str(tmp_path / "flat"), "--video-height", "3"]) == 2
