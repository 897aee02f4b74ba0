"""The balanced selection of questions for a benchmark."""

from stkit_bench.selection.balance import (
    PUBLISHED_SOURCE_SHARES,
    Selection,
    select,
)
from stkit_bench.selection.labels import SelectionConfig
from stkit_bench.selection.report import Count, SelectionReport, ShortCell, TaskReport

__all__ = [
    "PUBLISHED_SOURCE_SHARES",
    "Count",
    "Selection",
    "SelectionConfig",
    "SelectionReport",
    "ShortCell",
    "TaskReport",
    "select",
]
