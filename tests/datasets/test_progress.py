from __future__ import annotations

import re
import time
from collections import Counter

import pytest

from stkit_datasets.progress import Progress
from stkit_datasets.units_of_work import Report


def report(clips: int, questions: int) -> Report:
    return Report(units=1, clips=clips, questions=Counter({"traveling_speed": questions}))


def test_the_bar_shows_units_clips_questions_rates_and_time_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    with Progress("toy train", 4, True) as bar:
        bar.count(report(100, 5000), built=False)  # from an earlier run: done, but no speed
        now_s = 110.0
        bar.count(report(20, 1000))
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "toy train:  50%" in shown
    assert "2/4" in shown
    assert "120 clips (2.0/s), 6,000 questions (100.0/s)" in shown
    assert re.search(r"<\d\d:\d\d", shown)


def test_a_hidden_bar_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("toy train", 2, False) as bar:
        bar.count(report(1, 1), built=False)
        bar.count(report(1, 1))
    assert capsys.readouterr().err == ""
