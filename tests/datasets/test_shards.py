from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stkit_datasets import shards


@pytest.mark.parametrize(
    ("lengths", "rows", "expected"),
    [
        ([3, 3, 3], 4, [4, 4, 1]),
        ([10], 4, [4, 4, 2]),
        ([0, 4, 0], 4, [4]),
        ([0], 4, []),
        ([], 4, []),
    ],
)
def test_groups_cross_borders_and_keep_the_order(
    lengths: list[int], rows: int, expected: list[int]
) -> None:
    numbers = iter(range(100))
    tables = [
        pa.table({"n": pa.array([next(numbers) for _ in range(n)], pa.int64())}) for n in lengths
    ]
    groups = list(shards.row_groups(tables, rows))
    assert [group.num_rows for group in groups] == expected
    assert [n for group in groups for n in group["n"].to_pylist()] == list(range(sum(lengths)))


def test_a_video_that_rows_share_is_stored_once(tmp_path: Path) -> None:
    videos = [bytes([i]) * 1_500_000 for i in (1, 2)]  # one is more than Parquet's own limit
    once = pa.table({"bytes": pa.array(videos)})
    ten_times = pa.table({"bytes": pa.array(videos * 10)})
    sizes = []
    for name, table in (("once", once), ("ten", ten_times)):
        with shards.writing(tmp_path / name, table.schema) as writer:
            writer.write_table(table)
        metadata = pq.read_metadata(tmp_path / name)
        sizes.append(metadata.row_group(0).column(0).total_uncompressed_size)
        assert pq.read_table(tmp_path / name) == table
    assert sizes[1] < sizes[0] + 1000
