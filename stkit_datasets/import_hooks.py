"""Run a function once a module is imported, now or later, without importing it. Standard library.

Both packages register themselves with a library whose import takes a second; whoever never uses
that library should not pay for it.
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Callback = Callable[[ModuleType], None]

WRAPPED = "_stkit_wrapped"
"""Attribute that marks a wrapped function."""


def after_import(name: str, callback: Callback) -> None:
    """Call ``callback(module)`` when the module ``name`` has been imported; at once if it is."""
    module = sys.modules.get(name)
    if module is not None:
        callback(module)
        return
    for finder in sys.meta_path:
        if isinstance(finder, _AfterImport) and finder.name == name:
            # Two finders of one name would ask each other without end.
            finder.callbacks.append(callback)
            return
    sys.meta_path.insert(0, _AfterImport(name, callback))


def wrap_function(
    home: str,
    name: str,
    copies: Sequence[str],
    wrap: Callable[[ModuleType, Callable[..., Any]], Callable[..., Any]],
    instead: str,
) -> None:
    """Replace a function of a library by a wrapped one, now or when the library is imported.

    Args:
        home: the module that defines the function.
        name: the function; wrapped once, however often this is called.
        copies: modules that import the function under its own name.
        wrap: makes the replacement from the home module and the plain function.
        instead: what to use where the library has no such function any more, for the warning.
    """

    def replace(module: ModuleType) -> None:
        plain: Callable[..., Any] | None = getattr(module, name, None)
        if plain is None:
            warnings.warn(f"{home} has no {name}: {instead}", RuntimeWarning, stacklevel=2)
        elif not hasattr(plain, WRAPPED):
            wrapped = functools.wraps(plain)(wrap(module, plain))
            setattr(wrapped, WRAPPED, True)
            setattr(module, name, wrapped)

    def copy(module: ModuleType) -> None:
        wrapped = getattr(sys.modules.get(home), name, None)
        if hasattr(wrapped, WRAPPED):
            setattr(module, name, wrapped)

    after_import(home, replace)
    for module_name in copies:
        after_import(module_name, copy)


class _AfterImport(MetaPathFinder):
    """Finds one module as the other finders do, and calls back once it is loaded."""

    def __init__(self, name: str, callback: Callback) -> None:
        self.name = name
        self.callbacks = [callback]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        for finder in sys.meta_path:
            find_spec = getattr(finder, "find_spec", None)
            if finder is self or find_spec is None:
                continue
            spec: ModuleSpec | None = find_spec(fullname, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _CallingLoader(spec.loader, self._loaded)
                return spec
        return None

    def _loaded(self, module: ModuleType) -> None:
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]
        for callback in self.callbacks:
            callback(module)


class _CallingLoader(Loader):
    """Loads a module with its own loader, steps aside, and calls back."""

    def __init__(self, inner: Loader, loaded: Callback) -> None:
        self._inner = inner
        self._loaded = loaded

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._inner.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._inner.exec_module(module)
        self._loaded(module)
