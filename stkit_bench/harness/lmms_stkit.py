"""STKit-Bench for lmms-eval: what ``lmms_eval/stkit_bench.yaml`` names.

A question's item goes to every metric it counts for, and a metric scores its items at the end, so
that intervals are over scene windows and the mean is over the seven tasks, not over questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from stkit_bench import registration
from stkit_bench.harness import asking
from stkit_bench.harness.settings import HarnessSettings, from_environment
from stkit_bench.judging import MAE_UNITS
from stkit_bench.reading import READER_VERSION, Reading, read_response
from stkit_bench.rows import TARGET_FIELDS, reference
from stkit_bench.scoring import Scores, TaskScores, score
from stkit_datasets._version import __version__
from stkit_datasets.tasks.names import TASKS, Task

__all__ = [
    "dataset_kwargs",
    "doc_to_text",
    "doc_to_visual",
    "metadata",
    "metric_list",
    "process_docs",
    "process_results",
]

Doc = Mapping[str, Any]
Item = dict[str, Any]

#: Columns that no question needs and that every logged sample would repeat.
_LEFT_OUT = ("video", "messages", "provenance", "camera_poses")
_READ_FIELDS = ("value_si", "clock", "start_s", "end_s", "choice", "reason")
_DIGITS = 4

registration.register()


class _Videos:
    """The videos of the rows that are asked, by the rows' ids."""

    def __init__(self) -> None:
        self._dataset: Any = None
        self._places: dict[str, int] = {}

    def hold(self, dataset: Any) -> None:
        self._dataset = dataset.select_columns(["video"])
        self._places = {identity: place for place, identity in enumerate(dataset["id"])}

    def of(self, identity: str) -> Any:
        return self._dataset[self._places[identity]]["video"]


_VIDEOS = _Videos()


@cache
def _settings() -> HarnessSettings:
    return from_environment()


def dataset_kwargs() -> dict[str, Any]:
    """Return what lmms-eval gives to ``load_dataset``."""
    return {"data_dir": _settings().data}


def metadata() -> dict[str, Any]:
    """Return what decides a score beside the model; lmms-eval writes it into its results."""
    return {
        "version": __version__,
        "reader": {"name": "rules", "version": READER_VERSION},
        **_settings().to_dict(),
    }


def process_docs(dataset: Any) -> Any:
    """Return the questions without their videos and without columns that no question needs.

    lmms-eval writes into its log, as text, every video that it finds in a question.
    """
    _VIDEOS.hold(dataset)
    return dataset.remove_columns([name for name in _LEFT_OUT if name in dataset.column_names])


def doc_to_visual(doc: Doc) -> list[Any]:
    """Return the video's path alone, or its frames as PIL images."""
    row = {**doc, "video": _VIDEOS.of(doc["id"])}
    if _settings().visual == "video":
        return [asking.video_file(row, _settings())]
    from PIL import Image

    return [Image.fromarray(frame) for frame in asking.frames(row, _settings())]


def doc_to_text(doc: Doc, lmms_eval_specific_kwargs: Any = None) -> str:
    """Return the prompt."""
    return asking.prompt(doc, _settings())


def process_results(doc: Doc, results: Sequence[str | None]) -> dict[str, Item]:
    """Read a response; return its item under every metric that it counts for."""
    response = results[0] if results else None
    target = reference(doc, f"doc {doc['id']}")
    reading = read_response(target["task"], response, target["question"])
    item = {name: target[name] for name in ("id", "cluster", "task", *TARGET_FIELDS)}
    item["reading"] = {name: getattr(reading, name) for name in _READ_FIELDS}
    right = score([target], [reading], n_resamples=0).tasks[target["task"]].accuracy
    # lmms-eval makes a standard error by clip of what holds a "score".
    accuracy = {**item, "score": right}
    own = _task_metrics(Task(target["task"]))
    return {
        **dict.fromkeys(_OVERALL, item),
        **{name: accuracy if name.endswith("_accuracy") else item for name in own},
    }


def metric_list() -> list[dict[str, Any]]:
    """Return the metrics with their aggregations, overall and by task."""
    named = {**_OVERALL, **{k: v for task in TASKS for k, v in _task_metrics(task).items()}}
    return [
        {"metric": name, "aggregation": aggregation, "higher_is_better": better}
        for name, (aggregation, better) in named.items()
    ]


def _scored(items: Sequence[Item]) -> Scores:
    return score(items, [Reading(**item["reading"]) for item in items])


def _overall(pick: Callable[[Scores], Any], items: Sequence[Item]) -> Any:
    return _plain(pick(_scored(items)))


def _of_task(pick: Callable[[TaskScores], Any], items: Sequence[Item]) -> Any:
    (of_task,) = _scored(items).tasks.values()
    return _plain(pick(of_task))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [round(end, _DIGITS) for end in value]
    return value


_Aggregation = tuple[Callable[[Sequence[Item]], Any], bool | None]

_OVERALL: dict[str, _Aggregation] = {
    # Null unless all seven tasks are there, as with --limit.
    "average_accuracy": (partial(_overall, lambda s: s.average_accuracy), True),
    "average_interval": (partial(_overall, lambda s: s.average_accuracy_interval), None),
    "coverage": (partial(_overall, lambda s: s.coverage), True),
    "n": (partial(_overall, lambda s: s.n), None),
}


def _task_metrics(task: Task) -> dict[str, _Aggregation]:
    picks: dict[str, tuple[Callable[[TaskScores], Any], bool | None]] = {
        "accuracy": (lambda t: t.accuracy, True),
        "interval": (lambda t: t.accuracy_interval, None),
        "coverage": (lambda t: t.coverage, True),
        "n": (lambda t: t.n, None),
    }
    if task in MAE_UNITS:
        unit = MAE_UNITS[task].replace("/", "").replace(" ", "_")
        picks[f"mae_{unit}"] = (lambda t: t.mae, False)
    if task is Task.DIRECTION_TIMESTAMP:
        picks["mean_iou"] = (lambda t: t.mean_iou, True)
    return {
        f"{task.value}_{name}": (partial(_of_task, pick), better)
        for name, (pick, better) in picks.items()
    }
