"""Make nuscenes.json with the official devkit; run it in an environment of its own.

    pip install nuscenes-devkit==1.2.0
    python tests/golden/make_nuscenes.py FOLDER_WITH_V1.0-MINI

The devkit opens the map images only to draw them, but wants them to be there when it loads; a
copy without maps is loaded with that check taken out. Everything else is the devkit's own.

For 16 annotations spread over all scenes of the folder, and 40 over the keyframes with images, it
records the global position of the box, its velocity, and the pixel and depth of its centre in the
images that show it.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from nuscenes import nuscenes as devkit
from nuscenes.utils.geometry_utils import BoxVisibility, view_points

N_ANYWHERE = 16
N_WITH_IMAGES = 40


class _NoMap:
    def __init__(self, *_: object, **__: object) -> None:
        pass


def _entry(tables: devkit.NuScenes, token: str) -> dict[str, object]:
    box = tables.get_box(token)
    velocity = tables.box_velocity(token)
    sample = tables.get("sample", tables.get("sample_annotation", token)["sample_token"])
    cameras = {}
    for channel, image in sorted(sample["data"].items()):
        if not channel.startswith("CAM_"):
            continue
        _, boxes, intrinsics = tables.get_sample_data(
            image, box_vis_level=BoxVisibility.NONE, selected_anntokens=[token]
        )
        center = boxes[0].center
        pixel = view_points(center[:, None], intrinsics, normalize=True)[:2, 0]
        if center[2] < 0.1 or not ((pixel > 0) & (pixel < (1600, 900))).all():
            continue
        cameras[channel] = [round(float(value), 9) for value in (*pixel, center[2])]
    return {
        "center_m": [round(float(value), 9) for value in box.center],
        "velocity_mps": [round(float(v), 9) for v in velocity]
        if np.isfinite(velocity[0])
        else None,
        "pixel_and_depth": cameras,
    }


def main() -> None:
    devkit.MapMask = _NoMap
    tables = devkit.NuScenes("v1.0-mini", sys.argv[1], verbose=False)
    tokens = sorted(row["token"] for row in tables.sample_annotation)
    with_images = [
        token
        for token in tokens
        if any(
            channel.startswith("CAM_")
            for channel in tables.get(
                "sample", tables.get("sample_annotation", token)["sample_token"]
            )["data"]
        )
    ]
    chosen = {*tokens[:: len(tokens) // N_ANYWHERE][:N_ANYWHERE]}
    chosen |= {*with_images[:: len(with_images) // N_WITH_IMAGES][:N_WITH_IMAGES]}
    made_by = f"nuscenes-devkit {version('nuscenes-devkit')}, tests/golden/make_nuscenes.py"
    lines = [
        f"  {json.dumps(token)}: {json.dumps(_entry(tables, token))}" for token in sorted(chosen)
    ]
    text = (
        f'{{\n "made_by": {json.dumps(made_by)},\n "annotations": {{\n'
        + ",\n".join(lines)
        + "\n }\n}\n"
    )
    path = Path(__file__).with_name("nuscenes.json")
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
