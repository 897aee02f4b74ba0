"""VLM4D through the runner: the official questions, real clips decoded, answers that are scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from run_models import Recorder

from stkit_bench.cli import main
from stkit_bench.run import RunError, run
from stkit_bench.run.vlm4d_questions import Vlm4dQuestions, _at_rate
from stkit_bench.vlm4d import Item, load, prompts
from stkit_datasets.video.encode import encode_mp4

N_CLIPS = 10


def item(name: str, video: str = "videos_real/a.mp4", **more: object) -> Item:
    choices = {"A": "left", "B": "right", "C": "up", "D": "down"}
    fields = {"split": "real", "group": "real_exocentric", "category": None, "video_url": video}
    fields |= {"question": "Where to?", "choices": choices, "answer": "left"}
    return Item(id=name, video=video, letters=("A",), faults=(), **{**fields, **more})


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """24 frames at 8 a second, each brighter by 10."""
    from fractions import Fraction

    frames = [np.full((40, 60, 3), 10 * k, np.uint8) for k in range(24)]
    (tmp_path / "videos_real").mkdir()
    (tmp_path / "videos_real" / "a.mp4").write_bytes(encode_mp4(frames, Fraction(8)))
    return tmp_path


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        ({"max_frames": 2}, [0.0, 2.875]),
        ({"max_frames": 1}, [1.375]),
        ({"fps": 1.0}, [0.0, 1.0, 2.0]),
        ({"fps": 3.0, "max_frames": 3}, [0.0, 1.25, 2.625]),
        ({"max_frames": 100}, [k / 8 for k in range(24)]),
    ],
)
def test_frames_are_chosen_by_count_or_by_rate(
    videos: Path, settings: dict, times: list[float]
) -> None:
    questions = Vlm4dQuestions([item("real/1")], videos, **settings)
    draft = questions.draft(0)
    assert draft.frames_s == pytest.approx(times)
    assert questions.n_frames(0) == len(times)
    (video,) = draft.request().videos
    shades = video.frames.mean(axis=(1, 2, 3))
    assert shades == pytest.approx([80 * t for t in times], abs=4)


@pytest.mark.parametrize(
    ("times", "fps", "expected"),
    [
        ([0.0, 0.5, 1.0, 1.5], 1.0, [0.0, 1.0]),
        ([0.0, 0.4, 0.8, 1.2], 1.0, [0.0, 0.8]),
        ([0.0, 1.0, 2.0], 10.0, [0.0, 1.0, 2.0]),
        ([0.0], 1.0, [0.0]),
        ([0.0, 3.0], 1.0, [0.0, 3.0]),
    ],
)
def test_the_frame_on_screen_is_the_one_taken(
    times: list[float], fps: float, expected: list[float]
) -> None:
    assert _at_rate(times, fps) == expected


def test_the_form_is_in_the_prompt_and_in_the_settings(videos: Path) -> None:
    made = {f: Vlm4dQuestions([item("real/1")], videos, f) for f in ("direct", "cot")}
    for form, questions in made.items():
        assert questions.draft(0).turns[0].parts[1] == prompts(item("real/1"), form)
    assert made["direct"].settings() != made["cot"].settings()


def test_a_video_that_is_missing_is_refused_or_left_out(videos: Path) -> None:
    items = [item("real/1"), item("real/2", "videos_real/b.mp4")]
    with pytest.raises(RunError, match=r"b\.mp4: no such video, and 0 questions more"):
        Vlm4dQuestions(items, videos)
    questions = Vlm4dQuestions(items, videos, only_present=True)
    assert questions.ids == ["real/1"]
    assert questions.left_out == 1
    assert Vlm4dQuestions(items, videos, video=False).ids == ["real/1", "real/2"]


def test_a_broken_video_costs_its_questions_and_no_other(videos: Path, tmp_path: Path) -> None:
    (videos / "videos_real" / "b.mp4").write_bytes(b"no video")
    items = [item("real/1"), item("real/2", "videos_real/b.mp4")]
    summary = run(Recorder(), Vlm4dQuestions(items, videos), tmp_path / "a.jsonl")
    assert summary.failures == {"video": 1}
    assert summary.n_answered == 1


@pytest.mark.parametrize(
    "settings", [{"form": "long"}, {"fps": 0.0}, {"max_frames": 0}], ids=lambda s: next(iter(s))
)
def test_settings_out_of_range_are_refused(videos: Path, settings: dict) -> None:
    with pytest.raises(RunError, match=f"{next(iter(settings))} must be"):
        Vlm4dQuestions([item("real/1")], videos, **settings)


def test_the_baselines_of_stkit_are_not_asked_vlm4d(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["run", "--model", "baseline:random", "--data", f"vlm4d:{videos}"]
    assert main([*command, "--out", str(tmp_path / "a.jsonl")]) == 2
    assert "not VLM4D" in capsys.readouterr().err


def test_ten_real_clips_are_decoded_and_asked(
    shared_data: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data("vlm4d")
    shared_data("vlm4d/videos_real/davis/camel.mp4")
    items = load(folder)
    questions = Vlm4dQuestions(items, folder, max_frames=4, only_present=True)
    present = [questions.draft(n) for n in range(len(questions.ids))]
    assert len({draft.record["video"] for draft in present}) == N_CLIPS
    model = Recorder(lambda request: "The answer is A.", batch_size=4)
    out = tmp_path / "a.jsonl"
    summary = run(model, questions, out)
    assert summary.failures == {}
    assert summary.n_answered == len(questions.ids) >= N_CLIPS
    for batch in model.batches:
        for request in batch:
            (video,) = request.videos
            assert video.frames.shape[0] == 4
            assert video.frames.std() > 10
            # The camera or the object moves in every one of these clips.
            assert np.abs(np.diff(video.frames.astype(int), axis=0)).mean() > 2
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["id"] for line in lines] == list(questions.ids)
    assert all(len(line["frames_s"]) == 4 for line in lines)
    command = ["vlm4d", "score", "--data", str(folder), "--answers", str(out), "--json"]
    assert main([*command, "--n-resamples", "0"]) == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["n_unanswered"] == len(items) - len(lines) - len(scores["not_scored"])
