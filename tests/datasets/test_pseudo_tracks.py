"""Lifting, gravity, the box model and the whole pipeline on exact and on degraded inputs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stkit_datasets.pseudo_labels.accuracy import distance_errors, joined
from stkit_datasets.pseudo_labels.box_model import headings_of, visible_offsets
from stkit_datasets.pseudo_labels.degrade import Degradation, degrade
from stkit_datasets.pseudo_labels.files import read_pseudo_labels, write_pseudo_labels
from stkit_datasets.pseudo_labels.gravity import estimate_up, rotation_to_z
from stkit_datasets.pseudo_labels.heights import fuse_heights
from stkit_datasets.pseudo_labels.interfaces import (
    Geometry,
    Segmentation,
    VideoClip,
    boxes_of,
    instance_map,
)
from stkit_datasets.pseudo_labels.lifting import barycentres, object_cells, surface_points
from stkit_datasets.pseudo_labels.pipeline import PipelineConfig, label_clip
from stkit_datasets.pseudo_labels.schema import LabelledVideo
from stkit_datasets.pseudo_labels.simulated import exact
from stkit_datasets.pseudo_labels.sizes import OTHER, SIZES, size_prior
from stkit_datasets.sources.simulation import Simulation

SIZE = 64, 48


def made(depths, instances, n=1, category="car", poses=None):
    """Geometry and segmentation of small maps; focal length 40 px, centre in the middle."""
    t = len(depths)
    matrix = np.array([[40.0, 0, 32], [0, 40, 24], [0, 0, 1]])
    poses = np.tile(np.eye(4), (t, 1, 1)) if poses is None else poses
    geometry = Geometry(
        depths=np.asarray(depths, dtype=np.float32),
        world_SE3_camera=poses,
        intrinsics=np.tile(matrix, (t, 1, 1)),
        width_px=SIZE[0],
        height_px=SIZE[1],
        is_metric=True,
    )
    instances = np.asarray(instances, dtype=np.int16)
    boxes = boxes_of(instances, n, *SIZE)
    sure = np.where(np.isfinite(boxes[..., 0]), 0.9, np.nan)
    segmentation = Segmentation(
        object_ids=tuple(f"{category}-{i}" for i in range(n)),
        categories=(category,) * n,
        instances=instances,
        boxes_px=boxes,
        box_confidences=sure,
        text_confidences=sure.copy(),
        width_px=SIZE[0],
        height_px=SIZE[1],
    )
    return geometry, segmentation


# --- lifting ---------------------------------------------------------------------------------


def patch(depth_m=10.0):
    """An object of 10 x 8 cells whose left column lies at the background's depth."""
    depths = np.full((1, 48, 64), 50.0)
    depths[0, 20:28, 31:40] = depth_m
    instances = np.full((1, 48, 64), -1)
    instances[0, 20:28, 30:40] = 0
    return made(depths, instances)


def test_barycentre_by_hand():
    geometry, segmentation = patch()
    cells = object_cells(geometry, segmentation)
    positions, emptied = barycentres(geometry, cells, 1)
    # x of a cell is (column + 0.5 - 32) / 40 * depth, one column of ten at 50 m.
    columns = np.arange(30, 40) + 0.5 - 32
    depths = np.array([50.0] + [10.0] * 9)
    expected = [(columns * depths).mean() / 40, 0.0, 14.0]
    np.testing.assert_allclose(positions.points_m[0, 0], expected, atol=1e-6)
    assert positions.counts[0, 0] == 80
    assert emptied == 0


def test_noise_is_left_out_of_the_barycentre():
    geometry, segmentation = patch()
    cells = object_cells(geometry, segmentation)
    positions, _ = barycentres(geometry, cells, 1, noise=lambda points: points[:, 2] > 20)
    assert positions.points_m[0, 0, 2] == pytest.approx(10.0)
    assert positions.counts[0, 0] == 72
    none, emptied = barycentres(geometry, cells, 1, noise=lambda points: points[:, 2] > 0)
    assert np.isnan(none.points_m).all()
    assert emptied == 1


def test_a_surface_point_is_not_pulled_by_the_outline():
    geometry, segmentation = patch()
    cells = object_cells(geometry, segmentation)
    positions = surface_points(geometry, cells, 1)
    assert positions.depths_m[0, 0] == pytest.approx(10.0)
    # The middle of the inner cells, columns 31 to 38: the lower median is 34.5.
    np.testing.assert_allclose(positions.points_m[0, 0, 0], (34.5 - 32) / 40 * 10, atol=1e-6)


def test_unknown_depth_leaves_no_position():
    geometry, segmentation = patch()
    geometry.depths[0, 20:28, 30:40] = [[np.nan, 0, -1, np.inf, np.nan] * 2] * 8
    cells = object_cells(geometry, segmentation)
    assert np.isnan(surface_points(geometry, cells, 1).points_m).all()
    assert np.isnan(barycentres(geometry, cells, 1)[0].points_m).all()


def test_maps_of_other_resolutions_cover_the_same_picture():
    geometry, segmentation = patch()
    coarse = replace(geometry, depths=geometry.depths[:, 1::2, 1::2].copy())
    cells = object_cells(coarse, segmentation)
    position = surface_points(coarse, cells, 1).points_m[0, 0]
    np.testing.assert_allclose(position[2], 10.0, atol=1e-6)


# --- maps ------------------------------------------------------------------------------------


def test_masks_that_overlap_are_told_apart():
    masks = np.zeros((2, 2, 3), dtype=bool)
    masks[0], masks[1, :, 2] = True, True
    assert instance_map(masks).tolist() == [[0, 0, 1], [0, 0, 1]]
    assert instance_map(masks, np.array([2.0, 1.0])).tolist() == [[0, 0, 0], [0, 0, 0]]


def test_boxes_are_in_pixels_of_the_whole_picture():
    instances = np.full((1, 4, 4), -1, dtype=np.int16)
    instances[0, 1:3, 2] = 0
    boxes = boxes_of(instances, 2, 40, 20)
    assert boxes[0, 0].tolist() == [20, 5, 30, 15]
    assert np.isnan(boxes[1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"world_SE3_camera": 2 * np.eye(4)[None]}, "pose 0 is not rigid"),
        ({"intrinsics": np.zeros((1, 3, 3))}, "positive focal lengths"),
        ({"depths": np.zeros((48, 64), dtype=np.float32)}, r"depths must be \(T, h, w\)"),
        ({"up": np.array([0.0, 0, 2])}, "unit vector"),
    ],
)
def test_wrong_geometry_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(patch()[0], **change)


def test_wrong_clips_are_refused():
    images = np.zeros((2, 4, 4, 3), dtype=np.uint8)
    with pytest.raises(ValueError, match="must increase"):
        VideoClip(images, np.array([1.0, 1.0]), 4, 4)


# --- gravity ---------------------------------------------------------------------------------


def level_road(tilt_deg):
    """A road 2 m below a camera that looks down by some degrees, in the camera's own axes."""
    tilt = np.radians(tilt_deg)
    rows = (np.arange(48) + 0.5 - 24) / 40
    down = rows * np.cos(tilt) + np.sin(tilt)
    depths = np.where(down > 0.01, 2.0 / np.maximum(down, 0.01), np.inf)
    return np.array([0, -np.cos(tilt), -np.sin(tilt)]), np.tile(depths[:, None], (3, 1, 64))


@pytest.mark.parametrize("tilt_deg", [0, 5, 15])
def test_up_is_that_of_the_road_and_not_of_the_camera(tilt_deg):
    up, depths = level_road(tilt_deg)
    geometry, _ = made(depths, np.full((3, 48, 64), -1))
    found = estimate_up(geometry)
    assert found.found_by == "ground"
    np.testing.assert_allclose(found.up, up, atol=0.01)


def test_without_ground_the_camera_is_level():
    rng = np.random.default_rng(0)
    geometry, _ = made(rng.uniform(2, 60, (3, 48, 64)), np.full((3, 48, 64), -1))
    found = estimate_up(geometry)
    assert found.found_by == "camera"
    np.testing.assert_allclose(found.up, [0, -1, 0])


def test_what_the_backend_knows_is_taken():
    geometry, _ = made(*[np.full((1, 48, 64), value) for value in (9.0, -1)])
    up = np.array([0.6, 0.0, 0.8])
    assert estimate_up(replace(geometry, up=up)).found_by == "backend"
    rotation = rotation_to_z(up)
    np.testing.assert_allclose(rotation @ up, [0, 0, 1], atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)


# --- box model -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toward", "heading", "expected"),
    [
        ([1, 0], [1, 0], [-2, 0]),  # comes straight on: its end is seen, l / 2 before the centre
        ([1, 0], [-1, 0], [-2, 0]),
        ([1, 0], [0, 1], [-0.5, 0]),  # goes across: its side is seen, w / 2 before the centre
        # At 45 degrees end and side fill the view as 1 to 4: a fifth of 2 m along, four fifths
        # of 0.5 m across.
        ([1, 0], [np.sqrt(0.5), np.sqrt(0.5)], None),
    ],
)
def test_offset_of_the_seen_surface_by_hand(toward, heading, expected):
    toward, heading = np.array([toward], float), np.array([heading], float)
    offset = visible_offsets(toward, heading, np.array([4.0]), np.array([1.0]))[0]
    if expected is None:
        along, across = heading[0], np.array([-heading[0, 1], heading[0, 0]])
        expected = -0.2 * 2 * along + 0.8 * 0.5 * across
    np.testing.assert_allclose(offset, expected, atol=1e-12)


def test_without_a_heading_the_offset_is_along_the_view():
    toward = np.array([[0.0, -1.0]])
    offset = visible_offsets(toward, np.full((1, 2), np.nan), np.array([4.0]), np.array([1.0]))[0]
    assert offset[0] == pytest.approx(0.0)
    assert 0.3 < offset[1] < 2.0


def test_what_stands_keeps_its_last_heading():
    times_s = 0.5 * np.arange(12)
    x = np.minimum(times_s, 2.0) * 5
    track = np.stack([x, 0 * x, 0 * x], axis=1)
    headings = headings_of(np.stack([track, 0 * track]), times_s)
    np.testing.assert_allclose(headings[0], np.tile([1.0, 0.0], (12, 1)))
    assert np.isnan(headings[1]).all()


def test_heights_tell_what_trembling_depths_do_not():
    rng = np.random.default_rng(0)
    true_m = np.linspace(20, 40, 30)
    measured = true_m * np.exp(rng.normal(0, 0.15, 30))
    tall = 700 * 1.7 / true_m
    boxes = np.stack([0 * tall + 100, 100 - tall, 0 * tall + 150, 0 * tall + 100], axis=1)
    found = fuse_heights(
        measured[None], boxes[None], np.full(30, 700.0), (640, 360), [SIZES["car"]], 0.05
    )
    error = np.log(found.depths_m[0] / true_m)
    assert error.std() < 0.05
    assert abs(error.mean()) < 0.06
    assert found.heights_m[0] == pytest.approx(1.7, rel=0.06)


def test_boxes_at_the_edge_say_nothing():
    measured = np.array([[20.0, 21.0, 22.0, 23.0, 24.0]])
    boxes = np.tile([100.0, 300.0, 150.0, 360.0], (1, 5, 1))
    found = fuse_heights(measured, boxes, np.full(5, 700.0), (640, 360), [SIZES["car"]], 0.05)
    np.testing.assert_allclose(found.depths_m, measured)


@pytest.mark.parametrize(
    ("category", "expected"),
    [("car", "car"), ("Delivery truck", "truck"), ("school_bus", "bus"), ("thing", None)],
)
def test_sizes_go_by_the_last_known_word(category, expected):
    assert size_prior(category) == (OTHER if expected is None else SIZES[expected])


# --- the whole pipeline ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def scene():
    """Four clips of simulated scenes: exact geometry, masks and truth."""
    source = Simulation(None, {"n_train_scenes": 6, "seed": 3, "duration_s": 8.0})
    out = []
    for unit in source.units("train")[:4]:
        played = source.scene("train", unit)
        clip = source.clips("train", played)[0]
        out.append((clip, *exact(played, 0, height_px=180, depth_stride=1)))
    return out


def label(clip, geometry, segmentation, metric=None, mode="default"):
    camera = clip.camera
    video = LabelledVideo(
        *(clip.clip_id, "v.mp4", camera.width_px, camera.height_px),
        *(2.0, 20.0, clip.domain),
    )
    config = PipelineConfig(mode=mode)
    return label_clip(video, clip.timestamps_s, geometry, segmentation, metric, config)


def errors_of(clip, labels):
    names = {name: name for name in labels.track_ids if name in clip.tracks.track_ids}
    return distance_errors(labels, clip, names)


def test_perfect_models_give_nearly_true_distances(scene):
    errors = joined([errors_of(clip, label(clip, *exact_)) for clip, *exact_ in scene])
    relative = errors.relative[errors.moving]
    assert len(relative) >= 6
    assert np.median(relative) < 0.1


def test_degraded_inputs_are_brought_back(scene):
    by_mode = {"default": [], "paper": [], "paper_unfiltered": []}
    for k, (clip, geometry, segmentation) in enumerate(scene):
        rng = np.random.default_rng(k)
        unscaled, metric, worse = degrade(geometry, segmentation, rng)
        for mode, found in by_mode.items():
            found.append(errors_of(clip, label(clip, unscaled, worse, metric, mode)))
    mean = {}
    for mode, found in by_mode.items():
        errors = joined(found)
        mean[mode] = errors.relative[errors.moving].mean()
    assert mean["paper_unfiltered"] > 0.5
    assert mean["default"] < 0.25
    assert mean["default"] < mean["paper"]


def test_labels_survive_their_file(scene, tmp_path):
    clip, geometry, segmentation = scene[0]
    labels = label(clip, geometry, segmentation)
    assert len(labels)
    path = tmp_path / "v.parquet"
    write_pseudo_labels(path, labels)
    again = read_pseudo_labels(path)
    np.testing.assert_array_equal(again.centers_m, labels.centers_m)
    assert again.making.settings["mode"] == "default"
    assert again.making.filters_passed == ("rules",)


def test_the_same_input_gives_the_same_labels(scene):
    clip, geometry, segmentation = scene[1]
    first, second = (label(clip, geometry, segmentation) for _ in range(2))
    np.testing.assert_array_equal(first.centers_m, second.centers_m)


@pytest.mark.parametrize("mode", ["default", "paper", "paper_unfiltered"])
@pytest.mark.parametrize("n_frames", [1, 2, 3])
def test_short_clips_and_clips_without_objects_are_no_error(mode, n_frames):
    depths = np.full((n_frames, 48, 64), 20.0)
    instances = np.full((n_frames, 48, 64), -1)
    for with_object in (False, True):
        instances[:, 20:30, 20:40] = 0 if with_object else -1
        geometry, segmentation = made(depths, instances)
        video = LabelledVideo("v", "v.mp4", *SIZE, 2.0, 1.0, "general")
        times_s = 0.5 * np.arange(n_frames)
        labels = label_clip(
            video, times_s, geometry, segmentation, config=PipelineConfig(mode=mode)
        )
        assert len(labels.frame_timestamps_s) == n_frames


def test_parts_of_different_clips_are_refused():
    geometry, segmentation = patch()
    video = LabelledVideo("v", "v.mp4", *SIZE, 2.0, 1.0, "general")
    with pytest.raises(ValueError, match="v: 2 times, geometry of 1 frames"):
        label_clip(video, np.array([0.0, 0.5]), geometry, segmentation)
    with pytest.raises(ValueError, match="the video is 48x64, the geometry are of 64x48"):
        label_clip(replace(video, width_px=48, height_px=64), np.zeros(1), geometry, segmentation)


def test_degrading_nothing_leaves_the_scale_alone(scene):
    clip, geometry, segmentation = scene[2]
    none = {name: 0 for name in vars(Degradation()) if name not in ("unit", "metric_every_s")}
    how = Degradation(**none)
    unscaled, metric, same = degrade(geometry, segmentation, np.random.default_rng(0), how)
    np.testing.assert_array_equal(same.instances, segmentation.instances)
    labels = label(clip, unscaled, same, metric)
    exact_ = label(clip, geometry, segmentation)
    shared = sorted(set(labels.track_ids) & set(exact_.track_ids))
    assert shared
    assert labels.making.settings["scale_fit_sigma"] < 0.02
