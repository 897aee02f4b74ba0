"""VLM4D for lmms-eval: what the ``lmms_eval/vlm4d_*.yaml`` files name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from typing import Any

from stkit_bench import registration
from stkit_bench.harness.settings import HarnessError, required_folder, yes
from stkit_bench.vlm4d import READER_VERSION, Item, read_choice, score_vlm4d
from stkit_bench.vlm4d.items import GROUPS, Fault
from stkit_bench.vlm4d.scores import GroupScore
from stkit_datasets._version import __version__

__all__ = [
    "DATA",
    "ONLY_PRESENT",
    "dataset_kwargs",
    "doc_to_visual",
    "metadata",
    "metric_list",
    "process_docs",
    "process_results",
]

DATA = "STKIT_VLM4D_DATA"
ONLY_PRESENT = "STKIT_VLM4D_ONLY_PRESENT"
_DIGITS = 4

Doc = Mapping[str, Any]

registration.register()


@cache
def _folder() -> str:
    return required_folder(DATA, "real_mc.json, synthetic_mc.json and the videos of VLM4D")


@cache
def _only_present() -> bool:
    try:
        return yes(os.environ.get(ONLY_PRESENT, "").strip() or "0")
    except ValueError as error:
        raise HarnessError(f"{ONLY_PRESENT}: {error}") from error


def dataset_kwargs() -> dict[str, Any]:
    """Return what lmms-eval gives to ``load_dataset``."""
    return {"data_dir": _folder()}


def metadata() -> dict[str, Any]:
    """Return what decides a score beside the model; lmms-eval writes it into its results."""
    return {
        "version": __version__,
        "reader": {"name": "vlm4d options", "version": READER_VERSION},
        "only_present": _only_present(),
    }


def process_docs(dataset: Any) -> Any:
    """Leave out items that nothing can be right for, and, where wanted, those without video."""
    present = _only_present()

    def asked(faults: Sequence[str], path: str) -> bool:
        there = not present or (Path(_folder()) / path).is_file()
        return there and Fault.ANSWER_NOT_AN_OPTION not in faults

    kept = dataset.filter(asked, input_columns=["faults", "video_path"])
    if not len(kept):
        raise HarnessError(f"{_folder()}: holds no video of any question")
    return kept


def doc_to_visual(doc: Doc) -> list[str]:
    """Return the video's path alone.

    Raises:
        HarnessError: it is not below the data folder.
    """
    path = Path(_folder()) / doc["video_path"]
    if not path.is_file():
        raise HarnessError(
            f"{path}: no such video (question {doc['id']}); download the videos, or ask only "
            f"those that are there ({ONLY_PRESENT}=1)"
        )
    return [str(path)]


def process_results(doc: Doc, results: Sequence[str | None]) -> dict[str, dict[str, Any]]:
    """Read a response; return its item under every metric that it counts for."""
    item = _item(doc)
    letter = read_choice(results[0] if results else None, item.choices)
    told = {**vars(item), "letter": letter}
    # lmms-eval makes a standard error by video of what holds a "score".
    accuracy = {**told, "score": float(item.is_right(letter))}
    named = {name: accuracy if name == "question_accuracy" else told for name in _PICKS}
    return {**named, _group_metric(item.group): accuracy}


def metric_list(split: str) -> list[dict[str, Any]]:
    """Return the metrics of a split with their aggregations."""
    metrics = [
        {
            "metric": name,
            "aggregation": partial(_aggregate, split, pick),
            "higher_is_better": better,
        }
        for name, (pick, better) in _PICKS.items()
    ]
    groups = [group for group, of_split in GROUPS.items() if of_split == split]
    pick, better = _PICKS["question_accuracy"]
    return metrics + [
        {
            "metric": _group_metric(group),
            "aggregation": partial(_aggregate, group, pick),
            "higher_is_better": better,
        }
        for group in groups
    ]


#: lmms-eval takes for a group's metric every one whose name holds the group's: only one does.
_PICKS: dict[str, tuple[Callable[[GroupScore], Any], bool | None]] = {
    "question_accuracy": (lambda s: s.accuracy, True),
    "interval": (lambda s: s.interval, None),
    "coverage": (lambda s: s.coverage, True),
    "n": (lambda s: s.n, None),
}


def _group_metric(group: str) -> str:
    return f"{group.partition('_')[2]}_accuracy"


def _aggregate(
    name: str, pick: Callable[[GroupScore], Any], items: Sequence[Mapping[str, Any]]
) -> Any:
    questions = [Item(**{field.name: item[field.name] for field in fields(Item)}) for item in items]
    scores = score_vlm4d(questions, [item["letter"] for item in items])
    value = pick(scores.scores[name])
    return [round(end, _DIGITS) for end in value] if isinstance(value, tuple) else value


def _item(doc: Doc) -> Item:
    choices = {letter: text for letter, text in doc["choices"].items() if text is not None}
    return Item(
        id=doc["id"],
        split=doc["split"],
        group=doc["group"],
        category=doc["category"],
        video=doc["video_path"],
        video_url=doc["video_url"],
        question=doc["question"],
        choices=choices,
        answer=doc["answer"],
        letters=tuple(doc["letters"]),
        faults=tuple(doc["faults"]),
    )
