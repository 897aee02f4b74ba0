"""``--model`` and its options to a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stkit_bench.models.text_only import Blind, FromRows
from stkit_datasets.model_clients.answerer import Answerer, Row
from stkit_datasets.model_clients.base import Model, ModelError

__all__ = ["BASELINES", "KINDS", "model_of", "parse"]

KINDS = ("openai", "transformers", "baseline")
BASELINES = ("constant", "random", "class_prior")
_TEXT = "text"


def parse(text: str) -> tuple[str, str, bool]:
    """Return kind, name, and whether the model is to see no video.

    Args:
        text: ``openai:NAME``, ``transformers:PATH_OR_ID``, ``baseline:NAME``, or one of the first
            two after ``text:`` for a model without vision.

    Raises:
        ModelError: the kind is unknown or the name is missing.
    """
    kind, _, name = text.partition(":")
    text_only = kind == _TEXT
    if text_only:
        kind, _, name = name.partition(":")
    if kind not in KINDS or not name or (text_only and kind == "baseline"):
        raise ModelError(
            "--model must be openai:NAME, transformers:PATH_OR_ID, text:openai:NAME, "
            f"text:transformers:PATH_OR_ID or baseline:{'|'.join(BASELINES)}, got {text!r}"
        )
    if kind == "baseline" and name not in BASELINES:
        raise ModelError(f"the baselines are {', '.join(BASELINES)}, got {name!r}")
    return kind, name, text_only or kind == "baseline"


def model_of(
    text: str,
    options: Mapping[str, Any],
    *,
    video: bool = True,
    training_rows: Callable[[], Iterable[Row]] | None = None,
) -> Model:
    """Make a model.

    Args:
        text: see :func:`parse`.
        options: fields of the kind's config, without the model's name.
        video: False gives a model that could see the text alone.
        training_rows: what the class prior learns from.

    Raises:
        ModelError: the model cannot be had.
    """
    kind, name, text_only = parse(text)
    if kind == "baseline":
        return FromRows(_baseline(name, int(options.get("seed") or 0), training_rows))
    model: Model
    if kind == "openai":
        from stkit_datasets.model_clients.openai_endpoint import EndpointConfig, OpenAIEndpoint

        model = OpenAIEndpoint(EndpointConfig(name, **options))
    else:
        from stkit_bench.models.transformers_model import TransformersConfig, TransformersModel

        model = TransformersModel(TransformersConfig(name, text_only=text_only, **options))
    return model if video and not text_only else Blind(model)


def _baseline(name: str, seed: int, training_rows: Callable[[], Iterable[Row]] | None) -> Answerer:
    from stkit_bench.models.baselines import ClassPrior, Constant, Random

    if name == "constant":
        return Constant()
    if name == "random":
        return Random(seed=seed)
    if training_rows is None:
        raise ModelError("the class prior learns from training rows: give them (--shot-data)")
    return ClassPrior.fit(training_rows())
