from __future__ import annotations

import pytest

from stkit_bench import published
from stkit_datasets.tasks.names import COMPARISONS, TASKS

STKIT_TABLES = ("stkit_bench_v1", "stkit_bench_v1_paraphrased", "stkit_bench_v2")

#: Rows whose printed average is not the mean of their seven printed accuracies: none.
WRONG_AVERAGES: set[tuple[str, str]] = set()


def test_all_tables_are_there():
    assert published.names() == (*STKIT_TABLES, "vlm4d")


@pytest.mark.parametrize(
    ("name", "rows"),
    [("stkit_bench_v1", 12), ("stkit_bench_v2", 13), ("stkit_bench_v1_paraphrased", 4)],
)
def test_every_row_has_the_seven_tasks(name, rows):
    table = published.table(name)
    assert len(table.rows) == rows
    assert len({row.model for row in table.rows}) == rows
    for row in table.rows:
        assert list(row.accuracy) == list(TASKS)
        assert all(0 <= value <= 100 for value in row.accuracy.values())
        assert set(row.mae) <= set(TASKS) - set(COMPARISONS)


@pytest.mark.parametrize("name", STKIT_TABLES)
def test_averages_are_the_means_of_the_seven(name):
    for row in published.table(name).rows:
        off = abs(row.average - sum(row.accuracy.values()) / 7)
        # One decimal is printed, halves are rounded either way.
        assert (off > 0.0501) == ((name, row.model) in WRONG_AVERAGES), row


@pytest.mark.parametrize("name", STKIT_TABLES)
def test_accuracies_are_counts_out_of_two_hundred(name):
    for row in published.table(name).rows:
        for value in row.accuracy.values():
            assert (2 * value).is_integer(), row


def test_some_numbers_by_hand():
    v1 = {row.model: row for row in published.table("stkit_bench_v1").rows}
    assert v1["GPT-4o"].accuracy["direction_timestamp"] == 13.5
    assert v1["GPT-4o"].mae == {
        "traveled_distance": 31.2,
        "traveling_speed": 33.8,
        "movement_direction": 2.7,
    }
    assert v1["ST-VLM-7B"].mean_iou == 0.61
    v2 = {row.model: row for row in published.table("stkit_bench_v2").rows}
    assert v2["GPT-5"].accuracy["movement_direction_comparison"] == 73.0
    assert v2["ST-VLM-7B"].average == 58.2
    assert "Table 3" in published.table("stkit_bench_v2").source


def test_vlm4d_averages():
    rows = published.table("vlm4d").rows
    assert len(rows) == 28
    for row in rows:
        a = row.accuracy
        # 449 egocentric and 922 exocentric questions; the printed numbers are rounded.
        real = (449 * a["real_egocentric"] + 922 * a["real_exocentric"]) / 1371
        synthetic = (a["synthetic_directional"] + a["synthetic_false_positive"]) / 2
        overall = (1371 * a["real"] + 800 * a["synthetic"]) / 2171
        assert real == pytest.approx(a["real"], abs=0.11), row
        assert synthetic == pytest.approx(a["synthetic"], abs=0.0501), row
        assert overall == pytest.approx(a["overall"], abs=0.11), row


def test_an_unknown_table_lists_those_that_there_are():
    with pytest.raises(ValueError, match=r"'v3'.*stkit_bench_v1, "):
        published.table("v3")
