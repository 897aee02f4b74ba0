"""VLM4D's scores and agreement as tables of text."""

from __future__ import annotations

from collections.abc import Sequence

from stkit_bench import published
from stkit_bench.text import percent, percent_interval

from .agreement import Agreement
from .scores import SCORES, GroupScore, VlmScores

__all__ = ["agreement_text", "published_text", "scores_text"]

_MODEL_WIDTH = 34


def scores_text(scores: VlmScores, reader: str, baselines: dict[str, dict[str, float]]) -> str:
    """Return the scores with intervals, and baselines that see no video beside them.

    Args:
        scores: of one model.
        reader: name and version.
        baselines: by name, accuracy by score.
    """
    first = scores.scores.get("overall")
    names = list(baselines)
    lines = [
        f"{first.n if first else 0} questions on {scores.n_videos} videos, reader: {reader}, "
        f"{scores.level:.0%} intervals from {scores.n_resamples} resamples of videos",
        "",
        f"{'':<26} {'n':>6} {'coverage':>9} {'accuracy %':>11} {'':<15}"
        + "".join(f" {name:>9}" for name in names),
    ]
    for name, score in [*scores.scores.items(), *scores.categories.items()]:
        beside = "".join(f" {percent(baselines[b].get(name)):>9}" for b in names)
        partly = " (part)" if name in scores.missing else ""
        lines.append(_line(name + partly, score) + beside)
    if scores.synthetic_mean_of_halves is not None:
        lines.append(
            f"{'synthetic, mean of halves':<26} {'':>6} {'':>9} "
            f"{percent(scores.synthetic_mean_of_halves):>11}   (as the paper's table has it)"
        )
    if scores.missing:
        lines += ["", f"no or not all questions of: {', '.join(scores.missing)}"]
    if scores.n_unanswered:
        lines += ["", f"not answered: {scores.n_unanswered} (counted as wrong)"]
    if scores.faults:
        told = ", ".join(f"{name} {count}" for name, count in scores.faults.items())
        lines += ["", f"known faults among the scored items: {told}"]
    if scores.not_scored:
        lines += ["", f"not scored, no option is right: {', '.join(scores.not_scored)}"]
    return "\n".join(lines) + "\n"


def published_text(scores: VlmScores, name: str) -> str:
    """Return the paper's Table 1 with these scores on top, in percent."""
    table = published.table("vlm4d")
    own = {key: 100 * score.accuracy for key, score in scores.scores.items()}
    if scores.synthetic_mean_of_halves is not None:
        own["synthetic"] = 100 * scores.synthetic_mean_of_halves
    for part in scores.missing:
        own.pop(part, None)
    short = ("ego", "exo", "real", "direct.", "FP", "synth.", "overall")
    head = f"{'accuracy %':<{_MODEL_WIDTH}}" + "".join(f"{label:>9}" for label in short)
    rows = [(name, own), *((row.model, row.accuracy) for row in table.rows)]
    body = [
        f"{model[: _MODEL_WIDTH - 1]:<{_MODEL_WIDTH}}"
        + "".join(f"{accuracy[key]:>9.1f}" if key in accuracy else f"{'-':>9}" for key in SCORES)
        for model, accuracy in rows
    ]
    notes = [
        f"Published: {table.source}; graded by an {table.reader}.",
        "synth. is the mean of its two halves, as published; overall is weighted by question.",
        "The published overall is over 800 synthetic questions; the public file holds 445.",
    ]
    return "\n".join([head, *body, "", *notes]) + "\n"


def agreement_text(parts: Sequence[Agreement], whole: Agreement) -> str:
    """Return how far the reader's grades and the judge's agree, one line a file."""
    width = max(len(part.name) for part in [*parts, whole]) + 1
    lines = [
        f"{'':<{width}} {'rows':>6} {'agree %':>8} {'apart':>6} {'accuracy %':>11} {'judge %':>8}"
    ]
    lines += [
        f"{part.name:<{width}} {part.n:>6} {100 * part.share:>8.2f} {part.n - part.n_agree:>6} "
        f"{100 * part.n_right / part.n:>11.2f} {100 * part.n_judged_right / part.n:>8.2f}"
        for part in [*parts, whole]
    ]
    if whole.n_faults:
        lines += [
            "",
            f"without {whole.n_faults} rows on which the judge is known to be wrong: "
            f"{100 * whole.share_without_faults:.2f} %",
        ]
    return "\n".join(lines) + "\n"


def _line(name: str, score: GroupScore) -> str:
    return (
        f"{name:<26} {score.n:>6} {100 * score.coverage:>8.1f}% {100 * score.accuracy:>11.1f} "
        f"{percent_interval(score.interval):<15}"
    )
