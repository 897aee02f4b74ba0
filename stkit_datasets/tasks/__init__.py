"""The seven tasks, one file each: which tracks qualify, and the target.

``TASKS`` in ``names.py`` fixes their order; the words stand in ``stkit_datasets.wording``.
"""
