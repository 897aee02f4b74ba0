from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from stkit_bench.rows import TARGET_FIELDS, reference, references

ROW = {
    "id": "a",
    "source": "nuscenes",
    "clip_id": "s1/0",
    "task": "movement_direction",
    "question": "Where to?",
    "answer": "Toward 3 o'clock.",
    "start_s": 0.0,
    "end_s": 9.0,
    "occluded": False,
    "objects": [{"color": "red", "boxes": [[0.0, 0.0, 1.0, 1.0]]}],
    "video": {"bytes": b"x", "path": None},
    "target": {
        "task": "movement_direction",
        "value_si": None,
        "unit": None,
        "clock": 3,
        "start_s": None,
        "end_s": None,
        "choice": None,
    },
}
EXPECTED = {
    "id": "a",
    "cluster": "nuscenes/s1/0",
    "source": "nuscenes",
    "clip_id": "s1/0",
    "task": "movement_direction",
    "question": "Where to?",
    "occluded": False,
    "value_si": None,
    "unit": None,
    "clock": 3,
    # The target's, not the run that the row's question is about.
    "start_s": None,
    "end_s": None,
    "choice": None,
}


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        iter,
        pd.DataFrame,
        pa.Table.from_pylist,
    ],
)
def test_rows_of_any_kind(make):
    assert references(make([ROW, {**ROW, "id": "b"}])) == [EXPECTED, {**EXPECTED, "id": "b"}]


def test_a_dataset_and_a_stream():
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_list([ROW, {**ROW, "id": "b"}, {**ROW, "id": "c"}])
    assert [r["id"] for r in references(dataset.select([2, 0]))] == ["c", "a"]
    assert references(dataset)[0] == EXPECTED
    assert references(dataset.to_iterable_dataset())[0] == EXPECTED
    assert references(dataset.with_format("numpy"))[0] == EXPECTED


def test_the_video_is_never_touched():
    datasets = pytest.importorskip("datasets")

    class Broken(datasets.Value):
        def decode_example(self, value, token_per_repo_id=None):
            raise AssertionError("decoded")

    dataset = datasets.Dataset.from_list([{**ROW, "video": "x"}])
    features = dataset.features.copy()
    features["video"] = Broken("string")
    assert references(dataset.cast(features))[0] == EXPECTED


def test_a_bare_target_with_task_and_question():
    bare = reference({**ROW["target"], "question": "Where to?"})
    assert bare["task"] == "movement_direction"
    assert bare["question"] == "Where to?"
    assert (bare["id"], bare["cluster"]) == (None, None)
    assert set(TARGET_FIELDS) <= set(bare)
    assert reference({"task": "movement_direction", "clock": 3})["clock"] == 3


def test_an_own_cluster_is_kept():
    assert reference({**ROW, "cluster": "scene-7"})["cluster"] == "scene-7"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"validation": [ROW]}, TypeError, "one split.*validation"),
        (3, TypeError, "takes rows, got int"),
        ("rows.jsonl", TypeError, "takes rows, got str"),
        ([ROW, 3], TypeError, "row 1 must be a mapping, got int"),
        ([{"question": "?"}], ValueError, "row 0: task must be a text"),
        ([{**ROW, "task": "traveling_speed"}], ValueError, "row 0: task .* differs"),
        ([{**ROW, "target": "3"}], ValueError, "row 0: target must be an object, got str"),
    ],
)
def test_errors_name_the_row(given, error, message):
    with pytest.raises(error, match=message):
        references(given)
