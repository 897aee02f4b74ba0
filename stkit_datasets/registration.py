"""Make ``load_dataset("stkit", …)`` find this package.

``datasets`` dropped loading scripts and has no registry of installed builders, so the function
that looks a name up is wrapped: this one name leads to ``stkit_datasets.stkit`` and every other
name is looked up as before. ``datasets`` itself is not imported by this.

``STKIT_NO_REGISTRATION=1`` leaves ``datasets`` alone. Without the wrapping the same builder is
``stkit_datasets.stkit.Stkit(config_name="nuscenes", data_dir=…)``, and an exported folder loads
with no code of ours.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

from stkit_datasets.import_hooks import after_import

DATASET_NAME = "stkit"
BUILDER_MODULE = "stkit_datasets.stkit"
OPT_OUT = "STKIT_NO_REGISTRATION"

_LOAD = "datasets.load"
_FACTORY = "dataset_module_factory"
_MARK = "_stkit_wrapped"
# Modules that hold the function under its own name as well.
_COPIES = ("datasets.inspect",)


def is_wanted() -> bool:
    """Whether the opt-out variable is unset."""
    return os.environ.get(OPT_OUT, "").lower() in ("", "0", "false")


def register() -> None:
    """Wrap the look-up of ``datasets``, now or when it is imported; again does nothing."""
    if not is_wanted():
        return
    after_import(_LOAD, _wrap_factory)
    for name in _COPIES:
        after_import(name, _point_to_wrapped)


def _point_to_wrapped(module: ModuleType) -> None:
    wrapped = getattr(sys.modules.get(_LOAD), _FACTORY, None)
    if getattr(wrapped, _MARK, False):
        setattr(module, _FACTORY, wrapped)


def _wrap_factory(load: ModuleType) -> None:
    factory: Callable[..., Any] | None = getattr(load, _FACTORY, None)
    if factory is None or not hasattr(load, "DatasetModule"):
        warnings.warn(
            f"{_LOAD} has no {_FACTORY}: use stkit_datasets.stkit.Stkit(config_name=…, data_dir=…)"
            f" instead of load_dataset({DATASET_NAME!r}, …)",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    if getattr(factory, _MARK, False):
        return

    @functools.wraps(factory)
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        if path != DATASET_NAME:
            return factory(path, *args, **kwargs)
        from stkit_datasets.units_of_work import code_digest

        found = {"dataset_name": DATASET_NAME}
        if kwargs.get("data_dir") is not None:
            found["data_dir"] = kwargs["data_dir"]
        return load.DatasetModule(BUILDER_MODULE, code_digest(), found)

    setattr(find, _MARK, True)
    for module in (load, *(sys.modules.get(name) for name in _COPIES)):
        if module is not None and getattr(module, _FACTORY, None) is factory:
            setattr(module, _FACTORY, find)
