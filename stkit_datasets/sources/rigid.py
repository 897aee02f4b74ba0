"""Rigid poses out of tables, checked."""

from __future__ import annotations

import numpy as np

from stkit_datasets.clip import FloatArray
from stkit_datasets.sources.columns import MAX_MAGNITUDE, Columns

RIGID_TOLERANCE = 0.01
"""How far a rotation matrix times its transpose may be from one."""

LAST_ROW_TOLERANCE = 1e-6
"""How far the last row of a pose may be from 0 0 0 1."""


def check_rigid(columns: Columns, poses: FloatArray, name: str) -> FloatArray:
    """Return (R, 4, 4) poses, one a row, if all are rigid.

    Args:
        columns: the table, for errors.
        poses: what its rows say.
        name: the column, or the first of those that they come from.

    Raises:
        SourceError: a row's matrix is not rigid.
    """
    rotations = poses[:, :3, :3]
    with np.errstate(invalid="ignore", over="ignore"):
        off = np.abs(rotations @ np.swapaxes(rotations, 1, 2) - np.eye(3)).max(axis=(1, 2))
    rigid = off <= RIGID_TOLERANCE  # false for NaN
    rigid &= np.linalg.det(np.where(rigid[:, None, None], rotations, np.eye(3))) > 0
    rigid &= np.abs(poses[:, :3, 3]).max(axis=1) <= MAX_MAGNITUDE
    rigid &= np.abs(poses[:, 3] - [0, 0, 0, 1]).max(axis=1) < LAST_ROW_TOLERANCE
    if not rigid.all():
        rule = "expected a rigid 4 x 4 matrix: a rotation, a finite translation, last row 0 0 0 1"
        raise columns.error(rule, int(np.argmin(rigid)), name)
    return poses
