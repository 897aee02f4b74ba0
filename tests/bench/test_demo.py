"""The demo on a few small scenes, and its page in a real browser."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from browser import Seen, probe

from stkit_bench.cli import main
from stkit_bench.demo import DemoConfig, DemoResult, run_demo
from stkit_datasets.tasks.names import TASKS

SMALL = {"duration_s": 6.0, "width_px": 480, "height_px": 270}


def config(out: Path) -> DemoConfig:
    return DemoConfig(
        out,
        n_train_scenes=3,
        n_validation_scenes=4,
        per_task=3,
        n_shown=8,
        workers=1,
        progress=False,
        scenes=SMALL,
    )


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    return run_demo(config(tmp_path_factory.mktemp("demo")))


def test_every_task_is_asked_and_answered(demo: DemoResult) -> None:
    assert {name: task.selected for name, task in demo.selection.tasks.items()} == dict.fromkeys(
        (task.value for task in TASKS), 3
    )
    assert [run.name for run in demo.runs] == ["constant", "random", "class prior"]
    for run in demo.runs:
        assert run.scores.n == 21
        assert run.scores.coverage == 1.0
        assert run.scores.average_accuracy_interval is not None


def test_training_rows_have_no_video_and_questions_have(demo: DemoResult) -> None:
    out = demo.page.parent
    [train] = (out / "train" / "simulation").glob("*.parquet")
    assert (
        pq.read_table(train, columns=["video"])["video"].null_count
        == pq.read_metadata(train).num_rows
    )
    assert pq.read_table(out / "bench.parquet", columns=["video"])["video"].null_count == 0


def test_the_answers_can_be_scored_again_from_the_shell(
    demo: DemoResult, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = demo.page.parent / "answers" / "random.jsonl"
    scores = tmp_path / "scores.json"
    assert main(["score", str(answers), "--out", str(scores)]) == 0
    capsys.readouterr()
    again = json.loads(scores.read_text())
    kept = json.loads((demo.page.parent / "scores" / "random.json").read_text())
    assert {key: again["tasks"][key]["accuracy"] for key in again["tasks"]} == {
        key: kept["tasks"][key]["accuracy"] for key in kept["tasks"]
    }


def test_a_second_run_uses_the_builds_and_writes_the_same_page(demo: DemoResult) -> None:
    page = demo.page.read_bytes()
    shards = sorted(demo.page.parent.rglob("*-of-*.parquet"))
    before = [shard.stat().st_mtime_ns for shard in shards]
    run_demo(config(demo.page.parent))
    assert [shard.stat().st_mtime_ns for shard in shards] == before
    assert demo.page.read_bytes() == page


def test_the_command_says_where_the_page_is_and_that_it_is_simulation(
    demo: DemoResult, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[DemoConfig] = []

    def instead(wanted: DemoConfig) -> DemoResult:
        asked.append(wanted)
        return demo

    monkeypatch.setattr("stkit_bench.demo.run_demo", instead)
    assert main(["demo", "--out", "somewhere", "--seed", "5"]) == 0
    assert (asked[0].out, asked[0].seed) == (Path("somewhere"), 5)
    told = capsys.readouterr().out
    assert str(demo.page) in told
    assert "This is simulation" in told
    for name in ("traveled_distance", "mean of the seven", "class prior"):
        assert name in told


def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["demo", "--out", "nowhere"]) == 2
    assert (
        'av and jinja2: pip install ".[video,eval]" in a clone of STKit' in capsys.readouterr().err
    )


def test_the_page_is_small_enough_to_mail(demo: DemoResult) -> None:
    assert demo.page.stat().st_size < 25_000_000


# --- in a browser ----------------------------------------------------------------------------

PROBE = """<!DOCTYPE html><title>probe</title>
<iframe src="/page" width="360" height="800"></iframe>
<script>
const frame = document.querySelector("iframe");
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
async function until(holds) { for (let k = 0; k < 200 && !holds(); k++) await wait(50); }
frame.onload = async () => {
  const page = frame.contentDocument, found = {};
  try {
    const videos = [...page.querySelectorAll("video")];
    await until(() => videos.every((video) => video.readyState >= 2 && !video.seeking));
    found.videos = [];
    for (const video of videos) {
      const start = video.currentTime;
      if (videos.indexOf(video) < 2) {
        await video.play();
        await until(() => video.currentTime > start + 0.1);
        video.pause();
      }
      found.videos.push({
        ready: video.readyState, width: video.videoWidth, height: video.videoHeight,
        duration: video.duration, error: video.error && video.error.message,
        wanted: Number(video.dataset.start), start, moved: video.currentTime - start,
      });
    }
    found.overflow = {};
    for (const width of [320, 360, 768, 1280]) {
      frame.style.width = width + "px";
      await wait(50);
      found.overflow[width] = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    }
    const shown = () =>
      [...page.querySelectorAll("article")].filter((a) => a.checkVisibility())
        .map((a) => a.dataset.task);
    const told = page.getElementById("filter-told");
    found.all = shown().length;
    found.told = told.textContent;
    const radio = page.querySelector("input[value=movement_direction]");
    radio.focus();
    radio.click();
    found.focused = page.activeElement === radio;
    found.filtered = shown();
    found.paper = frame.contentWindow.getComputedStyle(page.body).backgroundColor;
    found.styles = page.styleSheets.length;
    found.title = page.title;
  } catch (error) { found.failed = String(error); }
  await fetch("/found", { method: "POST", body: JSON.stringify(found) });
};
</script>"""


@pytest.fixture(scope="module")
def seen(demo: DemoResult) -> Seen:
    return probe(demo.page, PROBE)


def test_the_probe_went_through(seen: Seen) -> None:
    assert "failed" not in seen.found, seen.found["failed"]
    assert seen.found["title"] == "STKit-Bench on simulated scenes"


def test_videos_play_in_the_browser(seen: Seen) -> None:
    videos = seen.found["videos"]
    assert len(videos) == 8
    for video in videos:
        assert video["error"] is None
        assert video["ready"] >= 2
        assert (video["width"], video["height"]) == (480, 270)
        assert 2.5 <= video["duration"] <= 6.01
        # Each video stands at the frame in which its question begins.
        assert video["start"] == pytest.approx(video["wanted"] + 0.01, abs=0.02)
    assert all(video["moved"] > 0.1 for video in videos[:2])


def test_the_page_fits_from_a_phone_to_a_desk(seen: Seen) -> None:
    assert seen.found["overflow"] == {"320": 0, "360": 0, "768": 0, "1280": 0}


def test_questions_can_be_filtered_by_task(seen: Seen) -> None:
    assert seen.found["all"] == 8
    assert seen.found["told"] == "8 of 8 questions shown"
    assert seen.found["focused"]
    assert seen.found["filtered"] == ["movement_direction"]


def test_style_applies_and_nothing_else_is_asked_for(seen: Seen) -> None:
    assert seen.found["paper"] in ("rgb(246, 247, 249)", "rgb(16, 21, 27)")
    assert [path for path in seen.requests if path != "/favicon.ico"] == ["/", "/page"]
