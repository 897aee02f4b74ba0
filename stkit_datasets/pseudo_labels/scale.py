"""The factor between a reconstruction's unit of length and the metre, for one clip. Numpy only.

The logarithm of metric depth over reconstructed depth is averaged over each frame's cells with
Huber's weights, and the frames' averages over the clip. Where the reconstruction drifts, the factor
may walk slowly with time: a Brownian walk whose speed is the likeliest of a few, none among them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.pseudo_labels.interfaces import (
    BoolArray,
    FloatArray,
    Geometry,
    Maps,
    MetricDepth,
)

_HUBER = 1.345
"""Huber's threshold in standard deviations: 95 % efficiency on normal errors (Holland, 1977)."""
_MAD_TO_SIGMA = 1.4826
_ITERATIONS = 20
_LEAST_OUTLIER = 0.05
"""A frame nearer than this share to its neighbours is never an outlier."""
_WALKS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
"""Variances of the walk in one second that are tried, as a multiple of one frame's variance."""


@dataclass(frozen=True)
class ScaleConfig:
    """How the factor is fitted.

    Attributes:
        method: ``robust``, or ``median``: the plain median of all ratios, one factor for the clip.
        drift: whether the robust factor may walk with time.
        max_cells: cells of a frame that are compared, spread evenly.
        max_depth_m: metric depth beyond this is not used; it is the least certain.
        metric_sigma: standard deviation of the metric depth's own factor, which no fit can see.
            Absolute relative errors of today's single-picture metric depth lie at 0.05 to 0.1.
        unfitted_sigma: the same for a reconstruction that is metric by itself and has nothing to
            compare with.
        min_cells: fewer usable cells in all are an error.
    """

    method: Literal["robust", "median"] = "robust"
    drift: bool = True
    max_cells: int = 1500
    max_depth_m: float = 80.0
    metric_sigma: float = 0.08
    unfitted_sigma: float = 0.10
    min_cells: int = 50


@dataclass(frozen=True, eq=False)
class ScaleFit:
    """Metres for one unit of a reconstruction.

    Attributes:
        scales: (T,) the factor at each frame, all equal without drift.
        fit_sigma: relative standard deviation of the clip's mean factor that the fit itself has.
        sigma: with that of the metric depth: the one factor that all centres may be wrong by.
        cell_spread: relative spread of single cells around their frame's factor.
        walk_per_s: variance of the walk in one second, of the factor's logarithm.
    """

    scales: FloatArray
    fit_sigma: float
    sigma: float
    cell_spread: float
    walk_per_s: float

    @property
    def scale(self) -> float:
        """The clip's factor: the geometric mean of its frames'."""
        return float(np.exp(np.log(self.scales).mean()))


def fit_scale(
    geometry: Geometry,
    metric: MetricDepth | None,
    timestamps_s: FloatArray,
    excluded: BoolArray | None = None,
    config: ScaleConfig | None = None,
) -> ScaleFit:
    """Fit the factor of one clip.

    Args:
        geometry: the reconstruction.
        metric: depth in metres at some of its frames; None for a reconstruction that is metric.
        timestamps_s: (T,) times of the frames.
        excluded: (T, h, w) cells that are not compared (moving objects), at any resolution.
        config: how.

    Raises:
        ValueError: the reconstruction is not metric and there is nothing to compare it with, or
            too few cells of the two can be compared.
    """
    config = ScaleConfig() if config is None else config
    if metric is None:
        if not geometry.is_metric:
            raise ValueError("a reconstruction without scale needs metric depth to be fitted to")
        ones = np.ones(len(geometry))
        return ScaleFit(ones, config.unfitted_sigma, config.unfitted_sigma, 0.0, 0.0)
    if metric.frames[-1] >= len(geometry):
        raise ValueError(
            f"metric depth is of frame {metric.frames[-1]}, the clip has {len(geometry)}"
        )
    ratios = [_log_ratios(geometry, metric, k, excluded, config) for k in range(len(metric.frames))]
    n_cells = sum(len(values) for values, _ in ratios)
    if n_cells < config.min_cells:
        raise ValueError(
            f"{n_cells} cells have both depths, fitting the scale needs {config.min_cells}"
        )
    if config.method == "median":
        return _median_fit(ratios, len(geometry), config)
    return _robust_fit(ratios, metric.frames, timestamps_s, config)


def apply_scale(geometry: Geometry, fit: ScaleFit) -> Geometry:
    """Return the reconstruction in metres.

    Where the factor walks, each step of the camera is taken at the factor of its time.
    """
    scales = fit.scales
    poses = geometry.world_SE3_camera.copy()
    positions = geometry.world_SE3_camera[:, :3, 3]
    steps = np.diff(positions, axis=0) * ((scales[1:] + scales[:-1]) / 2)[:, None]
    first = positions[:1] * scales[0]
    poses[:, :3, 3] = np.concatenate([first, first + np.cumsum(steps, axis=0)])
    depths = geometry.depths * scales[:, None, None].astype(np.float32)
    return replace(geometry, depths=depths, world_SE3_camera=poses, is_metric=True)


def huber_mean(values: FloatArray, weights: FloatArray) -> tuple[float, float]:
    """Return Huber's weighted mean of (P,) values, and their spread by the median deviation."""
    center = float(np.median(values))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(values - center)))
    if spread == 0.0:
        return center, 0.0
    for _ in range(_ITERATIONS):
        off = np.abs(values - center) / spread
        robust = weights * np.minimum(1.0, _HUBER / np.maximum(off, 1e-12))
        moved = float((robust * values).sum() / robust.sum())
        if abs(moved - center) < 1e-9:
            break
        center = moved
    return center, spread


def _log_ratios(
    geometry: Geometry,
    metric: MetricDepth,
    k: int,
    excluded: BoolArray | None,
    config: ScaleConfig,
) -> tuple[FloatArray, FloatArray]:
    """Logarithms of metric over reconstructed depth at one frame's cells, and their weights."""
    frame = int(metric.frames[k])
    depths = geometry.depths[frame]
    h, w = depths.shape
    stride = max(1, int(np.ceil(np.sqrt(h * w / config.max_cells))))
    rows = np.arange(stride // 2, h, stride)[:, None] + 0.5
    columns = np.arange(stride // 2, w, stride)[None, :] + 0.5

    def at(maps: NDArray[np.generic]) -> NDArray[np.generic]:
        own_h, own_w = maps.shape
        cells = (rows * (own_h / h)).astype(int), (columns * (own_w / w)).astype(int)
        return np.asarray(maps[cells])

    theirs = at(metric.depths_m[k]).astype(np.float64)
    mine = at(depths).astype(np.float64)
    if metric.focal_px is not None:
        theirs = theirs * (geometry.intrinsics[frame, 0, 0] / metric.focal_px[k])
    with np.errstate(invalid="ignore"):
        known = (theirs > 0) & (theirs <= config.max_depth_m) & (mine > 0) & np.isfinite(mine)
    if excluded is not None:
        known &= ~at(excluded[frame]).astype(bool)
    weights = np.ones(mine.shape)
    confidences: tuple[Maps | None, ...] = (
        None if geometry.confidences is None else geometry.confidences[frame],
        None if metric.confidences is None else metric.confidences[k],
    )
    for maps in confidences:
        if maps is not None:
            weights = weights * np.nan_to_num(at(maps).astype(np.float64))
    known &= weights > 0
    return np.log(theirs[known] / mine[known]), weights[known]


def _median_fit(
    ratios: list[tuple[FloatArray, FloatArray]], n_frames: int, config: ScaleConfig
) -> ScaleFit:
    values = np.concatenate([values for values, _ in ratios])
    center = float(np.median(values))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(values - center)))
    own = np.array([np.median(values) for values, _ in ratios if len(values)])
    fit_sigma = float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else spread
    sigma = float(np.hypot(fit_sigma, config.metric_sigma))
    return ScaleFit(np.full(n_frames, np.exp(center)), fit_sigma, sigma, spread, 0.0)


def _robust_fit(
    ratios: list[tuple[FloatArray, FloatArray]],
    frames: NDArray[np.int64],
    timestamps_s: FloatArray,
    config: ScaleConfig,
) -> ScaleFit:
    enough = [len(values) >= max(1, config.min_cells // len(ratios)) for values, _ in ratios]
    fits = [huber_mean(*pair) for pair, use in zip(ratios, enough, strict=True) if use]
    levels = np.array([center for center, _ in fits])
    spread = float(np.median([width for _, width in fits]))
    times = timestamps_s[frames[enough]]
    if len(levels) < 3:
        # Too few frames to tell a walk from noise; cells of one frame err together.
        center = float(levels.mean())
        fit_sigma = spread / np.sqrt(len(levels))
        scales = np.full(len(timestamps_s), np.exp(center))
        sigma = float(np.hypot(fit_sigma, config.metric_sigma))
        return ScaleFit(scales, float(fit_sigma), sigma, spread, 0.0)
    walks = _WALKS if config.drift else (0.0,)
    fitted = [_walk(_without_outliers(levels), times, timestamps_s, walk) for walk in walks]
    # The first is no walk at all: one that explains little more is not believed.
    best = max(range(len(fitted)), key=lambda i: fitted[i][0] - (1.0 if walks[i] else 0.0))
    _, log_scales, variance, fit_sigma = fitted[best]
    return ScaleFit(
        scales=np.exp(log_scales),
        fit_sigma=fit_sigma,
        sigma=float(np.hypot(fit_sigma, config.metric_sigma)),
        cell_spread=spread,
        walk_per_s=walks[best] * variance,
    )


def _without_outliers(levels: FloatArray) -> FloatArray:
    """Pull frames far from the running median of five back to three deviations from it."""
    padded = np.pad(levels, 2, mode="edge")
    running = np.median(np.lib.stride_tricks.sliding_window_view(padded, 5), axis=1)
    off = levels - running
    limit = max(3 * _MAD_TO_SIGMA * float(np.median(np.abs(off))), _LEAST_OUTLIER)
    return running + np.clip(off, -limit, limit)


def _walk(
    levels: FloatArray, times_s: FloatArray, at_s: FloatArray, walk: float
) -> tuple[float, FloatArray, float, float]:
    """Fit a mean and a Brownian walk to (K,) noisy values.

    Returns:
        The restricted log-likelihood with the noise's variance at its best, the values at
        ``at_s``, that variance, and the standard deviation of the mean over ``at_s``.
    """
    start = float(times_s[0])
    since = np.maximum(times_s - start, 0.0)
    shared = np.minimum(since[:, None], since)
    covariance = np.eye(len(levels)) + walk * shared
    weight = np.linalg.inv(covariance)
    total = float(weight.sum())
    mean = float((weight @ levels).sum()) / total
    off = levels - mean
    variance = max(float(off @ weight @ off) / (len(levels) - 1), 1e-12)
    _, log_determinant = np.linalg.slogdet(covariance)
    likelihood = -0.5 * (
        (len(levels) - 1) * np.log(variance) + float(log_determinant) + np.log(total)
    )
    across = walk * np.minimum(np.maximum(at_s - start, 0.0)[:, None], since)
    values = mean + across @ weight @ off
    # Weights of the levels in the mean of the values, hence its standard deviation by the noise.
    gain = across @ weight
    shares = gain.mean(axis=0) + (1 - gain.sum(axis=1).mean()) * weight.sum(axis=0) / total
    sigma = float(np.sqrt(variance * (shares @ shares)))
    return likelihood, values, variance, sigma
