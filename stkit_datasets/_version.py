"""The version that rows are stamped with; pyproject.toml states the same one."""

__version__ = "0.1.0"
