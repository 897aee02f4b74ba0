"""Delimited text: what is read, and how broken lines are named."""

import pytest

from stkit_datasets.errors import SourceError
from stkit_datasets.sources.csv_tables import read_csv

TYPES = {"b": "number", "a": "integer"}


def read(tmp_path, data, **options):
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    return read_csv(path, TYPES, keys=("a",), **options)


def test_wanted_columns_are_read_by_name_and_others_are_not_parsed(tmp_path):
    columns = read(tmp_path, b"a,0,0,b\n1,x,\xff,4.5\n2,,3,nan\n")
    assert columns.table.to_pydict() == {"b": [4.5, None], "a": [1, 2]}
    assert columns.where(1) == "line 3 (a=2)"


def test_spaces_as_delimiter_and_names_from_outside(tmp_path):
    assert read(tmp_path, b"a b\r\n1 2.5\r\n", delimiter=" ").table["b"].to_pylist() == [2.5]
    columns = read(tmp_path, b"7,1.5\n8,2.5\n", names=("a", "b"))
    assert columns.table["a"].to_pylist() == [7, 8]
    assert columns.where(0) == "line 1 (a=7)"


@pytest.mark.parametrize(
    ("data", "line"), [(b"x,y\n7,1.5\n", 2), (b"7,1.5\n", 1), (b"-7e0,1\n", None)]
)
def test_names_that_may_be_in_the_first_line(tmp_path, data, line):
    options = {"names": ("a", "b"), "header_may_be": True}
    if line is None:
        with pytest.raises(SourceError, match="line 1, column 'a'"):
            read(tmp_path, data, **options)
    else:
        assert read(tmp_path, data, **options).where(0) == f"line {line} (a=7)"


def test_a_file_with_no_rows(tmp_path):
    columns = read(tmp_path, b"a,b\n")
    assert len(columns) == 0
    assert columns.integers("a").tolist() == []


@pytest.mark.parametrize(
    ("data", "options", "words"),
    [
        (b"", {}, ["line 1", "names of the columns"]),
        (b"\xff\xfe,b\n1,2\n", {}, ["line 1", "names of the columns"]),
        (b"a,c\n1,2\n", {}, ["column 'b'", "found 0"]),
        (b"a,b,b\n1,2,3\n", {}, ["column 'b'", "found 2"]),
        (b"a,b\n1,2\n1\n", {}, ["line 3", "whole lines of 2 values"]),
        (b"a,b\n1,2\n1,x\n", {}, ["line 3, column 'b'", "'x'"]),
        (b"a,b\n1.5,2\n", {}, ["line 2, column 'a'", "'1.5'"]),
        (b"99999999999999999999,1\n", {"names": ("a", "b")}, ["line 1, column 'a'"]),
        (b"a,b\n1,2", {"ends_with_newline": True}, ["cut off"]),
    ],
)
def test_broken_files(tmp_path, data, options, words):
    with pytest.raises(SourceError) as caught:
        read(tmp_path, data, **options)
    assert caught.value.path.endswith("table.csv")
    for word in words:
        assert word in str(caught.value)


def test_no_file_and_a_folder_in_its_place(tmp_path):
    with pytest.raises(SourceError, match="found none"):
        read_csv(tmp_path / "missing.csv", TYPES)
    with pytest.raises(SourceError, match="cannot be read"):
        read_csv(tmp_path, TYPES)
