"""Pictures of a scene: colour, depth and the body in every pixel, from the exact world."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.backdrop import Backdrop, facade_windows
from stkit_datasets.simulation.light import haze_share, light_of
from stkit_datasets.simulation.raster import Buffer, Lens, fill
from stkit_datasets.simulation.scenes import Scene
from stkit_datasets.simulation.solids import Bodies, Faces, joined, prop_faces
from stkit_datasets.video.pictures import rgb_to_planes, scaled_size

UInt8Array = NDArray[np.uint8]
Plane = NDArray[np.float32]

_SAMPLES = 2


class Rendering(NamedTuple):
    """One frame.

    Attributes:
        rgb: (H, W, 3) uint8.
        depth_m: (H, W) along the optical axis at the pixel's middle; inf in the sky.
        instance_ids: (H, W) index of the body seen at the pixel's middle, -1 where none is.
    """

    rgb: UInt8Array
    depth_m: Plane
    instance_ids: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Layer:
    """What does not change as long as the camera stays."""

    backdrop: Backdrop
    faces: Faces
    fine: Buffer
    planes: NDArray[np.float64]


class Renderer:
    """Draws one camera of a scene.

    Args:
        scene: the scene.
        view: index of the camera.
        height_px: pictures are at most this high; None for the camera's own size.
    """

    def __init__(self, scene: Scene, view: int, height_px: int | None = None) -> None:
        self._scene = scene
        self._view = scene.views[view]
        camera = self._view.camera
        self.size_px = scaled_size((camera.width_px, camera.height_px), height_px)
        self._light = light_of(scene.name)
        self._props = prop_faces(scene.props)
        self._bodies = Bodies(scene)
        self._still: _Layer | None = None

    def __len__(self) -> int:
        return int(self._scene.centers_m.shape[1])

    def render(self, frame: int) -> Rendering:
        """Draw a frame with its depth and its bodies."""
        lens = self._lens(frame, 1)
        faces = joined([self._props, self._bodies.at(frame, self._view.mounted_on)])
        buffer = Buffer(lens.height_px, lens.width_px)
        fill(buffer, lens, faces.vertices_m, faces.corners, faces.decals)
        backdrop = self._layer(frame).backdrop
        seen = buffer.face >= 0
        depth = np.divide(1.0, buffer.inverse_depth, where=seen, out=backdrop.depth_m.copy())
        ids = np.where(seen, np.append(faces.owners, np.int32(-1))[buffer.face], -1)
        return Rendering(self.rgb(frame), depth, ids.astype(np.int32))

    def render_depth(self, frame: int) -> Plane:
        """Return (H, W) depth in metres along the optical axis; inf in the sky."""
        return self.render(frame).depth_m

    def rgb(self, frame: int) -> UInt8Array:
        """Draw a frame's (H, W, 3) colour alone, which is faster."""
        layer = self._layer(frame)
        lens = self._lens(frame, _SAMPLES)
        moving = self._bodies.at(frame, self._view.mounted_on)
        buffer = layer.fine.copy()
        n_still = len(layer.faces)
        planes = fill(
            buffer, lens, moving.vertices_m, moving.corners, moving.decals, first_index=n_still
        )
        color = np.concatenate([self._lit(layer.faces, lens), self._lit(moving, lens)])
        planes = np.concatenate([layer.planes, planes])
        facades = np.concatenate([layer.faces.facades, moving.facades])
        ground = layer.backdrop.with_shadows(
            self._scene, frame, self._lens(frame, 1), self._light, self._view.mounted_on
        )
        return self._compose(ground, buffer, color, planes, facades, lens)

    def _lens(self, frame: int, samples: int) -> Lens:
        camera = self._view.camera
        pose = self._view.camera_SE3_world[frame]
        width, height = self.size_px
        native = Lens(
            pose[:3, :3],
            pose[:3, 3],
            camera.intrinsics[[0, 1], [0, 1]],
            camera.intrinsics[:2, 2],
            camera.width_px,
            camera.height_px,
        )
        return native.resized(samples * width, samples * height)

    def _layer(self, frame: int) -> _Layer:
        if self._still is not None:
            return self._still
        lens, fine_lens = self._lens(frame, 1), self._lens(frame, _SAMPLES)
        fine = Buffer(fine_lens.height_px, fine_lens.width_px)
        faces = self._props
        planes = fill(fine, fine_lens, faces.vertices_m, faces.corners, faces.decals)
        backdrop = Backdrop.seen(self._scene, lens, self._light)
        layer = _Layer(backdrop, faces, fine, planes)
        if self._view.mounted_on is None:
            self._still = layer
        return layer

    def _lit(self, faces: Faces, lens: Lens) -> Plane:
        """(F, 3) colours under the sun, through the haze."""
        quads = faces.vertices_m[faces.corners[:, :3]]
        normals = np.cross(quads[:, 1] - quads[:, 0], quads[:, 2] - quads[:, 0])
        size = np.sqrt((normals * normals).sum(axis=1, keepdims=True))
        normals /= np.maximum(size, 1e-12)
        shade = np.where(faces.glossy[:, None], 1.0, self._light.shade(normals))
        away = quads.mean(axis=1) - lens.position_m
        haze = haze_share(np.sqrt((away * away).sum(axis=1)))[:, None]
        lit = faces.colors * shade * (1 - haze) + np.asarray(self._light.horizon) * haze
        return np.asarray(lit.astype(np.float32))

    def _compose(
        self,
        ground: Plane,
        buffer: Buffer,
        color: Plane,
        planes: NDArray[np.float64],
        facades: NDArray[np.bool_],
        lens: Lens,
    ) -> UInt8Array:
        """Average the samples of each pixel over the ground and the sky."""
        quarters = [buffer.face[i::2, j::2].ravel() for i in (0, 1) for j in (0, 1)]
        covered = (quarters[0] >= 0) | (quarters[1] >= 0) | (quarters[2] >= 0) | (quarters[3] >= 0)
        pixels = np.flatnonzero(covered)
        samples = [quarter[pixels] for quarter in quarters]
        same = (samples[0] == samples[1]) & (samples[0] == samples[2]) & (samples[0] == samples[3])
        rgb = ground.reshape(-1, 3)
        inner = pixels[same]
        rgb[inner] = color[samples[0][same]]
        outer = pixels[~same]
        table = np.concatenate([color, np.zeros((1, 3), dtype=np.float32)])
        mixed = np.zeros((len(outer), 3), dtype=np.float32)
        open_share = np.zeros(len(outer), dtype=np.float32)
        for sample in samples:
            index = sample[~same]
            mixed += table[index]
            open_share += index < 0
        rgb[outer] = (mixed + open_share[:, None] * rgb[outer]) * np.float32(0.25)
        walls = np.append(facades, False)[samples[0]]
        facade_windows(rgb, pixels[walls], samples[0][walls], planes, lens, ground.shape[1])
        return (
            (np.clip(rgb, 0.0, 1.0) * np.float32(255) + np.float32(0.5))
            .astype(np.uint8)
            .reshape(ground.shape)
        )


class RenderedFrames:
    """The pictures of one camera of a scene, drawn each time they are read.

    Args:
        scene: the scene.
        view: index of its camera.
    """

    def __init__(self, scene: Scene, view: int) -> None:
        self._scene, self._view = scene, view
        camera = scene.views[view].camera
        self._names = tuple(
            f"{scene.name}/{camera.name}#{frame}" for frame in range(scene.centers_m.shape[1])
        )

    @property
    def names(self) -> tuple[str, ...]:
        """``scene/camera#frame`` for each frame."""
        return self._names

    @property
    def size_px(self) -> tuple[int, int]:
        """(width, height) of the camera."""
        camera = self._scene.views[self._view].camera
        return camera.width_px, camera.height_px

    def __len__(self) -> int:
        return len(self._names)

    def read(self, height_px: int | None = None) -> Iterator[UInt8Array]:
        """Draw every frame in order as (H, W, 3) RGB, at most ``height_px`` high, of even size."""
        renderer = self.renderer(height_px)
        for frame in range(len(self)):
            yield renderer.rgb(frame)

    def read_planes(self, height_px: int | None = None) -> Iterator[UInt8Array]:
        """Draw every frame as (3 H / 2, W) YUV 4:2:0 planes; needs PyAV."""
        for picture in self.read(height_px):
            yield rgb_to_planes(picture)

    def renderer(self, height_px: int | None = None) -> Renderer:
        """Return what draws the frames, also their depth and bodies."""
        return Renderer(self._scene, self._view, height_px)
