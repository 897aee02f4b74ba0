"""The bird's-eye picture against positions placed by hand."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from stkit_datasets.birds_eye import HEIGHT_PX, WIDTH_PX, birds_eye_svg

SVG = "{http://www.w3.org/2000/svg}"


def row(centers: list[list[float] | None], **changes: Any) -> dict[str, Any]:
    times = [0.5 * k for k in range(len(centers))]
    return {
        "task": "traveled_distance",
        "objects": [{"color": "red", "centers_m": centers}],
        "timestamps_s": times,
        "start_s": times[0],
        "end_s": times[-1],
        "target": {},
        **changes,
    }


def dots(svg: str) -> list[tuple[float, float]]:
    circles = ElementTree.fromstring(svg).iter(f"{SVG}circle")
    return [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in circles]


def labels(svg: str) -> list[str]:
    return [str(text.text) for text in ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_both_axes_have_one_scale_and_north_is_up() -> None:
    svg = birds_eye_svg(row([[0, 0, 0], [10, 0, 0], [10, 10, 0]]))
    (x0, y0), (x1, y1), (x2, y2) = dots(svg)
    assert x1 - x0 == pytest.approx(y1 - y2, abs=0.2)
    assert x1 > x0
    assert y2 < y1 == y0
    assert x2 == x1


def test_tracks_stay_inside_the_picture() -> None:
    for end in ([300.0, 2.0, 0.0], [0.0, 300.0, 0.0], [-0.01, 0.0, 0.0]):
        for x, y in dots(birds_eye_svg(row([[0.0, 0.0, 0.0], end]))):
            assert 30 <= x <= WIDTH_PX - 30
            assert 30 <= y <= HEIGHT_PX - 30


def test_frames_without_a_position_are_not_drawn() -> None:
    whole = row([None, [0, 0, 0], [5, 0, 0], None], start_s=0.5, end_s=1.0)
    svg = birds_eye_svg(whole)
    assert len(dots(svg)) == 2
    assert "nan" not in svg
    assert {"0.50 s", "1.00 s"} <= set(labels(svg))


def test_a_label_that_would_cover_another_is_left_out() -> None:
    track: list[list[float] | None] = [[0, 0, 0], [5, 0, 0], [10, 0, 0]]
    beside = {"color": "blue", "centers_m": track}
    one = birds_eye_svg(row(track))
    two = birds_eye_svg(row(track, objects=[{"color": "red", "centers_m": track}, beside]))
    assert labels(one) == labels(two)


def test_the_span_that_answers_is_marked() -> None:
    track: list[list[float] | None] = [[2.0 * k, 0, 0] for k in range(5)]
    asked = row(track, task="direction_timestamp", target={"start_s": 0.5, "end_s": 1.5})
    tree = ElementTree.fromstring(birds_eye_svg(asked))
    band = next(e for e in tree.iter() if e.get("stroke-opacity"))
    assert len(str(band.get("points")).split()) == 3


def test_a_color_outside_the_palette_cannot_break_the_picture() -> None:
    hostile = row([[0, 0, 0], [1, 0, 0]], task='"><script>')
    hostile["objects"][0]["color"] = '"><script>'
    svg = birds_eye_svg(hostile)
    assert "<script" not in svg
    ElementTree.fromstring(svg)
