"""Noisy positions to a smooth path: constant velocity, Rauch-Tung-Striebel, all tracks at once.

The state is position and velocity; the acceleration is white noise (Bar-Shalom et al., 2001,
6.2.2). Each position has a covariance of its own, so that what is uncertain along the camera's ray
does not blur what is sure across it. How much a track accelerates, and by how much its positions
are worse than they claim, is what makes them likeliest. Positions that are still far off are given
less weight, as Student's t distribution would. Numpy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stkit_datasets.pseudo_labels.interfaces import BoolArray, FloatArray

_EYE = np.eye(3)


@dataclass(frozen=True)
class SmootherConfig:
    """What the smoother assumes.

    Attributes:
        acceleration_densities: power densities of the acceleration that are tried, in m²/s³: a
            velocity wanders by the root of it in one second.
        vertical_share: the vertical density as a share of it; what moves stays on the ground.
        noise_factors: by how much the positions' deviations are off: factors that are tried.
        factor_spread: standard deviation of that factor's logarithm before anything is seen.
        initial_speed_mps: standard deviation of the first velocity along each axis.
        degrees_of_freedom: of Student's distribution; lower trusts far positions less.
        iterations: how often weights are computed anew.
    """

    acceleration_densities: tuple[float, ...] = (0.05, 0.3, 1.5)
    vertical_share: float = 0.02
    noise_factors: tuple[float, ...] = (0.5, 0.75, 1.1, 1.6, 2.4)
    factor_spread: float = 0.7
    initial_speed_mps: float = 15.0
    degrees_of_freedom: float = 4.0
    iterations: int = 3


@dataclass(frozen=True, eq=False)
class SmoothTracks:
    """Smoothed paths of N tracks at T times; NaN before and after a track's positions.

    Attributes:
        centers_m: (N, T, 3).
        velocities_mps: (N, T, 3).
        covariances_m2: (N, T, 3, 3) of the centres.
        weights: (N, T) of the given positions: 1 as good as they claim, near 0 ignored; NaN where
            there is none.
        noise_factors: (N,) by how much the positions were found to be worse than they claim.
    """

    centers_m: FloatArray
    velocities_mps: FloatArray
    covariances_m2: FloatArray
    weights: FloatArray
    noise_factors: FloatArray

    @property
    def sigmas_m(self) -> FloatArray:
        """(N, T) root mean square over the axes of the centres' standard deviations."""
        return np.asarray(np.sqrt(np.trace(self.covariances_m2, axis1=2, axis2=3) / 3))


def smooth(
    points_m: FloatArray,
    covariances_m2: FloatArray,
    timestamps_s: FloatArray,
    config: SmootherConfig | None = None,
) -> SmoothTracks:
    """Smooth N tracks.

    Args:
        points_m: (N, T, 3) measured positions, z up; NaN where there is none.
        covariances_m2: (N, T, 3, 3) of each.
        timestamps_s: (T,) increasing.
        config: what is assumed.
    """
    config = SmootherConfig() if config is None else config
    n, t = points_m.shape[:2]
    measured: BoolArray = np.asarray(np.isfinite(points_m).all(axis=2))
    weights = np.where(measured, 1.0, 0.0)
    if n == 0 or not measured.any():
        empty = np.full((n, t, 3), np.nan)
        return SmoothTracks(
            empty, empty, np.full((n, t, 3, 3), np.nan), np.full((n, t), np.nan), np.ones(n)
        )
    points = np.where(measured[..., None], points_m, 0.0)
    covariances = np.where(measured[..., None, None], covariances_m2, _EYE)
    density, factor = np.full(n, config.acceleration_densities[-1]), np.ones(n)
    means = spreads = np.empty(0)
    for iteration in range(config.iterations):
        weighted = covariances / np.maximum(weights, 1e-6)[..., None, None]
        if iteration < 2:
            # The first choice is made before weights are known, the second with them.
            density, factor = _likeliest(points, weighted, measured, timestamps_s, config)
        scaled = weighted * (factor**2)[:, None, None, None]
        means, spreads = _smoothed(points, scaled, measured, timestamps_s, density, config)
        off = points - means[..., :3]
        claimed = covariances * (factor**2)[:, None, None, None]
        # A smoothed position leans on the measured one: its own variance is added.
        total = claimed + spreads[..., :3, :3]
        square = (off * np.linalg.solve(total, off[..., None])[..., 0]).sum(axis=2)
        nu = config.degrees_of_freedom
        weights = np.where(measured, np.minimum(1.0, (nu + 3) / (nu + square)), 0.0)
    inside = _between_first_and_last(measured)
    return SmoothTracks(
        centers_m=np.where(inside[..., None], means[..., :3], np.nan),
        velocities_mps=np.where(inside[..., None], means[..., 3:], np.nan),
        covariances_m2=np.where(inside[..., None, None], spreads[..., :3, :3], np.nan),
        weights=np.where(measured, weights, np.nan),
        noise_factors=factor,
    )


def _between_first_and_last(measured: BoolArray) -> BoolArray:
    ahead = np.maximum.accumulate(measured, axis=1)
    behind = np.maximum.accumulate(measured[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(ahead & behind)


def _likeliest(
    points: FloatArray,
    covariances: FloatArray,
    measured: BoolArray,
    timestamps_s: FloatArray,
    config: SmootherConfig,
) -> tuple[FloatArray, FloatArray]:
    """(N,) acceleration density and noise factor under which each track is likeliest."""
    n = len(points)
    grid = np.meshgrid(config.acceleration_densities, config.noise_factors, indexing="ij")
    densities, factors = np.reshape(grid, (2, -1))
    k = len(densities)
    likelihood = _filter(
        np.repeat(points, k, axis=0),
        np.repeat(covariances, k, axis=0) * np.tile(factors**2, n)[:, None, None, None],
        np.repeat(measured, k, axis=0),
        timestamps_s,
        np.tile(densities, n),
        config,
    ).log_likelihood.reshape(n, k)
    likelihood = likelihood - 0.5 * (np.log(factors) / config.factor_spread) ** 2
    best = likelihood.argmax(axis=1)
    return densities[best], factors[best]


@dataclass(frozen=True, eq=False)
class _Filtered:
    """Forward pass: predicted and filtered moments at every time."""

    predicted: FloatArray
    predicted_covariances: FloatArray
    filtered: FloatArray
    filtered_covariances: FloatArray
    transitions: FloatArray
    log_likelihood: FloatArray


def _filter(
    points: FloatArray,
    covariances: FloatArray,
    measured: BoolArray,
    timestamps_s: FloatArray,
    densities: FloatArray,
    config: SmootherConfig,
) -> _Filtered:
    n, t = measured.shape
    first = measured.argmax(axis=1)
    rows = np.arange(n)
    mean = np.zeros((n, 6))
    mean[:, :3] = points[rows, first]
    covariance = np.zeros((n, 6, 6))
    # The first position is measured once more below; a wide start leaves it at its own variance.
    covariance[:, :3, :3] = 1e4 * covariances[rows, first]
    covariance[:, 3:, 3:] = config.initial_speed_mps**2 * _EYE
    axes = np.array([1.0, 1.0, config.vertical_share])
    predicted, filtered = np.empty((2, t, n, 6))
    predicted_c, filtered_c = np.empty((2, t, n, 6, 6))
    transitions = np.tile(np.eye(6), (t, 1, 1))
    likelihood = np.zeros(n)
    for k in range(t):
        if k:
            dt = float(timestamps_s[k] - timestamps_s[k - 1])
            transition = transitions[k]
            transition[:3, 3:] = dt * _EYE
            mean = mean @ transition.T
            covariance = transition @ covariance @ transition.T
            noise = np.zeros((6, 6))
            noise[:3, :3], noise[3:, 3:] = np.diag(axes) * dt**3 / 3, np.diag(axes) * dt
            noise[:3, 3:] = noise[3:, :3] = np.diag(axes) * dt**2 / 2
            # Before its first position a track has not begun: nothing is added to its start.
            begun = densities * (k > first)
            covariance = covariance + begun[:, None, None] * noise
            early = k <= first
            mean[early, :3] = points[rows, first][early]
            mean[early, 3:] = 0.0
            covariance[early] = 0.0
            covariance[early, :3, :3] = 1e4 * covariances[rows, first][early]
            covariance[early, 3:, 3:] = config.initial_speed_mps**2 * _EYE
        predicted[k], predicted_c[k] = mean, covariance
        innovation = points[:, k] - mean[:, :3]
        expected = covariance[:, :3, :3] + covariances[:, k]
        inverse = np.linalg.inv(expected)
        gain = covariance[:, :, :3] @ inverse
        seen = measured[:, k]
        step = (gain @ innovation[..., None])[..., 0]
        mean = mean + np.where(seen[:, None], step, 0.0)
        reduced = covariance - gain @ covariance[:, :3]
        covariance = np.where(seen[:, None, None], (reduced + reduced.mT) / 2, covariance)
        square = (innovation * (inverse @ innovation[..., None])[..., 0]).sum(axis=1)
        gone = seen & (k > first)
        likelihood -= np.where(gone, 0.5 * (square + np.log(np.linalg.det(expected))), 0.0)
        filtered[k], filtered_c[k] = mean, covariance
    return _Filtered(predicted, predicted_c, filtered, filtered_c, transitions, likelihood)


def _smoothed(
    points: FloatArray,
    covariances: FloatArray,
    measured: BoolArray,
    timestamps_s: FloatArray,
    densities: FloatArray,
    config: SmootherConfig,
) -> tuple[FloatArray, FloatArray]:
    """(N, T, 6) means and (N, T, 6, 6) covariances after the backward pass."""
    forward = _filter(points, covariances, measured, timestamps_s, densities, config)
    t = len(forward.filtered)
    means, spreads = forward.filtered.copy(), forward.filtered_covariances.copy()
    first = measured.argmax(axis=1)
    for k in range(t - 2, -1, -1):
        transition = forward.transitions[k + 1]
        crossed = forward.filtered_covariances[k] @ transition.T
        gain = crossed @ np.linalg.inv(forward.predicted_covariances[k + 1])
        ahead = (means[k + 1] - forward.predicted[k + 1])[..., None]
        begun = first <= k
        means[k] += np.where(begun[:, None], (gain @ ahead)[..., 0], 0.0)
        change = gain @ (spreads[k + 1] - forward.predicted_covariances[k + 1]) @ gain.mT
        spreads[k] += np.where(begun[:, None, None], (change + change.mT) / 2, 0.0)
    return np.swapaxes(means, 0, 1), np.swapaxes(spreads, 0, 1)
