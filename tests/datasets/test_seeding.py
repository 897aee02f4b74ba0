from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stkit_datasets.seeding import stable_choice, stable_digest, stable_hex, stable_index

PART = st.one_of(st.text(), st.integers(), st.binary(), st.booleans(), st.none())


def test_digest_is_the_documented_encoding():
    expected = hashlib.sha256("s2:ä".encode() + b"i2:-7" + b"n0:" + b"b1:1").digest()
    assert stable_digest("ä", -7, None, True) == expected


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c"), ("a", "bc")),
        (("a",), ("a", "")),
        ((1,), ("1",)),
        ((1,), (True,)),
        ((1,), (1.0,)),
        ((None,), ("",)),
        (("a",), (b"a",)),
    ],
)
def test_different_parts_never_share_a_digest(one, other):
    assert stable_digest(*one) != stable_digest(*other)


@given(st.lists(PART, max_size=4), st.lists(PART, max_size=4))
def test_digests_agree_only_when_values_and_types_do(one, other):
    same = [(type(x), x) for x in one] == [(type(x), x) for x in other]
    assert (stable_digest(*one) == stable_digest(*other)) is same


def test_numpy_scalars_count_as_their_python_values():
    assert stable_digest(np.int64(3), np.float64(0.5)) == stable_digest(3, 0.5)
    assert stable_digest(-0.0) == stable_digest(0.0)


def test_hex_has_the_asked_length():
    assert stable_hex("a") == stable_digest("a").hex()[:16]
    assert len(stable_hex("a", length=64)) == 64


def test_index_is_known_and_spread():
    assert stable_index(1, "any") == 0
    expected = int.from_bytes(hashlib.sha256(b"s1:ai1:0").digest()[:8], "big") % 7
    assert stable_index(7, "a", 0) == expected
    counts = Counter(stable_index(7, "a", i) for i in range(7000))
    assert set(counts) == set(range(7))
    assert all(850 < n < 1150 for n in counts.values())


def test_choice_takes_the_indexed_option():
    options = ("m", "cm", "km")
    assert stable_choice(options, "row", 5) == options[stable_index(3, "row", 5)]


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: stable_digest([1]), TypeError, "got list"),
        (lambda: stable_index(0, "a"), ValueError, "at least 1, got 0"),
        (lambda: stable_choice((), "a"), ValueError, "got none"),
        (lambda: stable_hex("a", length=65), ValueError, "from 1 to 64, got 65"),
    ],
)
def test_wrong_arguments_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
