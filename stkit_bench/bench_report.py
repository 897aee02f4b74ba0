"""What a built bench says of itself: ``bench.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stkit_bench.files import FileError
from stkit_bench.selection import SelectionReport
from stkit_datasets.units_of_work import Report

__all__ = ["BenchReport"]

_REPORTS = ("candidates", "built")


@dataclass(frozen=True)
class BenchReport:
    """How a bench was made.

    Attributes:
        version: of STKit.
        fingerprint: 16 hex digits of the settings, the code and the files that it was made from.
        questions_digest: 16 hex digits of the ids of its questions, alike wherever it was made.
        rows: what decided the rows, and the fingerprint of the sentences.
        shares: share of all questions that each source should have.
        scenes: source -> scenes that are asked about.
        candidates: source -> what there was to choose from, and what was dropped.
        built: source -> what was made of the selection, with the scenes that broke on the way.
        selection: label histograms before and after, and what is short.
    """

    version: str
    fingerprint: str
    questions_digest: str
    rows: dict[str, Any]
    shares: dict[str, float]
    scenes: dict[str, list[str]]
    candidates: dict[str, Report]
    built: dict[str, Report]
    selection: SelectionReport

    @property
    def failed(self) -> dict[str, str]:
        """Scenes that were given up with their errors, before or after the selection."""
        return {
            f"{source}/{unit}": error
            for reports in (self.candidates, self.built)
            for source, report in reports.items()
            for unit, error in report.failed.items()
        }

    @property
    def n_questions(self) -> int:
        """Questions in the bench."""
        return sum(sum(report.questions.values()) for report in self.built.values())

    def to_json(self) -> str:
        """Return the text of ``bench.json``; equal reports are equal bytes."""
        plain: dict[str, Any] = {**vars(self), "selection": self.selection.to_dict()}
        for name in _REPORTS:
            plain[name] = {source: report.to_dict() for source, report in plain[name].items()}
        return json.dumps(plain, indent=2, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> BenchReport:
        """Read what ``to_json`` wrote."""
        plain = json.loads(text)
        for name in _REPORTS:
            plain[name] = {
                source: Report.from_dict(report) for source, report in plain[name].items()
            }
        return cls(**{**plain, "selection": SelectionReport.from_dict(plain["selection"])})

    @classmethod
    def read(cls, path: Path) -> BenchReport | None:
        """Read a ``bench.json``; None where there is none, or one of another layout.

        Raises:
            FileError: the file is not JSON.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        try:
            return cls.from_json(text)
        except json.JSONDecodeError as error:
            raise FileError(path, f"not valid JSON: {error.msg}", error.lineno) from error
        except (KeyError, TypeError):
            return None

    def to_text(self) -> str:
        """Return the report as lines for a terminal."""
        lines = [self.selection.to_text()]
        if self.failed:
            lines += ["", f"scenes given up (on_error='skip'): {len(self.failed)}"]
            lines += [f"  {unit}: {error}" for unit, error in sorted(self.failed.items())]
        if self.n_questions < self.selection.selected:
            lines += [f"questions left: {self.n_questions} of {self.selection.selected}"]
        return "\n".join(lines)
