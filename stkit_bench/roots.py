"""Where the official files of a bench's sources lie: ``roots.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stkit_bench.files import FileError
from stkit_datasets.sources import SOURCES

__all__ = ["Root", "read_roots"]

_NEEDS_NO_FILES = ("simulation",)


@dataclass(frozen=True)
class Root:
    """One source of a bench.

    Attributes:
        data_dir: the folder with its official files; None for a source that needs none.
        options: the source's own settings.
    """

    data_dir: Path | None = None
    options: dict[str, Any] = field(default_factory=dict)


def read_roots(path: Path) -> dict[str, Root]:
    """Read a YAML file that names the folder of every source.

    ``nuscenes: FOLDER``, or ``nuscenes: {data_dir: FOLDER, options: {NAME: VALUE}}``. A relative
    folder starts at the file's own.

    Raises:
        FileError: the file is missing or no YAML, a key is no source, or a value is no folder; the
            message names the file and the key.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise FileError(path, f"cannot be read as YAML: {told}") from error
    if not isinstance(content, Mapping) or not content:
        raise FileError(path, "must map at least one source to its folder, as nuscenes: FOLDER")
    return {str(name): _root(path, name, value) for name, value in content.items()}


def _root(path: Path, name: object, value: object) -> Root:
    if name not in SOURCES:
        raise FileError(path, f"key {name!r}: unknown source, expected one of {', '.join(SOURCES)}")
    if not isinstance(value, Mapping):
        value = {"data_dir": value}
    unknown = [key for key in value if key not in ("data_dir", "options")]
    if unknown:
        raise FileError(path, f"key {name!r}: expected data_dir and options, got {unknown[0]!r}")
    folder, options = value.get("data_dir"), value.get("options") or {}
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise FileError(path, f"key {name!r}: options must map names to values, got {options!r}")
    if folder is None and name in _NEEDS_NO_FILES:
        return Root(None, dict(options))
    if not isinstance(folder, str) or not folder:
        raise FileError(path, f"key {name!r}: data_dir must be a folder, got {folder!r}")
    whole = path.parent / Path(folder).expanduser()
    if not whole.is_dir():
        raise FileError(path, f"key {name!r}: {whole} is not a folder")
    return Root(whole, dict(options))
