"""Small sources for a bench: simulated scenes, and Argoverse 2 logs with pictures."""

from __future__ import annotations

from pathlib import Path

from busy_log import make_busy_log

from stkit_bench.build import build_bench
from stkit_bench.roots import Root

SIMULATION = {"duration_s": 6.0, "width_px": 320, "height_px": 180, "n_validation_scenes": 3}
LOGS = ("log-a", "log-b", "log-c")
SHARES = {"argoverse2": 0.25, "simulation": 0.75}


def make_roots(folder: Path) -> dict[str, Root]:
    for name in LOGS:
        make_busy_log(folder / "argoverse2", name, image_cameras=("ring_front_center",))
    argoverse2 = Root(folder / "argoverse2", {"cameras": ["ring_front_center"]})
    return {"argoverse2": argoverse2, "simulation": Root(None, SIMULATION)}


def make_bench(roots: dict[str, Root], out: Path, **more):
    settings = {"per_task": 3, "source_shares": SHARES, "progress": False}
    return build_bench(roots, out, **{**settings, **more})


def files(out: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
