"""What the task files beside this name; lmms-eval loads it by its path, once for each name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from stkit_bench.harness import lmms_stkit, lmms_vlm4d

stkit_process_docs = lmms_stkit.process_docs
stkit_doc_to_visual = lmms_stkit.doc_to_visual
stkit_doc_to_text = lmms_stkit.doc_to_text
stkit_process_results = lmms_stkit.process_results
vlm4d_process_docs = lmms_vlm4d.process_docs
vlm4d_doc_to_visual = lmms_vlm4d.doc_to_visual
vlm4d_process_results = lmms_vlm4d.process_results

# Values, not functions: made when a task is loaded, as they need the user's settings.
_VALUES: dict[str, Callable[[], Any]] = {
    "STKIT_DATASET_KWARGS": lmms_stkit.dataset_kwargs,
    "STKIT_METADATA": lmms_stkit.metadata,
    "STKIT_METRICS": lmms_stkit.metric_list,
    "VLM4D_DATASET_KWARGS": lmms_vlm4d.dataset_kwargs,
    "VLM4D_METADATA": lmms_vlm4d.metadata,
    "VLM4D_REAL_METRICS": partial(lmms_vlm4d.metric_list, "real"),
    "VLM4D_SYNTHETIC_METRICS": partial(lmms_vlm4d.metric_list, "synthetic"),
}


def __getattr__(name: str) -> Any:
    if name in _VALUES:
        return _VALUES[name]()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
