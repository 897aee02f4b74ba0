"""Make ``load_dataset("stkit", …)`` find this package.

``datasets`` dropped loading scripts and has no registry of installed builders, so the function
that looks a name up is wrapped: this one name leads to ``stkit_datasets.stkit`` and every other
name is looked up as before. ``datasets`` itself is not imported by this.

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


def register() -> None:
    """Wrap the look-up of ``datasets``, now or when it is imported; again does nothing."""
    if is_wanted():
        wrap_function(
            "datasets.load",
            "dataset_module_factory",
            ("datasets.inspect",),
            _finding_stkit,
            "use stkit_datasets.stkit.Stkit(config_name=…, data_dir=…) instead of "
            f"load_dataset({DATASET_NAME!r}, …)",
        )


def _finding_stkit(load: ModuleType, factory: Callable[..., Any]) -> Callable[..., Any]:
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        if path != DATASET_NAME:
            return factory(path, *args, **kwargs)
        from stkit_datasets.units_of_work import code_digest

        found = {"dataset_name": DATASET_NAME}
        if kwargs.get("data_dir") is not None:
            found["data_dir"] = kwargs["data_dir"]
        return load.DatasetModule(BUILDER_MODULE, code_digest(), found)

    return find
