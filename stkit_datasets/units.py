"""Spoken units: which ones suit a value, how they are written, and the way back to SI.

The constants are those of the papers' evaluation (in 0.0254 m, ft 0.3048 m, mph 1.60934 km/h,
ft/s 1.09728 km/h). The mile is taken as 1609.34 m, not the exact 1609.344 m, so that one mile in
one hour is one mph; the 2.5e-6 between the two is far below the two decimals that are written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["length", "speed"]
Spelling: TypeAlias = Literal["symbol", "word"]

SPELLINGS: tuple[Spelling, ...] = get_args(Spelling)

DECIMALS = 2
# Below one, two decimals keep fewer than three digits and round by more than half a percent.
SMALLEST_SPOKEN = 1.0


@dataclass(frozen=True)
class Unit:
    """One spoken unit.

    Attributes:
        symbol: the abbreviation, which is also the unit's name in this package.
        word: the plural written out.
        kind: what it measures.
        si: its size in metres or metres per second.
        spoken_below: numbers of this unit stay under this bound in a sentence.
    """

    symbol: str
    word: str
    kind: Kind
    si: float
    spoken_below: float = 10_000.0


_KILOMETERS_PER_HOUR = 1 / 3.6

_ALL = (
    Unit("m", "meters", "length", 1.0),
    Unit("cm", "centimeters", "length", 0.01, spoken_below=1000.0),
    Unit("km", "kilometers", "length", 1000.0),
    Unit("ft", "feet", "length", 0.3048),
    Unit("in", "inches", "length", 0.0254, spoken_below=1000.0),
    Unit("mi", "miles", "length", 1609.34),
    Unit("m/s", "meters per second", "speed", 1.0),
    Unit("km/h", "kilometers per hour", "speed", _KILOMETERS_PER_HOUR),
    Unit("mph", "miles per hour", "speed", 1.60934 * _KILOMETERS_PER_HOUR),
    Unit("ft/s", "feet per second", "speed", 0.3048),
)

UNITS: Mapping[str, Unit] = MappingProxyType({unit.symbol: unit for unit in _ALL})
LENGTH_UNITS: tuple[str, ...] = tuple(unit.symbol for unit in _ALL if unit.kind == "length")
SPEED_UNITS: tuple[str, ...] = tuple(unit.symbol for unit in _ALL if unit.kind == "speed")


def _unit(symbol: str) -> Unit:
    try:
        return UNITS[symbol]
    except KeyError:
        raise ValueError(f"unknown unit {symbol!r}, expected one of {', '.join(UNITS)}") from None


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise ValueError(f"`{name}` must be finite, got {value}")
    return float(value)


def to_si(value: float, unit: str) -> float:
    """Convert ``value`` in ``unit`` to metres or metres per second.

    Raises:
        ValueError: the unit is unknown or the value is not finite.
    """
    return _finite(value, "value") * _unit(unit).si


def from_si(value_si: float, unit: str) -> float:
    """Convert metres or metres per second to ``unit``; the inverse of :func:`to_si`."""
    return _finite(value_si, "value_si") / _unit(unit).si


def suitable_units(value_si: float, kind: Kind) -> tuple[str, ...]:
    """Return the units in which ``value_si`` is spoken well, in the order of the table.

    In each of them the number is at least 1.00, so that two decimals keep three digits (a
    rounding error of 0.5 % at most), and below the unit's ``spoken_below``. Never empty: a value
    too small or too large for all of them gets the finest or the coarsest unit, and zero gets
    the SI unit.

    Args:
        value_si: metres or metres per second, finite and not negative.
        kind: ``"length"`` or ``"speed"``.

    Raises:
        ValueError: the value is negative or not finite, or the kind is unknown.
    """
    if kind not in get_args(Kind):
        raise ValueError(f"`kind` must be one of {', '.join(get_args(Kind))}, got {kind!r}")
    if _finite(value_si, "value_si") < 0:
        raise ValueError(f"`value_si` must not be negative, got {value_si}")
    of_kind = [unit for unit in _ALL if unit.kind == kind]
    if value_si == 0:
        return (of_kind[0].symbol,)
    suitable = [u.symbol for u in of_kind if _is_spoken_well(value_si / u.si, u)]
    if suitable:
        return tuple(suitable)
    by_size = sorted(of_kind, key=lambda unit: unit.si)
    too_small = value_si / by_size[0].si < by_size[0].spoken_below
    return ((by_size[0] if too_small else by_size[-1]).symbol,)


def _is_spoken_well(number: float, unit: Unit) -> bool:
    return number >= SMALLEST_SPOKEN and round(number, DECIMALS) < unit.spoken_below


def format_quantity(value_si: float, unit: str, spelling: Spelling = "symbol") -> str:
    """Write a value with two decimals and its unit, such as ``12.34 m`` or ``12.34 meters``.

    Args:
        value_si: metres or metres per second.
        unit: a key of :data:`UNITS`.
        spelling: ``"symbol"`` or ``"word"``.

    Raises:
        ValueError: the unit or the spelling is unknown, or the value is not finite.
    """
    if spelling not in SPELLINGS:
        raise ValueError(f"`spelling` must be one of {', '.join(SPELLINGS)}, got {spelling!r}")
    entry = _unit(unit)
    name = entry.symbol if spelling == "symbol" else entry.word
    return f"{from_si(value_si, unit):.{DECIMALS}f} {name}"
