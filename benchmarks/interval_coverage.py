"""How often intervals hold the truth, and how often a difference is found where there is none.

Run: python benchmarks/interval_coverage.py [--check] [--trials 1000]

Each trial draws k scene windows of 1 to 15 questions. What makes a window hard or easy is common to
its questions, and in a comparison partly to A and B and partly each one's own; the correlation is
the share of the variance that it has on the probit scale. "Before" are the plain percentiles of the
bootstrap and the p-value that goes with them. With --check it ends with status 1 when a limit is
missed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from stkit_bench.bootstrap import (
    mean_interval,
    percentile_interval,
    resampled_sums,
    share_interval,
)
from stkit_bench.sign_flips import sign_flips

WINDOWS = (5, 10, 30, 100)
QUESTIONS = 8
#: In percent: lowest coverage, and differences found where there is none, of any cell.
LOWEST_COVERAGE = 88.0
HIGHEST_FALSE = 6.5
LEVEL = 0.95

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Interval = tuple[float, float]

_probit = NormalDist().inv_cdf
_cdf = np.vectorize(NormalDist().cdf, otypes=[np.float64])


def windows(rng: np.random.Generator, k: int) -> Ints:
    """Return how many questions each of ``k`` windows holds."""
    return rng.integers(1, 2 * QUESTIONS, size=k)


def right(
    rng: np.random.Generator, n: Ints, share: float, hardness: Floats, explained: float
) -> Floats:
    """Return how many of ``n`` are right where hardness explains that much of the variance."""
    rates = _cdf((_probit(share) + hardness) / np.sqrt(1 - explained))
    return rng.binomial(n, rates).astype(np.float64)


def holds(interval: Interval | None, truth: float) -> bool:
    """Tell whether an interval is there and holds the truth."""
    return interval is not None and interval[0] <= truth <= interval[1]


def width(interval: Interval | None) -> float:
    """Return how wide an interval is."""
    return np.nan if interval is None else interval[1] - interval[0]


def share_trial(rng: np.random.Generator, k: int, share: float, correlation: float) -> list[float]:
    """Score one draw; return whether the old and the new interval hold, and their widths."""
    n = windows(rng, k)
    hardness = rng.normal(0, np.sqrt(correlation), k)
    sums = np.stack([n, right(rng, n, share, hardness, correlation)], axis=1).astype(np.float64)
    drawn = resampled_sums(sums, 1000, 0)
    samples = drawn[:, 1] / drawn[:, 0]
    value = float(sums[:, 1].sum() / sums[:, 0].sum())
    old = percentile_interval(samples, LEVEL)
    new = share_interval(value, samples, k, LEVEL, value * (1 - value) / float(n.sum()))
    return [holds(old, share), width(old), holds(new, share), width(new)]


def error_trial(rng: np.random.Generator, k: int, _: float, correlation: float) -> list[float]:
    """The same for the mean of skewed errors: log-normal, so that their true mean is 1."""
    n = windows(rng, k)
    window = np.repeat(np.arange(k), n)
    own = rng.normal(0, np.sqrt(1 - correlation), len(window))
    errors = np.exp(rng.normal(0, np.sqrt(correlation), k)[window] + own - 0.5)
    sums = np.stack([n, np.bincount(window, errors, k)], axis=1).astype(np.float64)
    drawn = resampled_sums(sums, 1000, 0)
    samples = drawn[:, 1] / drawn[:, 0]
    old, new = percentile_interval(samples, LEVEL), mean_interval(samples, k, LEVEL)
    return [holds(old, 1.0), width(old), holds(new, 1.0), width(new)]


def pair_trial(
    rng: np.random.Generator, k: int, a: float, b: float, common: float, own: float
) -> list[float]:
    """Compare two draws: whether the intervals hold, and whether a difference is found.

    ``common`` of the variance is of the window for both, ``own`` of the window for each alone.
    """
    n = windows(rng, k)
    hardness = rng.normal(0, np.sqrt(common), k)
    right_a, right_b = (
        right(rng, n, share, hardness + rng.normal(0, np.sqrt(own), k), common + own)
        for share in (a, b)
    )
    sums = np.stack([n, right_a - right_b], axis=1).astype(np.float64)
    drawn = resampled_sums(sums, 1000, 0)
    samples = drawn[:, 1] / drawn[:, 0]
    old = percentile_interval(samples, LEVEL)
    smaller = min(int((samples <= 0).sum()), int((samples >= 0).sum()))
    old_p = min(1.0, 2 * (smaller + 1) / (len(samples) + 1))
    share = sums / n.sum()
    _, (found,) = sign_flips(share[:, 1:], share[:, :1], 10_000, LEVEL, 0)
    alpha = 1 - LEVEL
    return [
        *(holds(old, a - b), old_p <= alpha),
        *(holds(found.interval, a - b), found.p_value <= alpha, width(found.interval)),
    ]


def table(
    trial: Callable[..., list[float]],
    heads: str,
    settings: list[tuple[float, ...]],
    cell: Callable[[list[float]], str],
    trials: int,
) -> Floats:
    """Print a line a setting, a cell a number of windows; return settings x windows x figures."""
    print(f"| {heads} | {' | '.join(f'{k} windows' for k in WINDOWS)} |")
    print("|---" * (heads.count("|") + 1 + len(WINDOWS)) + "|")
    found = []
    for setting in settings:
        line = []
        for k in WINDOWS:
            rng = np.random.default_rng([k, *(int(1000 * value) for value in setting)])
            drawn = [trial(rng, k, *setting) for _ in range(trials)]
            line.append((100 * np.nanmean(drawn, axis=0)).tolist())
        told = (f"{value:g}" for value in setting)
        print(f"| {' | '.join((*told, *map(cell, line)))} |", flush=True)
        found.append(line)
    return np.array(found)


def main() -> int:
    """Print the tables, and check the limits if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="status 1 when a limit is missed")
    parser.add_argument("--trials", type=int, default=1000, help="a cell (default: 1000)")
    arguments = parser.parse_args()
    trials = arguments.trials
    print(f"{trials} trials a cell, {QUESTIONS} questions a window in the mean, all in percent\n")
    print(f"How often a {LEVEL:.0%} interval holds the truth: before → now (mean width now)\n")

    def holding(figures: list[float]) -> str:
        return f"{figures[0]:.0f} → {figures[2]:.0f} ({figures[3]:.0f})"

    shares = table(
        share_trial,
        "accuracy | correlation",
        [(p, c) for p in (0.03, 0.15, 0.5) for c in (0.0, 0.3, 0.8)],
        holding,
        trials,
    )
    print()
    table(error_trial, "MAE | correlation", [(1.0, 0.0), (1.0, 0.3)], holding, trials)
    print("\nHow often a difference is found at 5 %: before → now (interval now holds the truth)\n")
    pairs = table(
        pair_trial,
        "A | B | common | own",
        [
            (a, b, *parts)
            for a, b in ((0.5, 0.5), (0.1, 0.1), (0.6, 0.45))
            for parts in ((0.0, 0.0), (0.3, 0.3))
        ],
        lambda figures: f"{figures[1]:.0f} → {figures[3]:.0f} ({figures[2]:.0f})",
        trials,
    )
    lowest = float(min(shares[..., 2].min(), pairs[..., 2].min()))
    false = float(pairs[:4, :, 3].max())
    print(f"\nheld at least {lowest:.1f} %; found where there is none at most {false:.1f} %")
    return int(arguments.check and (lowest < LOWEST_COVERAGE or false > HIGHEST_FALSE))


if __name__ == "__main__":
    sys.exit(main())
