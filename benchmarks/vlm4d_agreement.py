"""How far the reader of VLM4D's options agrees with the published judge, file by file.

Run: python benchmarks/vlm4d_agreement.py FOLDER [--check] [--rows]

FOLDER holds the published judged responses: real_mc_cot, real_mc_direct-output, synthetic_mc_cot,
synthetic_mc_direct-output, each with one .json or .json.gz a model. With --check it ends with
status 1 when a limit is missed; with --rows it lists the rows that are graded differently.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

from stkit_bench.vlm4d import READER_VERSION, read_choice
from stkit_bench.vlm4d.agreement import Agreement, agreement, together
from stkit_bench.vlm4d.answers import read_judged

MIN_OVERALL = 0.997
MIN_FILE = 0.98
MAX_ACCURACY_DIFFERENCE = 0.003
MIN_RESPONSES_PER_S = 20_000


def line(part: Agreement) -> str:
    """Return one row of the table."""
    return (
        f"{part.name:<68} {part.n:>6,} {100 * part.share:>8.2f} "
        f"{100 * part.share_without_faults:>8.2f} {part.n - part.n_agree:>5} "
        f"{100 * part.accuracy_difference:>+7.2f}"
    )


def by_model(parts: list[Agreement]) -> dict[str, list[Agreement]]:
    """Gather the files of each model in each prompt form: real and synthetic together."""
    found: dict[str, list[Agreement]] = defaultdict(list)
    for part in parts:
        folder, _, model = part.name.partition("/")
        found[f"{model} ({folder.rpartition('_')[2]})"].append(part)
    return dict(found)


def responses_per_s(files: list[Path]) -> float:
    """Read everything once, after a first pass that prepares the options."""
    rows = [(row.response, row.choices) for file in files for row in read_judged(file)]
    for response, choices in rows:
        read_choice(response, choices)
    begin = time.process_time()
    for response, choices in rows:
        read_choice(response, choices)
    return len(rows) / (time.process_time() - begin)


def main() -> int:
    """Grade, print the table, and check the limits if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="status 1 when a limit is missed")
    parser.add_argument("--rows", action="store_true", help="list the rows graded differently")
    arguments = parser.parse_args()
    files = sorted(arguments.folder.glob("*/*.json*"))
    if not files:
        print(f"{arguments.folder}: holds no folder with published files", file=sys.stderr)
        return 2
    parts = [agreement(file) for file in files]
    head = f"{'file':<68} {'rows':>6} {'agree %':>8} {'less *':>8} {'apart':>5} {'points':>7}"
    print(f"option reader {READER_VERSION}\n\n{head}")
    for part in parts:
        print(line(part))
        if arguments.rows:
            for row in part.disagreements:
                print(f"    {row.id}: read {row.letter}, judge {row.extracted!r}")
    models = [together(own, name) for name, own in by_model(parts).items()]
    whole = together(parts, "all")
    print("\nreal and synthetic together")
    for part in models:
        print(line(part))
    print(line(whole))
    speed = responses_per_s(files)
    print(f"\n* without {whole.n_faults} rows on which the judge is known to be wrong")
    print("points: this reader's accuracy less the judge's")
    print(f"{speed:,.0f} responses a second of one core")
    missed = (
        whole.share < MIN_OVERALL
        or min(part.share for part in parts) < MIN_FILE
        or max(abs(part.accuracy_difference) for part in models) > MAX_ACCURACY_DIFFERENCE
        or speed < MIN_RESPONSES_PER_S
    )
    return int(missed and arguments.check)


if __name__ == "__main__":
    sys.exit(main())
