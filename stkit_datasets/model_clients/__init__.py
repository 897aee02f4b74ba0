"""What a model is asked and how it answers, and a client of OpenAI-compatible endpoints.

Used by the filter of pseudo-labels here and by the benchmark, which has further models of its own
(:mod:`stkit_bench.models`).
"""
