"""How rows become requests: frames, boxes, text, geometry, examples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import run_rows

from stkit_bench.files import FileError
from stkit_bench.run.frames import FramesError, depth_frames, evenly
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.run.settings import AskSettings, RunError
from stkit_bench.run.shots import Examples
from stkit_bench.run.stkit_questions import StkitQuestions
from stkit_bench.views import at_fps, paraphrased
from stkit_datasets.model_clients.base import VideoPart, without_video
from stkit_datasets.video.encode import decode_mp4
from stkit_datasets.video.palette import rgb_of

PLAIN = AskSettings()


@pytest.fixture(scope="module")
def overlay(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    return RowsFile(run_rows.write(tmp_path_factory.mktemp("rows") / "overlay.parquet"))


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    return RowsFile(run_rows.write(tmp_path_factory.mktemp("rows") / "raw.parquet", "raw"))


def changed(rows: RowsFile, path: Path, **columns: object) -> RowsFile:
    listed = pq.read_table(rows.path)
    for name, value in columns.items():
        place = listed.schema.get_field_index(name)
        field = listed.schema.field(place)
        import pyarrow as pa

        listed = listed.set_column(place, field, pa.array([value] * len(rows), type=field.type))
    pq.write_table(listed, path)
    return RowsFile(path)


def text_of(questions: StkitQuestions, place: int) -> str:
    *_, text = questions.draft(place).turns[-1].parts
    assert isinstance(text, str)
    return text


# --- frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "at_most", "expected"),
    [
        (3, None, [0, 1, 2]),
        (3, 5, [0, 1, 2]),
        (10, 2, [0, 9]),
        (10, 4, [0, 3, 6, 9]),
        (5, 1, [2]),
        (4, 1, [1]),
    ],
)
def test_places_are_even_from_the_first_to_the_last(
    n: int, at_most: int | None, expected: list[int]
) -> None:
    assert evenly(n, at_most) == expected


def test_a_plain_question_shows_every_frame_and_the_rows_own_prompt(overlay: RowsFile) -> None:
    questions = StkitQuestions(overlay, PLAIN)
    for place in range(len(overlay)):
        draft, row = questions.draft(place), overlay.row(place)
        (turn,) = draft.request().turns
        video, text = turn.parts
        assert isinstance(video, VideoPart)
        assert text == row["prompt"]
        assert draft.frames_s == list(video.times_s) == row["timestamps_s"]
        stored = overlay.video(place)
        assert isinstance(stored, bytes)
        assert np.array_equal(video.frames, decode_mp4(stored))


@pytest.mark.parametrize(("fps", "times"), [(1.0, [0, 1, 2, 3, 4]), (0.5, [0, 2, 4])])
def test_a_lower_rate_shows_what_the_view_of_the_row_says(
    overlay: RowsFile, fps: float, times: list[float]
) -> None:
    questions = StkitQuestions(overlay, replace(PLAIN, fps=fps))
    assert questions.n_frames(0) == len(times)
    assert questions.draft(0).frames_s == times
    assert text_of(questions, 0) == at_fps({**overlay.row(0), "video": None}, fps)["prompt"]
    shown = questions.draft(0).request().videos[0].frames
    whole = StkitQuestions(overlay, PLAIN).draft(0).request().videos[0].frames
    assert np.array_equal(shown, whole[:: int(2 / fps)])


def test_the_prompt_names_the_frames_really_given(overlay: RowsFile) -> None:
    questions = StkitQuestions(overlay, replace(PLAIN, max_frames=4))
    assert questions.draft(0).frames_s == [0.0, 1.5, 3.0, 4.5]
    text = text_of(questions, 0)
    assert "0.00 s, 1.50 s, 3.00 s, 4.50 s" in text
    assert "0.50 s" not in text
    assert text.endswith(overlay.row(0)["question"])


def test_a_paraphrase_asks_the_same_of_the_same_frames(overlay: RowsFile) -> None:
    draft = StkitQuestions(overlay, replace(PLAIN, paraphrased=True)).draft(0)
    other = paraphrased({**overlay.row(0), "video": None})
    assert draft.record["question"] == draft.row["question"] == other["question"]
    assert draft.turns[-1].parts[-1] == other["prompt"]
    assert draft.record["target"] == overlay.row(0)["target"]


def test_what_is_shown_moves_the_hash_and_nothing_else_does(overlay: RowsFile) -> None:
    settings = [
        PLAIN,
        replace(PLAIN, fps=1.0),
        replace(PLAIN, max_frames=9),
        replace(PLAIN, paraphrased=True),
        replace(PLAIN, geometry=("poses",)),
        replace(PLAIN, video=False),
    ]
    hashes = [StkitQuestions(overlay, s).draft(0).prompt_hash for s in settings]
    assert len(set(hashes)) == len(settings)
    assert StkitQuestions(overlay, replace(PLAIN, seed=9)).draft(0).prompt_hash == hashes[0]


def test_without_video_the_text_stays(overlay: RowsFile) -> None:
    seen = StkitQuestions(overlay, PLAIN).draft(1).request()
    blind = StkitQuestions(overlay, replace(PLAIN, video=False)).draft(1)
    assert blind.frames_s == []
    assert blind.request().turns[0].parts == without_video(seen).turns[0].parts


def test_a_video_that_is_not_the_rows_is_refused(overlay: RowsFile, tmp_path: Path) -> None:
    broken = changed(overlay, tmp_path / "x.parquet", video={"bytes": b"no video", "path": None})
    identity = broken.ids[0]
    with pytest.raises(FramesError, match=f"row {identity}: the video does not decode"):
        StkitQuestions(broken, PLAIN).draft(0).request()


# --- boxes -----------------------------------------------------------------------------------


def test_boxes_are_drawn_into_frames_that_show_none(overlay: RowsFile, raw: RowsFile) -> None:
    built = StkitQuestions(overlay, PLAIN).draft(0).request().videos[0].frames
    drawn = StkitQuestions(raw, PLAIN).draft(0).request().videos[0].frames
    bare = StkitQuestions(raw, replace(PLAIN, boxes=False)).draft(0).request().videos[0].frames
    # The built video went through H.264 with its boxes, so shades differ a little.
    assert np.abs(built.astype(int) - drawn).mean() < 2
    (color,) = [item["color"] for item in raw.row(0)["objects"]]
    is_color = np.abs(drawn.astype(int) - rgb_of(color)).max(axis=-1) == 0
    assert is_color.any(axis=(1, 2)).all()
    assert np.ptp(bare.astype(int), axis=-1).max() <= 8


def test_without_boxes_the_prompt_says_where_the_object_is(raw: RowsFile) -> None:
    row = raw.row(0)
    text = text_of(StkitQuestions(raw, replace(PLAIN, boxes=False)), 0)
    x0, y0, x1, y1 = row["objects"][0]["boxes"][0]
    assert "No box is drawn" in text
    assert f"takes up {round(x0 / 3.2)} to {round(x1 / 3.2)} % of the width" in text
    assert f"{round(y0 / 1.8)} to {round(y1 / 1.8)} % of the height" in text
    assert "'car'" in text
    assert text.endswith(row["question"])


def test_drawn_boxes_cannot_be_taken_away(overlay: RowsFile) -> None:
    with pytest.raises(RunError, match="built with `--video raw`"):
        StkitQuestions(overlay, replace(PLAIN, boxes=False))


def test_rows_without_video_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    bare = RowsFile(run_rows.write(tmp_path / "none.parquet", "none"))
    with pytest.raises(RunError, match="holds no video"):
        StkitQuestions(bare, PLAIN)
    assert StkitQuestions(bare, replace(PLAIN, video=False)).draft(0).frames_s == []


# --- geometry --------------------------------------------------------------------------------


def test_poses_are_told_relative_to_the_first_frame(overlay: RowsFile, tmp_path: Path) -> None:
    # The camera looks along the world's x and drives 2 m along it from frame to frame.
    looking = [0.0, 0.0, 1.0, None, -1.0, 0.0, 0.0, 5.0, 0.0, -1.0, 0.0, 1.5]
    poses = [[2.0 * k if v is None else v for v in looking] for k in range(run_rows.N_FRAMES)]
    moved = changed(overlay, tmp_path / "moved.parquet", camera_poses=poses)
    questions = StkitQuestions(moved, replace(PLAIN, geometry=("poses",), max_frames=2))
    text = text_of(questions, 0)
    assert "0.00 s: position (0.00, 0.00, 0.00), rotation (1.0000, 0.0000, 0.0000, 0.0000)" in text
    assert "4.50 s: position (0.00, 0.00, 18.00), rotation (1.0000," in text
    assert text.endswith(moved.row(0)["question"])


def test_poses_that_a_row_lacks_are_an_error(overlay: RowsFile, tmp_path: Path) -> None:
    unknown = changed(overlay, tmp_path / "unknown.parquet", camera_poses=None)
    with pytest.raises(RunError, match="`camera_poses` is missing or null"):
        StkitQuestions(unknown, replace(PLAIN, geometry=("poses",)))


def write_depth(folder: Path, row: dict, depth_m: float) -> None:
    from PIL import Image

    below = folder / row["clip_id"] / row["camera"]
    below.mkdir(parents=True, exist_ok=True)
    for place in range(run_rows.N_FRAMES):
        picture = np.full((4, 6), round(1000 * depth_m), np.uint16)
        picture[0, 0] = 0
        Image.fromarray(picture).save(below / f"{place:06d}.png")


def test_depth_is_shown_as_images_after_the_frames(overlay: RowsFile, tmp_path: Path) -> None:
    row = overlay.row(0)
    write_depth(tmp_path, row, 20.0)
    settings = replace(PLAIN, geometry=("depth",), max_frames=2)
    questions = StkitQuestions(overlay, settings, depth_dir=tmp_path)
    video, depth = questions.draft(0).request().videos
    assert len(video.frames) == len(depth.frames) == 2
    # 20 m of 80 m: three quarters of white; what was not measured is black.
    assert set(np.unique(depth.frames)) == {0, 191}
    assert "2 depth pictures" in text_of(questions, 0)
    assert questions.draft(0).frames_s == [0.0, 4.5]


def test_depth_that_is_missing_names_the_picture(tmp_path: Path) -> None:
    with pytest.raises(FramesError, match=r"a/front/000003\.png: no depth picture"):
        depth_frames(tmp_path, {"clip_id": "a", "camera": "front"}, [3])


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"shots": 2}, "shots must be one of"),
        ({"geometry": ("sonar",)}, "geometry must be among poses, depth"),
        ({"max_frames": 0}, "max_frames must be at least 1"),
        ({"fps": 3.0}, "fps must be one of"),
        ({"geometry": ("depth",), "video": False}, "without video cannot"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        AskSettings(**settings)


# --- examples --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> RowsFile:
    path = tmp_path_factory.mktemp("train") / "train.parquet"
    return RowsFile(run_rows.write(path, names=("a", "c", "d", "e")))


def test_examples_come_before_the_question_with_their_answers(
    overlay: RowsFile, training: RowsFile
) -> None:
    questions = StkitQuestions(overlay, replace(PLAIN, shots=3, max_frames=2), training)
    draft = questions.draft(0)
    assert [turn.role for turn in draft.turns] == ["user", "assistant"] * 3 + ["user"]
    examples = [training.row(training.ids.index(name)) for name in draft.record["shots"]]
    own = overlay.row(0)
    assert {row["task"] for row in examples} == {own["task"]}
    assert own["scene_id"] not in {row["scene_id"] for row in examples}
    assert len({row["scene_id"] for row in examples}) == 3
    for turn, row in zip(draft.turns[1::2], examples, strict=False):
        assert turn.parts == (row["answer"],)
    assert [len(video.frames) for video in draft.request().videos] == [2] * 4


def test_examples_depend_on_the_question_alone(overlay: RowsFile, training: RowsFile) -> None:
    row = overlay.row(3)
    drawn = Examples(training, 0).draw(row, 1, 2)
    again = Examples(training, 0)
    again.draw(overlay.row(0), 3, 2)
    assert again.draw(row, 1, 2) == drawn
    many = {tuple(Examples(training, seed).draw(row, 1, 2)) for seed in range(20)}
    assert len(many) > 1


def test_too_few_other_scenes_are_an_error(overlay: RowsFile) -> None:
    with pytest.raises(RunError, match="only 1 of 3 examples"):
        StkitQuestions(overlay, replace(PLAIN, shots=3), overlay)
    with pytest.raises(RunError, match="--shot-data"):
        StkitQuestions(overlay, replace(PLAIN, shots=1))


def test_examples_have_as_many_frames_as_the_question(
    overlay: RowsFile, training: RowsFile
) -> None:
    with pytest.raises(RunError, match="with at least 11 frames"):
        Examples(training, 0).draw(overlay.row(0), 1, 11)


# --- rows ------------------------------------------------------------------------------------


def test_rows_are_found_across_row_groups_and_files(tmp_path: Path) -> None:
    run_rows.write(tmp_path / "1.parquet", names=("a",))
    run_rows.write(tmp_path / "2.parquet", names=("b",))
    rows = RowsFile(tmp_path)
    whole = [
        row
        for name in ("1.parquet", "2.parquet")
        for row in pq.ParquetFile(tmp_path / name).read().to_pylist()
    ]
    assert rows.ids == [row["id"] for row in whole]
    for place in (0, len(rows) - 1, 5, 0):
        assert rows.video(place) == whole[place]["video"]["bytes"]
        assert rows.row(place)["question"] == whole[place]["question"]


def test_rows_that_repeat_an_id_are_refused(tmp_path: Path) -> None:
    run_rows.write(tmp_path / "1.parquet", names=("a",))
    run_rows.write(tmp_path / "2.parquet", names=("a",))
    with pytest.raises(FileError, match="repeats an earlier row's"):
        RowsFile(tmp_path)
