from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from stkit_datasets.import_hooks import after_import, wrap_function

NAME = "library_of_a_test"


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / f"{NAME}.py").write_text("def find(name):\n    return f'plain {name}'\n")
    (tmp_path / f"{NAME}_copy.py").write_text(f"from {NAME} import find\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    yield NAME
    sys.meta_path[:] = before
    for name in (NAME, f"{NAME}_copy"):
        sys.modules.pop(name, None)


def test_callback_waits_for_the_import_and_then_steps_aside(library: str) -> None:
    called: list[ModuleType] = []
    after_import(library, called.append)
    assert called == []
    module = importlib.import_module(library)
    assert called == [module]
    assert type(module.__loader__).__name__ != "_CallingLoader"
    assert not any("stkit" in type(finder).__module__ for finder in sys.meta_path)


def test_callback_comes_at_once_when_the_module_is_there(library: str) -> None:
    module = importlib.import_module(library)
    called: list[ModuleType] = []
    after_import(library, called.append)
    assert called == [module]


def test_several_can_wait_for_one_module(library: str) -> None:
    called: list[str] = []
    for name in "abc":
        after_import(library, lambda module, name=name: called.append(name))
    importlib.import_module(library)
    assert sorted(called) == ["a", "b", "c"]


def wrap(library: str) -> None:
    def wrapped(module: ModuleType, plain):
        return lambda name: f"wrapped {plain(name)}"

    wrap_function(library, "find", (f"{library}_copy",), wrapped, "use another")


@pytest.mark.parametrize("first", [True, False])
def test_function_is_wrapped_once_with_its_copies(library: str, first: bool) -> None:
    if not first:
        importlib.import_module(f"{library}_copy")
    wrap(library)
    wrap(library)
    copy = importlib.import_module(f"{library}_copy")
    assert importlib.import_module(library).find("x") == "wrapped plain x"
    assert copy.find("x") == "wrapped plain x"


def test_a_library_without_the_function_gives_a_warning(library: str) -> None:
    wrap_function(library, "search", (), lambda module, plain: plain, "use another")
    with pytest.warns(RuntimeWarning, match=f"{NAME} has no search: use another"):
        importlib.import_module(library)
