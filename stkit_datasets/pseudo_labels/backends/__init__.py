"""The models behind pseudo-labels, chosen by name through the table ``BACKENDS``.

Each is a small adapter behind one of the interfaces of ``stkit_datasets.pseudo_labels.interfaces``.
Nothing is imported before a backend is opened.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from stkit_datasets.errors import ConfigError
from stkit_datasets.pseudo_labels.backends.models import check_accepted, check_pinned, model

Stage = Literal["geometry", "metric", "semantics"]
STAGES: tuple[Stage, ...] = ("geometry", "metric", "semantics")

_TRANSFORMERS = 'pip install ".[models]" in a clone of STKit'
_DA3 = (
    "pip install --no-deps depth-anything-3==0.1.1 (its own pins clash with current libraries), "
    "then pip install einops omegaconf antlr4-python3-runtime==4.9.3 addict safetensors torchvision"
)


@dataclass(frozen=True)
class Entry:
    """Where a backend is, and what it needs.

    Attributes:
        adapter: ``module:Class``, the module relative to this package. The class has a dataclass
            of options as ``Options`` and is made by ``Class.open(options, context)``.
        modules: packages that must be there.
        install: how to get them.
        models: names in ``models.json`` that it can load, the default one first.
        also: names of models that it loads besides.
    """

    adapter: str
    modules: tuple[str, ...] = ()
    install: str = ""
    models: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


_TORCH = ("torch", "torchvision", "transformers", "PIL")

BACKENDS: Mapping[tuple[Stage, str], Entry] = {
    ("geometry", "monst3r"): Entry("monst3r:Monst3r", ("PIL",), "pip install pillow", ("monst3r",)),
    ("geometry", "depth_anything_3"): Entry(
        "depth_anything_3:DepthAnything3",
        ("depth_anything_3", "torch", "einops", "omegaconf", "addict", "safetensors", "PIL"),
        _DA3,
        ("depth_anything_3_base", "depth_anything_3_small", "depth_anything_3_large"),
    ),
    ("geometry", "precomputed"): Entry("precomputed:PrecomputedGeometry"),
    ("metric", "metric3d"): Entry(
        "metric3d:Metric3d", ("torch", "mmengine", "mmcv", "timm"),
        "pip install torch mmengine mmcv-lite timm", ("metric3d",),
    ),
    ("metric", "depth_pro"): Entry(
        "metric_depth:DepthPro", _TORCH, _TRANSFORMERS, ("depth_pro",)
    ),
    ("metric", "depth_anything_metric"): Entry(
        "metric_depth:DepthAnythingMetric", _TORCH, _TRANSFORMERS,
        ("depth_anything_metric_outdoor_small", "depth_anything_metric_outdoor_large"),
    ),
    ("metric", "precomputed"): Entry("precomputed:PrecomputedMetric"),
    ("semantics", "grounding_dino_sam2"): Entry(
        "grounding_dino_sam2:GroundingDinoSam2", _TORCH, _TRANSFORMERS,
        ("grounding_dino_base", "grounding_dino_tiny"), ("sam2_large",),
    ),
    ("semantics", "sam3"): Entry("sam3:Sam3", _TORCH, _TRANSFORMERS, ("sam3",)),
    ("semantics", "precomputed"): Entry("precomputed:PrecomputedSemantics"),
}  # fmt: skip
"""(stage, name) -> the backend."""


@dataclass(frozen=True)
class BackendSpec:
    """A backend that can be opened anywhere: plain values that travel to other machines.

    Attributes:
        stage: what it does.
        name: a name in ``BACKENDS``.
        options: fields of the adapter's ``Options``.
        accepted: licences that the user has accepted by name.
        device: where models run, as torch names it; ``auto`` takes a GPU where there is one.
        allow_unpinned: whether weights without a pinned revision may be loaded as they are now.
    """

    stage: Stage
    name: str
    options: Mapping[str, object] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()
    device: str = "auto"
    allow_unpinned: bool = False


@dataclass(frozen=True)
class Context:
    """What an adapter is opened with besides its options.

    Attributes:
        accepted: licences that the user has accepted by name.
        device: as in ``BackendSpec``.
    """

    accepted: tuple[str, ...] = ()
    device: str = "auto"


def names(stage: Stage) -> tuple[str, ...]:
    """Return the names of the backends of a stage."""
    return tuple(name for other, name in BACKENDS if other == stage)


def check_backend(spec: BackendSpec) -> Entry:
    """Check all that can be told without loading a model.

    Raises:
        ConfigError: no such backend or option, a package is missing (the message says what to
            install), a licence was not accepted, or weights have no pinned revision.
    """
    entry = BACKENDS.get((spec.stage, spec.name))
    if entry is None:
        choices = ", ".join(names(spec.stage))
        raise ConfigError(f"{spec.stage} must be one of {choices}, got {spec.name!r}")
    missing = [name for name in entry.modules if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"{spec.stage} {spec.name!r} needs {', '.join(missing)}: {entry.install}")
    options = _options(spec, entry)
    if entry.models:
        chosen = model(getattr(options, "model", entry.models[0]), entry.models)
        check_accepted(chosen, spec.accepted)
        pinned = getattr(options, "revision", None) or getattr(options, "weights_sha256", None)
        check_pinned(chosen, pinned, spec.allow_unpinned)
    for name in entry.also:
        check_accepted(model(name, entry.also), spec.accepted)
    return entry


def open_backend(spec: BackendSpec) -> Any:
    """Load a backend: a ``GeometryBackend``, ``MetricBackend`` or ``SemanticsBackend``.

    Raises:
        ConfigError: as of ``check_backend``.
    """
    entry = check_backend(spec)
    adapter = _adapter(entry)
    return adapter.open(_options(spec, entry), Context(spec.accepted, spec.device))


def _adapter(entry: Entry) -> Any:
    module, _, name = entry.adapter.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)


def _options(spec: BackendSpec, entry: Entry) -> Any:
    options = _adapter(entry).Options
    known = {item.name for item in fields(options)}
    unknown = sorted(set(spec.options) - known)
    if unknown:
        raise ConfigError(
            f"{spec.stage} {spec.name!r} has no option {', '.join(unknown)}; "
            f"expected some of {', '.join(sorted(known))}"
        )
    try:
        return options(**spec.options)
    except TypeError as error:
        raise ConfigError(f"{spec.stage} {spec.name!r}: {error}") from error
