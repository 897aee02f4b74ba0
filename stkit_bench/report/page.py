"""One HTML file out of frozen data. Every text from rows and models is escaped by the template."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from stkit_bench.blind import AVERAGE, CHANCE, Blind
from stkit_bench.report.charts import Dot, accuracy_svg, balance_svg
from stkit_bench.report.data import VERDICTS, Reply, ReportData, Row, Run
from stkit_bench.report.groups import group_tables
from stkit_bench.report.tables import accuracy_groups, build_sections, error_groups, paired_lines
from stkit_bench.report.videos import MAX_VIDEO_BYTES, video_uris
from stkit_bench.report.words import SHORT_NAMES, TASK_NAMES, target_words
from stkit_bench.selection import SelectionReport
from stkit_datasets.audit import Audit, audit
from stkit_datasets.birds_eye import birds_eye_svg
from stkit_datasets.tasks.names import TASKS, Task
from stkit_datasets.video.palette import PALETTE

__all__ = ["render_page"]

_LABEL_NAMES = {
    "distance_m": "Distance, m",
    "speed_kmh": "Speed, km/h",
    "clock": "Clock direction",
    "answer": "Answer",
    "polarity": "Asked for",
    "color": "Color",
}


def render_page(data: ReportData) -> str:
    """Return the page as one HTML document that asks for nothing from outside.

    A content security policy allows the page's own style and script alone, so that nothing in a
    row or a response can run, load or send anything.

    Raises:
        ValueError: a row's or target's task is unknown, or a needed number is missing.
    """
    style, script = _asset("page.css"), _asset("page.js")
    level = next((run.scores.level for run in data.runs), 0.95)
    page = (
        _environment()
        .get_template("page.html.j2")
        .render(
            data=data,
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
            level=f"{level:.0%}".replace("%", " %"),
            task_heads=[(TASK_NAMES[task], SHORT_NAMES[task]) for task in TASKS],
            accuracy=accuracy_groups(data.runs, data.published, data.blind),
            paired=paired_lines(data.paired),
            groups=group_tables(data.runs),
            failed=[(run.name, run.scores.reader_failures) for run in data.runs],
            errors=error_groups(data.runs, data.published),
            panels=_panels(data.runs, data.blind),
            balance=[] if data.selection is None else _balance(data.selection),
            sections=build_sections(data.builds),
            cards=_cards(data),
            filters=_filters(data),
            verdicts=VERDICTS,
        )
    )
    # Lone surrogates of broken JSON are no text that a file can hold.
    return page.encode("utf-8", "replace").decode("utf-8")


@cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _asset(name: str) -> str:
    return files("stkit_bench.report").joinpath("templates", name).read_text("utf-8")


def _policy(style: str, script: str) -> str:
    return (
        "default-src 'none'; media-src data:; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_hash_of(style)}'; script-src '{_hash_of(script)}'"
    )


def _hash_of(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


@dataclass(frozen=True)
class _Picture:
    head: str
    svg: Markup


def _panels(runs: tuple[Run, ...], blind: Blind | None) -> list[_Picture]:
    panels = []
    chance = {} if blind is None else blind.accuracies()[CHANCE]
    # A task with one question alone has no chance to tell.
    chance = {task: value for task, value in chance.items() if value == value}
    for task in TASKS:
        scores = [(run.name, run.scores.tasks.get(task.value)) for run in runs]
        if any(score is not None for _, score in scores):
            dots = [
                Dot(name, None, None)
                if score is None
                else Dot(name, score.accuracy, score.accuracy_interval)
                for name, score in scores
            ]
            svg = accuracy_svg(TASK_NAMES[task], dots, chance.get(task.value))
            panels.append(_Picture(TASK_NAMES[task], _drawn(svg)))
    means = [
        Dot(run.name, run.scores.average_accuracy, run.scores.average_accuracy_interval)
        for run in runs
    ]
    if any(dot.accuracy is not None for dot in means):
        head = "Mean of the seven"
        panels.append(_Picture(head, _drawn(accuracy_svg(head, means, chance.get(AVERAGE)))))
    return panels


def _balance(selection: SelectionReport) -> list[dict[str, Any]]:
    shown = []
    for task in TASKS:
        report = selection.tasks.get(task.value)
        if report is None:
            continue
        name = TASK_NAMES[task]
        pictures = [
            _Picture(
                _LABEL_NAMES.get(kind, kind),
                _drawn(
                    balance_svg(
                        f"{name}, {_LABEL_NAMES.get(kind, kind)}",
                        {_label(kind, label): count for label, count in counts.items()},
                        totals=place == 0,
                    )
                ),
            )
            for place, (kind, counts) in enumerate(report.labels.items())
        ]
        short = [f"{_cell_name(cell.cell)}: {cell.available}" for cell in report.short]
        shown.append({"head": name, "report": report, "pictures": pictures, "short": short})
    return shown


def _cell_name(cell: Mapping[str, str]) -> str:
    named = (
        f"{_LABEL_NAMES.get(kind, kind)} {_label(kind, label)}" for kind, label in cell.items()
    )
    return ", ".join(named)


def _label(kind: str, label: str) -> str:
    return label.lstrip("0") if kind == "clock" else label.replace("-", "–")


def _drawn(svg: str) -> Markup:
    # The charts escape their own texts; they are tested for that.
    return Markup(svg)


def _filters(data: ReportData) -> list[dict[str, Any]]:
    """Return what questions can be chosen by: their task, a run, and what became of its reply."""
    rows = data.questions
    tasks = {str(task): sum(row["task"] == task for row in rows) for task in TASKS}
    found = [
        _filter(
            "task", "Task", f"All ({len(rows)})", {t: TASK_NAMES[Task(t)] for t in tasks}, tasks
        )
    ]
    verdicts = Counter(
        verdict for row in rows for verdict in {_reply(run, row).verdict for run in data.runs}
    )
    names = {str(n): run.name for n, run in enumerate(data.runs)}
    if len(names) > 1:
        found.append(_filter("run", "Run", "All", names))
    if len(verdicts) > 1:
        told = {name: words for name, words in VERDICTS.items() if verdicts[name]}
        found.append(_filter("verdict", "Reply", "All", told, verdicts))
    return found


def _filter(
    name: str,
    head: str,
    everything: str,
    values: Mapping[str, str],
    counts: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    entries = [
        {"value": value, "name": words if counts is None else f"{words} ({counts[value]})"}
        for value, words in values.items()
        if counts is None or counts[value]
    ]
    return {"name": name, "head": head, "entries": [{"value": "all", "name": everything}, *entries]}


def _cards(data: ReportData) -> list[dict[str, Any]]:
    limit = data.max_video_bytes
    videos = video_uris(data.questions, MAX_VIDEO_BYTES if limit is None else limit)
    return [
        {
            "row": row,
            "task_name": TASK_NAMES[Task(row["task"])],
            "target": target_words({**row["target"], "task": row["task"]}),
            "video": uri,
            "no_video": reason,
            "swatches": _swatches(row),
            "replies": [(run.name, _reply(run, row)) for run in data.runs],
            "birds_eye": _drawn(birds_eye_svg(row)) if _has_track(row) else None,
            "audit": _audit(row),
            "scene": _scene(row),
        }
        for row, (uri, reason) in zip(data.questions, videos, strict=True)
    ]


def _reply(run: Run, row: Row) -> Reply:
    missing = Reply(response=None, read_as="no response", readable=False, correct=False)
    return run.replies.get(str(row["id"]), missing)


def _has_track(row: Row) -> bool:
    """Whether every object of a row has a position at both ends of the run it is asked about."""
    objects = row.get("objects") or ()
    return bool(objects) and all(
        any(center is not None for center in item.get("centers_m") or ()) for item in objects
    )


def _audit(row: Row) -> Audit | None:
    return audit(row) if _has_track(row) else None


def _swatches(row: Row) -> list[dict[str, str]]:
    """Color, its value for a swatch, and category of each object that the video marks."""
    return [
        {
            "color": str(item["color"]),
            "rgb": "#{:02x}{:02x}{:02x}".format(*PALETTE.get(item["color"], (127, 127, 127))),
            "category": str(item.get("category") or "object"),
        }
        for item in row.get("objects") or ()
    ]


def _scene(row: Row) -> list[tuple[str, str]]:
    """What is known of the clip, label and value, in words."""
    known = [
        ("Clip", row.get("clip_id")),
        ("Camera", row.get("camera")),
        ("Source", row.get("source")),
        ("Domain", row.get("domain")),
        ("Camera motion", row.get("camera_motion")),
        ("Objects in view", row.get("n_objects")),
        ("Object size", row.get("object_size")),
    ]
    facts = [(label, str(value)) for label, value in known if value is not None]
    if row.get("occluded") is not None:
        facts.append(("Occluded", "partly hidden" if row["occluded"] else "in plain view"))
    return facts
