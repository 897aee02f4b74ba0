"""The columnar JSON reader gives what json.loads gives, whatever the layout and the block size."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stkit_datasets.errors import SourceError
from stkit_datasets.sources import nuscenes_json
from stkit_datasets.sources.nuscenes_drop import drop_sweeps, unwanted_dropper
from stkit_datasets.sources.nuscenes_json import read_chunks, read_table

SCHEMA = pa.schema(
    {"token": pa.string(), "n": pa.int64(), "x": pa.list_(pa.float64()), "yes": pa.bool_()}
)
TEXTS = st.text(st.sampled_from('a"\\{}[],:\n é😀'), max_size=12)
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "token": TEXTS,
            "n": st.integers(-(2**63), 2**63 - 1),
            "x": st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=3),
            "yes": st.booleans(),
        },
        optional={"more": st.one_of(TEXTS, st.none(), st.dictionaries(TEXTS, st.integers()))},
    ),
    max_size=30,
)
STYLES = st.sampled_from([{}, {"indent": 0}, {"indent": 4}, {"separators": (",", ":")}])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=ROWS, style=STYLES, ascii_only=st.booleans(), block=st.sampled_from([64, 300, 1 << 20]))
def test_same_as_the_standard_library(tmp_path_factory, rows, style, ascii_only, block):
    path = tmp_path_factory.getbasetemp() / "rows.json"
    path.write_text(json.dumps(rows, ensure_ascii=ascii_only, **style), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nuscenes_json, "BLOCK_BYTES", block)
        read = read_table(path, SCHEMA)
    assert read.schema == SCHEMA
    assert read.to_pylist() == [{name: row[name] for name in SCHEMA.names} for row in rows]


def test_the_usual_layout_is_read_the_fast_way(tmp_path, monkeypatch):
    def never(*_: object) -> None:
        raise AssertionError("read object by object")

    monkeypatch.setattr(nuscenes_json, "_strict_tables", never)
    rows = [{"token": f"t{i}", "n": i, "x": [i / 7], "yes": i % 2 == 0} for i in range(2000)]
    path = tmp_path / "rows.json"
    for style in ({"indent": 0}, {"indent": 2}, {}, {"separators": (",", ":")}):
        path.write_text(json.dumps(rows, **style))
        for block in (500, 4096, 1 << 20):
            monkeypatch.setattr(nuscenes_json, "BLOCK_BYTES", block)
            assert read_table(path, SCHEMA).to_pylist() == rows


@pytest.mark.parametrize("text", ["[{}", '[{"token": "a"}\n,]', '[{"token": "a"},, {}]', "[] {}"])
def test_incomplete_arrays(tmp_path, text):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(SourceError, match="must be one complete JSON array"):
        read_table(path, pa.schema({}))


def test_an_endless_object_is_given_up(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('[{"token": "' + "a" * 3_000_000)
    with pytest.raises(SourceError, match="row 0: must be one complete JSON array"):
        read_table(path, SCHEMA)


def tokens_read(path, drop, schema):
    chunks = read_chunks(path, schema, lambda rows: rows.to_pylist(), drop)
    return [row["token"] for rows in chunks for row in rows]


STYLE_LIST = ({"indent": 0}, {}, {"indent": 3}, {"separators": (",", ":")})


@pytest.mark.parametrize("style", STYLE_LIST)
def test_only_rows_between_keyframes_are_left_out(tmp_path, style):
    rows = [
        {"token": f"{i:032x}", "x" * (i % 3): "\"is_key_frame\": false", "is_key_frame": i % 6 == 0}
        for i in range(100)
    ]  # fmt: skip
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, **style))
    schema = pa.schema({"token": pa.string(), "is_key_frame": pa.bool_()})
    kept = tokens_read(path, drop_sweeps, schema)
    keyframes = [row["token"] for row in rows if row["is_key_frame"]]
    assert [token for token in kept if token in set(keyframes)] == keyframes
    if style != {"indent": 3}:
        assert kept == keyframes


@pytest.mark.parametrize("style", STYLE_LIST)
def test_wanted_rows_are_never_left_out(tmp_path, style):
    rows = [{"token": f"{i * 7919:032x}"[::-1], "n": i} for i in range(3000)]
    odd = [
        {"token": "short", "n": 1, "more": "x" * 40},
        {"token": "a longer token than those of the others", "n": 2},
        {"token": "é" * 20, "n": 3},
        {"n": 4, "token": "f" * 32},
        {"token": 'with "quotes" and \\ in a length 32', "n": 5},
    ]
    wanted = [row["token"] for row in rows[::100] + odd]
    for last in (rows[-1], odd[1]):
        mixed = [*rows[:50], *odd, *rows[50:], last | {"n": 0}]
        path = tmp_path / "rows.json"
        path.write_text(json.dumps(mixed, **style), encoding="utf-8")
        drop = unwanted_dropper(pa.array(wanted))
        kept = tokens_read(path, drop, pa.schema({"token": pa.string()}))
        assert set(kept) >= set(wanted)
        if last is rows[-1]:
            assert len(kept) < len(rows) / 5
