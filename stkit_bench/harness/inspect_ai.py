"""STKit-Bench as a task of inspect_ai.

    inspect eval stkit/stkit_bench -T data=DIR --model PROVIDER/MODEL

DIR is what ``stkit-bench build`` wrote. Also by file: ``…/harness/inspect_ai.py@stkit_bench``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stkit_bench.harness import asking
from stkit_bench.harness.settings import HarnessSettings
from stkit_bench.judging import READER_FAILED
from stkit_bench.reading import READER_VERSION, Reading, read_response
from stkit_bench.results import TaskScores
from stkit_bench.rows import reference
from stkit_bench.scoring import score as score_readings
from stkit_datasets._version import __version__

try:
    from inspect_ai import Task, task
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, ContentVideo
    from inspect_ai.scorer import (
        Metric,
        SampleScore,
        Score,
        Scorer,
        Target,
        metric,
        scorer,
    )
    from inspect_ai.solver import TaskState, generate
except ImportError as error:
    raise ImportError(
        "the inspect_ai task of STKit-Bench needs inspect_ai: pip install inspect_ai"
    ) from error

__all__ = ["free_text", "samples", "stkit_bench", "stkit_scores"]

_READ_FIELDS = ("value_si", "clock", "start_s", "end_s", "choice", "reason")
_TOLERANCE = 1e-9


@task
def stkit_bench(
    data: str,
    visual: str = "video",
    max_frames: int | None = None,
    fps: float = 2.0,
    paraphrased: bool = False,
    wording: str | None = None,
) -> Task:
    """All questions of a built bench, each with its video.

    Args:
        data: the folder that ``stkit-bench build`` wrote.
        visual: ``video`` for models that take MP4, ``frames`` for those that take pictures.
        max_frames: show at most so many frames, evenly, and name these in the prompt.
        fps: frames per second: 2, 1, 0.5 or 0.25.
        paraphrased: ask every question in other words.
        wording: the sentences that the bench was built with, where not the package's own.
    """
    settings = HarnessSettings(data, visual, max_frames, fps, paraphrased, wording)
    return Task(
        dataset=MemoryDataset(samples(settings), name="stkit_bench"),
        solver=generate(),
        scorer=free_text(),
        version=__version__,
        metadata={
            "reader": {"name": "rules", "version": READER_VERSION},
            **settings.to_dict(),
        },
    )


def samples(settings: HarnessSettings) -> list[Sample]:
    """Return one sample per row: the frames first, then the prompt."""
    import datasets

    import stkit_bench as package

    package.registration.register()
    rows = datasets.load_dataset("stkit_bench", data_dir=settings.data, split="test")
    return [_sample(row, settings) for row in rows]


@metric
def stkit_scores() -> Metric:
    """Every score of the bench by name, ``average_accuracy`` and ``TASK/accuracy`` among them.

    A score that cannot be had, such as the mean of seven tasks of which one is missing, is NaN.
    """

    def compute(scores: list[SampleScore]) -> dict[str, float]:
        return _metrics(scores)

    return compute


@scorer(metrics=[stkit_scores()])
def free_text() -> Scorer:
    """Read the free text by rules and compare it with the target."""

    async def judge(state: TaskState, target: Target) -> Score:
        completion = state.output.completion if state.output is not None else None
        truth = state.metadata["reference"]
        reading = read_response(truth["task"], completion, truth["question"])
        return score_of(truth, reading)

    return judge


def score_of(truth: Mapping[str, Any], reading: Reading) -> Score:
    """Return the score of one reading.

    A response that holds no answer is wrong, as strict accuracy has it, and keeps the reason. Where
    the reader itself failed, the response is not scored: inspect_ai leaves it out of every metric
    and counts it by itself.
    """
    told = {"reading": {name: getattr(reading, name) for name in _READ_FIELDS}}
    if reading.reason == READER_FAILED:
        return Score.unscored(reason=READER_FAILED, metadata=told)
    return Score(
        value=_accuracy(truth, reading),
        answer=_answer(reading),
        explanation=None if reading.readable else f"not read: {reading.reason}",
        reason=reading.reason,
        metadata=told,
    )


def _sample(row: Mapping[str, Any], settings: HarnessSettings) -> Sample:
    shown: list[ContentVideo | ContentImage]
    if settings.visual == "video":
        shown = [ContentVideo(video=asking.video_file(row, settings), format="mp4")]
    else:
        shown = [ContentImage(image=path) for path in asking.picture_files(row, settings)]
    text = ContentText(text=asking.prompt(row, settings))
    return Sample(
        id=row["id"],
        input=[ChatMessageUser(content=[*shown, text])],
        target=row["answer"],
        metadata={"reference": reference(row, f"row {row['id']}")},
    )


def _accuracy(truth: Mapping[str, Any], reading: Reading) -> float:
    return score_readings([truth], [reading], n_resamples=0).tasks[truth["task"]].accuracy


def _answer(reading: Reading) -> str | None:
    values = [getattr(reading, name) for name in _READ_FIELDS[:-1]]
    told = [str(value) for value in values if value is not None]
    return " to ".join(told) if reading.readable else None


def _metrics(scores: Sequence[SampleScore]) -> dict[str, float]:
    truths = [dict((score.sample_metadata or {})["reference"]) for score in scores]
    readings = [Reading(**(score.score.metadata or {})["reading"]) for score in scores]
    for truth, reading, given in zip(truths, readings, scores, strict=True):
        # Several epochs reduce to one value, but keep the first one's reading.
        if abs(_accuracy(truth, reading) - given.score.as_float()) > _TOLERANCE:
            raise ValueError(
                f"sample {given.sample_id}: its value is not that of its reading; stkit_bench is "
                "scored over one epoch"
            )
    scored = score_readings(truths, readings)
    found: dict[str, float | None] = {
        "average_accuracy": scored.average_accuracy,
        **_ends("average_accuracy", scored.average_accuracy_interval),
        "coverage": scored.coverage,
        "n": scored.n,
    }
    for name, of_task in scored.tasks.items():
        found.update({f"{name}/{key}": value for key, value in _of_task(of_task).items()})
    return {key: float("nan") if value is None else value for key, value in found.items()}


def _of_task(scores: TaskScores) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "accuracy": scores.accuracy,
        **_ends("accuracy", scores.accuracy_interval),
        "coverage": scores.coverage,
        "n": scores.n,
    }
    if scores.mae_unit is not None:
        found[f"mae ({scores.mae_unit})"] = scores.mae
    if scores.mean_iou is not None:
        found["mean_iou"] = scores.mean_iou
    return found


def _ends(name: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
