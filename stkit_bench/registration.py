"""Make ``evaluate.load("stkit_bench")`` find this package from any folder.

``evaluate`` has no registry: a name is looked up in the working directory and on the Hub. Here the
function that does the look-up is wrapped, so that this one name leads to the script installed with
the package and every other name is looked up as before. ``evaluate`` itself is not imported: when
it is not loaded yet, the wrapping waits for its import.

``STKIT_NO_REGISTRATION=1`` leaves ``evaluate`` alone; ``evaluate.load(stkit_bench.module_path())``
works without any of this. Standard library only.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["MODULE_NAME", "OPT_OUT", "module_path", "register"]

MODULE_NAME = "stkit_bench"
OPT_OUT = "STKIT_NO_REGISTRATION"

_LOADING = "evaluate.loading"
_FACTORY = "evaluation_module_factory"
#: Modules of evaluate that hold the function under its own name as well.
_COPIES = ("evaluate.inspect", "evaluate.evaluation_suite")
_MARK = "_stkit_bench_wrapped"


def module_path() -> str:
    """Return the script to give to ``evaluate.load`` where no registration is wanted."""
    return str(Path(__file__).resolve().with_name(f"{MODULE_NAME}.py"))


def register() -> None:
    """Wrap the look-up of ``evaluate``, now or when it is imported; a second call does nothing."""
    if os.environ.get(OPT_OUT, "").lower() not in ("", "0", "false"):
        return
    loading = sys.modules.get(_LOADING)
    if loading is not None:
        _wrap_factory(loading)
    elif not any(isinstance(finder, _AfterImport) for finder in sys.meta_path):
        sys.meta_path.insert(0, _AfterImport())


def _wrap_factory(loading: ModuleType) -> None:
    factory: Callable[..., Any] | None = getattr(loading, _FACTORY, None)
    if factory is None:
        warnings.warn(
            f"{_LOADING} has no {_FACTORY}: use "
            f"evaluate.load(stkit_bench.module_path()) instead of evaluate.load({MODULE_NAME!r})",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    if getattr(factory, _MARK, False):
        return

    @functools.wraps(factory)
    def find(path: str, *args: Any, **kwargs: Any) -> Any:
        return factory(module_path() if path == MODULE_NAME else path, *args, **kwargs)

    setattr(find, _MARK, True)
    for module in (loading, *(sys.modules.get(name) for name in _COPIES)):
        if module is not None and getattr(module, _FACTORY, None) is factory:
            setattr(module, _FACTORY, find)


class _AfterImport(MetaPathFinder):
    """Finds ``evaluate.loading`` as the other finders do, and wraps it once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _LOADING:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if isinstance(finder, _AfterImport) or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _WrappingLoader(spec.loader)
                return spec
        return None


class _WrappingLoader(Loader):
    """Loads a module with its own loader, steps aside, and wraps its look-up."""

    def __init__(self, inner: Loader) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._inner.exec_module(module)
        sys.meta_path[:] = [f for f in sys.meta_path if not isinstance(f, _AfterImport)]
        _wrap_factory(module)
