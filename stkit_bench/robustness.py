"""The same questions asked in other ways: what a frame rate, a paraphrase or a shift costs.

Every file is compared with the first one question by question, so that the difference is that of
the setting alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_bench.files import Answers, read_answers, read_references
from stkit_bench.judging import ReadingLike, Reference
from stkit_bench.results import Comparison
from stkit_bench.scoring import compare

__all__ = ["Variant", "asked_with", "load_answers", "robustness", "settings_text"]

_NAMES = {
    "fps": "{} fps",
    "shots": "{} examples",
    "max_frames": "{} frames",
}
_FLAGS = {
    ("paraphrased", True): "paraphrased",
    ("paraphrased", False): "not paraphrased",
    ("boxes", True): "with boxes",
    ("boxes", False): "without boxes",
    ("video", True): "with video",
    ("video", False): "without video",
}
#: What is told of files by a hash, with the part of the rows that differs.
_FILES = {
    "rows": "other {}",
    "wording": "other sentences",
    "shot_rows": "other training rows",
    "depth_pictures": "other depth images",
}


@dataclass(frozen=True)
class Variant:
    """One file of answers beside the first.

    Attributes:
        name: the file's.
        setting: what differs from the first, in words.
        comparison: this file (A) with the first (B).
    """

    name: str
    setting: str
    comparison: Comparison

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "name": self.name,
            "setting": self.setting,
            "comparison": self.comparison.to_dict(),
        }


def asked_with(answers: Path) -> dict[str, Any]:
    """Return how the questions of a file of answers were put, as ``stkit-bench run`` wrote it down.

    Empty where there is no ``<name>.run.json`` beside the file, or it holds nothing of the kind.
    """
    try:
        text = answers.with_name(f"{answers.stem}.run.json").read_text(encoding="utf-8")
        found = json.loads(text)["settings"]["questions"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return dict(found) if isinstance(found, Mapping) else {}


def load_answers(file: Path, references: Path | Sequence[Mapping[str, Any]] | None) -> Answers:
    """Read answers beside their references, which then tell how they were asked.

    Args:
        file: JSONL file of answers.
        references: the rows that they are to: their file, or as read before; None where the
            answers hold them.

    Raises:
        FileError: the file, the line and the rule that is broken.
    """
    known = read_references(references) if isinstance(references, Path) else references
    answers = read_answers(file, known)
    settings = asked_with(file)
    names = [name for name in ("fps", "paraphrased") if name in settings]
    told: dict[str, Any] = {name: settings[name] for name in names}
    return Answers([{**r, **told} for r in answers.references], answers.responses)


def settings_text(settings: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """Say what differs between two ways of asking; nothing where one of them is not known."""
    from stkit_bench.run.settings import differences

    if not settings or not base:
        return ""
    told = []
    for name, before, value in differences(base, settings):
        whole, _, part = name.rpartition(".")
        if (whole or name) in _FILES:
            # A file that only one of the two uses follows from another setting.
            if None not in (before, value):
                told.append(_FILES[whole or name].format(part))
        elif (name, value) in _FLAGS:
            told.append(_FLAGS[name, value])
        elif name in _NAMES:
            told.append(_NAMES[name].format("all" if value is None else value))
        else:
            told.append(f"{name} {json.dumps(value)}")
    return ", ".join(dict.fromkeys(told))


def robustness(
    references: Sequence[Reference],
    base: Sequence[ReadingLike | None],
    others: Mapping[str, tuple[str, Sequence[ReadingLike | None]]],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> list[Variant]:
    """Compare readings of the same questions, asked in other ways, with ``base``.

    Args:
        references: of the questions.
        base: readings of the first file.
        others: by name what differs, and the readings.
        n_resamples: of the bootstrap.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: as :func:`stkit_bench.scoring.compare`.
    """
    return [
        Variant(
            name,
            setting,
            compare(references, readings, base, n_resamples=n_resamples, level=level, seed=seed),
        )
        for name, (setting, readings) in others.items()
    ]
