"""What goes wrong with pictures and videos."""

from __future__ import annotations


class VideoError(ValueError):
    """A picture or video cannot be read as expected; the message names the file and the rule."""
