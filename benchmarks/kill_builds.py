"""Kill builds and exports at random times, resume them, and compare every byte.

    python benchmarks/kill_builds.py --kills 50 --what local ray export

Each run is a process of its own that is killed with all its workers. On Ray the driver is killed
and the cluster, three nodes on this machine, lives on. Ends with a failure at the first byte or
left-over file that differs from a run that nobody killed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY), str(REPOSITORY / "tests" / "datasets")]


@contextmanager
def cluster() -> Iterator[str]:
    """Start three nodes on this machine; yield their address."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    nodes.add_node(num_cpus=1)
    nodes.add_node(num_cpus=1)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


def main() -> None:
    """Kill as often as asked and print how often that changed nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--what", nargs="+", choices=["local", "ray", "export"],
                        default=["local", "ray", "export"])  # fmt: skip
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    from export_maker import make_built
    from kill_runs import EXPORT, LOCAL, RAY, Tally, kill_and_resume, make_logs

    def tell(tally: Tally) -> None:
        print(f"    {tally.kills} kills", end="\r", flush=True)

    for what in arguments.what:
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            if what == "export":
                built = make_built(folder / "data")
                tally = kill_and_resume(
                    EXPORT, built, folder, arguments.kills, seed=arguments.seed, done=tell
                )
            elif what == "ray":
                logs = make_logs(folder / "logs", 12)
                with cluster() as address:
                    tally = kill_and_resume(
                        RAY, logs, folder, arguments.kills, address, seed=arguments.seed, done=tell
                    )
            else:
                logs = make_logs(folder / "logs", 12)
                tally = kill_and_resume(
                    LOCAL, logs, folder, arguments.kills, seed=arguments.seed, done=tell
                )
        print(f"{what:7} {tally.kills} kills, {tally.unfinished} before the end, {tally.same_bytes}"
              f" ended in the same bytes, {time.perf_counter() - started:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
