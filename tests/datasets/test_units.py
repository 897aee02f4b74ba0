from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stkit_datasets.units import (
    LENGTH_UNITS,
    SPEED_UNITS,
    SPELLINGS,
    UNITS,
    format_quantity,
    from_si,
    suitable_units,
    to_si,
)


def test_the_units_are_those_of_the_specification():
    assert LENGTH_UNITS == ("m", "cm", "km", "ft", "in", "mi")
    assert SPEED_UNITS == ("m/s", "km/h", "mph", "ft/s")


@pytest.mark.parametrize(
    ("unit", "si"),
    [
        ("m", 1.0),
        ("cm", 0.01),
        ("km", 1000.0),
        ("ft", 0.3048),
        ("in", 0.0254),
        ("mi", 1609.34),
        ("m/s", 1.0),
        ("km/h", 0.2777777777777778),
        ("mph", 0.4470388888888889),
        ("ft/s", 0.3048),
    ],
)
def test_one_of_each_unit(unit, si):
    assert to_si(1.0, unit) == pytest.approx(si, rel=1e-12)


@pytest.mark.parametrize(
    ("unit", "kilometers_per_hour"), [("m/s", 3.6), ("mph", 1.60934), ("ft/s", 1.09728)]
)
def test_speeds_agree_with_the_published_factors(unit, kilometers_per_hour):
    assert from_si(to_si(1.0, unit), "km/h") == pytest.approx(kilometers_per_hour, rel=1e-12)


@pytest.mark.parametrize(
    ("value_si", "kind", "expected"),
    [
        (0.3, "length", ("cm", "in")),
        (1.0, "length", ("m", "cm", "ft", "in")),
        (15.0, "length", ("m", "ft", "in")),
        (900.0, "length", ("m", "ft")),
        (2000.0, "length", ("m", "km", "ft", "mi")),
        (0.0, "length", ("m",)),
        (0.004, "length", ("cm",)),
        (1e9, "length", ("mi",)),
        (9.999, "length", ("m", "ft", "in", "cm")),
        (9.99999, "length", ("m", "ft", "in")),
        (0.6, "speed", ("km/h", "mph", "ft/s")),
        (30.0, "speed", ("m/s", "km/h", "mph", "ft/s")),
        (0.1, "speed", ("km/h",)),
    ],
)
def test_suitable_units(value_si, kind, expected):
    assert set(suitable_units(value_si, kind)) == set(expected)


@given(st.floats(0.011, 9e6), st.sampled_from(SPELLINGS))
def test_lengths_come_back_within_half_a_percent(value_si, spelling):
    for unit in suitable_units(value_si, "length"):
        written = format_quantity(value_si, unit, spelling)
        assert to_si(float(written.split()[0]), unit) == pytest.approx(value_si, rel=0.005)
        assert float(written.split()[0]) < 10_000


@given(st.floats(0.3, 200.0), st.sampled_from(SPELLINGS))
def test_speeds_come_back_within_half_a_percent(value_si, spelling):
    for unit in suitable_units(value_si, "speed"):
        number = float(format_quantity(value_si, unit, spelling).split()[0])
        assert to_si(number, unit) == pytest.approx(value_si, rel=0.005)


@given(st.floats(-1e9, 1e9), st.sampled_from(sorted(UNITS)))
def test_conversion_has_an_inverse(value_si, unit):
    assert to_si(from_si(value_si, unit), unit) == pytest.approx(value_si, rel=1e-12)


@given(st.floats(0, allow_infinity=False), st.sampled_from(["length", "speed"]))
def test_there_is_always_a_unit(value_si, kind):
    units = suitable_units(value_si, kind)
    assert units
    assert {UNITS[unit].kind for unit in units} == {kind}


@pytest.mark.parametrize(
    ("value_si", "unit", "spelling", "expected"),
    [
        (12.344, "m", "symbol", "12.34 m"),
        (12.344, "m", "word", "12.34 meters"),
        (0.3048, "ft", "word", "1.00 feet"),
        (10.0, "km/h", "symbol", "36.00 km/h"),
        (2500.0, "km", "symbol", "2.50 km"),
        (4.470388888888889, "mph", "word", "10.00 miles per hour"),
    ],
)
def test_format(value_si, unit, spelling, expected):
    assert format_quantity(value_si, unit, spelling) == expected


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: to_si(1.0, "furlong"), "unknown unit 'furlong', expected one of m, cm"),
        (lambda: from_si(math.nan, "m"), "`value_si` must be finite, got nan"),
        (lambda: format_quantity(1.0, "m", "long"), "`spelling` must be one of symbol, word"),
        (lambda: suitable_units(-1.0, "length"), "must not be negative, got -1.0"),
        (lambda: suitable_units(math.inf, "length"), "must be finite"),
        (lambda: suitable_units(1.0, "mass"), "`kind` must be one of length, speed, got 'mass'"),
    ],
)
def test_wrong_arguments_are_named(call, says):
    with pytest.raises(ValueError, match=says):
        call()
