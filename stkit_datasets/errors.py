"""The errors a build can end in, each naming the file, the row or token, and the broken rule."""

from __future__ import annotations

from pathlib import Path


class StkitError(ValueError):
    """Base of every error that bad input can cause."""


class SourceError(StkitError):
    """An upstream file is missing, unreadable or breaks a rule of its format.

    Args:
        path: the file (or folder) that is wrong.
        rule: what was expected, and the value that was found.
        where: the row number, token or column inside the file, when there is one.
    """

    def __init__(self, path: Path | str, rule: str, where: str | None = None) -> None:
        self.path = str(path)
        self.rule = rule
        self.where = where
        super().__init__(f"{path}: {f'{where}: ' if where else ''}{rule}")

    def __reduce__(self) -> tuple[type[SourceError], tuple[str, str, str | None]]:
        # Errors cross process borders in builds with several workers.
        return type(self), (self.path, self.rule, self.where)


class ConfigError(StkitError):
    """A setting is unknown or out of range; the message lists what is allowed."""
