"""The ``evaluate`` module around reading and scoring."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import datasets
import evaluate

from stkit_bench.reading import READER_VERSION, read_response
from stkit_bench.rows import reference as as_reference
from stkit_bench.scoring import score

__all__ = ["StkitBench", "result_dict"]

_DESCRIPTION = (
    "STKit-Bench scores free-text answers to kinematic questions about videos: how far, how fast, "
    "in which direction and when an object moves, and how two objects compare."
)
_INPUTS = """
Args:
    predictions: list of str or None, a model's responses in free text; None for no response.
    references: list of dict, `stkit_bench.references(dataset)`, or rows' targets with their `task`
        and `question`. Intervals are over scene windows, which `cluster` names: rows of one
        `source` and `clip_id`, whichever camera.
    n_resamples: bootstrap resamples behind the intervals (1000).
    level: of the intervals (0.95).
    seed: of the bootstrap (0).
Returns:
    `average_accuracy` (None unless all seven tasks are there) with its interval, coverage, the
    reasons why responses were not read, and for each task n, coverage, accuracy, mae, mean_iou
    with their intervals.
"""
_CITATION = "ST-VLM: Kinematic Instruction Tuning for Spatio-Temporal Reasoning (STKit-Bench)"

_REFERENCE = {
    "id": datasets.Value("string"),
    "cluster": datasets.Value("string"),
    "task": datasets.Value("string"),
    "question": datasets.Value("string"),
    "value_si": datasets.Value("float64"),
    "unit": datasets.Value("string"),
    "clock": datasets.Value("int64"),
    "start_s": datasets.Value("float64"),
    "end_s": datasets.Value("float64"),
    "choice": datasets.Value("string"),
}


class StkitBench(evaluate.Metric):
    """``evaluate.load("stkit_bench")``: responses and references in, every score out."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_INPUTS,
            features=datasets.Features(
                {"predictions": datasets.Value("string"), "references": dict(_REFERENCE)}
            ),
        )

    def add_batch(
        self,
        *,
        predictions: Sequence[str | None] | None = None,
        references: Iterable[Mapping[str, Any]] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add responses and their references."""
        if predictions is None or references is None:
            raise ValueError("both predictions and references are needed")
        responses = [_response(p, f"predictions[{n}]") for n, p in enumerate(predictions)]
        targets = [_narrow(r, f"references[{n}]") for n, r in enumerate(references)]
        if len(responses) != len(targets):
            raise ValueError(
                f"predictions and references must have the same length, "
                f"got {len(responses)} and {len(targets)}"
            )
        super().add_batch(predictions=responses, references=targets, **kwargs)

    def add(
        self,
        *,
        prediction: str | None = None,
        reference: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add one response and its reference."""
        # evaluate.combine hands them over under the names of the columns.
        prediction = kwargs.pop("predictions", prediction)
        reference = kwargs.pop("references", reference)
        if reference is None:
            raise ValueError("a reference is needed")
        super().add(
            prediction=_response(prediction, "prediction"),
            reference=_narrow(reference, "reference"),
            **kwargs,
        )

    def _enforce_nested_string_type(self, schema: Any, obj: Any) -> None:
        # The base class refuses None where a text may be missing; add and add_batch have checked.
        return

    def _compute(
        self,
        *,
        predictions: Sequence[str | None],
        references: Sequence[Mapping[str, Any]],
        n_resamples: int = 1000,
        level: float = 0.95,
        seed: int = 0,
    ) -> dict[str, Any]:
        return result_dict(predictions, references, n_resamples=n_resamples, level=level, seed=seed)


def _response(prediction: Any, where: str) -> str | None:
    if prediction is not None and not isinstance(prediction, str):
        raise ValueError(f"{where} must be a text or None, got {type(prediction).__name__}")
    return prediction


def _narrow(target: Any, where: str) -> dict[str, Any]:
    if not isinstance(target, Mapping):
        raise ValueError(
            f"{where} must be a dict (see stkit_bench.references), got {type(target).__name__}"
        )
    whole = as_reference(target, where)
    return {name: whole[name] for name in _REFERENCE}


def result_dict(
    predictions: Sequence[str | None],
    references: Sequence[Mapping[str, Any]],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, Any]:
    """Read and score responses; return plain values that JSON can hold, the tasks by name."""
    readings = [
        None if text is None else read_response(target["task"], text, target.get("question"))
        for text, target in zip(predictions, references, strict=True)
    ]
    scores = score(references, readings, n_resamples=n_resamples, level=level, seed=seed)
    result = scores.to_dict()
    tasks = result.pop("tasks")
    return {**result, "reader": {"name": "rules", "version": READER_VERSION}, **tasks}
