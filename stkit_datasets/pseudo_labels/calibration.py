"""Fit the factors of uncertainties to errors, and show how well they agree. Numpy only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.factors import Factors, UncertaintyTable
from stkit_datasets.pseudo_labels.interfaces import FloatArray
from stkit_datasets.pseudo_labels.question_errors import MEASURED, QuestionErrors
from stkit_datasets.tasks.names import TASKS, Task
from stkit_datasets.uncertainty import ANGLES

NORMAL_SHARES = (0.6827, 0.9545)
"""Shares of a normal distribution within one and two standard deviations."""
MIN_QUESTIONS = 40
"""A task with fewer questions of known error keeps the factors it had."""
KEPT_SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
_DEGREES_OF_FREEDOM = 4.0
"""Of Student's distribution, whose tails some errors have."""
_ROUNDS = 6
_STANDING_M = 0.7
_STANDING_MPS = 0.15
"""What moves less over a run counts as standing: 0.7 m, or as little in five seconds."""
_UNITS: Mapping[Task, str] = {
    Task.TRAVELED_DISTANCE: "%",
    Task.TRAVELING_SPEED: "%",
    Task.MOVEMENT_DIRECTION: "deg",
    Task.DIRECTION_TIMESTAMP: "deg",
    Task.TRAVELED_DISTANCE_COMPARISON: "m",
    Task.TRAVELING_SPEED_COMPARISON: "m/s",
    Task.MOVEMENT_DIRECTION_COMPARISON: "deg",
}


@dataclass(frozen=True)
class Coverage:
    """How errors of one task compare with the deviations that are stated for them.

    Attributes:
        name: the task.
        questions: how many.
        within: shares of errors within one and two stated deviations.
        right_factor: what the deviations would have to be multiplied by for the first share to be
            that of a normal distribution.
    """

    name: str
    questions: int
    within: tuple[float, float]
    right_factor: float

    def __str__(self) -> str:
        one, two = self.within
        return f"{self.name:<32}{self.questions:>6}{one:>9.0%}{two:>9.0%}{self.right_factor:>9.2f}"


@dataclass(frozen=True)
class RiskCurve:
    """Errors of what is kept when the most uncertain questions of a task are left out.

    Attributes:
        name: the task.
        unit: of the errors.
        kept: shares that are kept, the greatest first.
        errors: mean error of each share; of distances and speeds relative to the truth, without
            objects that stand, of which there is no relative error.
        wrong: share of wrong answers of each; empty where answers are intervals.
    """

    name: str
    unit: str
    kept: tuple[float, ...]
    errors: tuple[float, ...]
    wrong: tuple[float, ...]


def fit_table(
    errors: QuestionErrors, origin: str, start: UncertaintyTable, least: int = MIN_QUESTIONS
) -> UncertaintyTable:
    """Fit all tasks; one with fewer than ``least`` questions keeps its factors of ``start``."""
    tasks = dict(start.tasks)
    for task in TASKS:
        own = errors.of(known(errors) & (errors.tasks == str(task)))
        if len(own) >= least:
            tasks[str(task)] = fit_factors(own)
    return UncertaintyTable(origin, tasks)


def known(errors: QuestionErrors) -> np.ndarray:
    """(Q,) questions whose error and deviations are known."""
    values = errors.errors, errors.from_positions, errors.from_scale
    return np.asarray(np.isfinite(np.stack(values)).all(axis=0))


def fit_factors(errors: QuestionErrors) -> Factors:
    """Fit one task: the likeliest numbers, then all three scaled to a normal's shares.

    Student's distribution decides how much of the deviation comes from where; the common factor
    brings the shares within one and two deviations as near to a normal's as they go.
    """
    off = np.abs(errors.errors)
    parts = np.stack([errors.from_positions, errors.from_scale, np.ones(len(off))]) ** 2
    typical = float(np.median(off))
    sizes = [float(np.sqrt(np.median(part))) for part in parts]
    # A part that is nothing, such as the scale's in angles, explains nothing.
    levels = [typical / size if size > 1e-9 else 0.0 for size in sizes]
    best = np.array(levels)
    width = 6.0
    for _ in range(_ROUNDS):
        grid = [
            np.unique(np.append(level * width ** np.linspace(-1, 1, 9), [0.0, level]))
            for level in best
        ]
        choices = np.stack([part.ravel() for part in np.meshgrid(*grid, indexing="ij")], axis=1)
        choices = choices[(choices > 0).any(axis=1)]
        best = choices[int(_log_likelihoods(choices, parts, off).argmax())]
        # A number that fell to nothing may come back.
        best = np.where(best > 0, best, np.array(levels) * 1e-3)
        width = width**0.55
    best[best < np.array(levels) * 2e-3] = 0.0
    stated = np.sqrt(best**2 @ parts)
    best = best * _common_factor(off / np.maximum(stated, 1e-12))
    positions, scale, floor = (round(float(value), 4) for value in best)
    return Factors(positions, scale, floor, len(off))


def _log_likelihoods(choices: FloatArray, parts: FloatArray, off: FloatArray) -> FloatArray:
    """(K,) log-likelihoods of (K, 3) numbers, by Student's distribution."""
    variances = np.maximum(choices**2 @ parts, 1e-18)
    nu = _DEGREES_OF_FREEDOM
    square = off**2 / variances
    terms = -0.5 * np.log(variances) - 0.5 * (nu + 1) * np.log1p(square / nu)
    return np.asarray(terms.sum(axis=1))


def _common_factor(off: FloatArray) -> float:
    """Factor on deviations with which (Q,) errors, in deviations, have a normal's shares."""
    factors = np.exp(np.linspace(np.log(0.2), np.log(5), 400))
    shares = np.stack([(off[:, None] < k * factors).mean(axis=0) for k in (1, 2)])
    return float(factors[np.abs(shares - np.array(NORMAL_SHARES)[:, None]).sum(axis=0).argmin()])


def coverages(errors: QuestionErrors, table: UncertaintyTable) -> list[Coverage]:
    """Compare stated deviations with errors, task by task, then all questions."""
    use = known(errors)
    off = np.abs(errors.errors) / np.maximum(errors.sigmas(table), 1e-12)
    names: list[tuple[str, np.ndarray]] = [(str(t), errors.tasks == str(t)) for t in TASKS]
    names.append(("all", np.ones(len(errors), dtype=np.bool_)))
    return [_coverage(name, off[own & use]) for name, own in names if (own & use).any()]


def _coverage(name: str, off: FloatArray) -> Coverage:
    within = float((off < 1).mean()), float((off < 2).mean())
    return Coverage(name, len(off), within, float(np.percentile(off, 100 * NORMAL_SHARES[0])))


def risk_curves(errors: QuestionErrors, table: UncertaintyTable) -> list[RiskCurve]:
    """Leave out the most uncertain questions of each task, and see what the others' errors are.

    Distances and speeds are sorted by their uncertainty relative to the answer, others by the
    uncertainty itself.
    """
    sigmas, use = errors.sigmas(table), known(errors)
    curves = []
    for task in TASKS:
        own = np.flatnonzero(use & (errors.tasks == str(task)))
        if not len(own):
            continue
        off, order = np.abs(errors.errors[own]), sigmas[own]
        if task in MEASURED:
            order = order / errors.predicted[own]
            off = _relative(off, errors.true[own], task)
        elif task in ANGLES:
            off = np.degrees(off)
        ranked = np.argsort(order, kind="stable")
        counts = [max(1, round(share * len(own))) for share in KEPT_SHARES]
        wrong = errors.wrong[own][ranked]
        means = [_mean(off[ranked[:count]]) for count in counts]
        shares = [float(wrong[:count].mean()) for count in counts]
        told = tuple(shares) if np.isfinite(wrong).all() else ()
        curves.append(RiskCurve(str(task), _UNITS[task], KEPT_SHARES, tuple(means), told))
    return curves


def _relative(off: FloatArray, true: FloatArray, task: Task) -> FloatArray:
    """(Q,) errors in percent of the truth; NaN where the object stands."""
    moves = true > (_STANDING_M if task == Task.TRAVELED_DISTANCE else _STANDING_MPS)
    return np.where(moves, 100 * off / np.where(moves, true, 1.0), np.nan)


def _mean(values: FloatArray) -> float:
    known_values = values[np.isfinite(values)]
    return float(known_values.mean()) if len(known_values) else 0.0


def crossed(
    errors: QuestionErrors, origin: str, start: UncertaintyTable, parts: int = 2
) -> Iterator[tuple[QuestionErrors, UncertaintyTable]]:
    """Yield each part of the clips with a table fitted to the other parts."""
    for part in range(parts):
        held = errors.clips % parts == part
        yield errors.of(held), fit_table(errors.of(~held), origin, start)


def coverage_text(rows: Iterable[Coverage]) -> str:
    """Say coverages in lines."""
    head = f"{'errors within':<32}{'count':>6}{'1 sigma':>9}{'2 sigma':>9}{'factor':>9}"
    normal = f"{'of a normal distribution':<38}{NORMAL_SHARES[0]:>9.0%}{NORMAL_SHARES[1]:>9.0%}"
    return "\n".join([head, *map(str, rows), normal])


def risk_text(curves: Iterable[RiskCurve]) -> str:
    """Say risk curves in lines: the mean error of the surest part."""
    shares = (1.0, 0.8, 0.6, 0.4, 0.2)
    lines = [f"{'mean error of the surest':<38}" + "".join(f"{share:>9.0%}" for share in shares)]
    for curve in curves:
        at = [curve.kept.index(share) for share in shares]
        lines.append(
            f"{curve.name:<32}{curve.unit:>6}" + "".join(f"{curve.errors[i]:>9.2f}" for i in at)
        )
        if curve.wrong:
            lines.append(
                f"{'  wrong answers':<38}" + "".join(f"{curve.wrong[i]:>9.0%}" for i in at)
            )
    return "\n".join(lines)
