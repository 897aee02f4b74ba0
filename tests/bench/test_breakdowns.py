"""Scores of groups, of other ways of asking, and their tables, on counts made by hand."""

from __future__ import annotations

import json

import pytest

from stkit_bench.breakdowns import ATTRIBUTES, break_down
from stkit_bench.cli import main
from stkit_bench.reading import Reading
from stkit_bench.robustness import asked_with, settings_text


def row(n: int, **more):
    return {
        "id": f"q{n}",
        "source": "nuplan" if n % 2 else "nuscenes",
        "clip_id": f"c{n // 2}",
        "camera": "front",
        "task": "movement_direction",
        "question": "Where does the object in the red box head?",
        "target": {"task": "movement_direction", "clock": 3},
        "occluded": n % 4 == 0,
        "object_count": ("few", "several", "many")[n % 3],
        "object_size": ("large", "small")[n % 2],
        "camera_motion": None if n == 0 else "static",
        "fps": 2.0,
        "domain": "driving",
        "duration_s": 10.0,
        **more,
    }


def references(n: int = 12):
    from stkit_bench.rows import references as of

    return of([row(k) for k in range(n)])


def test_every_attribute_of_the_bench_is_there():
    wanted = {
        *("occlusion", "object_count", "camera_motion", "object_size", "fps", "domain"),
        *("source", "in_domain", "camera", "box_color", "paraphrase"),
    }
    assert wanted <= set(ATTRIBUTES)


def test_groups_are_scored_by_themselves_in_their_own_order():
    refs = references()
    readings = [Reading(clock=3 if n % 2 else 4) for n in range(12)]
    found = {b.name: b for b in break_down(refs, readings, n_resamples=0)}
    assert list(found["object_count"].groups) == ["few", "several", "many"]
    assert list(found["object_size"].groups) == ["small", "large"]
    assert list(found["camera_motion"].groups) == ["static", "not known"]
    sizes = {name: g.scores.average_of_present for name, g in found["object_size"].groups.items()}
    assert sizes == {"small": 1.0, "large": 0.0}
    domains = {name: g.scores.n for name, g in found["in_domain"].groups.items()}
    assert domains == {"in domain": 6, "out of domain": 6}
    assert found["source"].groups["nuplan"].scores.average_of_present == 1.0
    assert found["occlusion"].groups["partly hidden"].scores.n == 3
    assert list(found["fps"].groups) == ["2"]
    assert "paraphrase" not in found
    assert found["source"].groups["nuplan"].blind["chance"]["average"] == 1.0


def test_a_comparison_counts_for_both_of_its_colors():
    refs = [
        {
            "id": f"q{n}",
            "task": "traveling_speed_comparison",
            "question": f"Which is faster, the red or the {other} object?",
            "choice": "red",
        }
        for n, other in enumerate(("blue", "green"))
    ]
    (found,) = break_down(refs, [Reading(choice="red"), None], ["box_color"], n_resamples=0)
    counts = {name: (g.scores.n, g.scores.average_of_present) for name, g in found.groups.items()}
    assert counts == {"red": (2, 0.5), "blue": (1, 1.0), "green": (1, 0.0)}


def test_an_unknown_attribute_is_named():
    with pytest.raises(ValueError, match="unknown attribute 'weather', expected occlusion,"):
        break_down(references(), [None] * 12, ["weather"])


# --- the commands ----------------------------------------------------------------------------


def lines(path, items):
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    return str(path)


def answers(path, hour, **asked):
    if asked:
        told = {"settings": {"questions": {"fps": 2.0, "paraphrased": False, **asked}}}
        path.with_name(f"{path.stem}.run.json").write_text(json.dumps(told))
    said = [{"id": f"q{n}", "response": f"{hour(n)} o'clock"} for n in range(12)]
    return lines(path, said)


def test_breakdown_prints_a_table_an_attribute_with_chance(tmp_path, capsys):
    rows = lines(tmp_path / "rows.jsonl", [row(n) for n in range(12)])
    file = answers(tmp_path / "a.jsonl", lambda n: 3 if n % 2 else 4)
    assert main(["breakdown", file, "--references", rows, "--n-resamples", "50"]) == 0
    shown = capsys.readouterr().out
    for head in ("Occlusion", "Objects in view", "Source trained on", "chance", "constant"):
        assert head in shown
    assert main(["breakdown", file, "--references", rows, "--by", "source,fps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["by"]
    assert list(found) == ["source", "fps"]
    assert found["source"]["nuplan"]["tasks"]["movement_direction"]["accuracy"] == 1.0
    assert main(["breakdown", file, "--references", rows, "--by", "x"]) == 2


def test_the_frame_rate_and_the_words_come_from_how_it_was_asked(tmp_path, capsys):
    rows = lines(tmp_path / "rows.jsonl", [row(n) for n in range(12)])
    file = answers(tmp_path / "a.jsonl", lambda n: 3, fps=0.5, paraphrased=True)
    assert asked_with(tmp_path / "a.jsonl")["fps"] == 0.5
    by = "fps,paraphrase"
    assert main(["breakdown", file, "--references", rows, "--by", by, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["by"]
    assert (list(found["fps"]), list(found["paraphrase"])) == (["0.5"], ["paraphrased"])


def test_robustness_compares_each_way_of_asking_with_the_first(tmp_path, capsys):
    rows = lines(tmp_path / "rows.jsonl", [row(n) for n in range(12)])
    base = answers(tmp_path / "base.jsonl", lambda n: 3, rows="x")
    slow = answers(tmp_path / "slow.jsonl", lambda n: 3 if n < 6 else 9, fps=0.5, rows="x")
    bare = answers(tmp_path / "bare.jsonl", lambda n: 3)
    argv = ["robustness", base, slow, bare, "--references", rows]
    assert main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first, second = found["variants"]
    assert first["setting"] == "0.5 fps"
    average = first["comparison"]["average"]
    assert (average["accuracy_a"], average["difference"]) == (0.5, -0.5)
    assert average["p_value"] < 0.1
    assert second["comparison"]["average"]["difference"] == 0.0
    assert main(argv) == 0
    shown = capsys.readouterr().out
    assert "0.5 fps" in shown
    assert "-50.0" in shown
    assert "slow: 0.5 fps" in shown
    assert second["setting"] == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 0.25}, "0.25 fps"),
        ({"paraphrased": True}, "paraphrased"),
        ({"boxes": False, "shots": 3}, "without boxes, 3 examples"),
        ({"rows": "other"}, "other rows"),
        ({"rows": {"texts": "x", "boxes": "z", "videos": None}}, "other rows"),
        ({"wording": "z", "shots": 1, "shot_rows": {"texts": "t"}}, "1 examples, other sentences"),
        ({}, ""),
    ],
)
def test_a_way_of_asking_in_words(change, words):
    base = {"fps": 2.0, "paraphrased": False, "boxes": True, "shots": 0, "rows": "x"}
    base |= {"wording": "y", "shot_rows": None}
    assert settings_text({**base, **change}, base) == words


def test_the_part_of_the_rows_that_differs_is_named():
    base = {"rows": {"texts": "x", "boxes": "y", "videos": "v"}}
    lower = {"rows": {"texts": "x", "boxes": "z", "videos": "w"}}
    assert settings_text(lower, base) == "other boxes, other videos"


def test_no_record_of_how_it_was_asked_is_no_error(tmp_path):
    assert asked_with(tmp_path / "a.jsonl") == {}
    (tmp_path / "a.run.json").write_text("[1]")
    assert asked_with(tmp_path / "a.jsonl") == {}


def test_the_question_that_was_asked_goes_before_the_row_s(tmp_path, capsys):
    asked = "Which travels less far, the object in the red box or the one in the blue box?"
    reference = {
        "id": "q",
        "task": "traveled_distance_comparison",
        "question": "Which travels farther, the red or the blue object?",
        "choice": "red",
    }
    rows = lines(tmp_path / "rows.jsonl", [reference])
    said = {"id": "q", "response": "The blue one travels farther.", "question": asked}
    file = lines(tmp_path / "a.jsonl", [said])
    assert main(["score", file, "--references", rows, "--json", "--n-resamples", "0"]) == 0
    task = json.loads(capsys.readouterr().out)["tasks"]["traveled_distance_comparison"]
    assert task["accuracy"] == 1.0


def test_every_table_takes_training_rows_for_the_class_prior(tmp_path, capsys):
    rows = lines(tmp_path / "rows.jsonl", [row(n) for n in range(12)])
    file = answers(tmp_path / "a.jsonl", lambda n: 3)
    more = ["--references", rows, "--train", rows, "--n-resamples", "0"]
    for argv in (["score", file], ["compare", file, file], ["breakdown", file, "--by", "source"]):
        assert main([*argv, *more]) == 0
        shown = capsys.readouterr().out
        for name in ("chance", "constant", "random", "class_prior"):
            assert name in shown, (argv, name)
