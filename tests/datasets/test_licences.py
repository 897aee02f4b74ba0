from __future__ import annotations

import re
from pathlib import Path

import pytest

from stkit_datasets import licences
from stkit_datasets.errors import ConfigError
from stkit_datasets.licences import LICENCES, Sharing
from stkit_datasets.sources import SOURCES

PAGE = (Path(__file__).parents[2] / "docs" / "licences.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("|")]


def words(text: str) -> str:
    return re.sub(r"[`\s]+", " ", text).strip()


def test_every_source_has_its_terms() -> None:
    assert set(SOURCES) - set(LICENCES) == set()


def test_the_page_has_the_table_that_exports_follow() -> None:
    assert licences.export_table() in PAGE


@pytest.mark.parametrize("source", LICENCES)
def test_the_page_tells_the_same_terms(source: str) -> None:
    terms = LICENCES[source]
    (row,) = [row for row in ROWS if words(row[0]) in (terms.title, source) and len(row) == 4
              and "`--include-video" not in row[3] and row[3] != "in"]  # fmt: skip
    assert words(terms.terms) in words(row[1])
    shared = row[3].startswith(("non-commercial only, with attribution", "as nuScenes"))
    assert shared == (terms.rows is Sharing.SAME_LICENCE)
    assert (row[3] == "any") == (terms.rows is Sharing.FREE)


def test_only_what_is_free_goes_out_with_its_video() -> None:
    assert {name for name, terms in LICENCES.items() if terms.video} == {"simulation"}
    assert all(terms.rows is Sharing.FREE for terms in LICENCES.values() if terms.video)


def test_an_agreement_names_the_data_and_its_terms() -> None:
    text = licences.agreement("nuscenes")
    assert "nuScenes" in text
    assert "CC BY-NC-SA 4.0 with Motional's terms" in text


def test_terms_that_nobody_has_read_are_an_error() -> None:
    with pytest.raises(ConfigError, match="the licence of source 'kitti' is not known; expected"):
        licences.licence("kitti")


def test_labels_are_those_of_the_hub() -> None:
    assert licences.labels(["waymo", "simulation", "nuplan", "nuscenes"]) == [
        "apache-2.0", "cc-by-nc-sa-4.0", "other",
    ]  # fmt: skip
