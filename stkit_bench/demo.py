"""The main job from end to end on simulated scenes: rows, a bench, answers, scores, a page."""

from __future__ import annotations

import json
import logging
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stkit_bench import published
from stkit_bench.bench_report import BenchReport
from stkit_bench.build import build_bench
from stkit_bench.files import read_references, read_table, write_selected
from stkit_bench.models import Answerer
from stkit_bench.models.baselines import ClassPrior, Constant, Random
from stkit_bench.reading import READER_VERSION
from stkit_bench.report import Build, ReportData, Run, choose_questions, read_run, render_page
from stkit_bench.roots import Root
from stkit_bench.selection import SelectionReport
from stkit_datasets.atomic import write_text
from stkit_datasets.build import BuildConfig, build
from stkit_datasets.engine import Engine
from stkit_datasets.rows import RowConfig
from stkit_datasets.units_of_work import Report

__all__ = ["DemoConfig", "DemoResult", "run_demo"]

logger = logging.getLogger(__name__)

_ANSWERER_COLUMNS = ("id", "task", "question", "target", "objects", "duration_s")
_SHOWN_BY = ("id", "task", "clip_id", "domain", "camera_motion", "polarity", "object_count")
_NOTES = {
    "constant": "the same answer to every question of a task; sees no video",
    "random": "a seeded draw for every question; sees no video",
    "class_prior": "the commonest label or median of the training rows; sees no video",
}
_NOTICE = (
    "This is simulation, not the papers’ benchmark. The scenes are drawn by a small renderer whose "
    "world is known exactly. They show that the chain from annotations to scores works; a score on "
    "them says nothing about how well a model judges real video."
)


@dataclass(frozen=True)
class DemoConfig:
    """How large the demo is.

    Attributes:
        out: the folder to write to.
        n_train_scenes: what the class prior learns from; built without video.
        n_validation_scenes: what the questions are chosen from; only those get video.
        per_task: questions of each of the seven tasks.
        n_shown: questions that the page shows in full.
        seed: of the scenes, the rows, the selection and the random baseline.
        workers: processes that build.
        progress: show bars.
        scenes: more options of the source ``simulation``.
    """

    out: Path
    n_train_scenes: int = 24
    n_validation_scenes: int = 24
    per_task: int = 20
    n_shown: int = 12
    seed: int = 0
    workers: int = 2
    progress: bool = True
    scenes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes:
        page: the HTML file.
        runs: the baselines, scored.
        selection: how the questions were chosen.
        seconds: wall time of each stage.
    """

    page: Path
    runs: tuple[Run, ...]
    selection: SelectionReport
    seconds: dict[str, float]


def run_demo(config: DemoConfig) -> DemoResult:
    """Build, select, answer, score and write the page; finished builds are used again.

    Writes below ``config.out``: ``bench/`` (as ``stkit-bench build`` does), its rows in one file
    as ``bench.parquet``, ``selection.json``, ``train/`` (annotations only), ``answers/*.jsonl``,
    ``scores/*.json`` and ``index.html``.

    Raises:
        StkitError, FileError, ValueError, OSError: as the stages raise them.
        ImportError: PyAV or Jinja2 is not installed; the message says what to install.
    """
    seconds: dict[str, float] = {}
    bench = config.out / "bench.parquet"
    with _stage("choose a balanced bench among all questions and draw its videos", seconds):
        built = _build_bench(config, bench)
    with _stage("build the training rows, annotations only", seconds):
        train = _build_train(config)
    with _stage("answer with baselines that see no video, and score", seconds):
        runs = _answer_and_score(config, bench)
    page = config.out / "index.html"
    with _stage("write the page", seconds):
        data = _report_data(config, bench, built, runs, train)
        write_text(page, render_page(data))
    return DemoResult(page, runs, built.selection, seconds)


@contextmanager
def _stage(name: str, seconds: dict[str, float]) -> Iterator[None]:
    logger.info("%d/4  %s", len(seconds) + 1, name)
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started
    logger.info("     %.1f s", seconds[name])


def _scenes(config: DemoConfig) -> dict[str, Any]:
    return {
        "n_train_scenes": config.n_train_scenes,
        "n_validation_scenes": config.n_validation_scenes,
        "seed": config.seed,
        **config.scenes,
    }


def _build_bench(config: DemoConfig, bench: Path) -> BenchReport:
    folder = config.out / "bench"
    report = build_bench(
        {"simulation": Root(None, _scenes(config))},
        folder,
        per_task=config.per_task,
        seed=config.seed,
        rows=RowConfig(seed=config.seed),
        engine=Engine(workers=config.workers),
        progress=config.progress,
    )
    rows = folder / "simulation"
    write_selected(rows, bench, frozenset(read_table(rows, ("id",))["id"].to_pylist()))
    text = json.dumps(report.selection.to_dict(), indent=2, allow_nan=False)
    write_text(config.out / "selection.json", text + "\n")
    return report


def _build_train(config: DemoConfig) -> Report:
    return build(
        BuildConfig(
            source="simulation",
            data_dir=None,
            out=config.out / "train",
            splits=("train",),
            rows=RowConfig(video="none", seed=config.seed),
            source_options=_scenes(config),
            engine=Engine(workers=config.workers),
        ),
        progress=config.progress,
    )


def _answer_and_score(config: DemoConfig, bench: Path) -> tuple[Run, ...]:
    rows = read_table(bench, _ANSWERER_COLUMNS).to_pylist()
    train = read_table(config.out / "train" / "simulation", ("task", "target")).to_pylist()
    baselines: tuple[Answerer, ...] = (
        Constant(),
        Random(seed=config.seed),
        ClassPrior.fit(train),
    )
    references = read_references(bench)
    runs = []
    for baseline in baselines:
        answers = config.out / "answers" / f"{baseline.name}.jsonl"
        write_text(answers, _answer_lines(rows, baseline.answer(rows)))
        run = read_run(
            baseline.name.replace("_", " "),
            answers,
            references,
            note=_NOTES[baseline.name],
            seed=config.seed,
        )
        scores = json.dumps(run.scores.to_dict(), indent=2, allow_nan=False)
        write_text(config.out / "scores" / f"{baseline.name}.json", scores + "\n")
        runs.append(run)
    return tuple(runs)


def _answer_lines(rows: Sequence[dict[str, Any]], responses: Sequence[str]) -> str:
    """One line a question, with all that ``stkit-bench score`` needs beside the response."""
    kept = ("id", "task", "question", "target")
    lines = (
        json.dumps({**{key: row[key] for key in kept}, "response": text}, ensure_ascii=False)
        for row, text in zip(rows, responses, strict=True)
    )
    return "".join(f"{line}\n" for line in lines)


def _report_data(
    config: DemoConfig,
    bench: Path,
    built: BenchReport,
    runs: tuple[Run, ...],
    train: Report,
) -> ReportData:
    light = read_table(bench, _SHOWN_BY).to_pylist()
    selection = built.selection
    shown = choose_questions(light, config.n_shown, config.seed)
    return ReportData(
        title="STKit-Bench on simulated scenes",
        notice=_NOTICE,
        facts=(
            ("Source", "simulation"),
            ("Split", "validation"),
            ("Questions", f"{selection.selected:,} of {selection.candidates:,}"),
            ("Scene windows asked about", f"{len({row['clip_id'] for row in light}):,}"),
            ("Seed", str(config.seed)),
            ("STKit", version("stkit")),
            ("Reader of responses", f"rules {READER_VERSION}"),
            ("Python", platform.python_version()),
            ("datasets", version("datasets")),
        ),
        runs=runs,
        questions=_rows_of(bench, shown),
        selection=selection,
        builds=(
            Build("validation, all questions", built.candidates["simulation"]),
            Build("train, no video", train),
        ),
        published=(published.table("stkit_bench_v1"), published.table("stkit_bench_v2")),
    )


def _rows_of(bench: Path, ids: Sequence[str]) -> tuple[dict[str, Any], ...]:
    """Read whole rows, videos included, in the order of ``ids``."""
    import pyarrow.compute as pc
    import pyarrow.dataset as pads

    wanted = pads.dataset(str(bench), format="parquet").to_table(
        filter=pc.field("id").isin(list(ids))
    )
    by_id = {row["id"]: row for row in wanted.to_pylist()}
    return tuple(by_id[name] for name in ids)
