"""A bench asked during training, through the same runner as ``stkit-bench``."""

from __future__ import annotations

from typing import Any


def bench_callback(trainer: Any, bench_args: Any, max_frames: int) -> Any:
    raise NotImplementedError
