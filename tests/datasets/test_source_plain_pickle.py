import os
import pickle

import numpy as np
import nuplan_maker as maker
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_datasets.sources.plain_pickle import MAX_BYTES, PickleRefusedError, read_numbers


class Bomb:
    """Unpickling it would end the tests."""

    def __reduce__(self):
        return exit, ("it ran",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        [],
        [1.5, -2, 0, 300, 70_000, 2**40],
        [[1.0, 0.0], [0.0, 1e-300]],
        (1, 2.5),
        [(1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
        7.25,
    ],
)
def test_plain_numbers_come_back(value, protocol):
    assert read_numbers(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_lists_of_the_devkit_come_back_as_lists(protocol):
    matrix = [[1.0, 0.0, 2.0], [0.0, 1.0, 3.0], [0.0, 0.0, 1.0]]
    found = read_numbers(maker.devkit_pickle("CameraIntrinsic", matrix, protocol))
    assert type(found) is list
    assert found == matrix


@pytest.mark.parametrize("scalar", [np.float64, np.float32, np.int64, np.int32])
def test_numpy_scalars_come_back_as_numbers(scalar):
    data = maker.devkit_pickle("Translation", [scalar(3), scalar(-4)])
    assert read_numbers(data) == [3, -4]


def test_numpy_scalars_of_older_numpy_and_of_the_other_byte_order():
    swapped = np.array([1.5], dtype=">f8")[0]
    data = pickle.dumps([np.float64(1.5)], 3).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in data
    assert read_numbers(data) == [1.5]
    assert read_numbers(pickle.dumps([swapped], 3)) == [1.5]


def test_a_value_used_twice_comes_back_twice():
    row = [1.0, 2.0]
    assert read_numbers(pickle.dumps([row, row])) == [row, row]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([Bomb()]), "Quitter, which is not read"),
        (pickle.dumps([os.system]), "names posix.system, which is not read"),
        (b"cos\nsystem\n(S'true'\ntR.", "names os.system"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.", "names os.system"),
        (b"cnuplan.database.common.data_types\nTranslation\n(I1\ntR.", "calls something"),
        (b"cnumpy\ndtype\n(S'f8'\ntR.", "opcode STRING"),
        (b"cnumpy\ndtype\n(X\x02\x00\x00\x00O8tR.", "broken at REDUCE"),
        (b"cnumpy\ndtype\n.", "holds Name"),
        (pickle.dumps({"a": 1}), "opcode EMPTY_DICT"),
        (pickle.dumps("text"), "holds str"),
        (pickle.dumps(None), "holds NoneType"),
        (pickle.dumps(np.zeros(3)), "_reconstruct"),
        (b"]Qq.", "opcode BINPERSID"),
        (b"(i__main__\nBomb\n.", "opcode INST"),
        (b"\x82\x01.", "opcode EXT1"),
        (b"h\x05.", "broken at BINGET"),
        (b"e.", "broken at APPENDS"),
        (b"K\x01K\x02a.", "appends to what is no list"),
        (b"K\x01\x86.", "more than there is"),
        (b"K\x01K\x01.", "broken at STOP"),
        (b"", "broken at start"),
        (pickle.dumps([1.0, 2.0])[:-3], "broken"),
        (b"\0" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_anything_else_is_refused(data, message):
    with pytest.raises(PickleRefusedError, match=message):
        read_numbers(data)


WHOLE = (*maker.calibration(), pickle.dumps([1, 2.0], 0))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(data=st.data(), whole=st.sampled_from(WHOLE))
def test_fuzz(data, whole):
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(broken)))
    try:
        found = read_numbers(bytes(broken[:cut]))
    except PickleRefusedError:
        return
    assert isinstance(found, list | tuple | int | float)
