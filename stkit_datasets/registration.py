"""Make ``load_dataset("stkit", …)`` find this package.

``datasets`` dropped loading scripts and has no registry of installed builders, so the function
that looks a name up is wrapped: the names given to ``register`` lead to the modules with their
builders and every other name is looked up as before. ``datasets`` itself is not imported by this.

``STKIT_NO_REGISTRATION=1`` leaves ``datasets`` alone. Without the wrapping the same builder is
``stkit_datasets.stkit.Stkit(config_name="nuscenes", data_dir=…)``, and an exported folder loads
with no code of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

from stkit_datasets.import_hooks import wrap_function

DATASET_NAME = "stkit"
BUILDER_MODULE = "stkit_datasets.stkit"
OPT_OUT = "STKIT_NO_REGISTRATION"


def is_wanted() -> bool:
    """Whether the opt-out variable is unset."""
    return os.environ.get(OPT_OUT, "").lower() in ("", "0", "false")


_builders: dict[str, tuple[str, tuple[str, ...]]] = {}
"""Name -> module of the builder, and the packages whose code decides its rows."""


def register(
    name: str = DATASET_NAME,
    module: str = BUILDER_MODULE,
    packages: tuple[str, ...] = ("stkit_datasets",),
) -> None:
    """Make ``load_dataset(name, …)`` use the builder of a module; again does nothing.

    Args:
        name: the name to look up.
        module: where the builder stands; imported when the name is used.
        packages: other code in any of them makes other rows, and never a stale cache hit.
    """
    if is_wanted():
        _builders[name] = (module, packages)
        wrap_function(
            "datasets.load",
            "dataset_module_factory",
            ("datasets.inspect",),
            _finding_builders,
            "use the builder class itself, such as "
            f"{BUILDER_MODULE}.Stkit(config_name=…, data_dir=…), instead of "
            f"load_dataset({DATASET_NAME!r}, …)",
        )


def _finding_builders(load: ModuleType, factory: Callable[..., Any]) -> Callable[..., Any]:
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        if path not in _builders:
            return factory(path, *args, **kwargs)
        from stkit_datasets.units_of_work import code_digest

        module, packages = _builders[path]
        found = {"dataset_name": path}
        if kwargs.get("data_dir") is not None:
            found["data_dir"] = kwargs["data_dir"]
        return load.DatasetModule(module, code_digest(*packages), found)

    return find
