"""The builder behind ``load_dataset("stkit_bench", "vlm4d", data_dir=…)``: one config a benchmark.

A benchmark is a module with the functions of :class:`Benchmark`. To add one, write
that module and name it in :data:`CONFIGS`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import datasets
from datasets.builder import Key
from datasets.exceptions import DatasetGenerationError

from stkit_datasets._version import __version__
from stkit_datasets.errors import ConfigError
from stkit_datasets.seeding import stable_hex
from stkit_datasets.units_of_work import code_digest

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CONFIGS", "Benchmark", "StkitBench", "StkitBenchConfig"]

#: Config name to the module that reads its files.
CONFIGS = {
    "vlm4d": "stkit_bench.vlm4d.table",
}


class Benchmark(Protocol):
    """What a module named in :data:`CONFIGS` offers."""

    def features(self) -> datasets.Features:
        """Return the types of the columns."""

    def files(self, data_dir: Path) -> dict[str, Path]:
        """Return the file of every split that is there; raise a ValueError when none is."""

    def state(self, path: Path, data_dir: Path) -> str:
        """Return a text that changes with whatever decides the rows besides the file itself."""

    def tables(self, path: Path, data_dir: Path) -> Iterator[pa.Table]:
        """Yield the rows of one file; raise a ValueError when it is broken."""


@dataclass
class StkitBenchConfig(datasets.BuilderConfig):
    """One benchmark; ``data_dir`` is the folder with its official files."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in CONFIGS:
            raise ConfigError(
                f"unknown config {self.name!r}; name a benchmark, one of {', '.join(CONFIGS)}, as "
                'in load_dataset("stkit_bench", "vlm4d", data_dir=…)'
            )

    def benchmark(self) -> Benchmark:
        """Return the module that reads this benchmark."""
        return cast(Benchmark, importlib.import_module(CONFIGS[self.name]))

    def folder(self) -> Path:
        """Return the data folder, checked to be there."""
        if self.data_dir is None:
            raise ConfigError(f"config {self.name!r} needs data_dir, the folder with its files")
        folder = Path(self.data_dir)
        if not folder.is_dir():
            raise ConfigError(f"data_dir {self.data_dir!r} is not a folder")
        return folder

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder by all that decides the rows: code, files, folder."""
        folder = self.folder()
        parts = [code_digest("stkit_bench", "stkit_datasets"), str(folder.resolve())]
        for split, path in self.benchmark().files(folder).items():
            found = path.stat()
            parts += [split, str(path), str(found.st_size), str(found.st_mtime_ns)]
            parts.append(self.benchmark().state(path, folder))
        return f"{self.name}-{stable_hex(*parts, str(custom_features))}"


class StkitBench(datasets.ArrowBasedBuilder):
    """Builds the rows of one benchmark."""

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = StkitBenchConfig
    BUILDER_CONFIGS = [StkitBenchConfig(name=name, version=__version__) for name in CONFIGS]  # noqa: RUF012

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=f"Questions of {self.config.name}.",
            features=self.config.benchmark().features(),
            version=self.VERSION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        found = self.config.benchmark().files(self.config.folder())
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"paths": [str(path)]})
            for split, path in found.items()
        ]

    def _generate_tables(self, paths: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        folder = self.config.folder()
        for number, path in enumerate(paths):
            try:
                for position, table in enumerate(
                    self.config.benchmark().tables(Path(path), folder)
                ):
                    yield Key(number, position), table
            except ValueError as error:
                raise DatasetGenerationError(str(error)) from error
