"""Write golden values of one Aria trajectory and of a fisheye lens, computed by projectaria-tools.

Run in an environment of its own::

    python -m venv aria-venv
    aria-venv/bin/pip install projectaria-tools==2.3.0
    aria-venv/bin/python tests/golden/make_ego_exo4d.py TRAJECTORY.csv tests/golden/ego_exo4d.json
"""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
from projectaria_tools.core import mps
from projectaria_tools.core.calibration import CameraCalibration, CameraModelType
from projectaria_tools.core.sophus import SE3

N_POSES = 12
LENS = (1262.1, 1261.4, 1919.3, 1083.7, 0.0563, -0.0132, 0.0071, -0.0021)
SIZE_PX = (3840, 2160)
POINTS_M = ((0.0, 0.0, 3.0), (1.0, 0.4, 2.5), (-2.0, 1.0, 3.0), (3.5, -1.8, 4.0), (-4.0, 0.2, 3.2))


def golden_poses(path: Path) -> list[dict[str, object]]:
    """Return poses spread over the trajectory."""
    poses = mps.read_closed_loop_trajectory(str(path))
    chosen = [poses[i] for i in np.linspace(0, len(poses) - 1, N_POSES).astype(int)]
    return [
        {
            "timestamp_us": round(pose.tracking_timestamp / timedelta(microseconds=1)),
            "position_m": pose.transform_world_device.translation()[0].tolist(),
            "gravity_mps2": np.ravel(pose.gravity_world).tolist(),
            "graph_uid": pose.graph_uid,
        }
        for pose in chosen
    ]


def golden_pixels() -> list[list[float]]:
    """Return the pixels of points in camera axes."""
    camera = CameraCalibration(
        "cam01", CameraModelType.KANNALA_BRANDT_K3, np.array(LENS), SE3(), *SIZE_PX, None, 1.5, ""
    )
    return [np.ravel(camera.project_no_checks(np.array(point))).tolist() for point in POINTS_M]


def main() -> None:
    """Write the file named on the command line."""
    path, out = Path(sys.argv[1]), Path(sys.argv[2])
    golden = {
        "made_by": {"projectaria-tools": version("projectaria-tools"), "numpy": version("numpy")},
        "poses": golden_poses(path),
        "lens": LENS,
        "size_px": SIZE_PX,
        "points_m": POINTS_M,
        "pixels": golden_pixels(),
    }
    out.write_text(json.dumps(golden, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
