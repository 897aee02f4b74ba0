"""Write golden values of one Argoverse 2 log, computed by av2's own classes.

Run in an environment of its own, as av2 asks for much that this project does not need::

    python -m venv av2-venv
    av2-venv/bin/pip install --no-deps av2==0.3.6
    av2-venv/bin/pip install numpy pandas pyarrow scipy rich universal-pathlib tqdm joblib numba \
        polars pyproj matplotlib opencv-python-headless
    av2-venv/bin/python tests/golden/make_argoverse2.py LOG_FOLDER tests/golden/argoverse2.json
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from av2.geometry.camera.pinhole_camera import PinholeCamera
from av2.structures.cuboid import CuboidList
from av2.utils.io import read_city_SE3_ego, read_feather

CAMERA = "ring_front_center"
N_ENTRIES = 60
GRID_NS, SNAP_NS = 500_000_000, 10_000_000


def golden_entries(log_dir: Path) -> list[dict[str, object]]:
    """Return boxes at grid times that lie in front of the camera, spread over tracks and times."""
    annotations = log_dir / "annotations.feather"
    cuboids = CuboidList.from_feather(annotations)
    # CuboidList keeps the order of the rows and drops the track ids.
    track_uuids = read_feather(annotations)["track_uuid"].tolist()
    city_SE3_ego = read_city_SE3_ego(log_dir)
    camera = PinholeCamera.from_feather(log_dir, CAMERA)
    start_ns = min(cuboid.timestamp_ns for cuboid in cuboids.cuboids)
    entries = []
    for track_uuid, cuboid in zip(track_uuids, cuboids.cuboids, strict=True):
        offset_ns = (cuboid.timestamp_ns - start_ns + SNAP_NS) % GRID_NS
        uv_px, points_cam, _ = camera.project_ego_to_img(cuboid.xyz_center_m[None])
        if offset_ns > 2 * SNAP_NS or points_cam[0, 2] < 1:
            continue
        in_city = cuboid.transform(city_SE3_ego[cuboid.timestamp_ns])
        entries.append(
            {
                "track_uuid": track_uuid,
                "timestamp_ns": int(cuboid.timestamp_ns),
                "center_city_m": in_city.xyz_center_m.tolist(),
                "center_px": uv_px[0].tolist(),
            }
        )
    chosen = np.linspace(0, len(entries) - 1, N_ENTRIES).astype(int)
    return [entries[i] for i in chosen]


def main() -> None:
    """Write the file named on the command line."""
    log_dir, out = Path(sys.argv[1]), Path(sys.argv[2])
    golden = {
        "made_by": {"av2": version("av2"), "numpy": version("numpy")},
        "log": log_dir.name,
        "camera": CAMERA,
        "entries": golden_entries(log_dir),
    }
    out.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
