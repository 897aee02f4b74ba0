"""The page people look at: scores, balance, build and questions in one self-contained HTML file.

``render_page(ReportData(...))`` takes rows of any source and runs of any answerer; the questions to
show are chosen by :func:`choose_questions`, a run comes from a file of answers by :func:`read_run`.
:func:`stkit_bench.report.from_files.report_data` makes it all of files alone.
"""

from stkit_bench.report.data import Build, Reply, ReportData, Run
from stkit_bench.report.page import render_page
from stkit_bench.report.questions import choose_questions
from stkit_bench.report.runs import make_run, read_run

__all__ = [
    "Build",
    "Reply",
    "ReportData",
    "Run",
    "choose_questions",
    "make_run",
    "read_run",
    "render_page",
]
