"""Skips a module of tests, with the reason, where the extra ``train`` is not installed."""

from __future__ import annotations

import importlib.util

import pytest

NEEDED = ("torch", "torchvision", "transformers", "trl", "accelerate", "peft", "av", "PIL")


def skip_if_missing() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        reason = f'training needs {", ".join(missing)}: pip install ".[train]" in a clone of STKit'
        pytest.skip(reason, allow_module_level=True)
