"""Ask a model the questions of a benchmark: one line of answer a question, safe against kills.

``settings`` says how questions are put, ``stkit_questions`` and ``vlm4d_questions`` turn rows into
requests, ``answers_file`` keeps what came back, ``runner`` joins them to a model.
"""

from stkit_bench.run.runner import RunSummary, run
from stkit_bench.run.settings import AskSettings, RunError

__all__ = ["AskSettings", "RunError", "RunSummary", "run"]
