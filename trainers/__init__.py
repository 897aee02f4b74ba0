"""Training recipes: scripts to run from a clone of the repository, not part of the wheel.

``sft.py`` is the script; the modules beside it are imported as ``trainers.…`` from the
repository's root, which the script puts on the path when it is started by its file name.
"""
