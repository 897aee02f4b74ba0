"""What goes wrong with pictures and videos."""

from __future__ import annotations

from stkit_datasets.errors import StkitError


class VideoError(StkitError):
    """A picture or video cannot be read as expected; the message names the file and the rule."""
