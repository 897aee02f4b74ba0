"""Values by av2's own classes, made by tests/golden/make_argoverse2.py."""

import json
from pathlib import Path

import numpy as np
import pytest

from stkit_datasets import geometry
from stkit_datasets.sources.argoverse2 import Argoverse2

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "argoverse2.json").read_text())


@pytest.fixture(scope="module")
def clip(shared_data):
    log = shared_data(f"argoverse2/val/{GOLDEN['log']}")
    source = Argoverse2(log.parents[1], {"cameras": [GOLDEN["camera"]]})
    (clip,) = source.read("validation", log.name).clips
    return clip


def test_centers_and_pixels_agree_with_av2(clip):
    grid_ns = clip.start_ns + np.round(clip.timestamps_s * 1e9).astype(np.int64)
    index = {track: i for i, track in enumerate(clip.tracks.track_ids)}
    entries = GOLDEN["entries"]
    assert len(entries) == 60
    rows = [index[entry["track_uuid"]] for entry in entries]
    frames = [np.flatnonzero(grid_ns == entry["timestamp_ns"])[0] for entry in entries]

    centers_m = clip.tracks.centers_m[rows, frames]
    expected_m = [entry["center_city_m"] for entry in entries]
    np.testing.assert_allclose(centers_m, expected_m, rtol=0, atol=1e-6)

    in_camera_m = geometry.transform_points(clip.camera_SE3_world[frames], centers_m[:, None])
    project = geometry.CAMERA_MODELS[clip.camera.model]
    pixels = project(in_camera_m[:, 0], clip.camera.intrinsics, clip.camera.distortion)
    expected_px = [entry["center_px"] for entry in entries]
    np.testing.assert_allclose(pixels, expected_px, rtol=0, atol=1e-6)


def test_the_devkit_version_is_recorded():
    assert GOLDEN["made_by"]["av2"] == "0.3.6"
