"""The bar of a build: units and time left, clips and questions and their rates."""

from __future__ import annotations

import time

from tqdm import tqdm

from stkit_datasets.units_of_work import Report


class Progress:
    """A bar with units and time left, and beside it clips, questions and their rates.

    Args:
        title: what is built.
        total: units that there are.
        shown: whether there is a bar at all.
    """

    def __init__(self, title: str, total: int, shown: bool) -> None:
        self._bar = tqdm(total=total, desc=title, unit="unit", disable=not shown)
        self._started = time.monotonic()
        self._clips = self._questions = self._new_clips = self._new_questions = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.close()

    def count(self, report: Report, *, built: bool = True) -> None:
        """Count a unit in; one of an earlier run counts as done and not as speed."""
        questions = sum(report.questions.values())
        self._clips += report.clips
        self._questions += questions
        if built:
            self._new_clips += report.clips
            self._new_questions += questions
            self._bar.set_postfix_str(self._text(), refresh=False)
            self._bar.update()
        else:
            # Units that were there do not shorten the time left of those that were not.
            self._bar.initial = self._bar.n = self._bar.n + 1

    def _text(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        return (
            f"{self._clips:,} clips ({self._new_clips / seconds:.1f}/s), "
            f"{self._questions:,} questions ({self._new_questions / seconds:.1f}/s)"
        )
