"""Settings that sources share, and how a user's options become them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

from stkit_datasets import resample
from stkit_datasets.errors import ConfigError
from stkit_datasets.sources.base import GRID_STEP_S

ConfigT = TypeVar("ConfigT")


@dataclass(frozen=True)
class SamplingConfig:
    """How a source that is faster than the grid is brought onto it.

    Attributes:
        image_tolerance_s: an image farther from a grid time does not stand for it [ours].
        snap_s: see ``resample.GridConfig``.
        max_gap_s: see ``resample.GridConfig``.
    """

    image_tolerance_s: float = 0.05
    snap_s: float = resample.DEFAULT_GRID.snap_s
    max_gap_s: float = resample.DEFAULT_GRID.max_gap_s

    def __post_init__(self) -> None:
        for name in ("image_tolerance_s", "snap_s", "max_gap_s"):
            value: object = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"{name} must be a number of seconds, got {value!r}")
        # Half a step apart an image would stand for two grid times.
        if not 0 <= self.image_tolerance_s < GRID_STEP_S / 2:
            raise ConfigError(
                f"image_tolerance_s must lie in [0, {GRID_STEP_S / 2:g}), "
                f"got {self.image_tolerance_s!r}"
            )
        _ = self.grid  # checks the other two

    @property
    def grid(self) -> resample.GridConfig:
        """How annotations are sampled."""
        return resample.GridConfig(snap_s=self.snap_s, max_gap_s=self.max_gap_s)

    @property
    def image_tolerance_ns(self) -> int:
        """``image_tolerance_s`` in ns."""
        return round(self.image_tolerance_s * resample.NS_PER_S)


def config_from_options(
    config: type[ConfigT], source: str, options: Mapping[str, object] | None
) -> ConfigT:
    """Make a source's config of a user's options.

    Raises:
        ConfigError: an option is unknown or out of range; the message lists the known ones.
    """
    names = [field.name for field in fields(config)]  # type: ignore[arg-type]
    unknown = sorted(set(options or ()) - set(names))
    if unknown:
        raise ConfigError(
            f"{source}: unknown option {', '.join(map(repr, unknown))}; "
            f"expected some of {', '.join(names)}"
        )
    try:
        return config(**(options or {}))
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from error


def names_among(
    option: str, value: object, allowed: Sequence[str], *, may_be_empty: bool = False
) -> tuple[str, ...]:
    """Return a user's choice of names.

    Raises:
        ConfigError: it is no list of different names among ``allowed``, or an empty one.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or not (value or may_be_empty):
        raise ConfigError(f"{option} must be a list of names, got {value!r}")
    if sum(name in value for name in allowed) != len(value):
        raise ConfigError(
            f"{option} must be different names among {', '.join(allowed)}; "
            f"got {', '.join(map(repr, value))}"
        )
    return tuple(value)
