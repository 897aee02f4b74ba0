"""A response to a reading: rules first, no network."""

from .result import READER_VERSION, Reading, Reason
from .rules import read_response

__all__ = ["READER_VERSION", "Reading", "Reason", "read_response"]
