"""Whether an answers file was started with the very questions that are asked now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_rows
from run_models import Recorder

from stkit_bench.run import AskSettings, RunError, run
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.stkit_questions import StkitQuestions

SMALL = AskSettings(max_frames=2)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    return RowsFile(run_rows.write(tmp_path_factory.mktemp("rows") / "rows.parquet"))


def changed(
    rows: RowsFile, path: Path, change: Callable[[dict[str, Any]], None], places: tuple[int, ...]
) -> RowsFile:
    listed = pq.ParquetFile(rows.path).read().to_pylist()
    for place in places:
        change(listed[place])
    pq.write_table(pa.Table.from_pylist(listed, schema=pq.read_schema(rows.path)), path)
    return RowsFile(path)


def shift_a_box(row: dict[str, Any]) -> None:
    row["objects"][0]["boxes"][3][1] += 1.0


def show_it_later(row: dict[str, Any]) -> None:
    row["timestamps_s"][2] += 0.01


def draw_another_frame(row: dict[str, Any]) -> None:
    row["video"]["bytes"] = row["video"]["bytes"][:-1] + b"?"


def aim_elsewhere(row: dict[str, Any]) -> None:
    row["target"] = {**row["target"], "value_si": 1.25}


def ask_in_other_words(row: dict[str, Any]) -> None:
    row["prompt"] = f"Please. {row['prompt']}"


def digest(rows: RowsFile, videos: str = "bytes", limit: int | None = None) -> dict[str, Any]:
    return rows.digest(range(len(rows) if limit is None else limit), videos)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (shift_a_box, "boxes"),
        (draw_another_frame, "videos"),
        (show_it_later, "texts"),
        (aim_elsewhere, "texts"),
        (ask_in_other_words, "texts"),
    ],
)
def test_the_digest_moves_with_whatever_is_asked(
    rows: RowsFile, tmp_path: Path, change: Callable[[dict[str, Any]], None], part: str
) -> None:
    before, after = digest(rows), digest(changed(rows, tmp_path / "o.parquet", change, (5,)))
    assert {name for name in before if before[name] != after[name]} == {part}


def test_the_same_rows_in_another_file_have_the_same_digest(rows: RowsFile, tmp_path: Path) -> None:
    table = pq.ParquetFile(rows.path).read()
    order = [name for name in reversed(table.column_names) if name != "provenance"]
    pq.write_table(table.select(order), tmp_path / "other.parquet", row_group_size=3)
    assert digest(RowsFile(tmp_path / "other.parquet")) == digest(rows)


def test_the_digest_depends_on_the_order(rows: RowsFile) -> None:
    forwards, backwards = rows.digest([0, 1], "bytes"), rows.digest([1, 0], "bytes")
    assert forwards["texts"] != backwards["texts"]


def test_rows_that_are_not_asked_do_not_matter(rows: RowsFile, tmp_path: Path) -> None:
    other = changed(rows, tmp_path / "o.parquet", shift_a_box, (5,))
    assert digest(other, limit=5) == digest(rows, limit=5)


def test_videos_are_left_out_where_none_is_shown(rows: RowsFile, tmp_path: Path) -> None:
    other = changed(rows, tmp_path / "o.parquet", draw_another_frame, (5,))
    unseen = AskSettings(video=False)
    seen = [StkitQuestions(each, unseen).settings()["rows"] for each in (rows, other)]
    assert seen[0] == seen[1]
    assert seen[0]["videos"] is None


def test_videos_in_files_of_their_own_are_read(rows: RowsFile, tmp_path: Path) -> None:
    listed = [{**row, "video": f"{row['id']}.mp4"} for row in rows.rows()]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in listed))
    for place, row in enumerate(listed[:-1]):
        (tmp_path / row["video"]).write_bytes(rows.video(place) or b"")
    named = RowsFile(tmp_path / "rows.jsonl")
    first, sizes = digest(named), digest(named, "sizes")
    path = tmp_path / listed[2]["video"]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert digest(named)["videos"] != first["videos"]
    assert digest(named, "sizes") == sizes
    path.write_bytes(b"short")
    assert digest(named, "sizes") != sizes
    # One that was missing counts as another video when it comes.
    (tmp_path / listed[-1]["video"]).write_bytes(b"")
    assert digest(named, "sizes")["videos"] != sizes["videos"]


def test_examples_count_with_their_boxes_and_the_sizes_of_their_videos(
    rows: RowsFile, tmp_path: Path
) -> None:
    def longer(row: dict[str, Any]) -> None:
        row["video"]["bytes"] += b"and more"

    settings = AskSettings(shots=1, max_frames=2)
    training = RowsFile(run_rows.write(tmp_path / "t.parquet", names=("c", "d"), seed=1))
    every = tuple(range(len(training)))
    found = [StkitQuestions(rows, settings, training).settings()["shot_rows"]]
    for number, change in enumerate((shift_a_box, longer)):
        other = changed(training, tmp_path / f"t{number}.parquet", change, every)
        found.append(StkitQuestions(rows, settings, other).settings()["shot_rows"])
    assert found[1]["boxes"] != found[0]["boxes"]
    assert found[2]["boxes"] == found[0]["boxes"]
    assert found[2]["videos"] != found[1]["videos"]


def test_depth_pictures_count_with_their_sizes(rows: RowsFile, tmp_path: Path) -> None:
    row = rows.row(0)
    folder = tmp_path / row["clip_id"] / row["camera"]
    folder.mkdir(parents=True)
    for place in range(run_rows.N_FRAMES):
        (folder / f"{place:06d}.png").write_bytes(bytes(place))
    questions = StkitQuestions(rows, AskSettings(geometry=("depth",)), depth_dir=tmp_path, limit=1)
    before = questions.settings()["depth_pictures"]
    assert questions.settings()["depth_pictures"] == before
    (folder / "000003.png").write_bytes(bytes(7))
    assert questions.settings()["depth_pictures"] != before
    assert StkitQuestions(rows, SMALL, depth_dir=tmp_path).settings()["depth_pictures"] is None


@pytest.mark.parametrize(
    ("change", "part"), [(shift_a_box, "boxes"), (draw_another_frame, "videos")]
)
def test_a_run_does_not_go_on_with_other_boxes_or_videos(
    rows: RowsFile, tmp_path: Path, change: Callable[[dict[str, Any]], None], part: str
) -> None:
    out = tmp_path / "a.jsonl"
    run(Recorder(), StkitQuestions(rows, SMALL), out)
    other = changed(rows, tmp_path / "o.parquet", change, (5,))
    model = Recorder()
    with pytest.raises(RunError, match=rf"questions\.rows\.{part} was '[0-9a-f]{{16}}', now"):
        run(model, StkitQuestions(other, SMALL), out)
    assert model.asked == []


def test_a_file_of_an_earlier_version_is_refused_with_what_to_do(
    rows: RowsFile, tmp_path: Path
) -> None:
    out, told = tmp_path / "a.jsonl", tmp_path / "a.run.json"
    run(Recorder(), StkitQuestions(rows, SMALL), out)
    read = json.loads(told.read_text())
    assert read.pop("format") == 2
    read["settings"]["questions"]["rows"] = "0123456789abcdef"
    told.write_text(json.dumps(read))
    before = out.read_bytes()
    with pytest.raises(RunError, match=r"a\.jsonl: was started by another version of STKit.*--out"):
        run(Recorder(), StkitQuestions(rows, SMALL), out)
    assert out.read_bytes() == before
