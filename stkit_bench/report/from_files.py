"""A page of any rows and any files of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_bench import published
from stkit_bench.blind import Blind
from stkit_bench.breakdowns import break_down
from stkit_bench.files import FileError, read_jsonl, read_references
from stkit_bench.readers import Reader, read_all
from stkit_bench.reading import Reading
from stkit_bench.report.data import Paired, ReportData, Run
from stkit_bench.report.questions import choose_questions, choose_telling
from stkit_bench.report.runs import make_run
from stkit_bench.report.videos import MAX_VIDEO_BYTES
from stkit_bench.robustness import load_answers
from stkit_bench.run.rows_file import RowsFile
from stkit_bench.scoring import compare
from stkit_datasets._version import __version__

__all__ = ["PageOptions", "report_data"]

_SIMULATED = (
    "Some or all of these questions are about simulated scenes. Scores on them say nothing about "
    "how well a model judges real video."
)
_PUBLISHED = ("stkit_bench_v1", "stkit_bench_v2")
#: What a card shows, and so what the rows must hold.
_SHOWN = (
    *("id", "task", "question", "answer", "prompt", "target", "objects", "clip_id", "source"),
    *("start_s", "end_s", "duration_s", "fps", "width", "height"),
)
_CHOSEN_BY = ("id", "task", "clip_id", "domain", "camera_motion", "polarity", "object_count")


@dataclass(frozen=True)
class PageOptions:
    """What a page shows.

    Attributes:
        title: the heading.
        max_questions: shown in full.
        max_video_bytes: of all videos together.
        same_questions: whether these are the papers' own 1,400 questions.
        n_resamples: of the bootstrap.
        level: of the intervals.
        seed: of the bootstrap, the random baseline and the choice of questions.
    """

    title: str = "STKit-Bench"
    max_questions: int = 40
    max_video_bytes: int = MAX_VIDEO_BYTES
    same_questions: bool = False
    n_resamples: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("max_questions", "max_video_bytes"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be at least 0, got {getattr(self, name)}")


def report_data(
    data: Path,
    answers: Sequence[Path],
    reader: Reader,
    options: PageOptions | None = None,
    blind: Blind | None = None,
) -> ReportData:
    """Read, score and gather all that a page shows.

    Args:
        data: the rows: JSONL, Parquet, or a folder of Parquet files. Only the videos of the
            questions that are shown are read.
        answers: JSONL files of answers to them, a run each.
        reader: reads the responses.
        options: what is shown; None for the defaults.
        blind: what stands beside the runs; by default chance, the constant and the random draw.

    Raises:
        FileError: a file, its line and the rule that is broken.
    """
    options = options or PageOptions()
    if not answers:
        raise ValueError("a page needs at least one file of answers")
    rows = RowsFile(data)
    missing = sorted(set(_SHOWN) - rows.columns)
    if missing:
        raise FileError(data, f"the rows lack the columns {', '.join(missing)}")
    references = read_references(data)
    blind = blind or Blind.of(references, seed=options.seed)
    boot: dict[str, Any] = {
        "n_resamples": options.n_resamples,
        "level": options.level,
        "seed": options.seed,
    }
    runs, readings = [], []
    for name, path in zip(_names(answers), answers, strict=True):
        run, read = _run(name, path, references, reader, blind, boot)
        runs.append(run)
        readings.append(read)
    paired = tuple(
        Paired(runs[0].name, other.name, compare(references, readings[0], read, **boot))
        for other, read in zip(runs[1:], readings[1:], strict=True)
    )
    sources = sorted({str(name) for name in rows.column("source")})
    return ReportData(
        title=options.title,
        notice=_SIMULATED if "simulation" in sources else None,
        facts=_facts(data, rows, sources, reader),
        runs=tuple(runs),
        questions=_questions(rows, runs, options),
        published=tuple(published.table(name) for name in _PUBLISHED),
        same_questions=options.same_questions,
        blind=blind,
        paired=paired,
        max_video_bytes=options.max_video_bytes,
    )


def _run(
    name: str,
    path: Path,
    references: Sequence[Mapping[str, Any]],
    reader: Reader,
    blind: Blind,
    boot: Mapping[str, Any],
) -> tuple[Run, list[Reading | None]]:
    answers = load_answers(path, references)
    readings = read_all(reader, answers.references, answers.responses)
    run = make_run(
        name,
        answers.references,
        answers.responses,
        note=_note(path),
        readings=readings,
        asked=_asked(path),
        breakdowns=break_down(answers.references, readings, blind=blind, **boot),
        **boot,
    )
    return run, readings


def _names(paths: Sequence[Path]) -> list[str]:
    """Name runs by their files, with as many folders as it takes to tell them apart."""
    resolved = [path.resolve() for path in paths]
    if len(set(resolved)) < len(resolved):
        raise ValueError("a file of answers is given twice")
    for depth in range(1, max(len(path.parts) for path in resolved) + 1):
        names = ["/".join((*p.parts[-depth:-1], p.stem)) for p in resolved]
        if len(set(names)) == len(names):
            break
    return names


def _note(path: Path) -> str:
    """Say which model answered and how it was asked, where `stkit-bench run` wrote it down."""
    try:
        found = json.loads(path.with_name(f"{path.stem}.run.json").read_text("utf-8"))["settings"]
        model, questions = found["model"]["name"], found["questions"]
        parts = [f"model {model}", f"{questions['fps']:g} fps"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if questions.get("shots"):
        parts.append(f"{questions['shots']} examples")
    if questions.get("paraphrased"):
        parts.append("paraphrased")
    if questions.get("boxes") is False:
        parts.append("without boxes")
    if questions.get("video") is False:
        parts.append("without video")
    parts += [f"with {name}" for name in questions.get("geometry") or ()]
    return ", ".join(parts)


def _asked(path: Path) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return by id what an answers file says of how a question was asked."""
    found = {}
    for _, line in read_jsonl(path):
        facts: list[tuple[str, str]] = []
        if isinstance(line.get("question"), str):
            facts.append(("Question", line["question"]))
        times = line.get("frames_s")
        if isinstance(times, list) and all(isinstance(t, int | float) for t in times) and times:
            told = ", ".join(f"{t:g}" for t in times)
            facts.append(("Frames", f"{len(times)} at {told} s"))
        if line.get("shots"):
            facts.append(("Examples", ", ".join(map(str, line["shots"]))))
        for label, key in (("Prompt hash", "prompt_hash"), ("Ended by", "finish_reason")):
            if isinstance(line.get(key), str):
                facts.append((label, line[key]))
        error = line.get("error")
        if isinstance(error, Mapping):
            facts.append(("Error", f"{error.get('kind')}: {error.get('message')}"))
        found[str(line["id"])] = tuple(facts)
    return found


def _facts(
    data: Path, rows: RowsFile, sources: Sequence[str], reader: Reader
) -> tuple[tuple[str, str], ...]:
    windows = list(zip(rows.column("source"), rows.column("clip_id"), strict=True))
    facts = [("Scene windows", f"{len(set(windows)):,}")]
    if "camera" in rows.columns:
        clips = set(zip(windows, rows.column("camera"), strict=True))
        facts.append(("Clips (one camera each)", f"{len(clips):,}"))
    described = reader.describe()
    reads = f"rules {described['version']}" if reader.name == "rules" else reader.name
    return (
        ("Rows", data.name),
        ("Questions", f"{len(rows):,}"),
        *facts,
        ("Sources", ", ".join(sources)),
        ("Reader of responses", reads),
        ("STKit", __version__),
    )


def _questions(
    rows: RowsFile, runs: Sequence[Run], options: PageOptions
) -> tuple[dict[str, Any], ...]:
    """Choose what is shown, failures first, and read those rows with their videos."""
    columns = {name: rows.column(name) for name in _CHOSEN_BY}
    light = [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]
    telling = {
        str(row["id"])
        for row in light
        if any(reply is None or not reply.correct for reply in _replies(runs, row))
    }
    if len(telling) < len(light):
        chosen = choose_telling(light, telling, options.max_questions, options.seed)
    else:
        chosen = choose_questions(light, options.max_questions, options.seed)
    places = {name: place for place, name in enumerate(rows.ids)}
    return tuple(_whole(rows, places[name]) for name in chosen)


def _replies(runs: Sequence[Run], row: Mapping[str, Any]) -> list[Any]:
    return [run.replies.get(str(row["id"])) for run in runs]


def _whole(rows: RowsFile, place: int) -> dict[str, Any]:
    row = rows.row(place)
    video = rows.video(place)
    if isinstance(video, Path):
        video = video.read_bytes() if video.is_file() else None
    return {**row, "video": None if video is None else {"bytes": video, "path": None}}
