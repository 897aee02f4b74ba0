"""Responses to a run: read by rules, scored, and kept one by one for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stkit_bench.breakdowns import Breakdown
from stkit_bench.files import read_answers
from stkit_bench.judging import ReadingLike, judge
from stkit_bench.readers import RulesReader, read_all
from stkit_bench.report.data import Reply, Run
from stkit_bench.report.words import reading_words
from stkit_bench.scoring import score_judged

__all__ = ["make_run", "read_run"]


def read_run(
    name: str,
    path: Path,
    references: Sequence[Mapping[str, Any]],
    *,
    note: str = "",
    n_resamples: int = 1000,
    seed: int = 0,
) -> Run:
    """Make a run of a JSONL file of answers (see :func:`stkit_bench.files.read_answers`).

    Raises:
        FileError: the file, the line, and the rule that is broken.
        ValueError: a reference breaks a rule; the message names the row.
    """
    answers = read_answers(path, references)
    return make_run(
        name,
        answers.references,
        answers.responses,
        note=note,
        n_resamples=n_resamples,
        seed=seed,
    )


def make_run(
    name: str,
    references: Sequence[Mapping[str, Any]],
    responses: Sequence[str | None],
    *,
    note: str = "",
    readings: Sequence[ReadingLike | None] | None = None,
    asked: Mapping[str, tuple[tuple[str, str], ...]] | None = None,
    breakdowns: Sequence[Breakdown] = (),
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Run:
    """Read and score responses, one per reference; None where there is none.

    Args:
        name: of the run.
        references: as :func:`stkit_bench.references` makes them, each with an ``id``.
        responses: free text.
        note: one sentence on what the run is.
        readings: of the responses; None has them read by the rules.
        asked: by id, how a question was asked, as (label, value).
        breakdowns: the scores of groups of questions.
        n_resamples: of the bootstrap.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: the lengths differ, or a reference breaks a rule; the message names the row.
    """
    if readings is None:
        readings = read_all(RulesReader(), references, responses)
    judged = judge(references, readings)
    replies = {
        str(reference["id"]): Reply(
            response=text,
            read_as=reading_words(reference["task"], reading, bool(readable)),
            readable=bool(readable),
            correct=bool(correct),
            failed=not scored,
            asked=(asked or {}).get(str(reference["id"]), ()),
        )
        for reference, text, reading, readable, correct, scored in zip(
            *(references, responses, readings),
            *(judged.readable, judged.correct, judged.scored),
            strict=True,
        )
    }
    scores = score_judged(judged, n_resamples=n_resamples, level=level, seed=seed)
    return Run(name, note, scores, replies, tuple(breakdowns))
