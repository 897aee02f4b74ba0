"""The script that ``evaluate.load`` copies and runs: a door to the installed package, no more.

``evaluate`` reads the imports of this file line by line and takes the first metric class in it.
"""

import importlib
import os
import sys

import evaluate

if __name__ == "stkit_bench":
    # Started inside this folder, or beside a copy of this file: Python then takes the script for
    # the package. The installed package takes its place.
    _here = os.path.dirname(os.path.abspath(__file__))
    _paths = list(sys.path)
    sys.path[:] = [p for p in sys.path if os.path.abspath(p or os.curdir) != _here]
    del sys.modules["stkit_bench"]
    try:
        importlib.import_module("stkit_bench")
    finally:
        sys.path[:] = _paths

from stkit_bench.metric import StkitBench

__all__ = ["StkitBench", "evaluate"]
