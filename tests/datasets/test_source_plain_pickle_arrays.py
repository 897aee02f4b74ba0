import collections
import os
import pickle
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_datasets.sources.plain_pickle import PickleRefusedError
from stkit_datasets.sources.plain_pickle_arrays import read_containers

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
# Protocol 0 and 1 spell the bytes of an array in ways that numpy itself no longer writes.
ARRAY_PROTOCOLS = range(2, pickle.HIGHEST_PROTOCOL + 1)


class Bomb:
    """Unpickling it would end the tests."""

    def __reduce__(self):
        return exit, ("it ran",)


def assert_same(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key in expected:
            assert_same(found[key], expected[key])
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype.newbyteorder("=")
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1, "b": [1, 2.5, None, True], 7: {"c": "é"}},
        [{"x": (720, 1280)}, "text", {}],
        {"many": {str(k): k for k in range(2500)}},
    ],
)
def test_containers_come_back(value, protocol):
    assert_same(read_containers(pickle.dumps(value, protocol)), value)


@pytest.mark.parametrize("protocol", ARRAY_PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(10, dtype=np.float32).reshape(2, 5),
        np.arange(6, dtype=np.float64).reshape(3, 2)[:, ::-1],
        np.asfortranarray(np.arange(6, dtype=np.int64).reshape(3, 2)),
        np.arange(4, dtype=">i4"),
        np.array([[True, False]]),
        np.arange(3, dtype=np.uint8),
        np.zeros((0, 5), np.float32),
        np.array(2.5),
        np.arange(3, dtype=np.int16),
    ],
)
def test_arrays_come_back(array, protocol):
    shared = {"one": [array, array], "two": array}
    found = read_containers(pickle.dumps(shared, protocol))
    assert_same(found, shared)
    assert not found["two"].flags.writeable


@pytest.mark.parametrize("protocol", ARRAY_PROTOCOLS)
def test_numpy_scalars_come_back_as_numbers(protocol):
    value = {"n": np.int64(725), "x": np.float32(0.5)}
    assert read_containers(pickle.dumps(value, protocol)) == {"n": 725, "x": 0.5}


def test_older_numpy():
    data = pickle.dumps([np.arange(3.0)], 2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in data
    assert_same(read_containers(data), [np.arange(3.0)])


def test_python_2():
    """What Python 2 wrote: texts and bytes alike as SHORT_BINSTRING."""
    data = (
        b"\x80\x02}U\x01ac numpy.core.multiarray\n_reconstruct\n".replace(b"c numpy", b"cnumpy")
        + b"cnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\n"
        + b"U\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        + b"\x89U\x02\x05\xfftbs."
    )
    assert_same(read_containers(data), {"a": np.array([5, 255], np.uint8)})


def test_the_published_annotation_of_one_clip(shared_data):
    found = read_containers(shared_data("multisports/gt.pkl").read_bytes())
    (video,) = found["test_videos"][0]
    assert found["resolution"][video] == (720, 1280)
    tubes = [tube for tubes in found["gttubes"][video].values() for tube in tubes]
    assert len(tubes) == 8
    assert {tube.shape[1] for tube in tubes} == {5}
    assert found["gttubes"][video][10][0][0].tolist() == [288, 562, 361, 656, 600]


def test_a_ground_truth_of_full_size_takes_seconds():
    """3,200 videos with 12 tubes each, about the size of the whole data set."""
    tube = np.zeros((25, 5), np.float32)
    value = {
        f"video_{k}": {j: [tube.copy() for _ in range(4)] for j in range(3)} for k in range(3200)
    }
    data = pickle.dumps(value, 2)
    start = time.process_time()
    assert len(read_containers(data)) == 3200
    assert time.process_time() - start < 60


ARRAY = pickle.dumps(np.arange(3.0), 2)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps({"a": Bomb()}), "Quitter, which is not read"),
        (pickle.dumps({"a": os.system}), "names posix.system, which is not read"),
        (b"}(X\x01\x00\x00\x00acos\nsystem\n(S'true'\ntRu.", "names os.system"),
        (b"c_codecs\ndecode\n.", "names _codecs.decode"),
        (b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.", "other than bytes"),
        (b"c_codecs\nencode\n.", "holds Name, not data"),
        (b"]c_codecs\nencode\na.", "holds Name, not data"),
        (b"](a.", "holds object, not data"),
        (b"cnumpy\nndarray\n(K\x03\x85tR.", "calls something"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\nK\x00tR.", "names os.system"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(K\x01K\x00tR.", "calls something"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntR.", "holds _Array"),
        (b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntRNb.", "without its state"),
        (pickle.dumps(np.array([Bomb()])), "broken at REDUCE: 'O8'"),
        (pickle.dumps(np.array([1], object), 2), "broken at REDUCE"),
        (pickle.dumps(np.array(["a"])), "broken at REDUCE"),
        (pickle.dumps(np.zeros((1,) * 5)), "an array of shape"),
        (ARRAY.replace(b"K\x03\x85", b"K\x7f\x85"), "24 bytes for an array of"),
        (ARRAY.replace(b"K\x03\x85", b"J\xff\xff\xff\xff\x85"), "an array of shape"),
        (ARRAY.replace(b"K\x03\x85", b"N"), "an array of shape None"),
        (pickle.dumps({1.5: 2}), "a key of type float"),
        (pickle.dumps({(1, 2): 2}), "a key of type tuple"),
        (pickle.dumps([((1,),)]), "holds tuple"),
        (pickle.dumps({1, 2}), "opcode EMPTY_SET"),
        (pickle.dumps(collections.OrderedDict(a=1)), "names collections.OrderedDict"),
        (b"K\x01K\x01K\x01s.", "what is no dict"),
        (b"(K\x01d.", "what is no dict"),
        (b"s.", "broken at SETITEM"),
        (b"", "broken at start"),
        (pickle.dumps({"a": 1})[:-2], "broken|no end"),
    ],
)
def test_anything_else_is_refused(data, message):
    with pytest.raises(PickleRefusedError, match=message):
        read_containers(data)


def test_a_bomb_of_shared_tuples_is_refused_at_once():
    value = ()
    for _ in range(200):
        value = (value, value)
    with pytest.raises(PickleRefusedError, match="holds tuple"):
        read_containers(pickle.dumps([value]))


WHOLE = tuple(
    pickle.dumps({"a": [np.arange(3.0), np.arange(4, dtype=np.float32)], "b": (1, 2)}, protocol)
    for protocol in ARRAY_PROTOCOLS
)


@settings(max_examples=400, deadline=None, derandomize=True)
@given(data=st.data(), whole=st.sampled_from(WHOLE))
def test_fuzz(data, whole):
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(broken)))
    try:
        found = read_containers(bytes(broken[:cut]))
    except PickleRefusedError:
        return
    assert found is None or isinstance(
        found, dict | list | tuple | str | bytes | int | float | np.ndarray
    )
