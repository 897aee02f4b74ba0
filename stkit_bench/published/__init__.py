"""The papers' result tables as data, to stand beside a user's own scores.

The numbers are those that the papers print, in the papers' units (percent), also where a paper's
own text disagrees with its table; such cases are told in ``notes``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

__all__ = ["PublishedRow", "PublishedTable", "names", "table"]


@dataclass(frozen=True)
class PublishedRow:
    """One model's row.

    Attributes:
        model: the name that the paper gives it.
        group: the paper's heading over the row, such as ``closed-source``.
        accuracy: percent, by task (or by VLM4D's column).
        mae: by task, in the units of :attr:`PublishedTable.units`; empty where not published.
        mean_iou: of direction timestamps, 0 to 1; None where not published.
        average: the paper's last column, percent.
        organization: VLM4D only.
        release: VLM4D only, year and month.
    """

    model: str
    group: str
    accuracy: dict[str, float]
    mae: dict[str, float]
    mean_iou: float | None
    average: float
    organization: str | None = None
    release: str | None = None


@dataclass(frozen=True)
class PublishedTable:
    """One table of one paper, with its source."""

    name: str
    benchmark: str
    paper: str
    version: str | None
    arxiv: str | None
    table: str
    reader: str
    units: dict[str, Any]
    notes: tuple[str, ...]
    rows: tuple[PublishedRow, ...]

    @property
    def source(self) -> str:
        """The paper, its version and the table, in one line."""
        version = "" if self.version is None else f", {self.version}"
        return f"{self.paper}{version}, {self.table}"


def names() -> tuple[str, ...]:
    """Return the names of the tables."""
    found = (item.name for item in files(__name__).iterdir())
    return tuple(sorted(name.removesuffix(".json") for name in found if name.endswith(".json")))


def table(name: str) -> PublishedTable:
    """Return one table, for example ``table("stkit_bench_v1")``.

    Raises:
        ValueError: there is no such table; the message lists those that there are.
    """
    if name not in names():
        raise ValueError(f"no published table {name!r}; there are {', '.join(names())}")
    data = json.loads(files(__name__).joinpath(f"{name}.json").read_text("utf-8"))
    return PublishedTable(
        name=name,
        benchmark=data["benchmark"],
        paper=data["paper"],
        version=data["version"],
        arxiv=data["arxiv"],
        table=data["table"],
        reader=data["reader"],
        units=data["units"],
        notes=tuple(data["notes"]),
        rows=tuple(_row(row) for row in data["rows"]),
    )


def _row(row: dict[str, Any]) -> PublishedRow:
    accuracy = dict(row["accuracy"])
    return PublishedRow(
        model=row["model"],
        group=row["group"],
        accuracy=accuracy,
        mae=row.get("mae", {}),
        mean_iou=row.get("mean_iou"),
        average=row["average"] if "average" in row else accuracy["overall"],
        organization=row.get("organization"),
        release=row.get("release"),
    )
