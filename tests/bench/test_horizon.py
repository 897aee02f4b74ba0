"""Pictures shifted up and down with their boxes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pyarrow.parquet as pq
import pytest
import run_rows

from stkit_bench.cli import main
from stkit_bench.horizon import shifted_frames, shifted_horizon
from stkit_bench.views import ViewError
from stkit_datasets.video.encode import decode_mp4, encode_mp4


def row(**more):
    return {
        "id": "q",
        "width": 400,
        "height": 200,
        "fps": 2.0,
        "video": None,
        "prompt": "p",
        "objects": [{"color": "red", "boxes": [[10, 20, 50, 60], None, [10, 150, 50, 190]]}],
        **more,
    }


def boxes(fraction, **more):
    return shifted_horizon(row(**more), fraction)["objects"][0]["boxes"]


@pytest.mark.parametrize(
    ("fraction", "expected"),
    [
        (0.1, [[10, 40, 50, 80], None, [10, 170, 50, 200]]),
        (-0.1, [[10, 0, 50, 40], None, [10, 130, 50, 170]]),
        (0.25, [[10, 70, 50, 110], None, None]),
        (0.0, [[10, 20, 50, 60], None, [10, 150, 50, 190]]),
    ],
)
def test_boxes_move_and_are_cut_to_the_picture(fraction, expected):
    assert boxes(fraction) == expected


def test_the_row_is_not_changed_and_the_rest_of_it_stays():
    before = row()
    after = shifted_horizon(before, 0.1)
    assert before == row()
    assert {k: v for k, v in after.items() if k != "objects"} == {
        k: v for k, v in before.items() if k != "objects"
    }


def test_frames_move_by_whole_rows_and_repeat_their_edge():
    frames = np.arange(4, dtype=np.uint8).reshape(1, 4, 1, 1)
    assert shifted_frames(frames, 1).ravel().tolist() == [0, 0, 1, 2]
    assert shifted_frames(frames, -2).ravel().tolist() == [2, 3, 3, 3]


def test_a_video_and_its_boxes_move_alike():
    picture = np.full((6, 100, 200, 3), 40, np.uint8)
    picture[:, 30:50, 60:100] = 220
    video = {"bytes": encode_mp4(picture, Fraction(2), crf=5), "path": None}
    # The video is half the size of the source image, in whose pixels the boxes are.
    item = {"color": "red", "boxes": [[120, 60, 200, 100]] * 6}
    after = shifted_horizon(row(video=video, objects=[item]), 0.153)
    bright = decode_mp4(after["video"]["bytes"])[3].mean(axis=-1) > 130
    top, bottom = np.flatnonzero(bright.any(axis=1))[[0, -1]]
    assert after["objects"][0]["boxes"][3] == pytest.approx([120, 90, 200, 130])
    assert (top, bottom) == pytest.approx((45, 64), abs=1)


@pytest.mark.parametrize(
    ("fraction", "more", "message"),
    [
        (0.6, {}, "fraction must be within"),
        (float("nan"), {}, "fraction must be within"),
        (0.1, {"video": {"bytes": None, "path": "x"}}, "row q: its video must be given as bytes"),
        (
            0.4,
            {"objects": [{"boxes": [[0, 150, 9, 190]]}]},
            "row q: object 0 would be out of the picture",
        ),
    ],
)
def test_what_cannot_be_shifted_is_named(fraction, more, message):
    with pytest.raises(ViewError, match=message):
        shifted_horizon(row(**more), fraction)


def test_the_command_writes_rows_that_can_be_asked(tmp_path, capsys):
    source = run_rows.write(tmp_path / "rows.parquet", names=("a",))
    out = tmp_path / "out" / "lower.parquet"
    argv = ["shift", str(source), "--fraction", "0.1", "--out", str(out)]
    assert main(argv) == 0
    before, after = pq.read_table(source), pq.read_table(out)
    assert after.schema.equals(before.schema)
    assert after["id"].to_pylist() == before["id"].to_pylist()
    assert after["prompt"].to_pylist() == before["prompt"].to_pylist()
    assert after["objects"].to_pylist() != before["objects"].to_pylist()
    assert [path.name for path in out.parent.iterdir()] == ["lower.parquet"]
    assert main([*argv[:2], "--fraction", "0.9", "--out", str(out)]) == 2
    assert "fraction must be within" in capsys.readouterr().err
