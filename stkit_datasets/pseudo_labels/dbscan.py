"""Clusters of points by density (Ester et al., 1996). Numpy only, for some hundreds of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stkit_datasets.pseudo_labels.interfaces import FloatArray, IntArray

NOISE = -1


def dbscan(points: FloatArray, eps: float, min_points: int) -> IntArray:
    """Label (P, D) points with their cluster, numbered in the order of first points; -1 is noise.

    A point with at least ``min_points`` within ``eps``, itself among them, is a core; cores within
    ``eps`` of each other share a cluster, and a border point joins that of the first cluster that
    reaches it. The same labels as scikit-learn's. Needs memory for P² truth values.
    """
    near = _near(points, eps)
    core = near.sum(axis=1) >= min_points
    labels = _components(near[np.ix_(core, core)])
    out = np.full(len(points), NOISE, dtype=np.int64)
    out[core] = labels
    if core.any() and not core.all():
        borders = np.flatnonzero(~core)
        reach = near[np.ix_(borders, core)]
        first = np.where(reach, labels, len(points)).min(axis=1)
        out[borders] = np.where(reach.any(axis=1), first, NOISE)
    return out


def _near(points: FloatArray, eps: float) -> NDArray[np.bool_]:
    squares = np.zeros((len(points), len(points)))
    for axis in range(points.shape[1]):
        squares += (points[:, axis, None] - points[None, :, axis]) ** 2
    return np.asarray(squares <= eps**2)


def _components(near: NDArray[np.bool_]) -> IntArray:
    """Number the connected components of a symmetric (C, C) relation by their first member."""
    labels = np.full(len(near), -1, dtype=np.int64)
    for number in range(len(near)):
        unlabelled = labels < 0
        if not unlabelled.any():
            break
        front = np.zeros(len(near), dtype=np.bool_)
        front[int(np.argmax(unlabelled))] = True
        while front.any():
            labels[front] = number
            front = near[front].any(axis=0) & (labels < 0)
    return labels
