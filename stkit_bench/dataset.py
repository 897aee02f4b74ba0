"""The builder behind ``load_dataset("stkit_bench", …)``: a built bench and its views, and VLM4D.

A config says how its rows are typed, split and read: ``features()``, ``splits()`` and
``tables(path)``. Another benchmark is another config class with these three.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from datasets.builder import Key

from stkit_bench.views import FRAME_RATES, check_fps, view_table
from stkit_bench.vlm4d.config import Vlm4dConfig
from stkit_datasets._version import __version__
from stkit_datasets.errors import ConfigError
from stkit_datasets.schema import features
from stkit_datasets.sources import SOURCES
from stkit_datasets.stkit import BuildError
from stkit_datasets.units_of_work import code_digest
from stkit_datasets.wording import load_wording

ALL = "all"
SPLIT = "test"
ROWS_PER_TABLE = 10
"""Rows handed over at once. Row groups, and the memory to read one, follow this number."""


@dataclass
class BenchConfig(datasets.BuilderConfig):
    """Settings of one config; all of them can be given to ``load_dataset``.

    Attributes:
        name: ``all`` (default) or a source.
        fps: frames per second, one of ``stkit_bench.views.FRAME_RATES``.
        paraphrased: ask every question in other words.
        wording_path: the sentences that the bench was built with, where they are not the
            package's own; a JSON file or a folder of them.
    """

    fps: float = FRAME_RATES[0]
    paraphrased: bool = False
    wording_path: str | None = None
    description: str | None = "Kinematic questions of STKit-Bench."

    def files(self) -> list[Path]:
        """Return the shards of this config, sorted.

        Raises:
            ConfigError: there is no ``data_dir``, or it holds none of them.
        """
        if self.data_dir is None:
            raise ConfigError(
                "stkit_bench needs data_dir, the folder that `stkit-bench build` wrote"
            )
        folder = Path(self.data_dir)
        pattern = f"{'*' if self.name == ALL else self.name}/{SPLIT}-*-of-*.parquet"
        found = sorted(folder.glob(pattern))
        if not found:
            others = sorted({path.parent.name for path in folder.glob(f"*/{SPLIT}-*.parquet")})
            held = f"it holds {', '.join(others)}" if others else "it is no built bench"
            raise ConfigError(f"{folder}: expected {pattern}; {held}")
        return found

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder by all that decides the rows, the shards included."""
        settings = {
            "code": code_digest("stkit_bench", "stkit_datasets"),
            "fps": check_fps(self.fps),
            "paraphrased": self.paraphrased,
            "wording": load_wording(self.wording_path).fingerprint,
            "features": str(custom_features),
            "files": [
                [str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns]
                for path in self.files()
            ],
        }
        digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:16]}"

    def features(self) -> datasets.Features:
        """Return the types of the columns."""
        return features()

    def splits(self) -> dict[str, list[str]]:
        """Return the shards of the only split."""
        return {SPLIT: [str(path) for path in self.files()]}

    def tables(self, path: str) -> Iterator[pa.Table]:
        """Yield the rows of one shard as this config shows them."""
        wording = load_wording(self.wording_path)
        expected = features().arrow_schema
        for batch in pq.ParquetFile(path).iter_batches(batch_size=ROWS_PER_TABLE):
            table = pa.Table.from_batches([batch]).cast(expected)
            yield view_table(table, self.fps, self.paraphrased, wording)


class BenchRows(datasets.ArrowBasedBuilder):
    """Reads a bench that ``stkit-bench build`` wrote, as it is or as one of its views; or VLM4D."""

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = BenchConfig
    BUILDER_CONFIGS = [  # noqa: RUF012
        *(BenchConfig(name=name, version=__version__) for name in (ALL, *SOURCES)),
        Vlm4dConfig(version=__version__),
    ]
    DEFAULT_CONFIG_NAME = ALL

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=self.config.description,
            features=self.config.features(),
            version=self.VERSION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"files": files})
            for split, files in self.config.splits().items()
        ]

    def _generate_tables(self, files: list[str]) -> Iterator[tuple[Key, pa.Table]]:
        for number, path in enumerate(files):
            try:
                for position, table in enumerate(self.config.tables(path)):
                    yield Key(number, position), table
            except (pa.ArrowException, ValueError, OSError) as error:
                told = str(error)
                raise BuildError(told if told.startswith(path) else f"{path}: {told}") from error
