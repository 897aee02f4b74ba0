from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stkit_bench.views import FRAME_RATES, ViewError, at_fps, paraphrased, view, view_table
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.schema import arrow_schema
from stkit_datasets.video.encode import decode_mp4
from stkit_datasets.wording import load_wording

COLOR = "One object is marked in every frame where it can be seen; its box is red."


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    out = tmp_path_factory.mktemp("rows")
    options = {"duration_s": 6.5, "width_px": 320, "height_px": 180, "n_validation_scenes": 2}
    build(
        BuildConfig("simulation", None, out, ("validation",), source_options=options),
        progress=False,
    )
    return pq.read_table(out / "simulation")


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> list[dict]:
    return table.to_pylist()


def of_task(rows: list[dict], task: str, form: str | None = None) -> dict:
    return next(r for r in rows if r["task"] == task and form in (None, r["form"]))


def toy(**more) -> dict:
    """Seven frames of a red object, without a video, its prompt as the builder writes it."""
    question = "How far does the object in the red box travel altogether?"
    times = ", ".join(f"{0.5 * i:.2f} s" for i in range(7))
    common = (
        f"The clip you see is 3.50 s long. Number of frames shown: 7, taken at these moments: "
        f"{times}. {COLOR}"
    )
    return {
        "id": "0123456789abcdef",
        "task": "traveled_distance",
        "form": "whole",
        "question": question,
        "answer": "It moves a total of 3.00 m.",
        "prompt": f"{common}\n{question}",
        "messages": [],
        "target": {"value_si": 3.0, "clock": None},
        "objects": [
            {
                "track_id": "a",
                "category": "car",
                "color": "red",
                "boxes": [None, *([float(i)] * 4 for i in range(1, 7))],
                "occlusion": [None, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6],
                "centers_m": [[float(i), 0.0, 0.0] for i in range(7)],
            }
        ],
        "start_s": 0.5,
        "end_s": 3.0,
        "timestamps_s": [0.5 * i for i in range(7)],
        "camera_poses": [[float(i)] * 12 for i in range(7)],
        "duration_s": 3.5,
        "fps": 2.0,
        "video": None,
        "frames": [f"{i}.jpg" for i in range(7)],
        **more,
    }


@pytest.mark.parametrize(
    ("fps", "kept"), [(2, [0, 1, 2, 3, 4, 5, 6]), (1, [0, 2, 4, 6]), (0.5, [0, 4]), (0.25, [0])]
)
def test_every_so_manieth_frame_is_kept_from_the_first(fps: float, kept: list[int]) -> None:
    row = toy()
    seen = at_fps(row, fps)
    assert seen["fps"] == fps
    assert seen["timestamps_s"] == [0.5 * i for i in kept]
    assert seen["frames"] == [f"{i}.jpg" for i in kept]
    assert seen["camera_poses"] == [[float(i)] * 12 for i in kept]
    (item,) = seen["objects"]
    assert item["boxes"] == [row["objects"][0]["boxes"][i] for i in kept]
    assert item["occlusion"] == [row["objects"][0]["occlusion"][i] for i in kept]
    assert item["centers_m"] == [[float(i), 0.0, 0.0] for i in kept]
    assert (item["track_id"], item["color"]) == ("a", "red")


def test_the_common_prompt_names_the_frames_that_are_left() -> None:
    seen = at_fps(toy(), 0.5)
    assert seen["prompt"] == (
        "The clip you see is 3.50 s long. Number of frames shown: 2, taken at these moments: "
        f"0.00 s, 2.00 s. {COLOR}\nHow far does the object in the red box travel altogether?"
    )
    user, assistant = seen["messages"]
    assert user["content"] == [{"type": "video"}, {"type": "text", "text": seen["prompt"]}]
    assert assistant["content"][0]["text"] == "It moves a total of 3.00 m."


def test_what_is_asked_stays_and_the_given_row_too() -> None:
    row = toy()
    before = copy.deepcopy(row)
    seen = view(row, 1, True)
    assert row == before
    for name in ("id", "task", "form", "answer", "target", "start_s", "end_s", "duration_s"):
        assert seen[name] == row[name]


def test_the_video_holds_the_kept_frames_at_the_lower_rate(rows: list[dict]) -> None:
    import io

    import av

    row = rows[0]
    whole = decode_mp4(row["video"]["bytes"]).astype(int)
    for fps in FRAME_RATES[1:]:
        data = at_fps(row, fps)["video"]["bytes"]
        kept = whole[:: round(2 / fps)]
        fewer = decode_mp4(data).astype(int)
        assert fewer.shape == kept.shape
        assert np.abs(fewer - kept).mean() < 3
        with av.open(io.BytesIO(data)) as container:
            assert float(container.streams.video[0].average_rate) == fps
        assert at_fps(row, fps)["video"]["path"] == row["video"]["path"]


def test_a_clip_keeps_its_prompt_at_its_own_rate(rows: list[dict]) -> None:
    for row in rows:
        assert at_fps(row, 2.0) == row


def test_a_paraphrase_asks_the_same_in_a_sentence_of_its_group(rows: list[dict]) -> None:
    wording = load_wording()
    for row in rows:
        seen = paraphrased(row)
        assert seen["question"] != row["question"]
        colors = {item["color"] for item in row["objects"]}
        if len(colors) == 2:
            assert all(color in seen["question"] for color in colors)
        common = row["prompt"].removesuffix(row["question"])
        assert seen["prompt"] == common + seen["question"]
        assert seen["messages"][0]["content"][1]["text"] == seen["prompt"]
        assert len(wording[row["task"]].paraphrases[row["form"]]) >= 5
        assert paraphrased(row) == seen


def test_a_paraphrase_fills_the_times_of_an_interval(rows: list[dict]) -> None:
    row = of_task(rows, "traveling_speed", "interval")
    question = paraphrased(row)["question"]
    assert f"{row['start_s']:.2f}" in question
    assert f"{row['end_s']:.2f}" in question


def test_a_paraphrase_names_the_clock_that_is_asked_and_not_the_times(rows: list[dict]) -> None:
    row = of_task(rows, "direction_timestamp")
    question = paraphrased(row)["question"]
    assert str(row["target"]["clock"]) in question
    assert f"{row['target']['end_s']:.2f}" not in question


def test_a_paraphrase_never_tells_a_direction_that_is_the_answer() -> None:
    common = toy()["prompt"].partition("\n")[0]
    row = toy(task="movement_direction", target={"clock": 7}, prompt=f"{common}\nWhere?")
    assert "7" not in paraphrased({**row, "question": "Where?"})["question"]


def test_the_order_of_the_two_colors_stays(rows: list[dict]) -> None:
    wording = load_wording()
    row = of_task(rows, "traveled_distance_comparison")
    first, second = (item["color"] for item in row["objects"])
    sentences = wording[row["task"]].paraphrases[row["form"]]
    assert paraphrased(row)["question"].lower() in {
        s.replace("{color_a}", first).replace("{color_b}", second).lower() for s in sentences
    }


@pytest.mark.parametrize("fps", FRAME_RATES)
@pytest.mark.parametrize("rewords", [False, True])
def test_a_table_gives_the_views_of_its_rows(
    table: pa.Table, rows: list[dict], fps: float, rewords: bool
) -> None:
    some = table.slice(3, 12)
    seen = view_table(some, fps, rewords)
    assert seen.schema.equals(table.schema)
    expected = pa.Table.from_pylist(
        [view(row, fps, rewords) for row in rows[3:15]], schema=arrow_schema()
    )
    assert seen.to_pylist() == expected.to_pylist()
    assert view_table(table.slice(0, 0), fps, rewords).num_rows == 0


def test_columns_that_a_paraphrase_does_not_touch_are_passed_on(table: pa.Table) -> None:
    seen = view_table(table, 2.0, True)
    for name in ("video", "objects", "target"):
        assert seen[name].equals(table[name])


@pytest.mark.parametrize("fps", [3, 0, -1, 4.0, float("nan")])
def test_other_rates_are_refused(fps: float) -> None:
    with pytest.raises(ViewError, match=r"fps must be one of 2, 1, 0\.5, 0\.25, got"):
        at_fps(toy(), fps)


def test_a_view_of_a_view_is_the_view_and_never_has_more_frames() -> None:
    assert at_fps(at_fps(toy(), 1), 0.5) == at_fps(toy(), 0.5)
    with pytest.raises(ViewError, match=r"row 0123456789abcdef: 0\.5 fps cannot be brought to 1"):
        at_fps(at_fps(toy(), 0.5), 1)


def test_sentences_of_another_wording_are_not_mixed() -> None:
    row = toy()
    other = toy(prompt=row["prompt"].replace("The clip", "This clip"))
    with pytest.raises(ViewError, match="row 0123456789abcdef: its prompt was written with other"):
        at_fps(other, 1)


def test_a_users_wording_is_used(tmp_path: Path) -> None:
    path = tmp_path / "common.json"
    path.write_text(
        '{"common_prompt": {"video": "{seconds} {frames} {times}.", "one_object": "{color}.", '
        '"two_objects": "{color_a} {color_b}."}}'
    )
    wording = load_wording(path)
    times = ", ".join(f"{0.5 * i:.2f} s" for i in range(7))
    row = toy(prompt=f"3.50 7 {times}. Red.\nHow?", question="How?")
    row["prompt"] = row["prompt"].replace("Red", "Red")
    assert at_fps(row, 0.25, wording)["prompt"] == "3.50 1 0.00 s. Red.\nHow?"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"form": "more"}, "form must be one of whole, interval, got 'more'"),
        ({"question": "Another?"}, "its prompt must end in its question"),
    ],
)
def test_rows_that_are_no_rows_of_a_bench_are_named(more: dict, message: str) -> None:
    with pytest.raises(ViewError, match=f"row 0123456789abcdef: {message}"):
        paraphrased(toy(**more))
