"""Make ``load_dataset("stkit", …)`` find this package, and other names their own builders.

``datasets`` dropped loading scripts and has no registry of installed builders, so the function
that looks a name up is wrapped: registered names lead to their builder's module and every other
name is looked up as before. ``datasets`` itself is not imported by this.

``STKIT_NO_REGISTRATION=1`` leaves ``datasets`` alone. Without the wrapping the same builder is
``stkit_datasets.stkit.Stkit(config_name="nuscenes", data_dir=…)``, and an exported folder loads
with no code of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from stkit_datasets.import_hooks import wrap_function

DATASET_NAME = "stkit"
BUILDER_MODULE = "stkit_datasets.stkit"
OPT_OUT = "STKIT_NO_REGISTRATION"


@dataclass(frozen=True)
class Registered:
    """Where the builder of a name is.

    Attributes:
        module: the module with the builder class.
        packages: those whose code decides the rows; other code, another cache folder.
    """

    module: str
    packages: tuple[str, ...]


_BUILDERS: dict[str, Registered] = {}


def is_wanted() -> bool:
    """Whether the opt-out variable is unset."""
    return os.environ.get(OPT_OUT, "").lower() in ("", "0", "false")


def register() -> None:
    """Register ``"stkit"``; again does nothing."""
    register_builder(DATASET_NAME, BUILDER_MODULE, ("stkit_datasets",))


def register_builder(name: str, module: str, packages: tuple[str, ...]) -> None:
    """Make ``load_dataset(name, …)`` use the builder in ``module``, also in a folder of that name.

    The look-up of ``datasets`` is wrapped now or when ``datasets`` is imported, and only once.
    """
    if not is_wanted():
        return
    first = not _BUILDERS
    _BUILDERS[name] = Registered(module, packages)
    if first:
        wrap_function(
            "datasets.load",
            "dataset_module_factory",
            ("datasets.inspect",),
            _finding_ours,
            f"use the builder class in {module} instead of load_dataset({name!r}, …)",
        )


def _finding_ours(load: ModuleType, factory: Callable[..., Any]) -> Callable[..., Any]:
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        registered = _BUILDERS.get(path) if isinstance(path, str) else None
        if registered is None:
            return factory(path, *args, **kwargs)
        from stkit_datasets.units_of_work import code_digest

        found = {"dataset_name": path}
        if kwargs.get("data_dir") is not None:
            found["data_dir"] = kwargs["data_dir"]
        return load.DatasetModule(registered.module, code_digest(*registered.packages), found)

    return find
