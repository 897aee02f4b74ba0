"""Responses in the styles of many models, one JSON line each, with what must be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stkit_bench.reading import read_response

FIELDS = ("value_si", "clock", "start_s", "end_s", "choice", "reason")
LINES = (Path(__file__).parent / "reading_responses.jsonl").read_text(encoding="utf-8")
ROWS = [json.loads(line) for line in LINES.splitlines()]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['task']}: {row['response'][:40]}")
def test_response(row: dict[str, Any]) -> None:
    reading = read_response(row["task"], row["response"], row.get("question"))
    for field in FIELDS:
        expected, got = row.get(field), getattr(reading, field)
        if field == "value_si" and expected is not None:
            # Some responses give the same value twice, rounded in two units.
            assert got == pytest.approx(expected, rel=0.008, abs=1e-6), reading
        else:
            assert got == expected, reading
