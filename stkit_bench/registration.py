"""Make ``evaluate.load("stkit_bench")`` and ``load_dataset("stkit_bench", …)`` find this package.

``evaluate`` has no registry: a name is looked up in the working directory and on the Hub. Here the
function that does the look-up is wrapped, so that this one name leads to the script installed with
the package and every other name is looked up as before. ``evaluate`` itself is not imported: when
it is not loaded yet, the wrapping waits for its import.

The builder behind ``load_dataset`` is made known as that of ``stkit_datasets`` is.

``STKIT_NO_REGISTRATION=1`` leaves both alone; ``evaluate.load(stkit_bench.module_path())``
and the class ``stkit_bench.dataset.BenchRows`` work without any of this. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from stkit_datasets.import_hooks import wrap_function
from stkit_datasets.registration import OPT_OUT, is_wanted, register_builder

__all__ = ["BUILDER_MODULE", "MODULE_NAME", "OPT_OUT", "module_path", "register"]

MODULE_NAME = "stkit_bench"
BUILDER_MODULE = "stkit_bench.dataset"


def module_path() -> str:
    """Return the script to give to ``evaluate.load`` where no registration is wanted."""
    return str(Path(__file__).resolve().with_name(f"{MODULE_NAME}.py"))


def register() -> None:
    """Wrap the look-ups, now or when their libraries are imported; a second call does nothing."""
    register_builder(MODULE_NAME, BUILDER_MODULE, ("stkit_bench", "stkit_datasets"))
    if is_wanted():
        wrap_function(
            "evaluate.loading",
            "evaluation_module_factory",
            ("evaluate.inspect", "evaluate.evaluation_suite"),
            _finding_stkit_bench,
            "use evaluate.load(stkit_bench.module_path()) instead of "
            f"evaluate.load({MODULE_NAME!r})",
        )


def _finding_stkit_bench(loading: ModuleType, factory: Callable[..., Any]) -> Callable[..., Any]:
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        return factory(module_path() if path == MODULE_NAME else path, *args, **kwargs)

    return find
