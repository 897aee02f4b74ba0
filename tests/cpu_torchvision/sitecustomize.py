"""Lets torchvision be imported beside a torch without GPU support, in tests and their children.

The wheel of torchvision is built against torch with CUDA: beside a CPU build its compiled
operators do not load, and describing them fails at import ("operator torchvision::nms does not
exist"). Nothing here calls them, so declaring the two that are described is enough. Python runs
this module at start-up where its folder is on the path, which ``tests/conftest.py`` sees to.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_HOOKS = Path(__file__).resolve().parents[2] / "stkit_datasets" / "import_hooks.py"
_OPERATORS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_NAME = "_import_hooks_of_tests"
_kept: list[object] = []


def declare_missing_operators(extension: ModuleType) -> None:
    """Declare the operators when torchvision could not load its own."""
    if extension._has_ops():
        return
    import torch

    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        library.define(operator)
    _kept.append(library)  # operators vanish with their library


def install() -> None:
    """Wait for torchvision; its package is not imported, as tests count what is."""
    spec = importlib.util.spec_from_file_location(_NAME, _HOOKS)
    assert spec is not None
    assert spec.loader is not None
    hooks = sys.modules[_NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    hooks.after_import("torchvision.extension", declare_missing_operators)


# Once: a worker of the tests is sent here at start-up and again by conftest.py.
if not {"torchvision.extension", _NAME} & sys.modules.keys():
    install()
