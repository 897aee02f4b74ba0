"""How long reading and scoring takes, after import: 1,400 responses and 100,000.

Run: python benchmarks/bench_scoring.py [--check]

With --check it ends with status 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np

from stkit_bench.reading import READER_VERSION, read_response
from stkit_bench.scoring import score
from stkit_datasets.tasks.names import TASKS

LIMITS_S = {1_400: 0.5, 100_000: 20.0}

QUESTIONS = {
    "traveled_distance": "How far did the object in the red box travel in the video?",
    "traveling_speed": "How fast did the object in the red box move on average?",
    "movement_direction": "In which clock direction is the object heading at the end?",
    "direction_timestamp": "When does the object move toward 3 o'clock?",
    "traveled_distance_comparison": "Which went farther, the red or the blue object?",
    "traveling_speed_comparison": "Which is slower, the red or the blue object?",
    "movement_direction_comparison": "Do the red and the blue object move the same way?",
}


def make(n: int) -> tuple[list[dict[str, object]], list[str]]:
    """Return references and responses with differing numbers and some long reasoning."""
    generator = np.random.default_rng(0)
    references, responses = [], []
    values = generator.uniform(1, 90, n).round(2).tolist()
    hours = generator.integers(1, 13, n).tolist()
    long = (generator.random(n) < 0.1).tolist()
    for number in range(n):
        task = str(TASKS[number % 7])
        value, hour = values[number], hours[number]
        reference: dict[str, object] = {
            "id": str(number),
            "cluster": f"clip{number % max(1, n // 5)}",
            "task": task,
            "question": QUESTIONS[task],
        }
        answer = {
            "traveled_distance": f"The object traveled approximately {value} meters.",
            "traveling_speed": f"**Average speed:** around {value} km/h",
            "movement_direction": f"It is heading toward the {hour} o'clock direction.",
            "direction_timestamp": f"From {hour:.2f} to {hour + 3:.2f} seconds.",
            "traveled_distance_comparison": "The object in the red box traveled farther.",
            "traveling_speed_comparison": "The blue one moved faster than the red one.",
            "movement_direction_comparison": "No, they move in different directions.",
        }[task]
        if long[number]:
            answer = "Let me look at the frames one by one. The scene is a street. " * 6 + answer
        target: dict[str, object] = {
            "traveled_distance": {"value_si": value},
            "traveling_speed": {"value_si": value / 3.6},
            "movement_direction": {"clock": hour},
            "direction_timestamp": {"start_s": float(hour), "end_s": hour + 4.0},
        }.get(task, {"choice": "same" if task.startswith("movement") else "red"})
        references.append({**reference, **target})
        responses.append(answer)
    return references, responses


def main() -> int:
    """Measure, print a table, and check the limits if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="status 1 when a limit is missed")
    check = parser.parse_args().check
    print(f"reader rules {READER_VERSION}, 1000 bootstrap resamples, 5 questions a clip")
    print(f"{'responses':>10} {'read s':>8} {'score s':>8} {'total s':>8} {'limit s':>8}")
    missed = False
    for n, limit in LIMITS_S.items():
        references, responses = make(n)
        begin = time.perf_counter()
        readings = [
            read_response(str(r["task"]), text, str(r["question"]))
            for r, text in zip(references, responses, strict=True)
        ]
        read = time.perf_counter() - begin
        scores = score(references, readings)
        total = time.perf_counter() - begin
        missed |= total > limit
        print(f"{n:>10,} {read:>8.3f} {total - read:>8.3f} {total:>8.3f} {limit:>8.1f}")
        print(f"{'':>10} coverage {scores.coverage:.1%}, average {scores.average_accuracy:.1%}")
    return int(missed and check)


if __name__ == "__main__":
    sys.exit(main())
