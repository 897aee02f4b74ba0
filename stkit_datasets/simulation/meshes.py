"""The shapes of bodies and scenery, in unit boxes: x and y from -0.5 to 0.5, z from 0 to 1."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

from stkit_datasets.simulation.mesh_builder import Builder, Mesh


def _lights(out: Builder, low: float, high: float) -> None:
    out.panel(0.5, (0.26, 0.46), (low, high), "head")
    out.panel(-0.5, (0.28, 0.47), (low + 0.04, high + 0.06), "tail")
    out.panel(-0.5, (-0.12, 0.12), (low, high - 0.02), "plate")


def _passenger(
    out: Builder,
    shoulder: float,
    cabin: tuple[float, float],
    roof: tuple[float, float],
    wheel: float,
) -> None:
    """A body with bonnet and cabin; ``cabin`` and ``roof`` are its ends along x."""
    out.block((-0.45, 0.45), (-0.44, 0.44), (0.08, 0.24), "dark")
    out.block((-0.5, 0.5), (-0.49, 0.49), (0.17, shoulder), "paint", (-0.495, 0.47), (-0.46, 0.46))
    first = len(out.faces)
    out.block(cabin, (-0.45, 0.45), (shoulder, 1.0), "paint", roof, (-0.36, 0.36))
    for indices in [face[:4] for face in out.faces[first : first + 4]]:
        out.inset([out.points[i] for i in indices], "glass", 0.84)
    out.wheels((-0.3, 0.31), 0.072, wheel)
    _lights(out, 0.36, 0.46)
    out.panel(0.5, (-0.22, 0.22), (0.24, 0.36), "dark")


def _car(out: Builder) -> None:
    _passenger(out, 0.58, (-0.44, 0.24), (-0.32, 0.08), 0.44)


def _suv(out: Builder) -> None:
    _passenger(out, 0.58, (-0.49, 0.27), (-0.44, 0.14), 0.42)


def _van(out: Builder) -> None:
    out.block((-0.46, 0.46), (-0.44, 0.44), (0.06, 0.2), "dark")
    out.block((-0.5, 0.5), (-0.49, 0.49), (0.13, 0.48), "paint", (-0.5, 0.47))
    first = len(out.faces)
    out.block((-0.5, 0.42), (-0.49, 0.49), (0.48, 1.0), "paint", (-0.5, 0.26), (-0.45, 0.45))
    out.inset([out.points[i] for i in out.faces[first + 1][:4]], "glass", 0.85)
    for y, order in ((-0.485, 1), (0.485, -1)):
        window = [(0.06, y, 0.56), (0.36, y, 0.56), (0.26, y * 0.96, 0.84), (0.06, y * 0.96, 0.84)]
        out.face(window[::order], "glass", decal=True)
    out.panel(-0.5, (-0.36, 0.36), (0.6, 0.86), "glass")
    out.wheels((-0.3, 0.32), 0.068, 0.3)
    _lights(out, 0.28, 0.37)


def _truck(out: Builder) -> None:
    out.block((-0.48, 0.46), (-0.36, 0.36), (0.12, 0.24), "dark")
    out.block((-0.5, 0.22), (-0.5, 0.5), (0.24, 1.0), "cargo")
    first = len(out.faces)
    out.block((0.25, 0.5), (-0.47, 0.47), (0.13, 0.8), "paint", (0.25, 0.46))
    front = [out.points[i] for i in out.faces[first + 1][:4]]
    upper = [(0.484, front[0][1] * 0.9, 0.45), (0.484, front[1][1] * 0.9, 0.45)]
    upper += [(0.465, front[1][1] * 0.9, 0.75), (0.465, front[0][1] * 0.9, 0.75)]
    out.face(upper, "glass", decal=True)
    for y, order in ((-0.475, 1), (0.475, -1)):
        window = [(0.3, y, 0.46), (0.44, y, 0.46), (0.42, y, 0.72), (0.3, y, 0.72)]
        out.face(window[::order], "glass", decal=True)
    out.side_panels((-0.47, 0.19), (0.55, 0.66), "paint")
    out.wheels((-0.34, -0.2, 0.36), 0.062, 0.3)
    out.panel(0.5, (0.28, 0.44), (0.2, 0.27), "head")
    out.panel(-0.5, (0.34, 0.48), (0.26, 0.31), "tail")


def _bus(out: Builder) -> None:
    out.block((-0.49, 0.49), (-0.46, 0.46), (0.05, 0.14), "dark")
    out.block((-0.5, 0.5), (-0.49, 0.49), (0.11, 1.0), "paint")
    for k in range(6):
        left = -0.47 + 0.158 * k
        out.side_panels((left, left + 0.14), (0.48, 0.84), "glass")
    out.side_panels((-0.5, 0.5), (0.3, 0.36), "stripe")
    out.panel(0.5, (-0.44, 0.44), (0.42, 0.84), "glass")
    out.panel(0.5, (-0.3, 0.3), (0.88, 0.96), "sign")
    out.panel(-0.5, (-0.36, 0.36), (0.55, 0.82), "glass")
    out.wheels((-0.27, 0.33), 0.043, 0.31)
    out.panel(0.5, (0.3, 0.45), (0.2, 0.27), "head")
    out.panel(-0.5, (0.32, 0.46), (0.22, 0.32), "tail")


def _rider(out: Builder, seat: float, x: float, role: str) -> None:
    for side in (-1, 1):
        y = (0.14, 0.34) if side > 0 else (-0.34, -0.14)
        out.block((x - 0.05, x + 0.12), y, (0.16, seat), "trousers", (x - 0.09, x + 0.09))
        arm = (0.34, 0.5) if side > 0 else (-0.5, -0.34)
        out.block((x + 0.08, x + 0.3), arm, (seat + 0.08, 0.8), role, (x - 0.04, x + 0.08))
    out.block((x - 0.1, x + 0.08), (-0.34, 0.34), (seat, 0.84), role, (x - 0.02, x + 0.12))
    out.block((x, x + 0.14), (-0.19, 0.19), (0.84, 1.0), "helmet")


def _two_wheels(out: Builder, wheel: float, thick: float, frame: str) -> None:
    for x in (-0.5 + wheel / 2, 0.5 - wheel / 2):
        ring_x, size_z = wheel / 2, 1.05 * wheel
        out.block(
            (x - 0.3 * ring_x, x + 0.3 * ring_x), (-thick, thick), (0.0, 0.9 * size_z), "tyre"
        )
        out.wheel(x, ring_x, size_z, -thick)
        out.wheel(x, ring_x, size_z, thick)
    out.block((-0.3, 0.3), (-thick, thick), (0.24, 0.4), frame, (-0.3, 0.26))
    out.block((0.18, 0.26), (-0.4, 0.4), (0.56, 0.62), "dark")


def _motorcycle(out: Builder) -> None:
    _two_wheels(out, 0.32, 0.14, "paint")
    out.block((-0.36, 0.24), (-0.22, 0.22), (0.3, 0.52), "paint", (-0.4, 0.12))
    out.panel(0.3, (-0.12, 0.12), (0.42, 0.52), "head")
    _rider(out, 0.48, -0.12, "jacket")


def _bicycle(out: Builder) -> None:
    _two_wheels(out, 0.38, 0.06, "dark")
    _rider(out, 0.5, -0.12, "paint")


def _person(out: Builder, player: bool = False) -> None:
    for side in (-1, 1):
        y = (0.03, 0.3) if side > 0 else (-0.3, -0.03)
        lower = "skin" if player else "trousers"
        out.block((-0.13, 0.16), y, (0.0, 0.05), "shoe", swing=(0.32 * side, 0.3 * side))
        out.block((-0.14, 0.14), y, (0.05, 0.26), lower, swing=(0.3 * side, 0.15 * side))
        out.block((-0.15, 0.15), y, (0.26, 0.5), "trousers", swing=(0.15 * side, 0.0))
        arm = (0.33, 0.5) if side > 0 else (-0.5, -0.33)
        out.block((-0.1, 0.1), arm, (0.4, 0.62), "skin", swing=(-0.3 * side, -0.14 * side))
        out.block((-0.11, 0.11), arm, (0.62, 0.81), "paint", swing=(-0.14 * side, 0.0))
    out.block((-0.17, 0.17), (-0.33, 0.33), (0.48, 0.82), "paint", (-0.16, 0.16), (-0.36, 0.36))
    if player:
        out.panel(-0.172, (-0.14, 0.14), (0.6, 0.76), "number")
    out.block((-0.15, 0.17), (-0.17, 0.17), (0.83, 0.95), "skin")
    out.block((-0.17, 0.16), (-0.19, 0.19), (0.93, 1.0), "hair", (-0.13, 0.12), (-0.14, 0.14))


def _player(out: Builder) -> None:
    _person(out, player=True)


def _whole(role: str, top: str | None = None) -> Callable[[Builder], None]:
    def build(out: Builder) -> None:
        out.block((-0.5, 0.5), (-0.5, 0.5), (0.0, 1.0), role, top=top)

    return build


def _tree(out: Builder) -> None:
    out.block((-0.05, 0.05), (-0.05, 0.05), (0.0, 0.45), "trunk")
    around = [(1.0, 0.0), (0.5, 0.866), (-0.5, 0.866), (-1.0, 0.0), (-0.5, -0.866), (0.5, -0.866)]
    rings = ((0.27, 0.3), (0.5, 0.5), (0.78, 0.4), (1.0, 0.14))
    for (z0, r0), (z1, r1) in pairwise(rings):
        for (x0, y0), (x1, y1) in zip(around, around[1:] + around[:1], strict=True):
            corners = [(x0 * r0, y0 * r0, z0), (x1 * r0, y1 * r0, z0)]
            out.face([*corners, (x1 * r1, y1 * r1, z1), (x0 * r1, y0 * r1, z1)], "leaf")
    out.face([(x * 0.3, y * 0.3, 0.27) for x, y in around[::-1]], "leaf")
    out.face([(x * 0.14, y * 0.14, 1.0) for x, y in around], "leaf")


_MAKERS: dict[str, Callable[[Builder], None]] = {
    "car": _car,
    "suv": _suv,
    "van": _van,
    "truck": _truck,
    "bus": _bus,
    "motorcycle": _motorcycle,
    "bicycle": _bicycle,
    "person": _person,
    "player": _player,
    "building": _whole("facade", "roof"),
    "tree": _tree,
    "pole": _whole("paint"),
    "sign": _whole("paint"),
    "block": _whole("paint"),
    "hedge": _whole("leaf"),
    "stand": _whole("paint", "seats"),
}


@cache
def mesh(name: str) -> Mesh:
    """Return the mesh of a body or prop."""
    out = Builder()
    _MAKERS[name](out)
    return out.mesh()
