"""VLM4D as a config of the builder behind ``load_dataset("stkit_bench", "vlm4d", data_dir=…)``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa

from stkit_datasets.errors import ConfigError
from stkit_datasets.seeding import stable_hex
from stkit_datasets.units_of_work import code_digest

from .items import find_files, load
from .table import features, tables

__all__ = ["Vlm4dConfig"]


@dataclass
class Vlm4dConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """Both official files, or one, in ``data_dir``; videos below it are named in their rows."""

    name: str = "vlm4d"
    description: str | None = "VLM4D: four-way multiple choice about motion in videos."

    def folder(self) -> Path:
        """Return the data folder, checked to be there."""
        if self.data_dir is None:
            raise ConfigError(f"config {self.name!r} needs data_dir, the folder with its files")
        folder = Path(self.data_dir)
        if not folder.is_dir():
            raise ConfigError(f"data_dir {self.data_dir!r} is not a folder")
        return folder

    def features(self) -> datasets.Features:
        """Return the types of the columns."""
        return features()

    def splits(self) -> dict[str, list[str]]:
        """Return the official file of every split that is there."""
        folder = self.folder()
        found = find_files(folder)
        if not found:
            load(folder)  # says what was looked for
        return {split: [str(path)] for split, path in found.items()}

    def tables(self, path: str) -> Iterator[pa.Table]:
        """Yield the rows of one official file."""
        return tables(Path(path), self.folder())

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder by all that decides the rows: code, files, videos there."""
        folder = self.folder()
        parts = [code_digest("stkit_bench", "stkit_datasets"), str(folder.resolve())]
        for files in self.splits().values():
            for path in map(Path, files):
                state = path.stat()
                parts += [str(path), str(state.st_size), str(state.st_mtime_ns)]
                parts += [item.id for item in load(path) if (folder / item.video).is_file()]
        return f"{self.name}-{stable_hex(*parts, str(custom_features))}"
