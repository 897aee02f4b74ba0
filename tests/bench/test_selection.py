from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stkit_bench.selection import PUBLISHED_SOURCE_SHARES, SelectionConfig, select
from stkit_bench.selection.allocate import (
    even_shares,
    nested_shares,
    split_by_source,
)
from stkit_datasets.tasks.names import TASKS

COLORS = ("red", "blue", "green")


def target(**fields):
    empty = dict.fromkeys(("value_si", "unit", "clock", "start_s", "end_s", "choice"))
    return {**empty, **fields}


def row(number: int, task: str, source: str = "nuscenes", clip: str = "c", **fields):
    kept = {
        "id": f"{task}-{number}",
        "task": task,
        "source": source,
        "clip_id": clip,
        "polarity": fields.pop("polarity", None),
        "objects": fields.pop("objects", [{"color": "red"}]),
        "start_s": 0.0,
        "end_s": 9.0,
        "video": b"never read",
    }
    return {**kept, "target": {"task": task, **target(**fields)}}


def directions(counts: dict[int, int], task: str = "movement_direction"):
    return [
        row(100 * clock + n, task, clock=clock) for clock, m in counts.items() for n in range(m)
    ]


def comparisons(n: int):
    generator = np.random.default_rng(0)
    rows = []
    for number in range(n):
        first, second = generator.permutation(COLORS)[:2].tolist()
        rows.append(
            row(
                number,
                "traveled_distance_comparison",
                polarity="more" if generator.random() < 0.8 else "less",
                objects=[{"color": first, "boxes": [[0, 0, 1, 1]]}, {"color": second}],
                choice=first if generator.random() < 0.25 else second,
            )
        )
    return rows


def histogram(report, task, kind):
    return {label: c.selected for label, c in report.tasks[task].labels[kind].items()}


@pytest.mark.parametrize(
    ("capacity", "total", "expected"),
    [
        ([10, 10], 6, [3, 3]),
        ([10, 10], 7, [4, 3]),
        ([1, 10, 10], 9, [1, 4, 4]),
        ([1, 2, 3], 9, [1, 2, 3]),
        ([0, 5], 4, [0, 4]),
        ([], 4, []),
        ([3, 3], 0, [0, 0]),
    ],
)
def test_even_shares(capacity, total, expected):
    assert even_shares(capacity, total, range(len(capacity))) == expected


@given(st.lists(st.integers(0, 30), max_size=8), st.integers(0, 100))
def test_even_shares_differ_by_one_unless_a_cell_ran_out(capacity, total):
    shares = even_shares(capacity, total, range(len(capacity)))
    assert sum(shares) == min(total, sum(capacity))
    assert all(0 <= s <= c for s, c in zip(shares, capacity, strict=True))
    open_ = [s for s, c in zip(shares, capacity, strict=True) if s < c]
    if open_:
        assert max(shares) - min(open_) <= 1


def test_nested_shares_keep_the_first_level_even():
    capacity = {("a", "x"): 1, ("a", "y"): 100, ("b", "x"): 100, ("b", "y"): 100}
    shares = nested_shares(capacity, 40, seed=0)
    assert shares == {("a", "x"): 1, ("a", "y"): 19, ("b", "x"): 10, ("b", "y"): 10}


def test_nested_shares_are_even_over_all_cells_at_every_level():
    cells = [(a, p, c) for a in "12" for p in "ml" for c in "rgbyo"]
    shares = nested_shares(dict.fromkeys(cells, 100), 14, seed=3)
    for place, expected in ((0, {7}), (1, {7}), (2, {2, 3})):
        totals = {}
        for cell, share in shares.items():
            totals[cell[place]] = totals.get(cell[place], 0) + share
        assert set(totals.values()) == expected


def test_sources_reach_their_numbers_where_they_can():
    # The second source has candidates in the first cell only.
    available = np.array([[100, 100], [6, 0]])
    taken = split_by_source(available, np.array([10, 10]), np.array([14, 6]))
    assert taken.tolist() == [[4, 10], [6, 0]]


def test_sources_hand_cells_on_until_their_numbers_are_right():
    # Only the first source can fill the first cell, and only the third the last one.
    available = np.array([[9, 9, 0], [0, 9, 9], [0, 0, 9]])
    taken = split_by_source(available, np.array([4, 4, 4]), np.array([6, 3, 3]))
    assert taken.sum(axis=0).tolist() == [4, 4, 4]
    assert taken.sum(axis=1).tolist() == [6, 3, 3]


@given(
    arrays(np.int64, (3, 4), elements=st.integers(0, 6)),
    arrays(np.int64, (3, 4), elements=st.integers(0, 6)),
)
def test_numbers_that_can_be_met_are_met(there, more):
    # Whatever was taken from somewhere fits, so that it can be found again from its sums alone.
    taken = split_by_source(there + more, there.sum(axis=0), there.sum(axis=1))
    assert (taken <= there + more).all()
    assert taken.sum(axis=0).tolist() == there.sum(axis=0).tolist()
    assert taken.sum(axis=1).tolist() == there.sum(axis=1).tolist()


def test_cells_come_before_sources():
    available = np.array([[2, 100], [100, 0]])
    taken = split_by_source(available, np.array([10, 10]), np.array([18, 2]))
    assert taken.sum(axis=0).tolist() == [10, 10]
    assert taken.tolist() == [[2, 10], [8, 0]]


def test_directions_are_even_over_the_clock():
    rows = directions({12: 500, **dict.fromkeys(range(1, 12), 20)})
    result = select(rows, per_task=120)
    report = result.report
    assert set(histogram(report, "movement_direction", "clock").values()) == {10}
    assert report.tasks["movement_direction"].labels["clock"]["12"].available == 500
    assert report.tasks["movement_direction"].short == ()
    assert result.ids == tuple(rows[i]["id"] for i in result.indices)


def test_a_short_cell_is_topped_up_evenly_and_told():
    rows = directions({1: 2, **dict.fromkeys(range(2, 13), 50)})
    result = select(rows, per_task=120)
    counts = histogram(result.report, "movement_direction", "clock")
    assert counts.pop("01") == 2
    assert sum(counts.values()) == 118
    assert set(counts.values()) == {10, 11}
    (short,) = result.report.tasks["movement_direction"].short
    assert (short.cell, short.available, short.even_share) == ({"clock": "01"}, 2, 10.0)
    assert "short cell: clock 01: 2 candidates" in result.report.to_text()


def test_too_few_candidates_are_all_taken_and_told():
    result = select(directions({3: 4}), per_task=10)
    assert len(result.indices) == 4
    assert not result.report.complete
    assert "SHORT by 6" in result.report.to_text()


def test_a_cell_without_candidates_is_told_however_few_are_wanted():
    report = select(directions({3: 9, 4: 9}), per_task=4).report
    assert histogram(report, "movement_direction", "clock")["03"] == 2
    short = report.tasks["movement_direction"].short
    assert [cell.cell["clock"] for cell in short] == [
        *("01", "02"),
        *(f"{hour:02d}" for hour in range(5, 13)),
    ]
    assert "traveling_speed: 0 of 4 (candidates: 0)\n  SHORT by 4: there are no" in report.to_text()


def test_values_fall_into_bins_of_metres_and_kilometres_per_hour():
    rows = [row(n, "traveled_distance", value_si=v) for n, v in enumerate([0.0, 2.5, 39.9, 1e6])]
    rows += [row(n, "traveling_speed", value_si=v) for n, v in enumerate([1.0, 5.0 / 3.6, 100.0])]
    report = select(rows, per_task=5).report
    distance = histogram(report, "traveled_distance", "distance_m")
    assert {k for k, v in distance.items() if v} == {"0-2.5", "2.5-5", "20-40", "160+"}
    speed = histogram(report, "traveling_speed", "speed_kmh")
    assert {k for k, v in speed.items() if v} == {"0-5", "5-10", "70+"}


def test_comparisons_are_even_over_answers_polarities_and_colors():
    result = select(comparisons(3000), per_task=120)
    task = "traveled_distance_comparison"
    assert histogram(result.report, task, "answer") == {"first": 60, "second": 60}
    assert histogram(result.report, task, "polarity") == {"less": 60, "more": 60}
    assert set(histogram(result.report, task, "color").values()) == {40}


def test_a_label_that_nobody_tells_is_named():
    rows = [
        row(n, "movement_direction_comparison", choice=("same", "different")[n % 5 == 0])
        for n in range(100)
    ]
    task = "movement_direction_comparison"
    report = select(rows, per_task=20).report
    assert histogram(report, task, "answer") == {"same": 10, "different": 10}
    assert report.tasks[task].not_balanced == ("polarity",)
    assert "not balanced by polarity" in report.to_text()


def test_candidates_without_a_label_are_counted_and_never_taken():
    rows = [
        *directions({3: 5}),
        row(0, "movement_direction"),
        row(1, "movement_direction", clock=0),
    ]
    result = select(rows, per_task=10)
    assert result.report.tasks["movement_direction"].unlabelled == 2
    assert len(result.indices) == 5


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_the_candidates_does_not_matter(seed):
    rows = [*directions(dict.fromkeys(range(1, 13), 30)), *comparisons(300)]
    for number, item in enumerate(rows):
        item["source"] = ("nuplan", "nuscenes")[number % 3 == 0]
        item["clip_id"] = f"clip{number % 17}"
    shares = {"nuplan": 0.75, "nuscenes": 0.25}
    ids = select(rows, 40, shares, seed).ids
    for order in np.random.default_rng(0).permuted(np.tile(np.arange(len(rows)), (3, 1)), axis=1):
        assert select([rows[i] for i in order], 40, shares, seed).ids == ids
    assert select(rows, 40, shares, seed + 1).ids != ids


def test_source_shares_are_met_and_told():
    rows = []
    for n in range(3000):
        source = ("nuplan", "nuscenes", "argoverse2", "waymo")[n % 4]
        rows.append(row(n, "movement_direction", source=source, clock=(n // 4) % 12 + 1))
    shares = {"nuplan": 0.75, "nuscenes": 0.125, "argoverse2": 0.125}
    report = select(rows, 120, shares).report
    assert report.excluded == {"waymo": 750}
    sources = report.tasks["movement_direction"].sources
    assert {k: s.selected for k, s in sources.items()} == {
        "nuplan": 90,
        "nuscenes": 15,
        "argoverse2": 15,
    }
    assert set(histogram(report, "movement_direction", "clock").values()) == {10}
    assert sources["nuplan"].requested == 90
    assert "wanted 90" in report.to_text()


def test_an_absent_source_is_made_up_for_and_told():
    rows = directions(dict.fromkeys(range(1, 13), 20))
    report = select(rows, 60, {"nuscenes": 0.5, "nuplan": 0.5}).report
    sources = report.tasks["movement_direction"].sources
    assert (sources["nuscenes"].selected, sources["nuplan"].selected) == (60, 0)
    assert sources["nuplan"].requested == 30


def questions_of(source: str, task: str, n: int):
    """As many candidates of a task from a source, their labels even."""
    rows = []
    for number in range(n):
        fields = {"value_si": 2.0 ** (number % 8), "clock": number % 12 + 1, "polarity": None}
        if task.endswith("comparison"):
            is_first, asks_more = number % 2, number // 2 % 2
            same = "movement" in task
            names = ("same", "different") if same else ("more", "less")
            colors = [{"color": "red"}, {"color": "blue"}]
            choice = ("same", "different")[is_first] if same else ("red", "blue")[is_first]
            fields = {"polarity": names[asks_more], "objects": colors, "choice": choice}
        elif "direction" in task:
            fields.pop("value_si")
        else:
            fields.pop("clock")
        item = row(number, task, source=source, clip=f"{source}{number // 3}", **fields)
        rows.append({**item, "id": f"{source}-{task}-{number}"})
    return rows


def candidates_of(counts):
    return [
        item
        for source, n in counts.items()
        for task in TASKS
        if not (source == "ego_exo4d" and "direction" in task)
        for item in questions_of(source, task.value, n)
    ]


def test_a_sports_source_takes_its_share_from_the_tasks_that_it_has():
    rows = candidates_of(dict.fromkeys(PUBLISHED_SOURCE_SHARES, 240))
    report = select(rows, 70, PUBLISHED_SOURCE_SHARES).report
    assert report.complete
    for name, share in PUBLISHED_SOURCE_SHARES.items():
        assert abs(report.sources[name].selected - share * 490) < 1
        assert report.sources[name].requested == report.sources[name].selected
    for name, task in report.tasks.items():
        assert (task.sources["ego_exo4d"].selected == 0) == ("direction" in name)
    clocks = report.tasks["movement_direction"].labels["clock"]
    assert {count.selected for count in clocks.values()} <= {5, 6}


def test_ten_sources_have_their_shares_within_a_question():
    names = [f"driving{number}" for number in range(9)]
    weights = dict(zip([*names, "ego_exo4d"], (40, 20, 10, 8, 7, 5, 4, 3, 2, 11), strict=True))
    shares = {name: weight / 110 for name, weight in weights.items()}
    report = select(candidates_of(dict.fromkeys(weights, 96)), 80, shares, seed=5).report
    assert report.complete
    for name, share in shares.items():
        assert abs(report.sources[name].selected - share * 560) < 1
    for task in report.tasks.values():
        for counts in task.labels.values():
            chosen = [count.selected for count in counts.values() if count.available]
            assert max(chosen) - min(chosen) <= 1


def test_a_source_with_too_few_of_one_task_gives_more_of_the_others():
    rows = candidates_of({"nuplan": 240, "nuscenes": 240})
    few = [
        r
        for r in rows
        if (r["source"], r["task"]) != ("nuscenes", "traveled_distance")
        or int(r["id"].rsplit("-", 1)[1]) < 2
    ]
    report = select(few, 40, {"nuplan": 0.75, "nuscenes": 0.25}).report
    assert report.tasks["traveled_distance"].sources["nuscenes"].selected == 2
    assert report.tasks["traveled_distance"].sources["nuscenes"].requested == 10
    assert report.sources["nuscenes"].selected == 70
    assert report.complete


def test_a_source_that_runs_out_is_told_and_the_tasks_stay_full():
    rows = candidates_of({"nuplan": 8, "nuscenes": 240})
    report = select(rows, 40, {"nuplan": 0.75, "nuscenes": 0.25}).report
    assert report.complete
    assert (report.sources["nuplan"].selected, report.sources["nuplan"].requested) == (56, 210)
    assert "source nuplan: 56 of 56 candidates, 210 wanted, SHORT by 154" in report.to_text()
    assert "source nuscenes: 224 of 1680 candidates, 70 wanted, 154 more stand in" in (
        report.to_text()
    )
    assert report.to_dict()["sources"]["nuplan"]["requested"] == 210


def test_clips_take_turns():
    rows = [row(n, "movement_direction", clock=3, clip="big") for n in range(100)]
    rows += [row(100 + n, "movement_direction", clock=3, clip=f"small{n}") for n in range(9)]
    chosen = select(rows, per_task=10).indices
    assert len({rows[i]["clip_id"] for i in chosen}) == 10


def test_tables_columns_and_rows_give_the_same():
    rows = [*directions(dict.fromkeys(range(1, 13), 5)), *comparisons(100)]
    ids = select(rows, 20).ids
    table = pa.Table.from_pylist(rows)
    assert select(table, 20).ids == ids
    chunked = pa.concat_tables([table.slice(0, 33), table.slice(33)])
    assert select(chunked, 20).ids == ids
    flat = {
        "id": [r["id"] for r in rows],
        "task": [r["task"] for r in rows],
        "source": [r["source"] for r in rows],
        "clip_id": [r["clip_id"] for r in rows],
        "polarity": [r["polarity"] for r in rows],
        "clock": [r["target"]["clock"] for r in rows],
        "choice": [r["target"]["choice"] for r in rows],
        "first_color": [r["objects"][0]["color"] for r in rows],
        "second_color": [r["objects"][-1]["color"] for r in rows],
    }
    assert select(flat, 20).ids == ids


def test_a_dataset_gives_the_same_also_after_a_selection():
    datasets = pytest.importorskip("datasets")
    rows = [*directions(dict.fromkeys(range(1, 13), 5)), *comparisons(100)]
    dataset = datasets.Dataset.from_list(rows)
    assert select(dataset, 20).ids == select(rows, 20).ids
    some = list(range(10, 150, 3))
    assert select(dataset.select(some), 20).ids == select([rows[i] for i in some], 20).ids


def test_no_candidates():
    result = select({"id": [], "task": []}, 5)
    assert len(result.indices) == 0
    json.dumps(result.report.to_dict(), allow_nan=False)


def test_the_report_is_plain():
    report = select(comparisons(50), 5, {"nuscenes": 1.0}).report
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["seed"] == 0


@pytest.mark.parametrize(
    ("rows", "kwargs", "message"),
    [
        ({"task": ["movement_direction"]}, {}, "id missing"),
        ({"id": ["a"], "task": ["jump"]}, {}, r"row 0: task must be one of .* got 'jump'"),
        ({"id": ["a", "a"], "task": ["movement_direction"] * 2}, {}, "row 1: id 'a' repeats"),
        ({"id": ["a", None], "task": ["movement_direction"] * 2}, {}, "row 1: id must be given"),
        ({"id": [], "task": []}, {"per_task": 0}, "at least 1, got 0"),
        ({"id": [], "task": []}, {"source_shares": {"nuplan": 0.5}}, "sum to 1"),
    ],
)
def test_errors_name_the_rule(rows, kwargs, message):
    with pytest.raises(ValueError, match=message):
        select(rows, **kwargs)


def test_bins_must_rise():
    with pytest.raises(ValueError, match="rising"):
        SelectionConfig(distance_edges_m=(0, 5, 5))
