"""How far this reader's grades and the published judge's agree, row by row."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from .answers import JudgedResponse, read_judged
from .choice import read_choice

__all__ = [
    "Agreement",
    "Disagreement",
    "agreement",
    "compare",
    "file_name",
    "judge_faults",
    "together",
]


@dataclass(frozen=True)
class Disagreement:
    """One row that this reader grades otherwise than the judge did."""

    id: str
    letter: str | None
    extracted: str
    judged_correct: bool


@dataclass(frozen=True)
class Agreement:
    """One file's grades by both.

    Attributes:
        name: folder and file, without endings: ``real_mc_cot/gpt-4o_32frame``.
        n: rows, all of them.
        n_agree: rows that both grade alike; the judge's known faults are counted in.
        n_faults: rows on which the judge is known to be wrong (see :func:`judge_faults`).
        n_agree_without_faults: rows graded alike among the others.
        n_right: rows that this reader grades as right.
        n_judged_right: rows that the judge grades as right.
    """

    name: str
    n: int
    n_agree: int
    n_faults: int
    n_agree_without_faults: int
    n_right: int
    n_judged_right: int
    disagreements: tuple[Disagreement, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            **{key: value for key, value in vars(self).items() if key != "disagreements"},
            "share": self.share,
            "share_without_faults": self.share_without_faults,
            "accuracy_difference": self.accuracy_difference,
            "disagreements": [asdict(row) for row in self.disagreements],
        }

    @property
    def share(self) -> float:
        """Share of all rows that both grade alike."""
        return self.n_agree / self.n

    @property
    def share_without_faults(self) -> float:
        """The same without the rows on which the judge is known to be wrong."""
        return self.n_agree_without_faults / max(1, self.n - self.n_faults)

    @property
    def accuracy_difference(self) -> float:
        """This reader's accuracy less the judge's, as a share."""
        return (self.n_right - self.n_judged_right) / self.n


def agreement(path: Path) -> Agreement:
    """Grade a published file anew and compare.

    Raises:
        FileError: the file is missing or broken.
    """
    return compare(file_name(path), read_judged(path))


def compare(name: str, rows: Sequence[JudgedResponse]) -> Agreement:
    """Compare the grades of rows that were read already."""
    faulty = judge_faults().get(name, {})
    agreed, faults_agreed, right = 0, 0, 0
    disagreements = []
    for row in rows:
        letter = read_choice(row.response, row.choices)
        is_right = row.is_right(letter)
        right += is_right
        if is_right == row.correct:
            agreed += 1
            faults_agreed += row.id in faulty
        else:
            disagreements.append(Disagreement(row.id, letter, row.extracted, row.correct))
    n_faults = sum(row.id in faulty for row in rows)
    return Agreement(
        name=name,
        n=len(rows),
        n_agree=agreed,
        n_faults=n_faults,
        n_agree_without_faults=agreed - faults_agreed,
        n_right=right,
        n_judged_right=sum(row.correct for row in rows),
        disagreements=tuple(disagreements),
    )


def together(parts: Iterable[Agreement], name: str) -> Agreement:
    """Add several files up."""
    parts = list(parts)

    def total(field: str) -> int:
        return sum(getattr(part, field) for part in parts)

    return Agreement(
        name=name,
        n=total("n"),
        n_agree=total("n_agree"),
        n_faults=total("n_faults"),
        n_agree_without_faults=total("n_agree_without_faults"),
        n_right=total("n_right"),
        n_judged_right=total("n_judged_right"),
        disagreements=tuple(d for part in parts for d in part.disagreements),
    )


def file_name(path: Path) -> str:
    """Return folder and file without endings, by which the known faults are listed."""
    return f"{path.resolve().parent.name}/{path.name.removesuffix('.gz').removesuffix('.json')}"


@cache
def judge_faults() -> dict[str, dict[str, str]]:
    """Return the rows on which the published judge is wrong: file name to id to reason."""
    text = files(__package__).joinpath("judge_faults.json").read_text("utf-8")
    data: dict[str, Any] = json.loads(text)
    return {
        name: {identity: reason for reason, ids in reasons.items() for identity in ids}
        for name, reasons in data["rows"].items()
    }
