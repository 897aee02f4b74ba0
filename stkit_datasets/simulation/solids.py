"""All faces of a scene as arrays: what is in the picture beside ground and sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.simulation.catalog import Body
from stkit_datasets.simulation.drafts import Prop
from stkit_datasets.simulation.mesh_builder import CORNERS, Mesh
from stkit_datasets.simulation.meshes import mesh
from stkit_datasets.simulation.scenes import Scene

FloatArray = NDArray[np.float64]
Color = tuple[float, float, float]

_STRIDE_M = {"person": 1.4, "player": 2.2}

_ROLES: dict[str, Color] = {
    "glass": (0.13, 0.17, 0.22),
    "dark": (0.09, 0.09, 0.10),
    "tyre": (0.06, 0.06, 0.065),
    "rim": (0.52, 0.53, 0.55),
    "head": (1.0, 0.97, 0.82),
    "tail": (0.80, 0.06, 0.05),
    "plate": (0.88, 0.88, 0.82),
    "cargo": (0.82, 0.82, 0.80),
    "stripe": (0.93, 0.93, 0.90),
    "sign": (0.95, 0.65, 0.15),
    "helmet": (0.14, 0.14, 0.16),
    "jacket": (0.20, 0.21, 0.25),
    "shoe": (0.10, 0.09, 0.09),
    "number": (0.96, 0.96, 0.96),
    "trunk": (0.33, 0.24, 0.17),
    "roof": (0.42, 0.40, 0.38),
    "seats": (0.24, 0.34, 0.55),
}
_SKINS = ((0.87, 0.68, 0.55), (0.74, 0.54, 0.40), (0.50, 0.34, 0.25), (0.36, 0.24, 0.18))
_HAIR = ((0.12, 0.09, 0.07), (0.30, 0.20, 0.12), (0.55, 0.44, 0.28), (0.42, 0.40, 0.38))


def _color(role: str, paint: Color, accent: Color, index: int) -> Color:
    if role in ("paint", "facade", "leaf"):
        return paint
    if role == "trousers":
        return accent
    if role == "skin":
        return _SKINS[(index * 7 + 1) % len(_SKINS)]
    if role == "hair":
        return _HAIR[(index * 5 + 2) % len(_HAIR)]
    return _ROLES[role]


@dataclass(frozen=True, eq=False)
class Faces:
    """F convex faces at one time, in the world.

    Attributes:
        vertices_m: (V, 3).
        corners: (F, 8) vertex indices.
        colors: (F, 3) sRGB before light.
        owners: (F,) body index, -1 for scenery.
        decals: (F,) lies on another face.
        facades: (F,) has windows.
        glossy: (F,) shows the same colour from every side.
    """

    vertices_m: FloatArray
    corners: NDArray[np.intp]
    colors: FloatArray
    owners: NDArray[np.int32]
    decals: NDArray[np.bool_]
    facades: NDArray[np.bool_]
    glossy: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.corners)


def joined(parts: Sequence[Faces]) -> Faces:
    """Return the faces of all parts as one."""
    first = np.cumsum([0] + [len(part.vertices_m) for part in parts])
    return Faces(
        np.concatenate([part.vertices_m for part in parts]),
        np.concatenate([part.corners + n for part, n in zip(parts, first, strict=False)]),
        np.concatenate([part.colors for part in parts]),
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.decals for part in parts]),
        np.concatenate([part.facades for part in parts]),
        np.concatenate([part.glossy for part in parts]),
    )


def _faces(
    shape: Mesh, vertices_m: FloatArray, paint: Color, accent: Color, owner: int, look: int
) -> Faces:
    roles = np.array(shape.roles)
    return Faces(
        vertices_m=vertices_m,
        corners=shape.faces,
        colors=np.array([_color(role, paint, accent, look) for role in shape.roles]),
        owners=np.full(len(roles), owner, dtype=np.int32),
        decals=shape.decals,
        facades=roles == "facade",
        glossy=np.isin(roles, ("head", "tail", "sign")),
    )


def _empty() -> Faces:
    return Faces(
        np.zeros((0, 3)),
        np.zeros((0, CORNERS), dtype=np.intp),
        np.zeros((0, 3)),
        np.zeros(0, dtype=np.int32),
        *(np.zeros(0, dtype=bool) for _ in range(3)),
    )


def _turned(local_m: FloatArray, heading_rad: float) -> FloatArray:
    cos, sin = np.cos(heading_rad), np.sin(heading_rad)
    x, y, z = local_m.T
    return np.stack([x * cos - y * sin, x * sin + y * cos, z], axis=1)


def prop_faces(props: Sequence[Prop]) -> Faces:
    """Return the faces of the scenery."""
    parts = []
    for index, prop in enumerate(props):
        shape = mesh(prop.kind)
        local = shape.vertices * np.asarray(prop.size_lwh_m)
        world = _turned(local, prop.heading_rad) + np.array([*prop.center_m, prop.base_m])
        parts.append(_faces(shape, world, prop.color, prop.color, -1, index))
    return joined(parts) if parts else _empty()


class Bodies:
    """The faces of the bodies of a scene, to be placed at each time."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        parts = [
            _faces(shape, shape.vertices * body.size_lwh_m, body.color, body.accent, i, i)
            for i, body in enumerate(scene.bodies)
            if (shape := mesh(body.model.mesh))
        ]
        self._faces = joined(parts) if parts else _empty()
        shapes = [mesh(body.model.mesh) for body in scene.bodies]
        counts = [len(shape.vertices) for shape in shapes]
        self._body = np.repeat(np.arange(len(shapes)), counts)
        lengths = [body.size_lwh_m[0] for body in scene.bodies]
        swings = [shape.swings * n for shape, n in zip(shapes, lengths, strict=True)]
        self._swings = np.concatenate(swings) if swings else np.zeros(0)
        self._strides = np.array([_stride(body) for body in scene.bodies])

    def at(self, frame: int, without: int | None) -> Faces:
        """Place the bodies at a grid frame, leaving one out (the camera's own)."""
        scene, faces = self._scene, self._faces
        # A triangle wave of the distance walked: legs stand together twice a stride.
        turns = scene.distances_m[:, frame] / self._strides + 0.25
        wave = 4 * np.abs(turns - np.floor(turns) - 0.5) - 1
        local = faces.vertices_m
        x = local[:, 0] + self._swings * wave[self._body]
        heading = scene.headings_rad[:, frame]
        cos, sin = np.cos(heading)[self._body], np.sin(heading)[self._body]
        center = scene.centers_m[self._body, frame]
        world = np.stack(
            [
                center[:, 0] + x * cos - local[:, 1] * sin,
                center[:, 1] + x * sin + local[:, 1] * cos,
                local[:, 2],
            ],
            axis=1,
        )
        keep = np.ones(len(faces), dtype=bool) if without is None else faces.owners != without
        return Faces(
            world,
            faces.corners[keep],
            faces.colors[keep],
            faces.owners[keep],
            faces.decals[keep],
            faces.facades[keep],
            faces.glossy[keep],
        )


def _stride(body: Body) -> float:
    return _STRIDE_M.get(body.model.mesh, 1.0)
