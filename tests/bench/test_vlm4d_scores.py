"""Scores of letters, counted by hand."""

from __future__ import annotations

import pytest

from stkit_bench.vlm4d.items import Item
from stkit_bench.vlm4d.scores import baseline_letters, chance, score_vlm4d

OPTIONS = {"A": "left", "B": "right", "C": "up", "D": "down"}


def item(number: int, group: str, *letters: str, video: str = "v", **more) -> Item:
    split = group.partition("_")[0]
    return Item(
        id=f"{split}/validation_{number}",
        split=split,
        group=group,
        category=more.get("category"),
        video=video,
        video_url="",
        question="?",
        choices=OPTIONS,
        answer="",
        letters=letters,
        faults=more.get("faults", ()),
    )


ITEMS = [
    item(1, "real_exocentric", "A", video="1", category="translational"),
    item(2, "real_exocentric", "B", video="1", category="rotational"),
    item(3, "real_exocentric", "C", video="2", category="translational"),
    item(923, "real_egocentric", "D", video="3"),
    item(1, "synthetic_directional", "A", video="4"),
    item(2, "synthetic_directional", "A", video="5"),
    item(3, "synthetic_directional", "A", video="6"),
    item(4, "synthetic_false_positive", "B", video="7"),
]
#          right  wrong unread right right wrong wrong right
LETTERS = ["A", "A", None, "D", "A", "B", "C", "B"]


def test_scores_are_weighted_by_question() -> None:
    scores = score_vlm4d(ITEMS, LETTERS, n_resamples=200)
    accuracy = {name: score.accuracy for name, score in scores.scores.items()}
    assert accuracy == pytest.approx(
        {
            "real_egocentric": 1.0,
            "real_exocentric": 1 / 3,
            "real": 2 / 4,
            "synthetic_directional": 1 / 3,
            "synthetic_false_positive": 1.0,
            "synthetic": 2 / 4,
            "overall": 4 / 8,
        }
    )
    assert scores.synthetic_mean_of_halves == pytest.approx((1 / 3 + 1) / 2)
    exocentric = scores.scores["real_exocentric"]
    assert (exocentric.n, exocentric.n_read, exocentric.coverage) == (3, 2, pytest.approx(2 / 3))
    assert {name: s.accuracy for name, s in scores.categories.items()} == {
        "rotational": 0.0,
        "translational": 0.5,
    }
    assert scores.missing == ()
    assert scores.n_videos == 7


def test_intervals_resample_whole_videos() -> None:
    same = [item(n, "real_exocentric", "A", video=str(n // 2)) for n in range(40)]
    letters = ["A" if n // 2 % 2 else "B" for n in range(40)]
    by_video = score_vlm4d(same, letters).scores["real"].interval
    alone = [item(n, "real_exocentric", "A", video=str(n)) for n in range(40)]
    by_question = score_vlm4d(alone, letters).scores["real"].interval
    assert by_video is not None
    assert by_question is not None
    assert by_video[0] < 0.5 < by_video[1]
    assert by_video[1] - by_video[0] > by_question[1] - by_question[0]
    assert score_vlm4d(same, letters).scores["real"].interval == by_video


def test_an_item_without_a_right_option_is_not_scored() -> None:
    broken = item(9, "real_exocentric", faults=("answer_not_an_option",))
    scores = score_vlm4d([*ITEMS, broken], [*LETTERS, "A"], n_resamples=0)
    assert scores.not_scored == ("real/validation_9",)
    assert scores.scores["real_exocentric"].n == 3
    assert scores.scores["overall"].interval is None


def test_either_of_two_equal_options_is_right_and_counted_as_a_fault() -> None:
    equal = item(633, "real_exocentric", "C", "D", faults=("equal_options",))
    for letter in "CD":
        scores = score_vlm4d([equal], [letter], n_resamples=0)
        assert scores.scores["real"].accuracy == 1.0
        assert scores.faults == {"equal_options": 1}


def test_what_is_missing_is_named() -> None:
    real = ITEMS[:4]
    scores = score_vlm4d(real, LETTERS[:4], answered=[True, True, False, True], n_resamples=0)
    assert scores.missing == (
        "synthetic_directional",
        "synthetic_false_positive",
        "synthetic",
        "overall",
    )
    assert scores.synthetic_mean_of_halves is None
    assert scores.n_unanswered == 1
    assert "synthetic" not in scores.scores


def test_scores_turn_into_json_values() -> None:
    plain = score_vlm4d(ITEMS, LETTERS, n_resamples=10).to_dict()
    assert plain["scores"]["overall"]["n"] == 8
    assert isinstance(plain["scores"]["overall"]["interval"], list)
    assert plain["missing"] == []


@pytest.mark.parametrize(
    ("letters", "more", "rule"),
    [
        (LETTERS[:-1], {}, "same length, got 8 and 7"),
        (["E", *LETTERS[1:]], {}, "one of A, B, C, D or None, got 'E'"),
        (LETTERS, {"level": 1.0}, "level must be in the open interval"),
        (LETTERS, {"n_resamples": -1}, "n_resamples must be at least 0"),
        (LETTERS, {"answered": [True]}, "items and answered must have the same length"),
    ],
)
def test_rules(letters: list[str | None], more: dict[str, object], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        score_vlm4d(ITEMS, letters, **more)


def test_an_item_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="'real/validation_1' is there twice"):
        score_vlm4d([ITEMS[0], ITEMS[0]], ["A", "A"])


def test_baselines() -> None:
    assert chance(ITEMS)["overall"] == 0.25
    assert chance([item(1, "real_exocentric", "C", "D")])["real"] == 0.5
    assert baseline_letters(ITEMS, "A") == ["A"] * 8
    drawn = baseline_letters(ITEMS, "random")
    assert drawn == list(reversed(baseline_letters(ITEMS[::-1], "random")))
    assert drawn != baseline_letters(ITEMS, "random", seed=1)
    with pytest.raises(ValueError, match="'random' or one capital letter, got 'left'"):
        baseline_letters(ITEMS, "left")
