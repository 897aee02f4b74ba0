"""The page and its parts, from rows and runs made by hand."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from importlib.resources import files
from typing import Any

import pytest

from stkit_bench import published
from stkit_bench.files import FileError
from stkit_bench.reading import read_response
from stkit_bench.report import (
    Build,
    ReportData,
    choose_questions,
    make_run,
    read_run,
    render_page,
)
from stkit_bench.report.charts import Dot, accuracy_svg, balance_svg
from stkit_bench.report.tables import accuracy_groups, build_sections, error_groups
from stkit_bench.report.videos import video_uris
from stkit_bench.report.words import percent_interval, reading_words, target_words
from stkit_bench.rows import references
from stkit_bench.selection import Count, select
from stkit_datasets.tasks.names import TASKS, Task
from stkit_datasets.units_of_work import Report

MP4 = b"\x00\x00\x00\x18ftypisom" + bytes(100)
HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)>\" ' & \ud800"
COLORS = ("red", "blue")


def row(task: Task, number: int = 0, **changes: Any) -> dict[str, Any]:
    """One row of two seconds in which the objects go 1 m (first) and 2 m (second) a step."""
    times = [0.5 * k for k in range(5)]
    target: dict[str, Any] = dict.fromkeys(("value_si", "clock", "start_s", "end_s", "choice"))
    target["task"] = str(task)
    filled: dict[Task, dict[str, Any]] = {
        Task.TRAVELED_DISTANCE: {"value_si": 4.0},
        Task.TRAVELING_SPEED: {"value_si": 2.0},
        Task.MOVEMENT_DIRECTION: {"clock": 12},
        Task.DIRECTION_TIMESTAMP: {"clock": 12, "start_s": 0.0, "end_s": 2.0},
        Task.TRAVELED_DISTANCE_COMPARISON: {"choice": "blue"},
        Task.TRAVELING_SPEED_COMPARISON: {"choice": "blue"},
        Task.MOVEMENT_DIRECTION_COMPARISON: {"choice": "same"},
    }
    target.update(filled[task])
    objects = [
        {
            "track_id": f"car-{place}",
            "category": "car",
            "color": color,
            "centers_m": [[(place + 1.0) * k, 3.0 * place, 0.0] for k in range(5)],
        }
        for place, color in enumerate(COLORS)
    ]
    return {
        "id": f"{task}-{number}",
        "source": "simulation",
        "split": "validation",
        "clip_id": f"clip-{number}",
        "camera": "front",
        "task": str(task),
        "polarity": "more" if "comparison" in task else None,
        "question": "Which object?",
        "answer": "The blue one.",
        "prompt": "A video. Which object?",
        "target": target,
        "objects": objects if "comparison" in task else objects[:1],
        "start_s": 0.0,
        "end_s": 2.0,
        "timestamps_s": times,
        "duration_s": 2.5,
        "fps": 2.0,
        "width": 640,
        "height": 360,
        "video": {"bytes": MP4, "path": "x.mp4"},
        "provenance": {"files": ["tracks.feather"], "tokens": [], "version": "0"},
        **changes,
    }


def bench(per_task: int = 2) -> list[dict[str, Any]]:
    return [row(task, number) for task in TASKS for number in range(per_task)]


def page_of(rows: list[dict[str, Any]], response: str | None = "10 m", **more: Any) -> str:
    run = make_run("a model", references(rows), [response] * len(rows), n_resamples=50)
    facts = (("Source", "simulation"),)
    return render_page(ReportData("A page", facts, (run,), tuple(rows), **more))


class Elements(HTMLParser):
    """The tags of a page with their attributes, and its text outside style and script."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside not in ("style", "script"):
            self.texts.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


# --- words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (Task.TRAVELED_DISTANCE, "4.00 m"),
        (Task.TRAVELING_SPEED, "7.20 km/h (2.00 m/s)"),
        (Task.MOVEMENT_DIRECTION, "12 o’clock"),
        (Task.DIRECTION_TIMESTAMP, "0.00 s to 2.00 s, toward 12 o’clock"),
        (Task.TRAVELED_DISTANCE_COMPARISON, "blue"),
        (Task.MOVEMENT_DIRECTION_COMPARISON, "same direction"),
    ],
)
def test_a_target_is_told_in_si_units(task: Task, expected: str) -> None:
    assert target_words(row(task)["target"]) == expected


@pytest.mark.parametrize(
    ("task", "response", "expected"),
    [
        (Task.TRAVELED_DISTANCE, "about 1,200 meters", "1,200.00 m"),
        (Task.MOVEMENT_DIRECTION, "toward 3 o'clock", "3 o’clock"),
        (Task.DIRECTION_TIMESTAMP, "From 1 s to 2.5 s", "1.00 s to 2.50 s"),
        (Task.TRAVELED_DISTANCE, "I cannot tell.", "not readable: refusal"),
    ],
)
def test_a_reading_is_told_in_the_same_words(task: Task, response: str, expected: str) -> None:
    reading = read_response(task, response)
    assert reading_words(task, reading, reading.readable) == expected


def test_an_interval_of_shares() -> None:
    assert percent_interval((0.15, 0.5)) == "15.0–50.0"
    assert percent_interval(None) == "–"


# --- runs ------------------------------------------------------------------------------------


def test_a_run_keeps_how_each_response_was_read_and_judged() -> None:
    rows = [row(Task.TRAVELED_DISTANCE, number) for number in range(4)]
    run = make_run("m", references(rows), ["4.5 m", "20 m", "no idea", None], n_resamples=0)
    replies = [run.replies[str(item["id"])] for item in rows]
    assert [reply.correct for reply in replies] == [True, False, False, False]
    assert [reply.readable for reply in replies] == [True, True, False, False]
    assert replies[0].read_as == "4.50 m"
    assert replies[3].read_as == "no response"
    assert run.scores.tasks["traveled_distance"].accuracy == 0.25


def test_a_run_from_a_file_names_the_line_that_is_wrong(tmp_path: Any) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": "traveled_distance-0", "response": "4 m"}\n{"id": "x"}\n')
    with pytest.raises(FileError, match=r"answers\.jsonl:2: key 'response' is missing"):
        read_run("m", path, references([row(Task.TRAVELED_DISTANCE)]))


# --- questions -------------------------------------------------------------------------------


def test_every_task_is_shown_and_tasks_take_turns() -> None:
    chosen = choose_questions(bench(per_task=5), 12)
    assert len(set(chosen)) == 12
    counts = [sum(name.startswith(f"{task}-") for name in chosen) for task in TASKS]
    assert counts == [2, 2, 2, 2, 2, 1, 1]


def test_the_choice_does_not_depend_on_the_order_of_rows() -> None:
    rows = bench(per_task=5)
    assert choose_questions(rows, 9, seed=3) == choose_questions(rows[::-1], 9, seed=3)


def test_a_clip_that_was_shown_waits() -> None:
    rows = [
        row(Task.TRAVELED_DISTANCE, 0, clip_id="a"),
        row(Task.TRAVELING_SPEED, 0, clip_id="a"),
        row(Task.TRAVELING_SPEED, 1, clip_id="b"),
    ]
    assert "traveling_speed-1" in choose_questions(rows, 2)


def test_fewer_rows_than_wanted_are_all_shown() -> None:
    assert len(choose_questions(bench(per_task=1), 12)) == 7


# --- pictures --------------------------------------------------------------------------------


def test_the_accuracy_picture_stands_at_the_right_places() -> None:
    svg = accuracy_svg("Speed", [Dot("m", 0.5, (0.25, 1.0)), Dot("none", None, None)])
    tree = ElementTree.fromstring(svg)
    # The axis goes from x = 84 (0 %) to x = 236 (100 %).
    whisker = next(e for e in tree.iter() if e.get("class") == "whisker")
    marker = next(e for e in tree.iter() if e.get("class") == "marker")
    assert str(whisker.get("d")).startswith("M122.0 20H236.0")
    assert marker.get("transform") == "translate(160.0 20)"
    assert "m: 50.0, interval 25.0 to 100.0; none: none" in str(tree.get("aria-label"))


def test_the_balance_picture_shows_shares_on_one_scale() -> None:
    svg = balance_svg("Clock", {"1": Count(75, 5), "2": Count(25, 5)})
    bars = [e for e in ElementTree.fromstring(svg).iter() if e.tag.endswith("rect")]
    widths = [(bar.get("class"), float(str(bar.get("width")))) for bar in bars]
    # The longest share, 75 %, takes the whole 76 px; 50 % and 25 % take their part of it.
    assert widths == [("before", 76.0), ("after", 50.7), ("before", 25.3), ("after", 50.7)]


def test_labels_of_data_sets_cannot_break_a_picture() -> None:
    for svg in (
        accuracy_svg("<b>", [Dot("<script>", 0.5, None)]),
        balance_svg('"<b>', {"</svg><script>": Count(1, 1)}),
    ):
        assert "<script" not in svg
        ElementTree.fromstring(svg)


# --- tables ----------------------------------------------------------------------------------


def test_published_rows_stand_beside_the_runs_as_printed() -> None:
    run = make_run("m", references(bench()), ["4 m"] * 14, n_resamples=50)
    tables = (published.table("stkit_bench_v1"), published.table("stkit_bench_v2"))
    own, first, second = accuracy_groups((run,), tables)
    assert [group.published for group in (own, first, second)] == [False, True, True]
    ours = next(line for line in first.lines if line.head == "ST-VLM-7B")
    printed = ["59.8", "49.5", "42.0", "32.0", "69.0", "75.5", "76.5", "74.0", "–", "1,400"]
    assert [cell.main for cell in ours.cells] == printed
    assert ours.best
    distance = own.lines[0].cells[1]
    # Two scene windows tell next to nothing, also where all is right.
    assert (distance.main, distance.small) == ("100.0", "1.2–100.0")
    _, errors, _ = error_groups((run,), tables)
    dolphins = next(line for line in errors.lines if line.head == "Dolphins")
    assert [cell.main.strip("\u2007") for cell in dolphins.cells] == [
        "241.9",
        "32.0",
        "3.0",
        "0.07",
    ]


def test_build_reports_stand_side_by_side() -> None:
    one = Report(units=2, clips=3, tracks=1200)
    one.dropped["too small"] = 7
    two = Report(units=1, failed={"log-9": "broken.feather: cut short"})
    sections = {s.head: dict(s.lines) for s in build_sections((Build("a", one), Build("b", two)))}
    assert sections["Read and asked"]["tracks, counted once a clip"] == ("1,200", "0")
    dropped = sections["Tracks without a question, by the first rule they missed"]
    assert dropped == {"too small": ("7", "0")}
    assert sections["Given up with an error"]["log-9"] == ("–", "broken.feather: cut short")


# --- videos ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("video", "kind"),
    [
        ({"bytes": MP4, "path": None}, "data:video/mp4;base64,"),
        (MP4, "data:video/mp4;base64,"),
        (b"\x1a\x45\xdf\xa3 webm", "data:video/webm;base64,"),
        (None, None),
        ({"bytes": None, "path": "x"}, None),
        (b"<svg onload=alert(1)>", None),
    ],
)
def test_a_video_becomes_a_uri_or_a_reason(video: Any, kind: str | None) -> None:
    [(uri, reason)] = video_uris([{"video": video}])
    if kind is None:
        assert uri is None
        assert reason
    else:
        assert str(uri).startswith(kind)


def test_videos_over_the_budget_are_left_out() -> None:
    found = video_uris([{"video": MP4}] * 3, budget=2 * len(MP4))
    assert [uri is not None for uri, _ in found] == [True, True, False]
    assert "small" in found[2][1]


# --- the page --------------------------------------------------------------------------------


def test_everything_that_was_asked_for_is_on_the_page() -> None:
    rows = bench(per_task=1)
    report = Report(units=1, clips=1)
    report.dropped["standing still"] = 3
    page = page_of(
        rows,
        notice="This is simulation.",
        selection=select(rows, 1).report,
        builds=(Build("validation", report),),
        published=(published.table("stkit_bench_v1"),),
    )
    text = " ".join(Elements(page).texts)
    for expected in (
        "This is simulation.",
        "Mean of the seven",
        "published figures, other questions",
        "ST-VLM-7B",
        "standing still",
        "Clock direction",
        "A video. Which object?",
        "sum of 4 steps = 4.000000 m",
        "10.00 m",
        "✗ wrong",
        "tracks.feather",
    ):
        assert expected in text
    assert len(Elements(page).all("article")) == 7


def test_the_page_asks_for_nothing_from_outside() -> None:
    elements = Elements(page_of(bench(1), published=(published.table("stkit_bench_v1"),)))
    for tag, attributes in elements.tags:
        for name in ("src", "href", "poster", "action", "data", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    style = files("stkit_bench.report").joinpath("templates", "page.css").read_text("utf-8")
    assert not re.search(r"@import|url\((?!\"#)", style)


def test_texts_of_rows_and_models_stay_texts() -> None:
    rows = [
        row(
            task,
            question=HOSTILE,
            answer=HOSTILE,
            prompt=HOSTILE,
            clip_id=HOSTILE,
            camera=HOSTILE,
            provenance={"files": [HOSTILE], "tokens": [], "version": "0"},
        )
        for task in TASKS
    ]
    for item in rows:
        for entry in item["objects"]:
            entry["category"] = entry["track_id"] = HOSTILE
    for length in (1, 20):
        page = page_of(rows, HOSTILE * length, notice=HOSTILE)
        elements = Elements(page)
        assert len(elements.all("script")) == 1
        assert not elements.all("img")
        assert not [1 for _, attributes in elements.tags if "onerror" in attributes]
        assert "alert(1)" in " ".join(elements.texts)
        page.encode("utf-8")


def test_an_unknown_color_and_a_row_without_tracks_or_video_are_shown() -> None:
    unknown = row(Task.TRAVELED_DISTANCE, 0)
    unknown["objects"][0]["color"] = '"><script>'
    bare = row(Task.TRAVELED_DISTANCE, 1, objects=[], video=None, provenance=None)
    elements = Elements(page_of([unknown, bare]))
    assert len(elements.all("script")) == 1
    assert len(elements.all("video")) == 1
    assert "This row was built without video." in " ".join(elements.texts)


def test_the_policy_allows_this_script_and_no_other() -> None:
    page = page_of(bench(1))
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(m for m in Elements(page).all("meta") if m.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in str(policy["content"])
    assert "default-src 'none'" in str(policy["content"])


def test_pictures_tables_and_videos_have_names() -> None:
    rows = bench(1)
    elements = Elements(page_of(rows, selection=select(rows, 1).report))
    assert len(elements.all("table")) == len(elements.all("caption"))
    for picture in elements.all("svg"):
        assert picture.get("role") == "img" or picture.get("aria-hidden") == "true"
    assert all(video.get("aria-label") for video in elements.all("video"))
    assert [tag for tag, _ in elements.tags if tag in ("header", "main", "footer", "h1")] == [
        "header",
        "h1",
        "main",
        "footer",
    ]
    levels = [int(tag[1]) for tag, _ in elements.tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    identities = [a["id"] for _, a in elements.tags if "id" in a]
    assert len(identities) == len(set(identities))


def test_one_task_alone_makes_a_page_too() -> None:
    page = page_of([row(Task.MOVEMENT_DIRECTION)], "12 o'clock")
    text = " ".join(Elements(page).texts)
    assert "✓ right" in text
    assert "Mean of the seven" not in text


def luminance(color: str) -> float:
    channels = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(theme: str) -> None:
    """WCAG 2.2 AA: 4.5 to 1 for text, 3 to 1 for marks in pictures."""
    style = files("stkit_bench.report").joinpath("templates", "page.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colors = dict(re.findall(r"--([\w-]+): (#\w{6})", blocks[0 if theme == "light" else 1]))

    def ratio(one: str, other: str) -> float:
        low, high = sorted((luminance(colors[one]), luminance(colors[other])))
        return (high + 0.05) / (low + 0.05)

    for ground in ("paper", "surface", "sunken"):
        for ink in ("ink", "muted", "accent"):
            assert ratio(ink, ground) >= 4.5, (ink, ground)
    for ink, ground in (("right", "surface"), ("wrong", "surface"), ("notice-ink", "notice")):
        assert ratio(ink, ground) >= 4.5, (ink, ground)
    for mark in ("after", "before", *(f"look-{k}" for k in range(6))):
        assert ratio(mark, "surface") >= 3, mark
