"""The tiny model of the tests: 151 thousand parameters, 56 px, 4 tokens a frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainers import small_model

SIZE = small_model.SIZES["tiny"]
TOKENS_PER_FRAME = 4


def processor() -> Any:
    return small_model.processor(SIZE)


def model(seed: int = 0) -> Any:
    return small_model.model(SIZE, seed)


def save(folder: Path, seed: int = 0) -> Path:
    return small_model.save(SIZE, folder, seed)
