"""The pictures against the boxes: camera, renderer and annotations speak of one world."""

from __future__ import annotations

import dataclasses
import pickle
from functools import cache

import numpy as np
import pytest

from stkit_datasets import geometry
from stkit_datasets.simulation.canvas import angle, band, dashes
from stkit_datasets.simulation.render import Renderer
from stkit_datasets.simulation.scenes import TEMPLATES, Scene, build_scene, generator
from stkit_datasets.sources.simulation import Simulation


@pytest.fixture(scope="module")
def scene_of():
    """A function that returns a scene of a template, the same each time."""

    @cache
    def build(template: str) -> Scene:
        return build_scene(f"a-{template}", generator(5, template), 8.0, 640, 360, template)

    return build


def projected(scene: Scene, view_index: int) -> tuple[np.ndarray, np.ndarray]:
    """(N, T, 4) image boxes and (N, T, 8) corner depths of all bodies."""
    view = scene.views[view_index]
    sizes = np.broadcast_to(scene.sizes_lwh_m[:, None], scene.centers_m.shape)
    corners = geometry.box_corners_m(scene.centers_m, sizes, scene.rotations_wxyz)
    boxes = geometry.project_boxes(
        corners,
        view.camera_SE3_world,
        view.camera.intrinsics,
        view.camera.width_px,
        view.camera.height_px,
    ).boxes_px
    return boxes, geometry.transform_points(view.camera_SE3_world, corners)[..., 2]


@pytest.mark.parametrize("template", sorted(TEMPLATES))
def test_pixels_of_a_body_lie_in_its_projected_box(scene_of, template):
    scene = scene_of(template)
    checked = 0
    for view_index, view in enumerate(scene.views):
        boxes, depths = projected(scene, view_index)
        renderer = Renderer(scene, view_index)
        for frame in (0, len(renderer) // 2, len(renderer) - 1):
            picture = renderer.render(frame)
            assert view.mounted_on is None or not (picture.instance_ids == view.mounted_on).any()
            for body in np.unique(picture.instance_ids[picture.instance_ids >= 0]):
                rows, columns = np.nonzero(picture.instance_ids == body)
                x0, y0, x1, y1 = boxes[body, frame]
                assert columns.min() >= x0 - 1.5
                assert columns.max() + 1 <= x1 + 1.5
                assert rows.min() >= y0 - 1.5
                assert rows.max() + 1 <= y1 + 1.5
                seen = picture.depth_m[rows, columns]
                assert seen.min() >= depths[body, frame].min() - 0.02
                assert seen.max() <= depths[body, frame].max() + 0.02
                checked += 1
    assert checked >= 10


def alone(scene: Scene, body: int) -> Scene:
    """The scene with one body and nothing else on the ground."""
    keep = slice(body, body + 1)
    return dataclasses.replace(
        scene,
        props=(),
        bodies=scene.bodies[keep],
        centers_m=scene.centers_m[keep],
        headings_rad=scene.headings_rad[keep],
        distances_m=scene.distances_m[keep],
        views=tuple(view for view in scene.views if view.mounted_on is None),
    )


@pytest.mark.parametrize("template", ["junction", "court", "car_park"])
def test_a_body_alone_fills_its_projected_box(scene_of, template):
    scene = scene_of(template)
    checked = 0
    for body, thing in enumerate(scene.bodies):
        single = alone(scene, body)
        boxes, _ = projected(single, 0)
        inner = boxes[0] - [0, 0, 640, 360]
        whole = (boxes[0, :, :2] > 1).all(axis=1) & (inner[:, 2:] < -1).all(axis=1)
        big = np.flatnonzero(whole & (boxes[0, :, 3] - boxes[0, :, 1] > 25))
        if not len(big):
            continue
        frame = int(big[0])
        ids = Renderer(single, 0).render(frame).instance_ids
        rows, columns = np.nonzero(ids == 0)
        x0, y0, x1, y1 = boxes[0, frame]
        width = (columns.max() + 1 - columns.min()) / (x1 - x0)
        height = (rows.max() + 1 - rows.min()) / (y1 - y0)
        # A rider fills the box's middle; somebody from the side, legs together, is narrow.
        least = {"person": 0.3, "player": 0.3, "motorcycle": 0.5, "bicycle": 0.5}
        least_width = least.get(thing.model.mesh, 0.8)
        assert width > least_width, (thing.model.mesh, width)
        assert height > 0.75, (thing.model.mesh, height)
        checked += 1
    assert checked >= 5


def test_depth_of_the_ground_follows_from_the_camera_height(scene_of):
    scene = scene_of("junction")
    view = scene.views[0]
    picture = Renderer(scene, 0).render(0)
    world_SE3_camera = geometry.inverse(view.camera_SE3_world[0])
    k = view.camera.intrinsics
    checked = 0
    for row, column in ((340, 40), (330, 320), (250, 500), (200, 330)):
        if picture.instance_ids[row, column] >= 0:
            continue
        ray = [(column + 0.5 - k[0, 2]) / k[0, 0], (row + 0.5 - k[1, 2]) / k[1, 1], 1.0]
        point = world_SE3_camera[:3, :3] @ ray * picture.depth_m[row, column]
        height = point[2] + world_SE3_camera[2, 3]
        # Ground, or the wall or pole of some scenery above it.
        assert height > -1e-3
        checked += height < 1e-3
    assert checked >= 2


def test_sky_is_infinitely_far_and_holds_no_body(scene_of):
    scene = scene_of("court")
    picture = Renderer(scene, 0).render(0)
    sky = np.isinf(picture.depth_m)
    assert sky.any()
    assert (picture.instance_ids[sky] == -1).all()
    assert (picture.depth_m > 0).all()


def test_frames_follow_the_protocol_and_pickle(scene_of):
    clip = Simulation(None).clips("train", scene_of("court"))[0]
    frames = pickle.loads(pickle.dumps(clip.frames))  # noqa: S301
    assert len(frames) == len(frames.names) == clip.tracks.n_frames
    assert frames.names[3] == f"{clip.clip_id}/{clip.camera.name}#3"
    assert frames.size_px == (clip.camera.width_px, clip.camera.height_px)
    full = next(frames.read())
    assert (full.shape, full.dtype) == ((360, 640, 3), np.uint8)
    assert (full == next(clip.frames.read(None))).all()
    small = next(frames.read(181))
    assert small.shape == (180, 320, 3)
    shrunk = full.reshape(180, 2, 320, 2, 3).mean(axis=(1, 3))
    assert np.abs(small - shrunk).mean() < 6.0


def test_bodies_change_the_picture_and_the_ground_stays(scene_of):
    scene = scene_of("court")
    renderer = Renderer(scene, 0)
    first, later = renderer.render(0), renderer.render(10)
    nobody = (first.instance_ids < 0) & (later.instance_ids < 0)
    change = np.abs(first.rgb.astype(int) - later.rgb).max(axis=2)
    assert (change[nobody] == 0).mean() > 0.8
    assert (change[first.instance_ids != later.instance_ids] > 8).mean() > 0.7


@pytest.mark.parametrize(
    ("u", "width", "expected"),
    [(0.0, 0.1, 1.0), (1.0, 0.2, 0.5), (2.0, 0.5, 0.0), (0.0, 4.0, 0.5), (0.75, 1.0, 0.75)],
)
def test_band_is_the_share_of_the_pixel_inside(u, width, expected):
    got = band(np.array([[u]], np.float32), -1.0, 1.0, np.array([[width]], np.float32))
    assert got[0, 0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("u", "width", "expected"),
    [(0.5, 0.1, 1.0), (2.0, 0.1, 0.0), (1.0, 0.2, 0.5), (7.3, 6.0, 1 / 3)],
)
def test_dashes_are_the_share_of_the_pixel_on_dashes(u, width, expected):
    got = dashes(np.array([[u]], np.float32), 3.0, 1.0, np.array([[width]], np.float32))
    assert got[0, 0] == pytest.approx(expected, abs=1e-5)


def test_angle_is_atan2():
    turn = np.linspace(-3.1, 3.1, 200, dtype=np.float32)
    assert angle(np.sin(turn), np.cos(turn)) == pytest.approx(turn, abs=5e-5)
