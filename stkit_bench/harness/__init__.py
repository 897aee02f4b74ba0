"""The benchmarks inside other people's evaluation harnesses: lmms-eval and inspect_ai.

Nothing of a harness is imported here; each has its own module, which says what to install.
"""
