"""Lifting and scale on real calibration, ego motion, boxes and metric depth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from kitti_frames import PERIOD_S, camera_poses, perfect_models

from stkit_datasets import geometry as rigid
from stkit_datasets.pseudo_labels.gravity import estimate_up
from stkit_datasets.pseudo_labels.interfaces import Geometry, MetricDepth
from stkit_datasets.pseudo_labels.lifting import object_cells, surface_points
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.scale import ScaleConfig, fit_scale
from stkit_datasets.pseudo_labels.schema import LabelledVideo

PICTURES = [0, 1, 10, 15, 20]
FRAMES = [(PICTURES, 6), (list(range(0, 100, 5)), 15)]
"""Frames, and how many whole objects they show at least."""


@pytest.fixture(scope="module")
def kitti(shared_data):
    image = pytest.importorskip("PIL.Image")
    folder = shared_data("kitti_tracking/training")
    sizes = {
        image.open(folder / "image_02" / "0001" / f"{frame:06d}.png").size for frame in PICTURES
    }
    assert len(sizes) == 1
    return folder, sizes.pop()


def true_centers(frames, segmentation, boxes):
    """(N, T, 3) centres in the camera and sizes of objects that are whole; else NaN."""
    out = np.full((len(segmentation), len(frames), 3), np.nan)
    sizes = np.full(out.shape, np.nan)
    for k, frame in enumerate(frames):
        for box in boxes[frame]:
            i = segmentation.object_ids.index(box.track)
            if not (box.truncated or box.occluded):
                out[i, k], sizes[i, k] = box.center_m, box.size_lwh_m
    return out, sizes


@pytest.mark.parametrize(("frames", "at_least"), FRAMES, ids=["pictures", "10s"])
def test_masks_of_boxes_are_lifted_onto_the_objects(kitti, frames, at_least):
    geometry, segmentation, boxes = perfect_models(kitti[0], "0001", frames, kitti[1])
    cells = object_cells(geometry, segmentation)
    points = surface_points(geometry, cells, len(segmentation)).points_m
    camera_SE3_world = rigid.inverse(geometry.world_SE3_camera)
    in_camera = rigid.transform_points(camera_SE3_world, np.swapaxes(points, 0, 1)).swapaxes(0, 1)
    truth, sizes = true_centers(frames, segmentation, boxes)
    off = np.linalg.norm(in_camera - truth, axis=2)
    known = np.isfinite(truth[..., 0])
    assert known.sum() >= at_least
    assert (off[known] < sizes.max(axis=2)[known]).all()


def test_tracks_meet_the_true_centres(kitti):
    frames = list(range(0, 100, 5))
    geometry, segmentation, boxes = perfect_models(kitti[0], "0001", frames, kitti[1])
    times_s = PERIOD_S * np.array(frames)
    video = LabelledVideo("0001", "0001.mp4", *kitti[1], 10.0, 44.7, "driving")
    labels = label_clip(video, times_s, geometry, segmentation, config=PipelineConfig())
    assert labels.making.settings["up_found_by"] == "ground"
    truth, sizes = true_centers(frames, segmentation, boxes)
    rows = np.searchsorted(times_s, labels.timestamps_s)
    objects = np.array([segmentation.object_ids.index(name) for name in labels.track_ids])
    camera_SE3_world = rigid.inverse(labels.world_SE3_camera)[rows]
    in_camera = rigid.transform_points(camera_SE3_world, labels.centers_m[:, None])[:, 0]
    off = np.linalg.norm(in_camera - truth[objects[labels.track_index], rows], axis=1)
    known = np.isfinite(off)
    assert known.sum() >= 12
    longest = sizes[objects[labels.track_index], rows].max(axis=1)
    assert (off[known] < longest[known]).all()
    assert np.median(off[known]) < 0.8


def test_up_is_found_on_the_road(kitti):
    geometry, segmentation, _ = perfect_models(kitti[0], "0001", PICTURES, kitti[1])
    up = estimate_up(geometry, segmentation.instances >= 0)
    assert up.found_by == "ground"
    # The stand-in road is level for the camera; by its inertial unit the car leans by four degrees.
    camera_up = -geometry.world_SE3_camera[:, :3, 1].mean(axis=0)
    assert up.up @ camera_up > np.cos(np.radians(1.0))
    assert np.degrees(np.arccos(up.up[2])) < 5.0


def test_ego_motion_is_that_of_the_velocities(kitti):
    poses, _, _ = camera_poses(kitti[0], "0001")
    oxts = np.loadtxt(kitti[0] / "oxts" / "0001.txt")
    steps_m = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    speeds_mps = np.linalg.norm(oxts[:-1, 8:11], axis=1)
    assert np.median(steps_m / (speeds_mps * PERIOD_S)) == pytest.approx(1.0, abs=0.02)


# --- scale -----------------------------------------------------------------------------------


def metric_frames(folder, name):
    image = pytest.importorskip("PIL.Image")
    files = json.loads((folder / name / "test_annotations.json").read_text())["files"]
    depths = [
        np.asarray(image.open(folder.parent / file["depth"])) / file["depth_scale"]
        for file in files
    ]
    fx, fy, cx, cy = files[0]["cam_in"]
    return np.stack(depths).astype(np.float32), np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


@pytest.mark.parametrize("name", ["kitti_demo", "nyu_demo"])
@pytest.mark.parametrize("method", ["robust", "median"])
def test_scale_of_real_depth_is_found(shared_data, name, method):
    depths_m, matrix = metric_frames(shared_data("metric3d_demo/data"), name)
    true_scale, noise = 3.7, 0.1
    rng = np.random.default_rng(0)
    wrong = depths_m / true_scale * np.exp(rng.normal(0, noise, depths_m.shape))
    # A tenth of the cells is three times too far, as behind glass.
    wrong = np.where(rng.random(wrong.shape) < 0.1, 3 * wrong, wrong)
    t, h, w = depths_m.shape
    geometry = Geometry(
        depths=wrong.astype(np.float32),
        world_SE3_camera=np.tile(np.eye(4), (t, 1, 1)),
        intrinsics=np.tile(matrix, (t, 1, 1)),
        width_px=w,
        height_px=h,
    )
    config = ScaleConfig(method=method, metric_sigma=0.0)
    fit = fit_scale(geometry, MetricDepth(np.arange(t), depths_m), np.arange(t) / 2, config=config)
    # Of outliers on one side some pull stays: of a tenth of them 1.4 % on the median.
    assert fit.scale == pytest.approx(true_scale, rel=0.03)
    if method == "robust":
        assert fit.cell_spread == pytest.approx(noise, rel=0.5)
