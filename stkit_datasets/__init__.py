"""STKit: kinematic question-answer data from annotated video.

Importing this package makes ``datasets.load_dataset("stkit", SOURCE, data_dir=…)`` work.
"""

from __future__ import annotations

from stkit_datasets._version import __version__
from stkit_datasets.registration import register

__all__ = ["__version__"]

register()
