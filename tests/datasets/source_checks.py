"""What fuzz tests of sources ask for: a documented error or a valid result, never anything else."""

import numpy as np
from hypothesis import HealthCheck, settings

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.base import UnitResult

FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def valid_or_source_error(read):
    """Call ``read`` and check what it gives."""
    try:
        result = read()
    except SourceError:
        return
    assert isinstance(result, UnitResult)
    for clip in result.clips:
        tracks = clip.tracks
        if clip.camera_SE3_world is not None:
            assert np.isfinite(clip.camera_SE3_world).all()
        assert np.isfinite(tracks.sizes_lwh_m[tracks.annotated]).all()
        assert np.isfinite(tracks.rotations_wxyz[tracks.annotated]).all()
        assert np.abs(tracks.centers_m[tracks.annotated]).max(initial=0) < 1e10
