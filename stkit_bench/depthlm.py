"""Metric depth at a pixel, scored as DepthLM scores it.

Records are the lines of a DepthLM file (facebookresearch/DepthLM_Official, ``*.jsonl``): ``image``,
``intrinsics`` (fx, fy, cx, cy in pixels, then width and height), ``pixel_coords`` (u, v) and the
``depth`` of each in metres. A question is one pixel of one image. Its id is the image's name, ``#``
and the pixel's place in the record.

Accuracy is δ1 (``utils/metrics.py`` there): right where the larger of answer / truth and truth /
answer is below 1.25. That is not the band of traveled distance, 0.75 to 1.25 of the truth: here
0.8 to 1.25, ends excluded. Their code counts what it cannot parse as wrong; so does this, and it
tells the coverage beside it. MAE is over the readable answers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stkit_bench.bootstrap import cluster_sums, mean_interval, resampled_sums, share_interval
from stkit_bench.files import FileError, read_jsonl
from stkit_bench.reading import Reading, read_response
from stkit_bench.results import Interval
from stkit_datasets.tasks.names import Task

__all__ = [
    "DELTA_1",
    "QUESTION",
    "DepthScores",
    "Point",
    "read_depth",
    "read_points",
    "score_depth",
]

DELTA_1 = 1.25
#: How a point is asked about, in our own words; it names the unit, so a bare number is in metres.
QUESTION = "How far from the camera, in meters, is the marked point?"
#: What a pixel without a valid depth is written as.
_NO_PIXEL = [-1, -1]
_DEPTH = re.compile(r"\bdepth\b", re.IGNORECASE)


@dataclass(frozen=True)
class Point:
    """One question.

    Attributes:
        id: the image's name, ``#`` and the pixel's place.
        image: the image's name.
        pixel: (u, v) from the top left.
        depth_m: the truth.
    """

    id: str
    image: str
    pixel: tuple[float, float]
    depth_m: float


@dataclass(frozen=True)
class DepthScores:
    """How well metric depths were told.

    Attributes:
        n: points that were asked about.
        n_images: images, by which the bootstrap resamples.
        n_unanswered: points without a response.
        coverage: share of responses that could be read.
        accuracy: share with δ1, unreadable and missing ones wrong.
        mae_m: mean absolute error of the readable ones, metres; None where nothing was readable.
        abs_rel: mean of error over truth, likewise.
        unread: why responses could not be read.
    """

    n: int
    n_images: int
    n_unanswered: int
    coverage: float
    accuracy: float
    accuracy_interval: Interval | None
    mae_m: float | None
    mae_m_interval: Interval | None
    abs_rel: float | None
    unread: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}


def read_points(path: Path) -> list[Point]:
    """Read a DepthLM file; pixels without a valid depth are left out.

    Raises:
        FileError: the file, the line and the rule that is broken.
    """
    found: list[Point] = []
    images: set[str] = set()
    for number, line in read_jsonl(path):
        image, pixels, depths = (line.get(key) for key in ("image", "pixel_coords", "depth"))
        if not isinstance(image, str) or image in images:
            raise FileError(path, f"image must be a name of its own, got {image!r}", number)
        images.add(image)
        if (
            not isinstance(pixels, list)
            or not isinstance(depths, list)
            or len(pixels) != len(depths)
        ):
            raise FileError(path, "pixel_coords and depth must be lists of one length", number)
        for place, (pixel, depth) in enumerate(zip(pixels, depths, strict=True)):
            if pixel == _NO_PIXEL:
                continue
            found.append(_point(path, number, f"{image}#{place}", image, pixel, depth))
    if not found:
        raise FileError(path, "holds no points")
    return found


def read_depth(response: str | None) -> Reading | None:
    """Read a depth in metres by the rules for distances; None for None."""
    if response is None:
        return None
    # "Depth: 3.2" is to be read as "Distance: 3.2" is.
    told = _DEPTH.sub("distance", response)
    return read_response(Task.TRAVELED_DISTANCE, told, QUESTION)


def score_depth(
    points: Sequence[Point],
    responses: Mapping[str, str | None],
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> DepthScores:
    """Score responses by the id of their point.

    Args:
        points: what may be asked about.
        responses: free text by id. Points of which there is no id were not asked about, as every
            evaluation draws some of a record's hundred; an answer of None counts as wrong.
        n_resamples: bootstrap resamples of whole images; 0 leaves the intervals out.
        level: of the intervals.
        seed: of the bootstrap.

    Raises:
        ValueError: an id is not that of a point, or there is no response.
    """
    known = {point.id: point for point in points}
    strangers = [name for name in responses if name not in known]
    if strangers:
        raise ValueError(f"id {strangers[0]!r} is not that of a point (IMAGE#PLACE)")
    if not responses:
        raise ValueError("there are no responses")
    asked = [known[name] for name in responses]
    readings = [read_depth(text) for text in responses.values()]
    truth = np.array([point.depth_m for point in asked])
    given = np.array([_value(reading) for reading in readings])
    readable = np.isfinite(given)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.maximum(given / truth, truth / given)
        error = np.abs(given - truth)
    right = readable & (ratio < DELTA_1)
    places = {name: n for n, name in enumerate(dict.fromkeys(point.image for point in asked))}
    cluster = np.array([places[point.image] for point in asked])
    errors = np.where(readable, error, 0.0)
    table = np.stack([np.ones(len(asked)), right, readable, errors], axis=1).astype(np.float64)
    sums = cluster_sums(table, cluster, len(places))
    drawn = resampled_sums(sums, n_resamples, seed)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracies, maes = drawn[:, 1] / drawn[:, 0], drawn[:, 3] / drawn[:, 2]
    n_read = int(readable.sum())
    accuracy, n_images = float(right.mean()), len(places)
    with_a_reading = len(np.unique(cluster[readable]))
    reasons = Counter(str(r.reason) for r in readings if r is not None and not r.readable)
    return DepthScores(
        n=len(asked),
        n_images=n_images,
        n_unanswered=sum(reading is None for reading in readings),
        coverage=n_read / len(asked),
        accuracy=accuracy,
        accuracy_interval=share_interval(
            accuracy, accuracies, n_images, level, accuracy * (1 - accuracy) / len(asked)
        ),
        mae_m=float(error[readable].mean()) if n_read else None,
        mae_m_interval=mean_interval(maes, with_a_reading, level) if n_read else None,
        abs_rel=float((error / truth)[readable].mean()) if n_read else None,
        unread=dict(sorted(reasons.items())),
    )


def _value(reading: Reading | None) -> float:
    if reading is None or reading.value_si is None:
        return float("nan")
    return reading.value_si


def _point(path: Path, line: int, name: str, image: str, pixel: Any, depth: Any) -> Point:
    if not isinstance(depth, int | float) or isinstance(depth, bool) or not 0 < depth < np.inf:
        raise FileError(path, f"{name}: depth must be above 0 m, got {depth!r}", line)
    if not isinstance(pixel, list) or len(pixel) != 2:
        raise FileError(path, f"{name}: pixel_coords must be pairs, got {pixel!r}", line)
    return Point(name, image, (float(pixel[0]), float(pixel[1])), float(depth))
