"""The builder behind ``load_dataset("stkit", "nuscenes", data_dir=…)``: one config a source."""

from __future__ import annotations

import copy
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
from datasets.builder import Key
from datasets.exceptions import DatasetGenerationError

from stkit_datasets._version import __version__
from stkit_datasets.errors import ConfigError, StkitError
from stkit_datasets.rows import RowConfig
from stkit_datasets.schema import features
from stkit_datasets.sources import SOURCES, absolute_folder, open_source
from stkit_datasets.sources.base import SPLITS, Source
from stkit_datasets.units_of_work import build_fingerprint, unit_rows

logger = logging.getLogger(__name__)

ROWS_PER_TABLE = 10
"""Rows handed over at once. Row groups, and the memory to read one, follow this number."""

ON_ERROR = ("raise", "skip")


class BuildError(StkitError, DatasetGenerationError):
    """A build that ended in bad input; its message is that of the error which caused it."""


@dataclass
class StkitConfig(datasets.BuilderConfig):
    """Settings of one source; all of them can be given to ``load_dataset``.

    Attributes:
        name: the source.
        video: ``overlay`` (boxes drawn), ``raw`` (no boxes) or ``none`` (annotations only, the
            frame files named in the row).
        seed: of every draw of wording, unit, colour and interval.
        on_error: ``raise``, or ``skip`` to log a broken scene and go on without it.
        row_config: thresholds and borders; ``video`` and ``seed`` above replace its own.
        source_options: the source's own settings, e.g. ``{"cameras": ["CAM_FRONT"]}``.
        splits: the splits to build; by default those that are asked for.
    """

    video: str = "overlay"
    seed: int = 0
    on_error: str = "raise"
    row_config: RowConfig = field(default_factory=RowConfig)
    source_options: dict[str, Any] = field(default_factory=dict)
    splits: tuple[str, ...] = SPLITS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.name not in SOURCES:
            raise ConfigError(
                f"unknown config {self.name!r}; name a source, one of {', '.join(SOURCES)}, as in "
                'load_dataset("stkit", "nuscenes", data_dir=…)'
            )

    def rows(self) -> RowConfig:
        """Return the checked settings of the rows."""
        if self.on_error not in ON_ERROR:
            raise ConfigError(
                f"on_error must be one of {', '.join(ON_ERROR)}, got {self.on_error!r}"
            )
        return copy_with(self.row_config, video=self.video, seed=self.seed)

    def open(self) -> Source:
        """Open the source on ``data_dir``."""
        return open_source(self.name, self.data_dir, self.source_options)

    def create_config_id(
        self, config_kwargs: dict[str, Any], custom_features: datasets.Features | None = None
    ) -> str:
        """Name the cache folder by all that decides the rows, annotation files included."""
        fingerprint = build_fingerprint(
            self.open(),
            self.rows(),
            self.splits,
            on_error=self.on_error,
            options=json.dumps(self.source_options, sort_keys=True, default=str),
            features=str(custom_features),
        )
        return f"{self.name}-{fingerprint}"


def copy_with(config: RowConfig, **changes: Any) -> RowConfig:
    """``dataclasses.replace`` that names the allowed settings when one is unknown."""
    values = {**vars(config), **changes}
    return RowConfig(**values)


class Stkit(datasets.ArrowBasedBuilder):
    """Builds the rows of one source.

    ``download_and_prepare`` waits until a split is asked for: someone who wants ``validation``
    does not pay for, or stumble over, the scenes of ``train``.
    """

    VERSION = datasets.Version(__version__)
    BUILDER_CONFIG_CLASS = StkitConfig
    BUILDER_CONFIGS = [StkitConfig(name=name, version=__version__) for name in SOURCES]  # noqa: RUF012

    _prepare_arguments: dict[str, Any]

    def __init__(self, *args: Any, data_dir: str | Path | None = None, **kwargs: Any) -> None:
        # Streamed rows are read later, perhaps from another working directory.
        folder = None if data_dir is None else str(absolute_folder(data_dir))
        super().__init__(*args, data_dir=folder, **kwargs)

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(
            description=f"Kinematic questions about {self.config.name} clips.",
            features=features(),
            version=self.VERSION,
        )

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        source = self.config.open()
        found = []
        for split in self.config.splits:
            units = list(source.units(split))
            if units:
                arguments = {"units": units, "split": split}
                found.append(datasets.SplitGenerator(name=split, gen_kwargs=arguments))
        if not found:
            raise BuildError(
                f"{self.config.data_dir}: no {' or '.join(self.config.splits)} scenes of source "
                f"{self.config.name!r} found"
            )
        return found

    def _generate_tables(self, units: list[str], split: str) -> Iterator[tuple[Key, pa.Table]]:
        source, rows = self.config.open(), self.config.rows()
        wording = rows.wording
        for number, unit in enumerate(units):
            try:
                built = unit_rows(
                    source, split, unit, rows, wording=wording, on_error=self.config.on_error
                )
            except StkitError as error:
                raise BuildError(str(error)) from error
            for reason in built.report.failed.values():
                logger.warning("skipped %s: %s", unit, reason)
            position = 0
            for table in built.tables:
                for start in range(0, table.num_rows, ROWS_PER_TABLE):
                    yield Key(number, position), table.slice(start, ROWS_PER_TABLE)
                    position += 1

    def download_and_prepare(
        self, output_dir: str | None = None, *args: Any, **kwargs: Any
    ) -> None:
        """Note how to prepare; the work is done by ``as_dataset`` for the splits asked for.

        With ``output_dir`` or a ``file_format`` all splits are prepared at once, as by any
        builder.
        """
        deferred = output_dir is None and not args and kwargs.get("file_format", "arrow") == "arrow"
        if deferred and len(self.config.splits) > 1:
            self._prepare_arguments = kwargs
            return
        super().download_and_prepare(output_dir, *args, **kwargs)

    def as_dataset(self, split: Any = None, **kwargs: Any) -> Any:
        """Prepare and return the splits asked for; ``None`` is all of them, as a dict."""
        if len(self.config.splits) == 1:
            self._refuse_no_rows()
            return super().as_dataset(split=split, **kwargs)
        if split is None:
            present = [name for name in SPLITS if len(self.config.open().units(name))]
            if not present:
                self._split_generators(None)
            return datasets.DatasetDict({name: self.as_dataset(name, **kwargs) for name in present})
        if isinstance(split, dict):
            return datasets.DatasetDict(
                {key: self.as_dataset(value, **kwargs) for key, value in split.items()}
            )
        if isinstance(split, list | tuple):
            return [self.as_dataset(value, **kwargs) for value in split]
        text = split.to_spec() if hasattr(split, "to_spec") else str(split)
        parts = [self._one_split(part.strip(), **kwargs) for part in text.split("+")]
        return parts[0] if len(parts) == 1 else datasets.concatenate_datasets(parts)

    def _refuse_no_rows(self) -> None:
        """Say that a split has no questions where `datasets` would only say "no data"."""
        for name, info in (self.info.splits or {}).items():
            if not info.num_examples:
                units = len(self.config.open().units(name))
                raise BuildError(
                    f"{self.config.data_dir}: the {units} scenes of split {name!r} of source "
                    f"{self.config.name!r} gave no question"
                    + ("; scenes that broke were logged" * (self.config.on_error == "skip"))
                )

    def _one_split(self, instruction: str, **kwargs: Any) -> datasets.Dataset:
        match = re.match(r"\w+", instruction)
        name = match.group() if match else instruction
        if name not in SPLITS:
            raise ConfigError(f"unknown split {name!r}, expected one of {', '.join(SPLITS)}")
        config = {
            key: value for key, value in self.config_kwargs.items() if key not in ("data_dir",)
        }
        builder = type(self)(
            cache_dir=self._cache_dir_root,
            dataset_name=self.dataset_name,
            config_name=self.config.name,
            data_dir=self.config.data_dir,
            hash=self.hash,
            **{**config, "splits": (name,)},
        )
        builder.download_and_prepare(**copy.copy(getattr(self, "_prepare_arguments", {})))
        return builder.as_dataset(split=instruction, **kwargs)
